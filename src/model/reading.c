/* reading.c - see reading.h. */
#include "model/reading.h"
#include "kern/kern.h"
#include "route/ngrams.h"

#include <string.h>

size_t qv__features(const qv_model *m, enum qv_reading kind)
{
    return kind == QV_READS_HIDDEN ? m->c.D : QV_READ_BUCKETS;
}

void qv__read_prompts(const struct qv_pass *p, enum qv_reading kind, size_t n_layers,
                      float *f, qv_feature_fn take, void *arg)
{
    const size_t D = p->m->c.D;
    const float *x =
        kind == QV_READS_HIDDEN ? qv__decoder_hidden(p, n_layers) : NULL; // [T, D]
    for (size_t i = 0; i < p->b->n_seq; i++) {
        const struct qv_seq *s = &p->b->seq[i];
        if (kind == QV_READS_NGRAMS) {
            qv__ngrams(f, QV_READ_BUCKETS, p->b->token + s->begin, s->n);
        } else {
            memset(f, 0, D * sizeof *f);
            for (size_t t = s->begin; t < s->begin + s->n; t++)
                qv__kern()->axpy(f, 1 / (float)s->n, x + t * D, D);
        }
        take(arg, i, f);
    }
}

static void judge(void *arg, size_t i, const float *f)
{
    struct qv_update *u = arg;
    qv__update_judge(u, u->texts.of[i], f);
}

void qv__read_texts(const struct qv_pass *p)
{
    struct qv_update *u = p->update;
    struct qv_texts *x = &u->texts;
    struct qv_batch b = {.token = x->token, .pos = x->pos, .seq = x->seq};
    for (size_t i = 0; i < p->b->n_seq; i++) {
        const struct qv_seq *s = &p->b->seq[i];
        const size_t slot = p->cache ? s->cache : s->n_stem ? s->stem : i;
        qv_check(slot < u->T_max);
        for (size_t t = s->begin; t < s->begin + s->n; t++)
            x->slot[t] = slot;
        if (s->n_past || s->n_stem) // its prompt has been read
            continue;
        size_t n = s->n_prompt ? qv__min(s->n_prompt, s->n) : s->n;
        n = qv__min(n, QV_READ_TOKENS);
        memcpy(x->token + b.T, p->b->token + s->begin, n * sizeof *x->token);
        memcpy(x->pos + b.T, p->b->pos + s->begin, n * sizeof *x->pos);
        x->of[b.n_seq] = slot;
        x->seq[b.n_seq++] = (struct qv_seq){.begin = b.T, .n = n};
        b.T += n;
    }
    if (b.n_seq)
        qv__read_prompts(&(struct qv_pass){.m = p->m, .a = p->a, .b = &b},
                         u->router->ops->reads, u->router->texts->n_layers, x->f, judge, u);
}
