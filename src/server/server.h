/* server.h - what the files that answer requests share. */
#ifndef QV_SERVER_SERVER_H
#define QV_SERVER_SERVER_H

#include "base/json.h"
#include "server/ask.h"
#include "server/http.h"
#include "server/keys.h"
#include "server/live.h"
#include "server/serve.h"
#include "text/chat.h"
#include "text/json.h"

#include <stdatomic.h>

enum { QV_STATUSES = 6 }; // 1xx to 5xx

struct qv_server {
    const qv_model *m;
    const qv_tokenizer *tok;
    struct qv_serve_opts o;
    struct qv_engine *engine;
    qv_library *lib; // NULL: there is none, and no `live`
    struct qv_roster *roster;
    struct qv_live *live;
    struct qv_http *http;
    struct qv_keys keys, library_keys;
    qv_arena tls;                // owns
    char *tls_cert, *tls_key;    // the files' text, or NULL
    const struct qv__chat *chat; // NULL: no conversations
    int64_t created;             // seconds since 1970
    atomic_bool is_draining;
    atomic_size_t n_requests;           // that were given a number
    atomic_size_t replies[QV_STATUSES]; // by the status's first digit
    atomic_size_t prompt_tokens, said_tokens;
};

/* Seconds since 1970. */
int64_t qv__wall_seconds(void);

/* The i-th endpoint of the table, in *method; NULL after the last. */
const char *qv__endpoint(size_t i, const char **method);

/* The description of all that, from the first byte to the last; a NUL follows. */
extern const char qv__openapi[], qv__openapi_end[];

/* ---- reply.c ---- */

/* Replies are counted where they are made, streams when they begin. */
void qv__count_reply(struct qv_server *s, unsigned status);

void qv__reply_json(struct qv_server *s, struct qv_call *c, unsigned status,
                    json_t *value); // takes value
void qv__reply_text(struct qv_server *s, struct qv_call *c, const char *text);

/* An error in OpenAI's form, with the status that its code stands for; `param` may be
 * NULL. */
void qv__reply_error(struct qv_server *s, struct qv_call *c, const qv_err *err,
                     const char *param);
/* The same with another status. */
void qv__reply_refusal(struct qv_server *s, struct qv_call *c, unsigned status,
                       const char *type, const char *sentence);
/* The caller has closed its side before all was said: seldom is one there to read that. */
void qv__reply_gone(struct qv_server *s, struct qv_call *c);
void qv__fail_gone(qv_err *err); // the failure alone
/* The object {"error": ...} alone. */
json_t *qv__error_json(const qv_err *err, const char *param);

/* The text of a value, as short as JSON can be. Ended with free(). */
char *qv__json_line(const json_t *value);

/* The request's body, which must be JSON; or an error is replied and it is false. The
 * caller ends *root. */
bool qv__read_body(struct qv_server *s, struct qv_call *c, json_t **root);

/* ---- prompts.c ---- */

struct qv_prompt {
    int *ids; // [n]
    size_t n;
    const char *text; // as it was sent, borrowed from the JSON; NULL: as tokens
};

/* Prompts as the API has them: a text, a list of texts, tokens, or a list of lists of
 * tokens; `name` is the JSON's. Texts begin with BOS where the tokenizer adds it, unless
 * is_bare; a text without tokens is a new document. The caller ends *out, of *n, with
 * qv__prompts_free, also after a failure. Fails with QV_EFORMAT. */
qv_status qv__prompts_read(struct qv_prompt **out, size_t *n, const struct qv_server *s,
                           const json_t *value, const char *name, bool is_bare,
                           qv_err *err) QV_MUST_CHECK;
void qv__prompts_free(struct qv_prompt *p, size_t n);

/* A conversation, up to where the assistant is to speak, as one prompt. */
qv_status qv__prompts_of_chat(struct qv_prompt **out, size_t *n, const struct qv_server *s,
                              const json_t *messages, qv_err *err) QV_MUST_CHECK;

/* ---- one function an endpoint; each replies to the call ---- */

void qv__answer_completion(struct qv_server *s, struct qv_call *c); // answer.c
void qv__answer_chat(struct qv_server *s, struct qv_call *c);       // answer.c
void qv__answer_embeddings(struct qv_server *s, struct qv_call *c); // embeddings.c
void qv__answer_models(struct qv_server *s, struct qv_call *c);     // facts.c, and below
void qv__answer_tokenize(struct qv_server *s, struct qv_call *c);
void qv__answer_health(struct qv_server *s, struct qv_call *c);
void qv__answer_metrics(struct qv_server *s, struct qv_call *c);
void qv__answer_openapi(struct qv_server *s, struct qv_call *c); // openapi.c

void qv__answer_library(struct qv_server *s, struct qv_call *c); // catalog.c

/* The header that says which generation of the library answers. */
void qv__tell_generation(struct qv_call *c, const struct qv_who *who);

/* ---- upload.c: changing the library ---- */

#define QV_EXPERTS_PATH "/v1/library/experts/" // and the expert's name
const char *qv__expert_named(const struct qv_call *c);

/* Before the body of one who may: replies if it is wrong already. */
void qv__admit_expert(struct qv_server *s, struct qv_call *c);
void qv__answer_put_expert(struct qv_server *s, struct qv_call *c);
void qv__answer_delete_expert(struct qv_server *s, struct qv_call *c);

/* Wait for a job that nobody reads until it ends. False, and the job canceled, if the
 * caller has gone first. */
bool qv__await_job(struct qv_call *c, struct qv_job *job, enum qv_finish *finish);

#endif
