/* gate.c - see gate.h.
 *
 * With u = s dy B [T, R]: dg = u . z, dz = g u; the sigmoid's input h = x v has
 * dh = dg g (1 - g), so dv = x' dh and dx = dz A + dh v'.
 */
#include "op/gate.h"

#include "kern/kern.h"
#include "op/gemm.h"

#include <math.h>

void qv__gate(float *y, float *z, const float *x, const struct qv_gate_map *m, size_t T,
              float *scratch)
{
    const size_t R = m->R, D = m->D_in;
    qv__sgemm(false, true, T, R, D, 1, x, D, m->A, D, 0, z, R + 1);
#pragma omp parallel for schedule(static) if (T > 1)
    for (size_t t = 0; t < T; t++) {
        float *row = z + t * (R + 1);
        row[R] = 1 / (1 + expf(-qv__kern()->dot(x + t * D, m->v, D)));
        for (size_t r = 0; r < R; r++)
            scratch[t * R + r] = row[R] * row[r];
    }
    qv__sgemm(false, true, T, m->D_out, R, m->scale, scratch, R, m->B, R, 1, y, m->D_out);
}

void qv__gate_back(float *dx, const float *dy, const float *x, const float *z,
                   const struct qv_gate_map *m, size_t T, float *scratch)
{
    const size_t R = m->R, D = m->D_in;
    float *u = scratch, *dh = scratch + T * R; // [T, R], then dz; [T]
    qv__sgemm(false, false, T, R, m->D_out, m->scale, dy, m->D_out, m->B, R, 0, u, R);
    for (size_t t = 0; t < T; t++) {
        const float *row = z + t * (R + 1), g = row[R];
        dh[t] = 0;
        for (size_t r = 0; r < R; r++) {
            dh[t] += u[t * R + r] * row[r];
            u[t * R + r] *= g;
        }
        dh[t] *= g * (1 - g);
    }
    qv__sgemm(false, false, 1, D, T, 1, dh, T, x, D, 1, m->dv, D);
    if (!dx)
        return;
    qv__sgemm(false, false, T, D, R, 1, u, R, m->A, D, 1, dx, D);
    qv__sgemm(false, false, T, D, 1, 1, dh, 1, m->v, D, 1, dx, D);
}
