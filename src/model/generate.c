/* generate.c - see generate.h. A fixed number of slots, each with a cache; a slot
 * whose request is done takes the next prompt. */
#include "model/generate.h"
#include "model/forward.h"

#include <stdlib.h>

enum { SLOTS = 32 };

struct slot {
    struct qv_cache cache;
    struct qv_request *r; // NULL: free
    size_t n_fed;         // tokens of the request already in the cache
};

struct generator {
    const qv_model *m;
    struct qv_update *update;
    struct qv_acts acts;
    struct slot slot[SLOTS];
    size_t n_slots;
    size_t n_ctx, T_max;
    int *token, *pos, *row; // [T_max]
    struct qv_seq *seq;     // [SLOTS]
    int eos;
    const qv_sample_opts *sample;
};

/* The slot's next tokens into the batch: the whole prompt, or the last token
 * said. Returns false if they do not fit. */
static bool feed(struct generator *g, struct qv_batch *b, size_t i)
{
    struct slot *s = &g->slot[i];
    size_t n = s->n_fed ? 1 : s->r->n_prompt;
    if (b->T + n > g->T_max)
        return false;
    g->seq[b->n_seq++] = (struct qv_seq){
        .begin = b->T, .n = n, .n_unread = n - 1, .n_past = s->n_fed, .cache = i};
    for (size_t j = 0; j < n; j++) {
        g->token[b->T + j] = s->n_fed ? s->r->out[s->r->n_out - 1] : s->r->prompt[j];
        g->pos[b->T + j] = (int)(s->n_fed + j);
    }
    b->T += n;
    s->n_fed += n;
    return true;
}

/* Take the next token of a slot from its logits; a finished one is freed. */
static void advance(struct generator *g, struct slot *s, const float *logits)
{
    struct qv_request *r = s->r;
    int id = qv_sample(logits, g->m->c.V, g->sample, s->n_fed);
    bool ends = id == g->eos;
    if (!ends)
        r->out[r->n_out++] = id;
    if (ends || r->n_out == r->max_new || s->n_fed == g->n_ctx ||
        (r->is_done && r->is_done(r->arg, r)))
        s->r = NULL;
}

/* One pass over every busy slot that fits. Returns whether there was any. */
static bool turn(struct generator *g)
{
    struct qv_cache *cache[SLOTS];
    struct qv_batch b = {.token = g->token, .pos = g->pos, .seq = g->seq};
    for (size_t i = 0; i < g->n_slots; i++) {
        cache[i] = &g->slot[i].cache;
        if (g->slot[i].r && !feed(g, &b, i))
            break; // its turn comes when the others are past their prompts
    }
    if (b.n_seq == 0)
        return false;
    for (size_t i = 0; i < b.n_seq; i++)
        g->row[i] = (int)(g->seq[i].begin + g->seq[i].n) - 1;
    struct qv_pass p = {
        .m = g->m, .a = &g->acts, .b = &b, .update = g->update, .cache = cache};
    qv__forward(&p);
    qv__decoder_logits(&p, g->row, b.n_seq);
    for (size_t i = 0; i < b.n_seq; i++)
        advance(g, &g->slot[g->seq[i].cache], g->acts.logits + i * g->m->c.V);
    return true;
}

static qv_status prepare(struct generator *g, const struct qv_request *r, size_t n,
                         qv_err *err)
{
    size_t longest = 1;
    for (size_t i = 0; i < n; i++) {
        if (r[i].n_prompt == 0 || r[i].n_prompt > qv__min(g->T_max, g->m->c.n_ctx))
            return qv_fail(err, QV_ELIMIT, "a prompt of %zu tokens, at most %zu fit",
                           r[i].n_prompt, qv__min(g->T_max, g->m->c.n_ctx));
        longest = qv__max(longest, r[i].n_prompt + r[i].max_new);
    }
    g->n_ctx = qv__min(longest, g->m->c.n_ctx);
    g->n_slots = qv__min(n, qv__min(g->T_max, SLOTS)); // each has a row in every pass
    qv_status result = qv__acts_init(&g->acts, g->m, g->T_max, g->n_ctx, SLOTS, 0, 0, err);
    for (size_t i = 0; !result && i < g->n_slots; i++)
        result = qv__cache_init(&g->slot[i].cache, g->m, g->n_ctx, err);
    g->token = malloc(g->T_max * sizeof *g->token);
    g->pos = malloc(g->T_max * sizeof *g->pos);
    g->row = malloc(g->T_max * sizeof *g->row);
    g->seq = malloc(SLOTS * sizeof *g->seq);
    if (!result && (!g->token || !g->pos || !g->row || !g->seq))
        result = qv_fail(err, QV_ENOMEM, "no memory for batches of %zu tokens", g->T_max);
    return result;
}

qv_status qv__generate(const qv_model *m, struct qv_update *update, size_t pass_tokens,
                       struct qv_request *r, size_t n, int eos,
                       const qv_sample_opts *sample, qv_err *err)
{
    struct generator g = {
        .m = m, .update = update, .T_max = pass_tokens, .eos = eos, .sample = sample};
    qv_status result = prepare(&g, r, n, err);
    for (size_t next = 0; !result;) {
        for (size_t i = 0; i < g.n_slots; i++)
            for (; !g.slot[i].r && next < n; next++) {
                r[next].n_out = 0;
                if (r[next].max_new == 0)
                    continue;
                g.slot[i].r = &r[next];
                g.slot[i].n_fed = 0;
            }
        if (!turn(&g))
            break;
    }
    qv__acts_end(&g.acts);
    for (size_t i = 0; i < g.n_slots; i++)
        qv__cache_end(&g.slot[i].cache);
    free(g.token);
    free(g.pos);
    free(g.row);
    free(g.seq);
    return result;
}
