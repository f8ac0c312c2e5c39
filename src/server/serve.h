/* serve.h - the server as its owner sees it: start, tick, drain, close. */
#ifndef QV_SERVER_SERVE_H
#define QV_SERVER_SERVE_H

#include "server/engine.h"
#include "server/roster.h"

struct qv_server;

/* All-zero means default, but for `model_path`. */
struct qv_serve_opts {
    const char *model_path;         // for the chat template beside it
    const char *library;            // or NULL: the base alone answers
    struct qv_choice otherwise;     // who answers where a request does not say
    const char *chat;               // the name of a chat template (the model's own)
    const char *host;               // 127.0.0.1
    unsigned port;                  // 8080 is the program's; here 0 is any free one
    const char *key_file;           // API keys, one a line; NULL: none is asked for
    const char *library_key_file;   // of those who may change the library; NULL: nobody may
    const char *tls_cert, *tls_key; // PEM files, for TLS; both or neither
    size_t upload_max;              // bytes of an expert that is sent (1 GiB)
    size_t expert_memory;           // bytes of experts' factors in memory; 0: all
    void (*log)(void *arg, const char *sentence); // of any thread; may be NULL
    void *log_arg;
    unsigned seconds; // for a request to arrive (30)
    size_t body_max;  // bytes (8 MiB)
    uint64_t seed;    // of requests that name none
    struct qv_engine_opts engine;
};

/* Read what is to be read and listen. The model is borrowed. The caller owns *out. Fails as
 * reading does, with QV_EFORMAT for a key file without keys or no certificate and its key,
 * and QV_EIO if it cannot listen. */
qv_status qv__server_open(struct qv_server **out, const qv_model *model,
                          const struct qv_serve_opts *opts, qv_err *err) QV_MUST_CHECK;

unsigned qv__server_port(const struct qv_server *s);
bool qv__server_asks_for_key(const struct qv_server *s);

/* To be called a few times a second. */
void qv__server_tick(struct qv_server *s);

/* From now on refuse new requests; those begun go on. */
void qv__server_drain(struct qv_server *s);
bool qv__server_is_idle(struct qv_server *s); // nothing is unanswered

/* Cuts what goes on. NULL is allowed. */
void qv__server_close(struct qv_server *s);

#endif
