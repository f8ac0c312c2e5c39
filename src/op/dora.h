/* dora.h - DoRA's part of a linear map: how long the rows of an updated weight are.
 *
 *     y = g (W x + s B A x) + b,   g = magnitude / n,   n = |rows of W + s B A|
 * Lengths are sums of doubles, over floats. They depend on weights alone, so that they
 * are computed once and cost a pass nothing.
 */
#ifndef QV_OP_DORA_H
#define QV_OP_DORA_H

#include "op/linear.h"
#include "op/lora.h"

/* n [D_out] = the lengths of the rows of W + s B A. `slab` is qv__linear_slab(D_in)
 * floats. */
void qv__dora_lengths(float *n, const struct qv_weight *w, const struct qv_lora_map *m,
                      float *slab);

/* n [cols] = the lengths of the columns of w [rows, cols], which are an embedding's
 * outputs. */
void qv__column_lengths(float *n, const float *w, size_t rows, size_t cols);

/* w [rows, cols]: row i is multiplied by gain[i]. */
void qv__scale_rows(float *w, const float *gain, size_t rows, size_t cols);

/* y [T, D] = gain [D] y + shift [D] in every row. */
void qv__rescale(float *y, const float *gain, const float *shift, size_t T, size_t D);

#endif
