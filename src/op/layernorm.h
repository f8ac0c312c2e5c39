/* layernorm.h - layer normalisation over rows, forward and backward. */
#ifndef QV_OP_LAYERNORM_H
#define QV_OP_LAYERNORM_H

#include "base/base.h"

/* y [T, D] = (x - mean) / sqrt(variance + eps) * w + b, b [D] or NULL for none. stat
 * [T, 2] keeps the mean and 1 / sqrt(variance + eps) for the backward pass and may
 * be NULL. y may be x. */
void qv__layernorm(float *y, float *stat, const float *x, const float *w, const float *b,
                   float eps, size_t T, size_t D);

/* dx [T, D] += the gradient through the normalisation. */
void qv__layernorm_back(float *dx, const float *dy, const float *x, const float *w,
                        const float *stat, size_t T, size_t D);

/* dw [D] += sum over rows of dy * (x - mean) / deviation, and db [D], if not NULL, the
 * sum of dy: for full training. */
void qv__layernorm_back_weight(float *dw, float *db, const float *dy, const float *x,
                               const float *stat, size_t T, size_t D);

#endif
