/* reply.c - replies and refusals as JSON. */
#include "server/server.h"

#include <stdlib.h>
#include <string.h>

static const char content_type[] = "application/json";

void qv__count_reply(struct qv_server *s, unsigned status)
{
    atomic_fetch_add(&s->replies[qv__min(status / 100, QV_STATUSES - 1)], 1);
}

char *qv__json_line(const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(9));
    qv_check(text);
    return text;
}

void qv__reply_json(struct qv_server *s, struct qv_call *c, unsigned status, json_t *value)
{
    char *text = qv__json_line(value);
    qv__count_reply(s, status);
    qv__call_reply(c, status, content_type, text, strlen(text));
    free(text);
    json_decref(value);
}

void qv__reply_text(struct qv_server *s, struct qv_call *c, const char *text)
{
    qv__count_reply(s, 200);
    qv__call_reply(c, 200, "text/plain; version=0.0.4", text, strlen(text));
}

/* What a failure is to a client: a status, OpenAI's name of the kind, and its code. */
static const struct meaning {
    qv_status status;
    unsigned http;
    const char *type, *code;
} meanings[] = {
    {QV_EFORMAT, 400, "invalid_request_error", "invalid_value"},
    {QV_ELIMIT, 400, "invalid_request_error", "context_length_exceeded"},
    {QV_EUNSUPPORTED, 400, "invalid_request_error", "unsupported_value"},
    {QV_ENOTFOUND, 404, "invalid_request_error", "model_not_found"},
    {QV_EEXIST, 429, "rate_limit_error", "queue_full"},
    {QV_ECANCEL, 503, "server_error", "shutting_down"},
    {QV_ENOMEM, 503, "server_error", "out_of_memory"},
    {QV_EIO, 500, "server_error", "internal_error"},
};

static const struct meaning *meaning_of(qv_status status)
{
    size_t i = 0;
    while (i + 1 < QV_COUNT(meanings) && meanings[i].status != status)
        i++;
    return &meanings[i];
}

static json_t *error_json(const char *type, const char *code, const char *param,
                          const char *sentence)
{
    return json_pack("{s:{s:o, s:s, s:s?, s:s?}}", "error", "message",
                     qv__json_text(sentence, strlen(sentence)), "type", type, "param",
                     param, "code", code);
}

json_t *qv__error_json(const qv_err *err, const char *param)
{
    const struct meaning *m = meaning_of(err->code);
    return error_json(m->type, m->code, param, err->msg);
}

void qv__reply_error(struct qv_server *s, struct qv_call *c, const qv_err *err,
                     const char *param)
{
    unsigned status = meaning_of(err->code)->http;
    if (status == 429 || status == 503)
        qv__call_add_header(c, "Retry-After", status == 429 ? "1" : "5");
    qv__reply_json(s, c, status, qv__error_json(err, param));
}

void qv__reply_refusal(struct qv_server *s, struct qv_call *c, unsigned status,
                       const char *type, const char *sentence)
{
    qv__reply_json(s, c, status, error_json(type, NULL, NULL, sentence));
}

void qv__fail_gone(qv_err *err)
{
    qv_fail(err, QV_EFORMAT,
            "the client closed its side of the connection before the answer was complete");
}

void qv__reply_gone(struct qv_server *s, struct qv_call *c)
{
    qv_err err;
    qv__fail_gone(&err);
    qv__reply_error(s, c, &err, NULL);
}

bool qv__read_body(struct qv_server *s, struct qv_call *c, json_t **root)
{
    size_t size;
    qv_err err;
    const char *body = qv__call_body(c, &size);
    *root = NULL;
    if (!body) {
        qv_fail(&err, QV_ELIMIT, "a body of more than %zu bytes", s->o.body_max);
        qv__reply_refusal(s, c, 413, "invalid_request_error", err.msg);
        return false;
    }
    if (qv__json_parse(root, body, size, &err)) {
        qv__reply_error(s, c, &err, NULL);
        return false;
    }
    return true;
}
