/* sample.c - choosing the next token from its logits. */
#include <quiver/session.h>

#include "base/base.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>

static int most_likely(const float *logits, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (logits[i] > logits[best])
            best = i;
    return (int)best;
}

struct candidate {
    float logit;
    int id;
};

static int by_logit(const void *x, const void *y)
{
    const struct candidate *a = x, *b = y;
    if (a->logit != b->logit)
        return a->logit > b->logit ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

/* Draw among the first of the sorted candidates: at most top_k of them, and no
 * more than are needed to reach top_p. */
static int draw(const struct candidate *c, size_t n, const qv_sample_opts *o, float u)
{
    size_t k = o->top_k ? qv__min(o->top_k, n) : n;
    double sum = 0, kept = 0, top_p = o->top_p > 0 ? (double)o->top_p : 1;
    for (size_t i = 0; i < k; i++)
        sum += exp((double)(c[i].logit - c[0].logit) / (double)o->temperature);
    size_t last = 0;
    for (; last < k; last++) {
        kept += exp((double)(c[last].logit - c[0].logit) / (double)o->temperature);
        if (kept >= top_p * sum)
            break;
    }
    double left = (double)u * kept;
    for (size_t i = 0; i < qv__min(last + 1, k); i++) {
        left -= exp((double)(c[i].logit - c[0].logit) / (double)o->temperature);
        if (left < 0)
            return c[i].id;
    }
    return c[qv__min(last, k - 1)].id;
}

int qv_sample(const float *logits, size_t n, const qv_sample_opts *opts, size_t position)
{
    if (!opts || !(opts->temperature > 0) || opts->top_k == 1)
        return most_likely(logits, n);
    struct candidate *c = malloc(n * sizeof *c);
    qv_check(c);
    for (size_t i = 0; i < n; i++)
        c[i] = (struct candidate){logits[i], (int)i};
    qsort(c, n, sizeof *c, by_logit);
    int id = draw(c, n, opts, qv__uniform(opts->seed, position));
    free(c);
    return id;
}
