/* source.c - see source.h. */
#include "train/source.h"
#include "base/hash.h"
#include "base/rng.h"

#include <stdio.h>
#include <stdlib.h>

/* Lengths, prompts and ids of every sequence, folded into one number. */
static void fingerprint(struct qv_source *src)
{
    uint64_t h = src->n;
    for (size_t i = 0; i < src->n; i++) {
        const struct qv_sequence *s = &src->at[i];
        h = qv__bits(h, s->n * 65537 + s->n_prompt);
        for (size_t j = 0; j < s->n; j++)
            h = (h ^ (uint64_t)s->ids[j]) * UINT64_C(0x100000001b3);
    }
    char text[96];
    int n = snprintf(text, sizeof text, "%zu %zu %llu %llu", src->n, src->batch,
                     (unsigned long long)src->seed, (unsigned long long)h);
    qv__hash_bytes(src->fingerprint, text, (size_t)n);
}

qv_status qv__source_init(struct qv_source *src, const struct qv_sequence *at, size_t n,
                          size_t batch, uint64_t seed, qv_err *err)
{
    *src = (struct qv_source){.at = at, .n = n, .batch = batch, .seed = seed};
    if (n == 0)
        return qv_fail(err, QV_EFORMAT, "no examples to train on");
    src->order = malloc(n * sizeof *src->order);
    if (!src->order)
        return qv_fail(err, QV_ENOMEM, "no memory for the order of %zu examples", n);
    for (size_t i = 0; i < n; i++)
        src->longest = qv__max(src->longest, at[i].n);
    src->steps_per_epoch = (n + batch - 1) / batch;
    src->epoch = SIZE_MAX;
    fingerprint(src);
    return QV_OK;
}

void qv__source_end(struct qv_source *src)
{
    free(src->order);
    *src = (struct qv_source){0};
}

size_t qv__source_draw(struct qv_source *src, size_t step, const struct qv_sequence **s)
{
    size_t epoch = step / src->steps_per_epoch;
    if (epoch != src->epoch) {
        qv__shuffle(src->order, src->n, qv__seed_of(src->seed, epoch));
        src->epoch = epoch;
    }
    size_t first = step % src->steps_per_epoch * src->batch;
    size_t n = qv__min(src->batch, src->n - first);
    for (size_t i = 0; i < n; i++)
        s[i] = &src->at[src->order[first + i]];
    return n;
}
