/* source.h - sequences in epochs, in an order that depends on the seed alone. */
#ifndef QV_TRAIN_SOURCE_H
#define QV_TRAIN_SOURCE_H

#include "base/base.h"
#include "data/dataset.h"

/* Where a trainer's sequences come from: the same for the same step. An epoch is
 * ceil(n / batch) steps, the last one perhaps smaller; each epoch has an order
 * of its own. */
struct qv_source {
    const struct qv_sequence *at; // [n] borrowed
    size_t n, batch;
    size_t steps_per_epoch;
    size_t longest; // tokens
    uint64_t seed;
    size_t *order; // [n] of `epoch`
    size_t epoch;
    char fingerprint[65]; // hash of the data: a checkpoint belongs to it
};

/* Fails with QV_EFORMAT if n is 0, or QV_ENOMEM. */
qv_status qv__source_init(struct qv_source *src, const struct qv_sequence *at, size_t n,
                          size_t batch, uint64_t seed, qv_err *err) QV_MUST_CHECK;
void qv__source_end(struct qv_source *src);

/* The sequences of optimiser step `step` into s [batch]; returns how many. */
size_t qv__source_draw(struct qv_source *src, size_t step, const struct qv_sequence **s);

#endif
