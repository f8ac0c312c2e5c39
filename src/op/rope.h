/* rope.h - rotary position embedding, in the half-split layout of Hugging Face: of
 * the first R elements of a head, element i is paired with element i + R/2; the
 * rest of a head stays as it is. */
#ifndef QV_OP_ROPE_H
#define QV_OP_ROPE_H

#include "base/base.h"

/* How frequencies theta^(-2i/R) are changed to reach beyond the positions that a
 * model was trained on. */
struct qv_rope_scaling {
    enum { QV_ROPE_PLAIN, QV_ROPE_LINEAR, QV_ROPE_LLAMA3, QV_ROPE_DIVIDED } kind;
    float factor;         // all (linear) or the low (llama3) frequencies are divided
    float low, high;      // llama3: turns in `original` positions below which a
                          // frequency is divided, and above which it is kept
    size_t original;      // llama3: positions trained on
    const float *divisor; // divided: [R/2] frequency i by divisor i; borrowed
};

/* Frequency i, scaled. */
double qv__rope_frequency(size_t i, size_t R, float theta,
                          const struct qv_rope_scaling *scaling);

/* table [n_ctx, R/2, 2]: cosine and sine of pos * frequency i. */
void qv__rope_table(float *table, size_t n_ctx, size_t R, float theta,
                    const struct qv_rope_scaling *scaling);

/* Rotate x [T, heads, E] in place, row t by position pos[t]. `back` rotates the
 * other way, which is the backward pass (a rotation's inverse is its transpose). */
void qv__rope(float *x, const int *pos, const float *table, size_t T, size_t heads,
              size_t E, size_t R, bool back);

#endif
