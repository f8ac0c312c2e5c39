/* client.c - see client.h. */
#include "clients/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { PATIENCE = 120 }; // seconds until the next byte

qv_status client_open(struct client *c, unsigned port, qv_err *err)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const struct timeval patience = {.tv_sec = PATIENCE};
    const int on = 1;
    *c = (struct client){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&to, sizeof to) ||
        setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) ||
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on)) {
        qv_status result = qv_fail(err, QV_EIO, "port %u: %s", port, strerror(errno));
        client_close(c);
        return result;
    }
    return QV_OK;
}

void client_close(struct client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    qv__str_free(&c->in);
    *c = (struct client){.fd = -1};
}

bool client_is_stale(const struct client *c)
{
    char byte;
    return c->fd >= 0 && recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static qv_status send_all(struct client *c, const char *bytes, size_t n, qv_err *err)
{
    while (n) {
        ssize_t sent = send(c->fd, bytes, n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return qv_fail(err, QV_EIO, "send: %s", strerror(errno));
        bytes += sent;
        n -= (size_t)sent;
    }
    return QV_OK;
}

qv_status client_send(struct client *c, const char *method, const char *path,
                      const char *more, const char *type, const char *body, size_t size,
                      qv_err *err)
{
    char head[1024];
    int n = snprintf(head, sizeof head,
                     "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %s\r\n"
                     "Content-Length: %zu\r\n%s\r\n",
                     method, path, type, size, more);
    struct qv__str all = {0}; // in one piece, as clients send it
    qv__str_add(&all, head, (size_t)n);
    qv__str_add(&all, body, size);
    qv_check(n > 0 && (size_t)n < sizeof head && !all.failed);
    qv_status result = send_all(c, all.bytes, all.size, err);
    qv__str_free(&all);
    return result;
}

static qv_status fill(struct client *c, qv_err *err)
{
    char more[16384];
    if (c->at == c->in.size) {
        qv__str_clear(&c->in);
        c->at = 0;
    }
    ssize_t n;
    do // a process that is stopped and goes on is interrupted
        n = recv(c->fd, more, sizeof more, 0);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        qv__str_add(&c->in, more, (size_t)n);
    return n < 0    ? qv_fail(err, QV_EIO, "receive: %s", strerror(errno))
           : n == 0 ? qv_fail(err, QV_EIO, "the server hung up in the middle")
                    : QV_OK;
}

/* The next line, without its end. */
static qv_status take_line(struct client *c, char *line, size_t size, qv_err *err)
{
    for (;;) {
        const char *at = c->in.bytes + c->at;
        size_t left = c->in.size - c->at;
        const char *end = left ? memchr(at, '\n', left) : NULL;
        if (end) {
            size_t n = (size_t)(end - at);
            c->at += n + 1;
            snprintf(line, size, "%.*s", (int)(n && at[n - 1] == '\r' ? n - 1 : n), at);
            return QV_OK;
        }
        qv_status result = fill(c, err);
        if (result)
            return result;
    }
}

static const char *value_of(const char *line, const char *name)
{
    size_t n = strlen(name);
    if (strncasecmp(line, name, n) != 0 || line[n] != ':')
        return NULL;
    return line + n + 1 + strspn(line + n + 1, " ");
}

qv_status client_head(struct client *c, struct head *h, qv_err *err)
{
    char line[1024];
    const char *v;
    *h = (struct head){.generation = -1};
    qv_status result = take_line(c, line, sizeof line, err);
    if (!result && sscanf(line, "HTTP/1.1 %d", &h->status) != 1)
        return qv_fail(err, QV_EIO, "no reply begins with: %.80s", line);
    while (!result && !(result = take_line(c, line, sizeof line, err)) && *line) {
        if ((v = value_of(line, "Content-Length")))
            h->length = strtoul(v, NULL, 10);
        else if ((v = value_of(line, "Transfer-Encoding")))
            h->is_chunked = strcasecmp(v, "chunked") == 0;
        else if ((v = value_of(line, "Connection")))
            h->closes = strcasecmp(v, "close") == 0;
        else if ((v = value_of(line, "Quiver-Generation")))
            h->generation = strtol(v, NULL, 10);
    }
    return result;
}

static qv_status take(struct client *c, struct qv__str *to, size_t n, qv_err *err)
{
    while (n) {
        size_t has = qv__min(n, c->in.size - c->at);
        if (has) {
            qv__str_add(to, c->in.bytes + c->at, has);
            c->at += has;
            n -= has;
            continue;
        }
        qv_status result = fill(c, err);
        if (result)
            return result;
    }
    return QV_OK;
}

qv_status client_chunk(struct client *c, struct qv__str *text, bool *more, qv_err *err)
{
    char line[64];
    *more = false;
    qv_status result = take_line(c, line, sizeof line, err);
    size_t n = result ? 0 : strtoul(line, NULL, 16);
    if (!result)
        result = take(c, text, n, err);
    if (!result)
        result = take_line(c, line, sizeof line, err); // what ends a chunk
    *more = !result && n > 0;
    return result;
}

qv_status client_body(struct client *c, const struct head *h, struct qv__str *body,
                      qv_err *err)
{
    bool more = true;
    qv_status result = QV_OK;
    if (!h->is_chunked)
        return take(c, body, h->length, err);
    while (!result && more)
        result = client_chunk(c, body, &more, err);
    return result;
}
