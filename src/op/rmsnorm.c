/* rmsnorm.c - root-mean-square normalisation, forward and backward.
 *
 * With r = 1/rms(x), y = r x w. Since dr/dx_j = -r^3 x_j / D,
 *     dx_j = r w_j dy_j - r^3 x_j / D * sum_i(dy_i w_i x_i).
 */
#include "op/rmsnorm.h"
#include "kern/kern.h"

#include <math.h>

void qv__rmsnorm(float *y, float *inv, const float *x, const float *w, float eps, size_t T,
                 size_t D)
{
    const struct qv_kern *k = qv__kern();
#pragma omp parallel for schedule(static) if (T * D > 1 << 15)
    for (size_t t = 0; t < T; t++) {
        const float *xt = x + t * D;
        float r = 1 / sqrtf(k->dot(xt, xt, D) / (float)D + eps);
        k->scale_mul(y + t * D, r, xt, w, D);
        if (inv)
            inv[t] = r;
    }
}

void qv__rmsnorm_back(float *dx, const float *dy, const float *x, const float *w,
                      const float *inv, size_t T, size_t D)
{
#pragma omp parallel for schedule(static) if (T * D > 1 << 15)
    for (size_t t = 0; t < T; t++) {
        const float *xt = x + t * D, *dyt = dy + t * D;
        float *dxt = dx + t * D;
        float r = inv[t], sum = 0;
#pragma omp simd reduction(+ : sum)
        for (size_t i = 0; i < D; i++)
            sum += dyt[i] * w[i] * xt[i];
        float c = r * r * r * sum / (float)D;
#pragma omp simd
        for (size_t i = 0; i < D; i++)
            dxt[i] += r * w[i] * dyt[i] - c * xt[i];
    }
}

/* Threads split the columns, so that each dw_i has one writer. */
void qv__rmsnorm_back_weight(float *dw, const float *dy, const float *x, const float *inv,
                             size_t T, size_t D)
{
    const size_t step = 64;
#pragma omp parallel for schedule(static)
    for (size_t from = 0; from < D; from += step)
        for (size_t t = 0; t < T; t++)
            for (size_t i = from; i < qv__min(from + step, D); i++)
                dw[i] += dy[t * D + i] * x[t * D + i] * inv[t];
}
