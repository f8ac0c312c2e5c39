/* adamw.h - AdamW with decoupled weight decay, on one flat array. */
#ifndef QV_OP_ADAMW_H
#define QV_OP_ADAMW_H

#include "base/base.h"

struct qv_adamw {
    float lr, beta1, beta2, eps, decay;
};

/* The Euclidean norm of g [n], added up in a fixed order in double. */
double qv__norm(const float *g, size_t n);

/* Step t (from 1): m and v [n] are the moments, p the parameters. Gradients are
 * multiplied by `scale` first. Bias correction as in the paper of Adam. */
void qv__adamw(float *p, const float *g, float *m, float *v, size_t n,
               const struct qv_adamw *o, size_t t, float scale);

#endif
