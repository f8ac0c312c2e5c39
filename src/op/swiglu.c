/* swiglu.c - the feed-forward gate of Llama.
 *
 * With s = 1 / (1 + exp(-g)), silu(g) = g s and silu'(g) = s (1 + g (1 - s)).
 */
#include "op/swiglu.h"
#include "kern/kern.h"

enum { STEP = 4096 };

void qv__swiglu(float *y, const float *gate, const float *up, size_t n)
{
    const struct qv_kern *k = qv__kern();
#pragma omp parallel for schedule(static) if (n > STEP)
    for (size_t i = 0; i < n; i += STEP)
        k->swiglu(y + i, gate + i, up + i, qv__min(STEP, n - i));
}

void qv__swiglu_back(float *dgate, float *dup, const float *dy, const float *gate,
                     const float *up, size_t n)
{
    const struct qv_kern *k = qv__kern();
#pragma omp parallel for schedule(static) if (n > STEP)
    for (size_t i = 0; i < n; i += STEP)
        k->swiglu_back(dgate + i, dup + i, dy + i, gate + i, up + i, qv__min(STEP, n - i));
}
