/* rope.h - rotary position embedding, in the half-split layout of Hugging Face:
 * element i of a head is paired with element i + E/2. */
#ifndef QV_OP_ROPE_H
#define QV_OP_ROPE_H

#include "base/base.h"

/* table [n_ctx, E/2, 2]: cosine and sine of pos * theta^(-2i/E). */
void qv__rope_table(float *table, size_t n_ctx, size_t E, float theta);

/* Rotate x [T, heads, E] in place, row t by position pos[t]. `back` rotates the
 * other way, which is the backward pass (a rotation's inverse is its transpose). */
void qv__rope(float *x, const int *pos, const float *table, size_t T, size_t heads,
              size_t E, bool back);

#endif
