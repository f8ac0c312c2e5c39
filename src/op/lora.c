/* lora.c - the LoRA update, forward and backward.
 *
 * With g = dy: dB = s g' z, dz = s g B, dA = dz' drop(x), dx = drop(dz A), where
 * drop multiplies by the same mask both times.
 */
#include "op/lora.h"
#include "kern/kern.h"
#include "op/gemm.h"

/* y = x with some elements 0 and the others scaled up; with `add`, added to y. */
static void mask(float *y, const float *x, size_t n, struct qv_dropout drop, bool add)
{
    const struct qv_kern *k = qv__kern();
    const size_t step = 1 << 13;
    const uint32_t threshold = (uint32_t)(drop.rate * 0x1p32f);
#pragma omp parallel for schedule(static) if (n > step)
    for (size_t i = 0; i < n; i += step)
        k->drop(y + i, x + i, qv__min(step, n - i), i, drop.seed, threshold, add);
}

void qv__lora(float *y, float *z, const float *x, const struct qv_lora_map *m, size_t T,
              struct qv_dropout drop, float *scratch)
{
    if (drop.rate > 0) {
        mask(scratch, x, T * m->D_in, drop, false);
        x = scratch;
    }
    qv__sgemm(false, true, T, m->R, m->D_in, 1, x, m->D_in, m->A, m->D_in, 0, z, m->R);
    qv__sgemm(false, true, T, m->D_out, m->R, m->scale, z, m->R, m->B, m->R, 1, y,
              m->D_out);
}

void qv__lora_back(float *dx, const float *dy, const float *x, const float *z,
                   const struct qv_lora_map *m, size_t T, struct qv_dropout drop,
                   float *scratch)
{
    float *dz = scratch, *row = scratch + T * m->R; // [T, R], [T, D_in]
    qv__sgemm(true, false, m->D_out, m->R, T, m->scale, dy, m->D_out, z, m->R, 1, m->dB,
              m->R);
    qv__sgemm(false, false, T, m->R, m->D_out, m->scale, dy, m->D_out, m->B, m->R, 0, dz,
              m->R);
    if (drop.rate > 0) {
        mask(row, x, T * m->D_in, drop, false);
        x = row;
    }
    qv__sgemm(true, false, m->R, m->D_in, T, 1, dz, m->R, x, m->D_in, 1, m->dA, m->D_in);
    if (!dx)
        return;
    if (drop.rate > 0) {
        qv__sgemm(false, false, T, m->D_in, m->R, 1, dz, m->R, m->A, m->D_in, 0, row,
                  m->D_in);
        mask(dx, row, T * m->D_in, drop, true);
    } else {
        qv__sgemm(false, false, T, m->D_in, m->R, 1, dz, m->R, m->A, m->D_in, 1, dx,
                  m->D_in);
    }
}
