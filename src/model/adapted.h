/* adapted.h - a model as one adapter leaves it.
 *
 * What an adapter adds to sites is an update's business (route/update.h). What else it
 * may hold changes the model itself: here is a model with those changes that borrows
 * everything else from the one it was made of, which stays as it is.
 *
 * An embedding or a head that a low-rank update or retrained tokens change is one more
 * table of floats in memory. Nothing else is copied: DoRA's magnitudes become one factor
 * an output, computed once from W + s B A and applied after the update.
 */
#ifndef QV_MODEL_ADAPTED_H
#define QV_MODEL_ADAPTED_H

#include "lora/adapter.h"
#include "lora/bank.h"
#include "model/model.h"

struct qv_adapted {
    qv_model m; // borrows from the base, the adapter and the blocks below
    float **block;
    size_t n_blocks;
    qv_arena arena; // owns tables
};

/* `base` and `a` must outlive *out. Fails with QV_EFORMAT, naming the tensor, if the model
 * has no such part or one of another shape; QV_ENOMEM. The caller owns *out. */
qv_status qv__adapted_new(struct qv_adapted **out, const qv_model *base,
                          const struct qv_adapter *a, qv_err *err) QV_MUST_CHECK;
void qv__adapted_free(struct qv_adapted *x);

/* Give the bank of the adapter's expert its magnitudes: at a site with one,
 *     y = g (W x + s B A x) + b,   g = magnitude / |row of W + s B A|. */
qv_status qv__adapted_gains(struct qv_bank *bank, struct qv_adapted *x,
                            const struct qv_adapter *a, qv_err *err) QV_MUST_CHECK;

#endif
