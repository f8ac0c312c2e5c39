/* gelu.h - the activations of feed-forwards without a gate, forward and backward, over
 * n numbers. */
#ifndef QV_OP_GELU_H
#define QV_OP_GELU_H

#include "base/base.h"

enum qv_activation {
    QV_GELU,      // x Phi(x), Phi the normal distribution
    QV_GELU_TANH, // its approximation by tanh ("gelu_new", "gelu_pytorch_tanh")
    QV_RELU,
};

/* y = f(x); y may be x. */
void qv__activate(float *y, const float *x, size_t n, enum qv_activation kind);

/* dx += dy f'(x) */
void qv__activate_back(float *dx, const float *dy, const float *x, size_t n,
                       enum qv_activation kind);

#endif
