/* http.c - see http.h. */
#define _GNU_SOURCE // POLLRDHUP
#include "server/http.h"
#include "base/clock.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include <microhttpd.h>

/* libmicrohttpd sees an idle peer, but not one that sends a byte now and then. So each
 * connection is in a list, with the time since which a request has been coming in. */
struct peer {
    int fd;
    double since; // 0: a request is being answered
    struct peer *next;
};

struct qv_http {
    struct qv_http_opts o;
    struct MHD_Daemon *daemon;
    pthread_mutex_t lock; // guards what follows
    struct peer *first;
    size_t n_calls;
};

enum {
    HEADERS = 6,
    SEND_ROOM =
        256 << 10 // bytes that wait for a peer that does not read; then it is waited for
};

struct qv_call {
    struct qv_http *h;
    struct MHD_Connection *conn;
    const char *method, *path;
    struct qv__str body;
    bool is_too_large, is_replied;
    bool (*more)(void *arg, struct qv__str *out);
    void (*end)(void *arg);
    void *arg;
    struct qv__str out; // made and not yet sent, from `sent` on
    size_t sent;
    struct MHD_PostProcessor *parts; // of a form; NULL: the body is kept
    struct qv_form form;
    size_t n_form; // bytes of it so far
    bool is_broken;
    const char *name[HEADERS];
    char value[HEADERS][128];
    size_t n_headers;
};

const char *qv__call_method(const struct qv_call *c)
{
    return c->method;
}

const char *qv__call_path(const struct qv_call *c)
{
    return c->path;
}

const char *qv__call_header(const struct qv_call *c, const char *name)
{
    return MHD_lookup_connection_value(c->conn, MHD_HEADER_KIND, name);
}

const char *qv__call_body(const struct qv_call *c, size_t *size)
{
    *size = c->body.size;
    return c->is_too_large ? NULL : c->body.size ? c->body.bytes : "";
}

static int socket_of(struct MHD_Connection *conn)
{
    return MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

/* By TLS a peer says farewell before it hangs up: that there are bytes to read says nothing
 * of what comes behind them. */
bool qv__call_is_gone(const struct qv_call *c)
{
    struct pollfd p = {.fd = socket_of(c->conn), .events = POLLRDHUP};
    return poll(&p, 1, 0) > 0;
}

void qv__call_add_header(struct qv_call *c, const char *name, const char *value)
{
    qv_check(c->n_headers < HEADERS);
    c->name[c->n_headers] = name;
    snprintf(c->value[c->n_headers++], sizeof c->value[0], "%s", value);
}

static void send_reply(struct qv_call *c, unsigned status, const char *type,
                       struct MHD_Response *r)
{
    qv_check(!c->is_replied);
    c->is_replied = true;
    if (!r)
        return; // no memory: the connection is cut
    MHD_add_response_header(r, "Content-Type", type);
    bool may_keep = false;
    for (size_t i = 0; i < c->n_headers; i++) {
        MHD_add_response_header(r, c->name[i], c->value[i]);
        may_keep = may_keep || strcmp(c->name[i], "Cache-Control") == 0;
    }
    if (!may_keep)
        MHD_add_response_header(r, "Cache-Control", "no-store");
    MHD_queue_response(c->conn, status, r);
    MHD_destroy_response(r);
}

void qv__call_reply(struct qv_call *c, unsigned status, const char *type, const char *bytes,
                    size_t size)
{
    void *copy = (void *)(uintptr_t)bytes; // libmicrohttpd has no const
    send_reply(c, status, type,
               MHD_create_response_from_buffer(size, copy, MHD_RESPMEM_MUST_COPY));
}

/* libmicrohttpd has room for up to `max` bytes of a stream. */
static ssize_t read_stream(void *arg, uint64_t pos, char *buf, size_t max)
{
    struct qv_call *c = arg;
    (void)pos;
    while (c->sent == c->out.size) {
        qv__str_clear(&c->out);
        c->sent = 0;
        if (!c->more(c->arg, &c->out))
            return MHD_CONTENT_READER_END_OF_STREAM;
        if (c->out.failed)
            return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    size_t n = qv__min(max, c->out.size - c->sent);
    memcpy(buf, c->out.bytes + c->sent, n);
    c->sent += n;
    return (ssize_t)n;
}

void qv__call_stream(struct qv_call *c, const char *type,
                     bool (*more)(void *arg, struct qv__str *out), void (*end)(void *arg),
                     void *arg)
{
    enum { BLOCK = 4096 };
    c->more = more;
    c->end = end;
    c->arg = arg;
    send_reply(
        c, 200, type,
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_stream, c, NULL));
}

/* A connection begins or stops waiting for a request. */
static void set_waiting(struct qv_http *h, struct MHD_Connection *conn, bool waits)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(conn, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct peer *peer = info ? info->socket_context : NULL;
    pthread_mutex_lock(&h->lock);
    if (peer)
        peer->since = waits ? qv__seconds() : 0;
    pthread_mutex_unlock(&h->lock);
}

/* ---- forms ---- */

static enum MHD_Result on_part(void *arg, enum MHD_ValueKind kind, const char *name,
                               const char *file, const char *type, const char *encoding,
                               const char *bytes, uint64_t offset, size_t n)
{
    struct qv_call *c = arg;
    (void)kind, (void)file, (void)type, (void)encoding;
    c->form.take(c->form.arg, name, (size_t)offset, bytes, n);
    return MHD_YES;
}

bool qv__call_read_form(struct qv_call *c, const struct qv_form *form)
{
    enum { BUFFER = 64 << 10 };
    static const char type[] = "multipart/form-data";
    const char *has = qv__call_header(c, "Content-Type");
    if (!has || strncasecmp(has, type, strlen(type)) != 0)
        return false;
    c->parts = MHD_create_post_processor(c->conn, BUFFER, on_part, c);
    if (c->parts)
        c->form = *form;
    return c->parts != NULL;
}

void *qv__call_form(const struct qv_call *c)
{
    return c->form.arg;
}

enum qv_form_end qv__call_end_form(struct qv_call *c)
{
    qv_check(c->parts);
    bool is_whole = MHD_destroy_post_processor(c->parts) == MHD_YES;
    c->parts = NULL;
    return c->is_too_large             ? QV_FORM_IS_TOO_LARGE
           : c->is_broken || !is_whole ? QV_FORM_IS_BROKEN
                                       : QV_FORM_IS_WHOLE;
}

static void add_to_form(struct qv_call *c, const char *data, size_t size)
{
    enum { PACE = 1 << 20 };
    if (c->n_form / PACE != (c->n_form + size) / PACE)
        set_waiting(c->h, c->conn, true); // since now
    c->n_form += size;
    if (c->n_form > c->form.max)
        c->is_too_large = true;
    else if (!c->is_broken)
        c->is_broken = MHD_post_process(c->parts, data, size) != MHD_YES;
}

static void end_form(struct qv_call *c)
{
    if (c->parts)
        MHD_destroy_post_processor(c->parts);
    if (c->form.end)
        c->form.end(c->form.arg);
}

/* ---- calls ---- */

static struct qv_call *begin(struct qv_http *h, struct MHD_Connection *conn,
                             const char *method, const char *path)
{
    struct qv_call *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    *c = (struct qv_call){.h = h, .conn = conn, .method = method, .path = path};
    pthread_mutex_lock(&h->lock);
    h->n_calls++;
    pthread_mutex_unlock(&h->lock);
    return c;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *conn, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **state)
{
    struct qv_http *h = arg;
    struct qv_call *c = *state;
    (void)version;
    if (!c) {
        c = *state = begin(h, conn, method, url);
        if (c)
            h->o.admit(h->o.arg, c);
        return c ? MHD_YES : MHD_NO;
    }
    if (*size && c->parts) {
        add_to_form(c, data, *size);
        *size = 0;
        return MHD_YES;
    }
    if (*size) { // a part of the body; what is too much is read, and not kept
        if (c->body.size + *size > h->o.body_max)
            c->is_too_large = true;
        else
            qv__str_add(&c->body, data, *size);
        c->is_too_large |= c->body.failed;
        *size = 0;
        return MHD_YES;
    }
    if (c->is_replied)
        return MHD_YES;
    set_waiting(h, conn, false);
    h->o.answer(h->o.arg, c);
    return c->is_replied ? MHD_YES : MHD_NO;
}

static void on_end(void *arg, struct MHD_Connection *conn, void **state,
                   enum MHD_RequestTerminationCode why)
{
    struct qv_http *h = arg;
    struct qv_call *c = *state;
    (void)why;
    if (!c)
        return;
    if (c->end)
        c->end(c->arg);
    end_form(c);
    qv__str_free(&c->body);
    qv__str_free(&c->out);
    free(c);
    *state = NULL;
    set_waiting(h, conn, true);
    pthread_mutex_lock(&h->lock);
    h->n_calls--;
    pthread_mutex_unlock(&h->lock);
}

static void on_connection(void *arg, struct MHD_Connection *conn, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct qv_http *h = arg;
    struct peer *peer = *context;
    const int room = SEND_ROOM;
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
        (void)setsockopt(socket_of(conn), SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    pthread_mutex_lock(&h->lock);
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = peer = calloc(1, sizeof *peer);
        if (peer) {
            *peer = (struct peer){socket_of(conn), qv__seconds(), h->first};
            h->first = peer;
        }
    } else if (peer) {
        struct peer **at = &h->first;
        while (*at != peer)
            at = &(*at)->next;
        *at = peer->next;
        free(peer);
        *context = NULL;
    }
    pthread_mutex_unlock(&h->lock);
}

void qv__http_tick(struct qv_http *h)
{
    double overdue = qv__seconds() - (double)h->o.seconds;
    pthread_mutex_lock(&h->lock);
    for (struct peer *p = h->first; p; p = p->next)
        if (p->since > 0 && p->since < overdue)
            shutdown(p->fd, SHUT_RDWR); // its thread sees the end, and closes it
    pthread_mutex_unlock(&h->lock);
}

/* A NUL in a path would hide what follows it from everybody who looks at the path. */
static size_t unescape(void *arg, struct MHD_Connection *conn, char *text)
{
    (void)arg, (void)conn;
    for (char *at = text; (at = strstr(at, "%00")) != NULL;)
        at[2] = '1'; // a character that no path and no name has either
    return MHD_http_unescape(text);
}

enum { TLS_ITEMS = 3 };

static void use_tls(struct MHD_OptionItem item[TLS_ITEMS], const char *cert,
                    const char *key)
{
    void *pem[] = {(void *)(uintptr_t)cert, (void *)(uintptr_t)key}; // it has no const
    item[0] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, pem[0]};
    item[1] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, pem[1]};
    item[2] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
}

static enum MHD_Result answer_nobody(void *arg, struct MHD_Connection *conn,
                                     const char *url, const char *method,
                                     const char *version, const char *data, size_t *size,
                                     void **state)
{
    (void)arg, (void)conn, (void)url, (void)method, (void)version, (void)data, (void)size;
    (void)state;
    return MHD_NO;
}

/* A daemon that listens nowhere says only whether it can use them. */
bool qv__http_is_pair(const char *cert, const char *key)
{
    struct MHD_OptionItem tls[TLS_ITEMS];
    use_tls(tls, cert, key);
    struct MHD_Daemon *d =
        MHD_start_daemon(MHD_USE_TLS | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL,
                         answer_nobody, NULL, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
    if (d)
        MHD_stop_daemon(d);
    return d;
}

static struct MHD_Daemon *start(struct qv_http *h, const struct addrinfo *at)
{
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION |
                     MHD_USE_POLL | (at->ai_family == AF_INET6 ? MHD_USE_IPv6 : 0) |
                     (h->o.cert ? MHD_USE_TLS : 0);
    struct MHD_OptionItem tls[TLS_ITEMS] = {{MHD_OPTION_END, 0, NULL}};
    if (h->o.cert)
        use_tls(tls, h->o.cert, h->o.key);
    return MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, h, MHD_OPTION_SOCK_ADDR, at->ai_addr,
        MHD_OPTION_NOTIFY_COMPLETED, on_end, h, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
        h, MHD_OPTION_CONNECTION_LIMIT, (unsigned)h->o.n_connections,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, h->o.header_max, MHD_OPTION_CONNECTION_TIMEOUT,
        h->o.seconds, MHD_OPTION_THREAD_STACK_SIZE, (size_t)1 << 20,
        MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_UNESCAPE_CALLBACK, unescape,
        NULL, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
}

static qv_status listen_at(struct qv_http *h, qv_err *err)
{
    char port[16];
    struct addrinfo *at, hints = {.ai_family = AF_UNSPEC,
                                  .ai_socktype = SOCK_STREAM,
                                  .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    snprintf(port, sizeof port, "%u", h->o.port);
    int code = getaddrinfo(h->o.host, port, &hints, &at);
    if (code)
        return qv_fail(err, QV_EIO, "%s: %s", h->o.host, gai_strerror(code));
    errno = 0;
    h->daemon = start(h, at);
    freeaddrinfo(at);
    if (!h->daemon)
        return qv_fail(err, QV_EIO, "cannot listen on %s, port %u: %s", h->o.host,
                       h->o.port, strerror(errno));
    return QV_OK;
}

qv_status qv__http_open(struct qv_http **out, const struct qv_http_opts *opts, qv_err *err)
{
    *out = NULL;
    struct qv_http *h = calloc(1, sizeof *h);
    if (!h)
        return qv_fail(err, QV_ENOMEM, "no memory for a server");
    h->o = *opts;
    pthread_mutex_init(&h->lock, NULL);
    qv_status result = listen_at(h, err);
    if (result)
        qv__http_close(h);
    else
        *out = h;
    return result;
}

void qv__http_close(struct qv_http *h)
{
    if (!h)
        return;
    if (h->daemon)
        MHD_stop_daemon(h->daemon);
    pthread_mutex_destroy(&h->lock);
    free(h);
}

unsigned qv__http_port(const struct qv_http *h)
{
    return MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

size_t qv__http_calls(struct qv_http *h)
{
    pthread_mutex_lock(&h->lock);
    size_t n = h->n_calls;
    pthread_mutex_unlock(&h->lock);
    return n;
}
