/* rope.c - see rope.h. The angles are computed in double: at position 10,000 a
 * float angle is already off by 1e-3. */
#include "op/rope.h"

#include <math.h>

void qv__rope_table(float *table, size_t n_ctx, size_t E, float theta)
{
    for (size_t i = 0; i < E / 2; i++) {
        double frequency = pow((double)theta, -2.0 * (double)i / (double)E);
        for (size_t p = 0; p < n_ctx; p++) {
            table[(p * (E / 2) + i) * 2] = (float)cos((double)p * frequency);
            table[(p * (E / 2) + i) * 2 + 1] = (float)sin((double)p * frequency);
        }
    }
}

void qv__rope(float *x, const int *pos, const float *table, size_t T, size_t heads,
              size_t E, bool back)
{
    const float turn = back ? -1 : 1;
#pragma omp parallel for schedule(static) if (T > 16)
    for (size_t t = 0; t < T; t++) {
        const float *cs = table + (size_t)pos[t] * E;
        for (size_t h = 0; h < heads; h++) {
            float *a = x + (t * heads + h) * E, *b = a + E / 2;
            for (size_t i = 0; i < E / 2; i++) {
                float c = cs[2 * i], s = turn * cs[2 * i + 1], ai = a[i], bi = b[i];
                a[i] = ai * c - bi * s;
                b[i] = bi * c + ai * s;
            }
        }
    }
}
