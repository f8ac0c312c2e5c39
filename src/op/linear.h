/* linear.h - a linear map y = W x over T rows, forward and backward.
 *
 * W [D_out, D_in] is stored as the file has it: f32 or bf16. Three ways:
 *   f32      float products; a bf16 weight is widened once, when loaded
 *   bf16     the activations are rounded too, sums stay float (only where the
 *            CPU multiplies bfloat16)
 *   few rows W is read where it lies, row by row: the limit is memory
 */
#ifndef QV_OP_LINEAR_H
#define QV_OP_LINEAR_H

#include "base/base.h"

struct qv_weight {
    const float *f32;     // [D_out, D_in], or NULL
    const uint16_t *bf16; // the same as bfloat16, or NULL; at least one is set
    size_t D_out, D_in;
    bool is_turned; // the file has it as [D_in, D_out]; here it never is
};

/* Below this many rows, weights are read where they lie. */
enum { QV_FEW_ROWS = 4 };

/* y [T, D_out] = x [T, D_in] W'. `half` is scratch for T * max(D_in, D_out)
 * bfloat16 numbers and asks for bf16 products, which happen if W has bf16; NULL
 * asks for float. */
void qv__linear(float *y, const float *x, const struct qv_weight *w, size_t T,
                uint16_t *half);

/* dx [T, D_in] += dy [T, D_out] W. The map is frozen: it has no dW. */
void qv__linear_back(float *dx, const float *dy, const struct qv_weight *w, size_t T,
                     uint16_t *half);

/* dW [D_out, D_in] += dy' x, for the one mode that trains the base. */
void qv__linear_back_weight(float *dw, const float *dy, const float *x, size_t D_out,
                            size_t D_in, size_t T);

/* y [T, D] += b [D] in every row; and db [D] += the sum of dy's rows. */
void qv__bias(float *y, const float *b, size_t T, size_t D);
void qv__bias_back(float *db, const float *dy, size_t T, size_t D);

#endif
