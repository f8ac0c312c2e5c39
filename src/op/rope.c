/* rope.c - see rope.h. The angles are computed in double: at position 10,000 a
 * float angle is already off by 1e-3. */
#include "op/rope.h"

#include <math.h>

/* Llama 3's rule: between the two limits, a frequency is a mixture of itself and
 * its divided self, linear in the turns it makes. */
static double llama3(double frequency, const struct qv_rope_scaling *s)
{
    const double two_pi = 6.283185307179586;
    double turns = (double)s->original * frequency / two_pi, factor = (double)s->factor;
    if (turns < (double)s->low)
        return frequency / factor;
    if (turns > (double)s->high)
        return frequency;
    double kept = (turns - (double)s->low) / ((double)s->high - (double)s->low);
    return kept * frequency + (1 - kept) * frequency / factor;
}

double qv__rope_frequency(size_t i, size_t R, float theta,
                          const struct qv_rope_scaling *scaling)
{
    double frequency = pow((double)theta, -2.0 * (double)i / (double)R);
    switch (scaling->kind) {
    case QV_ROPE_LINEAR:
        return frequency / (double)scaling->factor;
    case QV_ROPE_LLAMA3:
        return llama3(frequency, scaling);
    case QV_ROPE_DIVIDED:
        return frequency / (double)scaling->divisor[i];
    default:
        return frequency;
    }
}

void qv__rope_table(float *table, size_t n_ctx, size_t R, float theta,
                    const struct qv_rope_scaling *scaling)
{
    for (size_t i = 0; i < R / 2; i++) {
        const double frequency = qv__rope_frequency(i, R, theta, scaling);
        for (size_t p = 0; p < n_ctx; p++) {
            table[(p * (R / 2) + i) * 2] = (float)cos((double)p * frequency);
            table[(p * (R / 2) + i) * 2 + 1] = (float)sin((double)p * frequency);
        }
    }
}

void qv__rope(float *x, const int *pos, const float *table, size_t T, size_t heads,
              size_t E, size_t R, bool back)
{
    const float turn = back ? -1 : 1;
#pragma omp parallel for schedule(static) if (T * heads * E > 1 << 15)
    for (size_t t = 0; t < T; t++) {
        const float *cs = table + (size_t)pos[t] * R;
        for (size_t h = 0; h < heads; h++) {
            float *a = x + (t * heads + h) * E, *b = a + R / 2;
            for (size_t i = 0; i < R / 2; i++) {
                float c = cs[2 * i], s = turn * cs[2 * i + 1], ai = a[i], bi = b[i];
                a[i] = ai * c - bi * s;
                b[i] = bi * c + ai * s;
            }
        }
    }
}
