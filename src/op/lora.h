/* lora.h - one LoRA beside a frozen linear map, forward and backward.
 *
 *     z = drop(x) A',  y += s z B'
 * with A [R, D_in], B [D_out, R], s = alpha / R. Dropout acts on the adapter's
 * input alone; the base sees x whole, as in PEFT and mttl.
 */
#ifndef QV_OP_LORA_H
#define QV_OP_LORA_H

#include "base/base.h"

struct qv_lora_map {
    const float *A, *B;
    float *dA, *dB; // added to by the backward pass
    size_t R, D_in, D_out;
    float scale;
};

/* An element of x is dropped as a function of (seed, its index): the backward
 * pass draws the same mask again. rate 0 is no dropout. */
struct qv_dropout {
    float rate;
    uint64_t seed;
};

/* y [T, D_out] += the update; z [T, R] is kept for the backward pass. `scratch`
 * is T * D_in floats, needed only with dropout. */
void qv__lora(float *y, float *z, const float *x, const struct qv_lora_map *m, size_t T,
              struct qv_dropout drop, float *scratch);

/* dx [T, D_in], m->dA and m->dB are added to; dx may be NULL. `scratch` is
 * T * (R + D_in) floats. */
void qv__lora_back(float *dx, const float *dy, const float *x, const float *z,
                   const struct qv_lora_map *m, size_t T, struct qv_dropout drop,
                   float *scratch);

#endif
