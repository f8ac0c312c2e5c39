/* server.c - the table of endpoints, who may reach them, and the server's life.
 *
 * A path is looked up in the table and in the page's: no request names a file, but for the
 * name of an expert, which is checked (library/store.h) before anything is done with it.
 */
#include "server/server.h"
#include "base/file.h"
#include "server/page.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct endpoint {
    const char *path, *method; // a path that ends in '/' goes on with a name
    void (*answer)(struct qv_server *s, struct qv_call *c);
    bool is_open; // needs no key
    bool is_work; // refused while the server drains
} endpoints[] = {
    {"/v1/completions", "POST", qv__answer_completion, false, true},
    {"/v1/chat/completions", "POST", qv__answer_chat, false, true},
    {"/v1/embeddings", "POST", qv__answer_embeddings, false, true},
    {"/v1/models", "GET", qv__answer_models, false, false},
    {"/v1/library", "GET", qv__answer_library, false, false},
    {QV_EXPERTS_PATH, "PUT", qv__answer_put_expert, false, true},
    {QV_EXPERTS_PATH, "DELETE", qv__answer_delete_expert, false, true},
    {"/tokenize", "POST", qv__answer_tokenize, false, false},
    {"/health", "GET", qv__answer_health, true, false},
    {"/metrics", "GET", qv__answer_metrics, false, false},
    {"/openapi.json", "GET", qv__answer_openapi, true, false},
};

static void answer_page(struct qv_server *s, struct qv_call *c)
{
    qv__count_reply(s, qv__page_reply(c));
}

static const struct endpoint page = {"/", "GET", answer_page, true, false};

enum {
    HEADER_MAX = 32 << 10,
    BODY_MAX = 8 << 20,
    UPLOAD_MAX = 1 << 30,
    SECONDS = 30,
    MORE_CONNECTIONS = 64,
    PEM_MAX = 1 << 20
};

int64_t qv__wall_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec;
}

const char *qv__endpoint(size_t i, const char **method)
{
    *method = i < QV_COUNT(endpoints) ? endpoints[i].method : NULL;
    return i < QV_COUNT(endpoints) ? endpoints[i].path : NULL;
}

/* Whether it needs a key of those who may change the library. */
static bool is_change(const struct endpoint *e)
{
    return strcmp(e->path, QV_EXPERTS_PATH) == 0;
}

/* Whether `path` is the endpoint's. */
static bool is_at(const struct endpoint *e, const char *path)
{
    size_t n = strlen(e->path);
    return e->path[n - 1] == '/' ? strncmp(e->path, path, n) == 0
                                 : strcmp(e->path, path) == 0;
}

/* The endpoint of that path and method; if there is none, one of the path, or NULL. */
static const struct endpoint *find(const char *path, const char *method)
{
    const struct endpoint *found = NULL;
    for (size_t i = 0; i < QV_COUNT(endpoints); i++)
        if (is_at(&endpoints[i], path) &&
            (!found || strcmp(endpoints[i].method, method) == 0))
            found = &endpoints[i];
    return found || !qv__page_has(path) ? found : &page;
}

/* "application/json", perhaps with parameters. Pages of other sites cannot send that to a
 * server on this machine without asking it first. */
static bool is_json(const char *type)
{
    static const char json[] = "application/json";
    size_t n = strlen(json);
    return type && strncmp(type, json, n) == 0 && (type[n] == '\0' || type[n] == ';');
}

static void refuse(struct qv_server *s, struct qv_call *c, unsigned status,
                   const char *sentence)
{
    qv__reply_refusal(s, c, status,
                      status == 401 ? "authentication_error" : "invalid_request_error",
                      sentence);
}

/* The same for a request that would change the library. Without a file of keys nobody may,
 * not even on this machine: a page of another site, or any program that runs here, can
 * reach a port of it. */
static void admit_change(struct qv_server *s, struct qv_call *c)
{
    const char *length = qv__call_header(c, "Content-Length");
    qv_err err;
    if (!s->live || s->library_keys.n == 0) {
        refuse(s, c, 403,
               s->live ? "the library cannot be changed here: the server has no "
                         "--library-key-file"
                       : "the server has no library");
    } else if (!qv__keys_admit(&s->library_keys, qv__call_header(c, "Authorization"))) {
        qv__call_add_header(c, "WWW-Authenticate", "Bearer");
        refuse(s, c, 401,
               "a key that may change the library is needed: Authorization: Bearer KEY");
    } else if (length && strtoull(length, NULL, 10) > s->o.upload_max) {
        qv_fail(&err, QV_ELIMIT, "a body of more than %zu bytes", s->o.upload_max);
        refuse(s, c, 413, err.msg);
    } else if (atomic_load(&s->is_draining)) {
        qv_fail(&err, QV_ECANCEL, "the server is shutting down");
        qv__reply_error(s, c, &err, NULL);
    } else {
        qv__admit_expert(s, c);
        return;
    }
    if (s->live)
        qv__live_count_refusal(s->live);
}

/* What can be said of a request before its body is read. */
static void admit(void *arg, struct qv_call *c)
{
    struct qv_server *s = arg;
    const char *method = qv__call_method(c);
    const struct endpoint *e = find(qv__call_path(c), method);
    const char *length = qv__call_header(c, "Content-Length");
    qv_err err;
    if (e && is_change(e) && strcmp(e->method, method) == 0) {
        admit_change(s, c);
    } else if (s->keys.n && !(e && e->is_open) &&
               !qv__keys_admit(&s->keys, qv__call_header(c, "Authorization"))) {
        qv__call_add_header(c, "WWW-Authenticate", "Bearer");
        refuse(s, c, 401, "an API key is needed: Authorization: Bearer KEY");
    } else if (!e) {
        refuse(s, c, 404, "there is no such path");
    } else if (strcmp(e->method, method) != 0) {
        qv__call_add_header(c, "Allow", is_change(e) ? "PUT, DELETE" : e->method);
        refuse(s, c, 405, "this path has another method");
    } else if (length && strtoull(length, NULL, 10) > s->o.body_max) {
        qv_fail(&err, QV_ELIMIT, "a body of more than %zu bytes", s->o.body_max);
        refuse(s, c, 413, err.msg);
    } else if (*e->method == 'P' && !is_json(qv__call_header(c, "Content-Type"))) {
        refuse(s, c, 415, "the body's Content-Type must be application/json");
    } else if (e->is_work && atomic_load(&s->is_draining)) {
        qv_fail(&err, QV_ECANCEL, "the server is shutting down");
        qv__reply_error(s, c, &err, NULL);
    }
}

static void answer(void *arg, struct qv_call *c)
{
    find(qv__call_path(c), qv__call_method(c))->answer(arg, c);
}

/* The chat template, if there is one; a model without is no failure. */
static qv_status find_chat(struct qv_server *s, qv_err *err)
{
    if (s->o.chat)
        return qv__chat_named(&s->chat, s->o.chat, err);
    if (qv__chat_of(&s->chat, s->o.model_path, NULL))
        s->chat = NULL;
    return QV_OK;
}

static qv_status listen_on(struct qv_server *s, qv_err *err)
{
    const struct qv_engine_opts *e = &s->o.engine;
    const struct qv_http_opts http = {
        .host = s->o.host,
        .port = s->o.port,
        .cert = s->tls_cert,
        .key = s->tls_key,
        .n_connections = (e->n_slots ? e->n_slots : 16) + (e->n_queue ? e->n_queue : 64) +
                         MORE_CONNECTIONS,
        .header_max = HEADER_MAX,
        .body_max = s->o.body_max,
        .seconds = s->o.seconds,
        .admit = admit,
        .answer = answer,
        .arg = s,
    };
    return qv__http_open(&s->http, &http, err);
}

/* A certificate and the key to it. */
static qv_status read_tls(struct qv_server *s, qv_err *err)
{
    const char *cert = s->o.tls_cert, *key = s->o.tls_key;
    size_t size;
    if (!cert && !key)
        return QV_OK;
    if (!cert || !key)
        return qv_fail(err, QV_EFORMAT, "TLS needs a certificate and its key, both");
    qv_status result = qv__read_file(&s->tls_cert, &size, &s->tls, cert, PEM_MAX, err);
    if (!result)
        result = qv__read_file(&s->tls_key, &size, &s->tls, key, PEM_MAX, err);
    if (!result && !qv__http_is_pair(s->tls_cert, s->tls_key))
        result = qv_fail(err, QV_EFORMAT,
                         "%s and %s: not a certificate and its key, in PEM", cert, key);
    return result;
}

static qv_status open_library(struct qv_server *s, qv_err *err)
{
    const struct qv_live_opts o = {.model_path = s->o.model_path,
                                   .memory = s->o.expert_memory,
                                   .log = s->o.log,
                                   .arg = s->o.log_arg};
    qv_status result = s->o.library ? qv_library_open(&s->lib, s->o.library, err) : QV_OK;
    if (!result)
        result = qv__roster_open(&s->roster, s->m, s->lib, err);
    if (!result && s->lib)
        result = qv__live_open(&s->live, s->roster, s->lib, s->m, &o, err);
    return result;
}

/* A default that cannot be had is better told now than to every request. */
static qv_status try_default(struct qv_server *s, qv_err *err)
{
    struct qv_who *who;
    const char *param;
    qv_status result = qv__roster_bind(&who, s->roster, &s->o.otherwise, &param, err);
    if (!result)
        qv__who_let_go(who);
    return result;
}

static qv_status prepare(struct qv_server *s, qv_err *err)
{
    if (!s->tok)
        return qv_fail(err, QV_ENOTFOUND, "%s: the model has no tokenizer",
                       s->o.model_path);
    qv_status result = s->o.key_file ? qv__keys_read(&s->keys, s->o.key_file, err) : QV_OK;
    if (!result && s->o.library_key_file)
        result = qv__keys_read(&s->library_keys, s->o.library_key_file, err);
    if (!result)
        result = read_tls(s, err);
    if (!result)
        result = find_chat(s, err);
    if (!result)
        result = open_library(s, err);
    if (!result)
        result = try_default(s, err);
    if (!result)
        result = qv__engine_new(&s->engine, s->m, &s->o.engine, err);
    return result ? result : listen_on(s, err);
}

qv_status qv__server_open(struct qv_server **out, const qv_model *m,
                          const struct qv_serve_opts *opts, qv_err *err)
{
    *out = NULL;
    struct qv_server *s = calloc(1, sizeof *s);
    if (!s)
        return qv_fail(err, QV_ENOMEM, "no memory for a server");
    s->m = m;
    s->tok = qv_model_tokenizer(m);
    s->o = *opts;
    s->o.host = s->o.host ? s->o.host : "127.0.0.1";
    s->o.seconds = s->o.seconds ? s->o.seconds : SECONDS;
    s->o.body_max = s->o.body_max ? s->o.body_max : BODY_MAX;
    s->o.upload_max = s->o.upload_max ? s->o.upload_max : UPLOAD_MAX;
    s->created = qv__wall_seconds();
    qv_status result = prepare(s, err);
    if (result)
        qv__server_close(s);
    else
        *out = s;
    return result;
}

/* The engine goes first, so that no connection waits for it; the roster and
 * what it borrows last, since jobs have shares of it. */
void qv__server_close(struct qv_server *s)
{
    if (!s)
        return;
    qv__engine_stop(s->engine);
    qv__http_close(s->http);
    qv__engine_free(s->engine);
    qv__live_close(s->live);
    qv__roster_close(s->roster);
    qv_library_close(s->lib);
    qv__keys_end(&s->keys);
    qv__arena_free(&s->tls);
    qv__keys_end(&s->library_keys);
    free(s);
}

unsigned qv__server_port(const struct qv_server *s)
{
    return qv__http_port(s->http);
}

bool qv__server_asks_for_key(const struct qv_server *s)
{
    return s->keys.n > 0;
}

void qv__server_tick(struct qv_server *s)
{
    qv__http_tick(s->http);
}

void qv__server_drain(struct qv_server *s)
{
    atomic_store(&s->is_draining, true);
    qv__engine_drain(s->engine);
}

bool qv__server_is_idle(struct qv_server *s)
{
    return qv__engine_is_idle(s->engine) && qv__http_calls(s->http) == 0;
}
