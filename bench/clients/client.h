/* client.h - what a client of OpenAI's API does, over one connection that stays open: send
 * a request, read the reply or the events of a stream. For measurements: a failure is
 * reported to the caller, and nothing is done that a client would not do.
 */
#ifndef BENCH_CLIENTS_CLIENT_H
#define BENCH_CLIENTS_CLIENT_H

#include "base/base.h"
#include "text/pieces.h"

struct client {
    int fd;            // -1: not connected
    struct qv__str in; // received; taken up to `at`
    size_t at;
};

struct head {
    int status;
    size_t length;   // of the body, if it is not in chunks
    bool is_chunked; // as streams are
    bool closes;     // the server will hang up
    long generation; // Quiver-Generation, or -1
};

/* Connect to that port of this machine. Fails, like all below, with QV_EIO. */
qv_status client_open(struct client *c, unsigned port, qv_err *err);
void client_close(struct client *c); // all-zero but for fd -1 is allowed

/* Whether the server has hung up since the last reply, as some do after many. */
bool client_is_stale(const struct client *c);

/* One request. `more` are further headers, "A: b\r\n" or "". */
qv_status client_send(struct client *c, const char *method, const char *path,
                      const char *more, const char *type, const char *body, size_t size,
                      qv_err *err);

qv_status client_head(struct client *c, struct head *h, qv_err *err);

/* The rest of a reply, added to *body. */
qv_status client_body(struct client *c, const struct head *h, struct qv__str *body,
                      qv_err *err);

/* What of a stream has come since the last call, added to *text; at least one byte. At its
 * end *more is false. */
qv_status client_chunk(struct client *c, struct qv__str *text, bool *more, qv_err *err);

#endif
