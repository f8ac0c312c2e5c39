/* http.h - requests come in, replies go out. The only door to libmicrohttpd.
 *
 * Each connection has a thread, which may block in what answers a request. A request is
 * whole when it is answered: its body was read into memory, within the limits of size and
 * time below. Nothing here knows what a request is about.
 */
#ifndef QV_SERVER_HTTP_H
#define QV_SERVER_HTTP_H

#include "base/base.h"
#include "text/pieces.h"

struct qv_http;
struct qv_call; // one request and its reply

struct qv_http_opts {
    const char *host;       // an address or a name of this machine
    unsigned port;          // 0: any free one
    const char *cert, *key; // for TLS, as PEM, borrowed for as long as it listens; or NULL
    size_t n_connections;
    size_t header_max, body_max; // bytes
    unsigned seconds;            // for a request to arrive, and for a peer to take bytes

    /* Both are called from the connection's thread and reply to the call exactly once
     * between them. `admit` sees it before its body, and may leave it to `answer`. */
    void (*admit)(void *arg, struct qv_call *call);
    void (*answer)(void *arg, struct qv_call *call);
    void *arg;
};

/* Whether that is a certificate and its key. */
bool qv__http_is_pair(const char *cert, const char *key);

/* Listen. The caller owns *out. Fails with QV_EIO if it cannot listen there. */
qv_status qv__http_open(struct qv_http **out, const struct qv_http_opts *opts,
                        qv_err *err) QV_MUST_CHECK;

/* Cuts what is still open and waits for the threads; nothing may be blocked in `answer` for
 * good. NULL is allowed. */
void qv__http_close(struct qv_http *h);

unsigned qv__http_port(const struct qv_http *h);
size_t qv__http_calls(struct qv_http *h); // that are not yet replied to, to the last byte

/* To be called a few times a second: cuts connections whose request is overdue. */
void qv__http_tick(struct qv_http *h);

/* What becomes of a body of multipart/form-data, which is not kept. */
struct qv_form {
    size_t max; // bytes of the body; what is more is read, and not told of

    /* The next bytes [n] of the part of that name; `offset` 0 begins one. */
    void (*take)(void *arg, const char *name, size_t offset, const char *bytes, size_t n);
    void (*end)(void *arg); // the call has ended, however it did
    void *arg;
};

/* ---- a call; all borrowed until it ends ---- */

const char *qv__call_method(const struct qv_call *c);
const char *qv__call_path(const struct qv_call *c);                     // without the query
const char *qv__call_header(const struct qv_call *c, const char *name); // or NULL
/* NULL if it is larger than body_max, of which nothing is kept. */
const char *qv__call_body(const struct qv_call *c, size_t *size);

/* From `admit`: the body is such a form, for `form` to take. False if it does not say that
 * it is, or without memory; form->end is then not called. Its arrival may take as long as a
 * request's for each mebibyte. */
bool qv__call_read_form(struct qv_call *c, const struct qv_form *form);
/* From `answer`: what takes it; and whether all of it has come, to the last boundary. */
void *qv__call_form(const struct qv_call *c);
enum qv_form_end { QV_FORM_IS_WHOLE, QV_FORM_IS_BROKEN, QV_FORM_IS_TOO_LARGE };
enum qv_form_end qv__call_end_form(struct qv_call *c);

/* Whether the peer has gone. */
bool qv__call_is_gone(const struct qv_call *c);

/* A header of the reply to come. Without a Cache-Control among them nobody may keep it. */
void qv__call_add_header(struct qv_call *c, const char *name, const char *value);

/* The whole reply; `bytes` are copied. */
void qv__call_reply(struct qv_call *c, unsigned status, const char *type, const char *bytes,
                    size_t size);

/* A reply of status 200 that is sent while it is made: `more` adds the next bytes to *out,
 * empty before, or returns false at the end. It may block. `end` is called when the reply
 * is sent or the peer has gone. */
void qv__call_stream(struct qv_call *c, const char *type,
                     bool (*more)(void *arg, struct qv__str *out), void (*end)(void *arg),
                     void *arg);

#endif
