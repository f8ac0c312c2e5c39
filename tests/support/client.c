/* client.c - see client.h. */
#include "support/client.h"

#include "base/file.h"
#include "support/scratch.h"
#include "support/world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* The port that a server says it listens at, or 0 if it has not yet. */
static unsigned said_port(void)
{
    static const char words[] = "://127.0.0.1:";
    char *text;
    size_t size;
    unsigned port = 0;
    qv_arena a = {0};
    if (qv__read_file(&text, &size, &a, in_world("stderr"), 1 << 16, NULL) == QV_OK) {
        const char *at = strstr(text, words);
        if (at && strchr(at, '\n'))
            port = (unsigned)strtoul(at + strlen(words), NULL, 10);
    }
    qv__arena_free(&a);
    return port;
}

struct served serve(const char *args)
{
    char line[16384];
    snprintf(line, sizeof line, "serve --port 0 %s", args);
    unlink(in_world("stderr"));
    struct served s = {.pid = start(line)};
    for (int i = 0; i < 3000 && !s.port; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
        s.port = said_port();
    }
    if (!s.port) {
        kill(s.pid, SIGKILL);
        await(s.pid);
        fail_msg("quiver %s: does not listen: %s", line, said.err);
    }
    return s;
}

void await_server(struct served *s)
{
    await(s->pid);
    if (said.code)
        fail_msg("the server ended with %d: %s", said.code, said.err);
}

void end_server(struct served *s)
{
    kill(s->pid, SIGTERM);
    await_server(s);
}

void free_reply(struct reply *r)
{
    free(r->head);
    free(r->body);
}

int dial(const struct served *s)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)s->port),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    struct timeval patience = {.tv_sec = 30};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience),
                     0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

void send_text(int fd, const char *text)
{
    for (size_t n = strlen(text); n;) {
        ssize_t sent = send(fd, text, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return; // the server has closed it: what it said is to be read
        text += sent;
        n -= (size_t)sent;
    }
}

size_t read_some(int fd, char *bytes, size_t size)
{
    ssize_t n = recv(fd, bytes, size, 0);
    if (n < 0 && errno != ECONNRESET)
        fail_msg("no byte came in 30 seconds");
    return n > 0 ? (size_t)n : 0;
}

/* Bytes as they come; `at` is what was taken of them. */
struct stream {
    int fd;
    char *bytes;
    size_t size, at;
};

static bool fill(struct stream *s)
{
    char more[4096];
    size_t n = read_some(s->fd, more, sizeof more);
    s->bytes = realloc(s->bytes, s->size + n + 1);
    assert_non_null(s->bytes);
    memcpy(s->bytes + s->size, more, n);
    s->size += n;
    s->bytes[s->size] = '\0';
    return n > 0;
}

/* Everything up to and with `end`, as a string of the caller's. */
static char *take_until(struct stream *s, const char *end)
{
    const char *hit;
    while (!s->bytes || !(hit = strstr(s->bytes + s->at, end)))
        if (!fill(s))
            fail_msg("the server closed the connection after: %s",
                     s->bytes ? s->bytes : "");
    size_t n = (size_t)(hit - s->bytes) + strlen(end) - s->at;
    char *out = strndup(s->bytes + s->at, n);
    s->at += n;
    return out;
}

static void take(struct stream *s, struct reply *r, size_t n)
{
    while (s->size - s->at < n)
        if (!fill(s))
            fail_msg("the server closed the connection inside a body");
    r->body = realloc(r->body, r->size + n + 1);
    assert_non_null(r->body);
    memcpy(r->body + r->size, s->bytes + s->at, n);
    r->size += n;
    r->body[r->size] = '\0';
    s->at += n;
}

struct reply read_reply(int fd)
{
    struct stream s = {.fd = fd};
    struct reply r = {.body = calloc(1, 1)};
    r.head = take_until(&s, "\r\n\r\n");
    assert_int_equal(sscanf(r.head, "HTTP/1.1 %d", &r.status), 1);
    const char *length = strstr(r.head, "\r\nContent-Length:");
    size_t n = length ? strtoul(length + strlen("\r\nContent-Length:"), NULL, 10) : 0;
    if (length)
        take(&s, &r, n);
    while (strstr(r.head, "Transfer-Encoding: chunked")) {
        char *line = take_until(&s, "\r\n");
        n = strtoul(line, NULL, 16);
        free(line);
        take(&s, &r, n);
        free(take_until(&s, "\r\n"));
        if (n == 0)
            break;
    }
    free(s.bytes);
    return r;
}

int ask(const struct served *s, const char *path, const char *headers, const char *body)
{
    int fd = dial(s);
    size_t size = strlen(path) + strlen(headers) + (body ? strlen(body) : 0) + 256;
    char *text = malloc(size);
    assert_non_null(text);
    if (body)
        snprintf(text, size,
                 "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                 "Content-Length: %zu\r\n%s\r\n%s",
                 path, strlen(body), headers, body);
    else
        snprintf(text, size, "GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n", path, headers);
    send_text(fd, text);
    free(text);
    return fd;
}

struct reply asked(const struct served *s, const char *path, const char *headers,
                   const char *body)
{
    int fd = ask(s, path, headers, body);
    struct reply r = read_reply(fd);
    close(fd);
    return r;
}

json_t *told(const struct served *s, const char *path, int status, const char *body)
{
    struct reply r = asked(s, path, "", body);
    if (r.status != status)
        fail_msg("%s %s: status %d, should be %d: %s", path, body ? body : "", r.status,
                 status, r.body);
    json_t *v = json_loadb(r.body, r.size, JSON_ALLOW_NUL, NULL);
    assert_non_null(v);
    free_reply(&r);
    return v;
}

json_t *events_of(const struct reply *r)
{
    json_t *list = json_array(), *one; // a text may hold NUL
    const char *at = r->body, *end;
    bool is_done = false;
    for (; (end = strstr(at, "\n\n")); at = end + 2) {
        assert_false(is_done);
        assert_int_equal(strncmp(at, "data: ", 6), 0);
        is_done = strncmp(at + 6, "[DONE]", 6) == 0;
        if (is_done)
            continue;
        one = json_loadb(at + 6, (size_t)(end - at) - 6, JSON_ALLOW_NUL, NULL);
        assert_non_null(one);
        json_array_append_new(list, one);
    }
    assert_true(is_done);
    assert_int_equal(*at, '\0');
    return list;
}
