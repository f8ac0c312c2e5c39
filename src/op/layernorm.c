/* layernorm.c - layer normalisation, forward and backward.
 *
 * With n = (x - mean) r and g = dy w, both over a row's D numbers,
 *     dx_i = r (g_i - mean(g) - n_i mean(g n)).
 */
#include "op/layernorm.h"

#include <math.h>

void qv__layernorm(float *y, float *stat, const float *x, const float *w, const float *b,
                   float eps, size_t T, size_t D)
{
#pragma omp parallel for schedule(static) if (T * D > 1 << 15)
    for (size_t t = 0; t < T; t++) {
        const float *xt = x + t * D;
        float *yt = y + t * D, sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
        for (size_t i = 0; i < D; i++)
            sum += xt[i];
        float mean = sum / (float)D;
#pragma omp simd reduction(+ : squares)
        for (size_t i = 0; i < D; i++)
            squares += (xt[i] - mean) * (xt[i] - mean);
        float r = 1 / sqrtf(squares / (float)D + eps);
        for (size_t i = 0; i < D; i++)
            yt[i] = (xt[i] - mean) * r * w[i] + (b ? b[i] : 0);
        if (stat) {
            stat[2 * t] = mean;
            stat[2 * t + 1] = r;
        }
    }
}

void qv__layernorm_back(float *dx, const float *dy, const float *x, const float *w,
                        const float *stat, size_t T, size_t D)
{
#pragma omp parallel for schedule(static) if (T * D > 1 << 15)
    for (size_t t = 0; t < T; t++) {
        const float *xt = x + t * D, *dyt = dy + t * D;
        float *dxt = dx + t * D, mean = stat[2 * t], r = stat[2 * t + 1], g = 0, gn = 0;
#pragma omp simd reduction(+ : g, gn)
        for (size_t i = 0; i < D; i++) {
            g += dyt[i] * w[i];
            gn += dyt[i] * w[i] * (xt[i] - mean) * r;
        }
        g /= (float)D;
        gn /= (float)D;
#pragma omp simd
        for (size_t i = 0; i < D; i++)
            dxt[i] += r * (dyt[i] * w[i] - g - (xt[i] - mean) * r * gn);
    }
}

/* Threads split the columns, so that each sum has one writer. */
void qv__layernorm_back_weight(float *dw, float *db, const float *dy, const float *x,
                               const float *stat, size_t T, size_t D)
{
    const size_t step = 64;
#pragma omp parallel for schedule(static)
    for (size_t from = 0; from < D; from += step)
        for (size_t t = 0; t < T; t++)
            for (size_t i = from; i < qv__min(from + step, D); i++) {
                dw[i] += dy[t * D + i] * (x[t * D + i] - stat[2 * t]) * stat[2 * t + 1];
                if (db)
                    db[i] += dy[t * D + i];
            }
}
