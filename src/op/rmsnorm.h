/* rmsnorm.h - root-mean-square normalisation over rows, forward and backward. */
#ifndef QV_OP_RMSNORM_H
#define QV_OP_RMSNORM_H

#include "base/base.h"

/* y [T, D] = x / rms(x) * w; inv [T] keeps 1 / rms(x) = 1 / sqrt(mean x^2 + eps)
 * for the backward pass and may be NULL. y may be x. */
void qv__rmsnorm(float *y, float *inv, const float *x, const float *w, float eps, size_t T,
                 size_t D);

/* dx [T, D] += the gradient through the normalisation. */
void qv__rmsnorm_back(float *dx, const float *dy, const float *x, const float *w,
                      const float *inv, size_t T, size_t D);

/* dw [D] += sum over rows of dy * x / rms(x), for full training. */
void qv__rmsnorm_back_weight(float *dw, const float *dy, const float *x, const float *inv,
                             size_t T, size_t D);

#endif
