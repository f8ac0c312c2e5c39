/* gelu.c - see gelu.h. */
#include "op/gelu.h"
#include "kern/kern.h"

#include <math.h>

enum { STEP = 4096 };

static const float root_half = 0.70710678f; // sqrt(1/2)
static const float root_2_pi = 0.79788456f; // sqrt(2/pi)
static const float density_0 = 0.39894228f; // 1/sqrt(2 pi)
static const float cubic = 0.044715f;

/* But the one by tanh, which is a kernel. */
static float f(float x, enum qv_activation kind)
{
    if (kind == QV_RELU)
        return x > 0 ? x : 0;
    return 0.5f * x * (1 + erff(x * root_half));
}

static float slope(float x, enum qv_activation kind)
{
    if (kind == QV_RELU)
        return x > 0;
    if (kind == QV_GELU)
        return 0.5f * (1 + erff(x * root_half)) + x * density_0 * expf(-0.5f * x * x);
    float t = tanhf(root_2_pi * (x + cubic * x * x * x));
    return 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * root_2_pi * (1 + 3 * cubic * x * x);
}

void qv__activate(float *y, const float *x, size_t n, enum qv_activation kind)
{
    const struct qv_kern *k = qv__kern();
#pragma omp parallel for schedule(static) if (n > STEP)
    for (size_t from = 0; from < n; from += STEP) {
        const size_t end = qv__min(from + STEP, n);
        if (kind == QV_GELU_TANH)
            k->gelu_tanh(y + from, x + from, end - from);
        for (size_t i = from; kind != QV_GELU_TANH && i < end; i++)
            y[i] = f(x[i], kind);
    }
}

void qv__activate_back(float *dx, const float *dy, const float *x, size_t n,
                       enum qv_activation kind)
{
#pragma omp parallel for schedule(static) if (n > STEP)
    for (size_t i = 0; i < n; i++)
        dx[i] += dy[i] * slope(x[i], kind);
}
