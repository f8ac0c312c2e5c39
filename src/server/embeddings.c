/* embeddings.c - /v1/embeddings: the mean of a text's last hidden states (after the last
 * norm), scaled to length 1, as whoever is asked sees it: the base, an expert or a router.
 */
#include "server/server.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct embedding {
    struct qv_server *s;
    struct qv_call *call;
    json_t *root;
    struct qv_ask ask;
    struct qv_who *who;
    struct qv_prompt *input;
    size_t n;
    struct qv_job **job; // [n]
};

bool qv__await_job(struct qv_call *c, struct qv_job *job, enum qv_finish *finish)
{
    const double nap = 0.1;
    while (qv__job_wait(job, SIZE_MAX, nap, finish), *finish == QV_GOES_ON)
        if (qv__call_is_gone(c)) {
            qv__job_cancel(job);
            return false;
        }
    return true;
}

static qv_status submit(struct embedding *e, qv_err *err)
{
    struct qv_job_opts o = {.end = {-1, -1},
                            .wants_mean = qv_model_width(e->s->m),
                            .reuse = qv__who_reuse(e->who),
                            .who_id = qv__who_id(e->who),
                            .who = e->who,
                            .keep = qv__who_keep,
                            .let_go = qv__who_let_go};
    qv_status result = qv__engine_could(e->s->engine, e->n, 0, 0, err);
    if (result)
        return result;
    atomic_fetch_add(&e->s->n_requests, 1);
    e->job = calloc(e->n, sizeof(struct qv_job *));
    if (!e->job)
        return qv_fail(err, QV_ENOMEM, "no memory for %zu texts", e->n);
    for (size_t i = 0; i < e->n && !result; i++) {
        o.prompt = e->input[i].ids;
        o.n_prompt = e->input[i].n;
        result = qv__engine_could(e->s->engine, e->n, o.n_prompt, 0, err);
        if (!result)
            result = qv__job_new(&e->job[i], &o, err);
    }
    return result ? result : qv__engine_submit(e->s->engine, e->job, e->n, err);
}

/* x [D] of length 1, if it has one. */
static void normalize(float *x, const float *mean, size_t D)
{
    double sum = 0;
    for (size_t i = 0; i < D; i++)
        sum += (double)mean[i] * (double)mean[i];
    double scale = sum > 0 ? 1 / sqrt(sum) : 0;
    for (size_t i = 0; i < D; i++)
        x[i] = (float)((double)mean[i] * scale);
}

/* The bytes of x [D], little end first, as base64. */
static json_t *base64(const float *x, size_t D)
{
    static const char digit[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t n = D * sizeof *x, at = 0;
    unsigned char *bytes = calloc(n + 2, 1);
    char *text = malloc((n + 2) / 3 * 4 + 1);
    qv_check(bytes && text);
    for (size_t i = 0; i < D; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        for (size_t j = 0; j < 4; j++)
            bytes[4 * i + j] = (unsigned char)(bits >> 8 * j);
    }
    for (size_t i = 0; i < n; i += 3) {
        unsigned v = (unsigned)bytes[i] << 16 | (unsigned)bytes[i + 1] << 8 | bytes[i + 2];
        for (size_t j = 0; j < 4; j++)
            text[at++] = i + j > n ? '=' : digit[v >> (18 - 6 * j) & 63];
    }
    json_t *v = json_stringn(text, at);
    free(bytes);
    free(text);
    return v;
}

static json_t *vector(const struct embedding *e, const float *mean)
{
    size_t D = qv_model_width(e->s->m);
    float *x = malloc(D * sizeof *x);
    qv_check(x);
    normalize(x, mean, D);
    json_t *v;
    if (e->ask.encoding && strcmp(e->ask.encoding, "base64") == 0) {
        v = base64(x, D);
    } else {
        v = json_array();
        for (size_t i = 0; i < D; i++)
            json_array_append_new(v, json_real((double)x[i]));
    }
    free(x);
    return v;
}

static void reply(struct embedding *e)
{
    qv__tell_generation(e->call, e->who);
    json_t *list = json_array();
    size_t n_tokens = 0;
    for (size_t i = 0; i < e->n; i++) {
        enum qv_finish finish;
        const bool is_here = qv__await_job(e->call, e->job[i], &finish);
        if (!is_here || finish == QV_FINISH_FAILED) {
            json_decref(list);
            if (is_here)
                qv__reply_error(e->s, e->call, qv__job_error(e->job[i]), NULL);
            else
                qv__reply_gone(e->s, e->call);
            return;
        }
        n_tokens += e->input[i].n;
        json_array_append_new(list, json_pack("{s:s, s:I, s:o}", "object", "embedding",
                                              "index", (json_int_t)i, "embedding",
                                              vector(e, qv__job_mean(e->job[i]))));
    }
    atomic_fetch_add(&e->s->prompt_tokens, n_tokens);
    qv__reply_json(e->s, e->call, 200,
                   json_pack("{s:s, s:o, s:s, s:{s:I, s:I}}", "object", "list", "data",
                             list, "model", e->ask.model ? e->ask.model : "quiver", "usage",
                             "prompt_tokens", (json_int_t)n_tokens, "total_tokens",
                             (json_int_t)n_tokens));
}

static qv_status prepare(struct embedding *e, const char **param, qv_err *err)
{
    struct qv_choice who;
    qv_status result = qv__ask_read(&e->ask, e->root, QV_ASKS_EMBEDDINGS, param, err);
    if (!result)
        result = qv__ask_choice(&who, &e->ask, &e->s->o.otherwise, param, err);
    if (!result)
        result = qv__roster_bind(&e->who, e->s->roster, &who, param, err);
    if (result)
        return result;
    *param = "input";
    result = qv__prompts_read(&e->input, &e->n, e->s, e->ask.input, *param, false, err);
    return result ? result : submit(e, err);
}

void qv__answer_embeddings(struct qv_server *s, struct qv_call *c)
{
    struct embedding e = {.s = s, .call = c};
    const char *param = NULL;
    qv_err err;
    if (qv__read_body(s, c, &e.root)) {
        if (prepare(&e, &param, &err))
            qv__reply_error(s, c, &err, param);
        else
            reply(&e);
    }
    for (size_t i = 0; e.job && i < e.n; i++) {
        if (e.job[i])
            qv__job_cancel(e.job[i]);
        qv__job_release(e.job[i]);
    }
    free(e.job);
    qv__prompts_free(e.input, e.n);
    qv__who_let_go(e.who);
    json_decref(e.root);
}
