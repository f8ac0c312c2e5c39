/* reading.c - see reading.h. */
#include "model/reading.h"
#include "kern/kern.h"
#include "route/ngrams.h"

#include <string.h>

size_t qv__features(const qv_model *m, enum qv_reading kind)
{
    return kind == QV_READS_HIDDEN ? m->c.D : kind == QV_READS_NGRAMS ? QV_READ_BUCKETS : 0;
}

size_t qv__read_length(enum qv_reading kind, size_t n)
{
    return kind == QV_READS_SITES ? n : qv__min(n, QV_READ_TOKENS);
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

/* A pass of the base in which a router by text hears each site. */
struct hearing {
    struct qv_update *of;
    const struct qv_batch *b;
};

static void hear(void *arg, size_t site, size_t T, const float *x)
{
    const struct hearing *h = arg;
    struct qv_update *u = h->of;
    const size_t K = u->bank->K, D_in = u->bank->site[site].D_in;
    (void)T;
    for (size_t i = 0; i < h->b->n_seq; i++) {
        const size_t last = h->b->seq[i].begin + h->b->seq[i].n - 1;
        u->router->ops->hear(u->router, site, x + last * D_in,
                             u->texts.logit + u->texts.of[i] * K, u->z, &u->routing);
    }
}

static void hear_sites(const struct qv_pass *p, const struct qv_batch *b)
{
    struct qv_update *u = p->update;
    const size_t K = u->bank->K;
    struct hearing h = {.of = u, .b = b};
    struct qv_update ear = {.bank = u->bank,
                            .T_max = u->T_max,
                            .see = hear,
                            .watch_arg = &h,
                            .only_sees = true};
    for (size_t i = 0; i < b->n_seq; i++)
        memset(u->texts.logit + u->texts.of[i] * K, 0, K * sizeof(float));
    qv__decoder_hidden(&(struct qv_pass){.m = p->m, .a = p->a, .b = b, .update = &ear},
                       p->m->c.L);
    for (size_t i = 0; i < b->n_seq; i++)
        judge(u, i, NULL);
}

void qv__read_texts(const struct qv_pass *p)
{
    struct qv_update *u = p->update;
    struct qv_texts *x = &u->texts;
    const enum qv_reading kind = u->router->ops->reads;
    struct qv_batch b = {.token = x->token, .pos = x->pos, .seq = x->seq};
    if (x->is_one)
        return;
    for (size_t i = 0; i < p->b->n_seq; i++) {
        const struct qv_seq *s = &p->b->seq[i];
        const size_t slot = p->cache ? s->cache : s->n_stem ? s->stem : i;
        qv_check(slot < u->T_max);
        for (size_t t = s->begin; t < s->begin + s->n; t++)
            x->slot[t] = slot;
        if (s->n_past || s->n_stem) // its prompt has been read
            continue;
        size_t n = s->n_prompt ? qv__min(s->n_prompt, s->n) : s->n;
        n = qv__read_length(kind, n);
        memcpy(x->token + b.T, p->b->token + s->begin, n * sizeof *x->token);
        memcpy(x->pos + b.T, p->b->pos + s->begin, n * sizeof *x->pos);
        x->of[b.n_seq] = slot;
        x->seq[b.n_seq++] = (struct qv_seq){.begin = b.T, .n = n};
        b.T += n;
    }
    if (!b.n_seq)
        return;
    if (kind == QV_READS_SITES)
        hear_sites(p, &b);
    else
        qv__read_prompts(&(struct qv_pass){.m = p->m, .a = p->a, .b = &b}, kind,
                         u->router->texts->n_layers, x->f, judge, u);
}
