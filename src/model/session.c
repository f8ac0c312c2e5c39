/* session.c - one timeline: a KV cache, working memory, and the last logits. */
#include <quiver/session.h>

#include "base/base.h"
#include "model/decoder.h"
#include "model/forward.h"
#include "model/reader.h"
#include "model/reuse.h"

#include <stdlib.h>
#include <string.h>

enum { PASS = 512 }; // prompt tokens at a time

struct qv_session {
    const qv_model *m;
    struct qv_update update;
    struct qv_acts acts;
    struct qv_cache cache;
    int *token; // [n_ctx] the timeline
    size_t n;
    bool has_logits;
};

qv_status qv_session_new(qv_session **out, const qv_model *model, const qv_reuse *reuse,
                         size_t n_ctx, qv_err *err)
{
    *out = NULL;
    if (n_ctx == 0)
        n_ctx = model->c.n_ctx;
    if (n_ctx > model->c.n_ctx)
        return qv_fail(err, QV_ELIMIT, "a session of %zu positions, the model has %zu",
                       n_ctx, model->c.n_ctx);
    qv_session *s = calloc(1, sizeof *s);
    if (!s)
        return qv_fail(err, QV_ENOMEM, "no memory for a session");
    s->m = qv__reuse_model(reuse, model);
    size_t T = qv__min(PASS, n_ctx);
    qv_status result = qv__cache_init(&s->cache, model, n_ctx, err);
    if (!result)
        result = qv__acts_init(&s->acts, model, T, n_ctx, 1, 0, 0, err);
    if (!result)
        result = qv__reuse_update(&s->update, reuse, NULL, T, err);
    s->token = malloc(n_ctx * sizeof *s->token);
    if (!result && !s->token)
        result = qv_fail(err, QV_ENOMEM, "no memory for %zu tokens", n_ctx);
    if (result)
        qv_session_free(s);
    else
        *out = s;
    return result;
}

void qv_session_free(qv_session *s)
{
    if (!s)
        return;
    qv__update_end(&s->update);
    qv__acts_end(&s->acts);
    qv__cache_end(&s->cache);
    free(s->token);
    free(s);
}

/* A router by text reads the timeline so far, which may be longer than a pass. */
static void read_ahead(qv_session *s)
{
    int token[PASS], pos[PASS];
    struct qv_cache *cache = &s->cache;
    const struct qv_pass p = {.m = s->m, .a = &s->acts, .cache = &cache};
    struct qv_reader r;
    qv__reader_init(&r, &s->update, s->token, s->n);
    for (size_t n; (n = qv__reader_next(&r, PASS)) > 0;)
        qv__reader_read(&r, &p, 0, token, pos, n);
}

/* Run tokens from position `past` on; the logits of the last are kept. */
static void run(qv_session *s, size_t past, size_t n)
{
    int pos[PASS];
    struct qv_cache *cache = &s->cache;
    for (size_t i = 0; i < n; i++)
        pos[i] = (int)(past + i);
    const bool is_last = past + n == s->n;
    struct qv_seq seq = {
        .begin = 0, .n = n, .n_unread = is_last ? n - 1 : n, .n_past = past, .cache = 0};
    struct qv_batch b = {
        .T = n, .token = s->token + past, .pos = pos, .seq = &seq, .n_seq = 1};
    struct qv_pass p = {.m = s->m,
                        .a = &s->acts,
                        .b = &b,
                        .update = s->update.bank ? &s->update : NULL,
                        .cache = &cache};
    qv__forward(&p);
    if (is_last) {
        int last = (int)n - 1;
        qv__decoder_logits(&p, &last, 1);
        s->has_logits = true;
    }
}

qv_status qv_session_sync(qv_session *s, const int *tokens, size_t n, qv_err *err)
{
    if (n == 0 || n > s->cache.n_ctx)
        return qv_fail(err, QV_ELIMIT, "%zu tokens in a session of %zu positions", n,
                       s->cache.n_ctx);
    for (size_t i = 0; i < n; i++)
        if (tokens[i] < 0 || (size_t)tokens[i] >= s->m->c.V)
            return qv_fail(err, QV_EFORMAT, "token %zu is %d, the vocabulary has %zu", i,
                           tokens[i], s->m->c.V);
    size_t same = 0;
    while (same < n && same < s->n && s->token[same] == tokens[same])
        same++;
    if (same == n && same == s->n && s->has_logits)
        return QV_OK;
    // Another prompt is read anew, and its tokens with it.
    if (same < s->n && qv__update_reads(&s->update))
        same = 0;
    if (same == n) // the last token's logits are wanted: run it again
        same--;
    memcpy(s->token, tokens, n * sizeof *tokens);
    s->n = n;
    s->has_logits = false;
    if (same == 0)
        read_ahead(s);
    for (size_t past = same; past < n; past += PASS)
        run(s, past, qv__min(PASS, n - past));
    return QV_OK;
}

const float *qv_session_logits(const qv_session *s)
{
    return s->has_logits ? s->acts.logits : NULL;
}
