/* gate.h - a frozen LoRA behind a gate that is trained, forward and backward.
 *
 *     z = x A',  g = sigma(x v),  y += s g z B'
 * with A [R, D_in], B [D_out, R] and v [D_in]: one number a token, between 0 and 1
 * (PHATGOOSE, arXiv:2402.05859). Nothing but v has a gradient, and x.
 */
#ifndef QV_OP_GATE_H
#define QV_OP_GATE_H

#include "base/base.h"

struct qv_gate_map {
    const float *A, *B, *v;
    float *dv; // [D_in] added to by the backward pass
    size_t R, D_in, D_out;
    float scale;
};

/* y [T, D_out] += the gated update; z [T, R + 1] is kept for the backward pass, the
 * gate behind the R of each row. `scratch` is T * R floats. */
void qv__gate(float *y, float *z, const float *x, const struct qv_gate_map *m, size_t T,
              float *scratch);

/* dx [T, D_in] and m->dv are added to; dx may be NULL. `scratch` is T * (R + 1) floats. */
void qv__gate_back(float *dx, const float *dy, const float *x, const float *z,
                   const struct qv_gate_map *m, size_t T, float *scratch);

#endif
