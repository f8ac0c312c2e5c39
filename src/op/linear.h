/* linear.h - a linear map y = W x over T rows, forward and backward.
 *
 * W [D_out, D_in] is stored as the file has it: f32, bf16 or blocks. Four ways:
 *   f32      float products
 *   bf16     the activations are rounded too, sums stay float (only where the
 *            CPU multiplies bfloat16)
 *   blocks   float products with a slab of W's rows at a time, widened
 *   few rows W is read where it lies, row by row: the limit is memory. With blocks, x is
 *            narrowed to 16 bits and a scale a group (kern/block_dot.h)
 */
#ifndef QV_OP_LINEAR_H
#define QV_OP_LINEAR_H

#include "base/base.h"
#include "kern/block.h"

struct qv_weight {
    const float *f32;                 // [D_out, D_in], or NULL
    const uint16_t *bf16;             // the same as bfloat16, or NULL
    const void *blocks;               // or in blocks alone: then the others are NULL
    const struct qv_block_type *type; // of the blocks; divides D_in
    const uint32_t *order; // [D_out] row o of W is row order[o] of the blocks; NULL: row o
    size_t D_out, D_in;
    bool is_turned; // the file has it as [D_in, D_out]; here it never is
};

/* Below this many rows, weights are read where they lie. */
enum { QV_FEW_ROWS = 4, QV_FEW_ROWS_IN_BLOCKS = 16 };

/* Scratch for products; NULL where it is not wanted. `half` asks for bf16 products, which
 * happen if W has bf16. Weights in blocks need a slab. */
struct qv_linear_room {
    uint16_t *half; // [T * max(D_in, D_out)]
    float *slab;    // [qv__linear_slab(D_in)]
    bool is_exact;  // few rows are multiplied as floats with blocks, too: slower
};

/* Floats in the slab for rows of D_in. */
size_t qv__linear_slab(size_t D_in);

/* W is what lies at `data`, in blocks of `type`: floats are multiplied as floats, bfloat16
 * as such if wanted, and the rest as blocks. */
void qv__weight_lies_at(struct qv_weight *w, const void *data,
                        const struct qv_block_type *type, bool wants_bf16);

/* out [D_in] = row o of W, as floats. */
void qv__weight_row(float *out, const struct qv_weight *w, size_t o);

/* y [T, D_out] = x [T, D_in] W'. */
void qv__linear(float *y, const float *x, const struct qv_weight *w, size_t T,
                struct qv_linear_room room);

/* The same, each row as qv__linear computes it with T = 1, to the last bit: what comes of a
 * row does not depend on how many there are. W is read once. */
void qv__linear_rows(float *y, const float *x, const struct qv_weight *w, size_t T,
                     struct qv_linear_room room);

/* Both for several maps of the same x, n <= QV_MAPS_OF_X, whose products are the same as
 * one by one: few rows meet them in one go. */
struct qv_product {
    float *y; // [T, w->D_out]
    const struct qv_weight *w;
};
enum { QV_MAPS_OF_X = 3 };
void qv__linear_all(const struct qv_product *p, size_t n, const float *x, size_t T,
                    struct qv_linear_room room);
void qv__linear_rows_all(const struct qv_product *p, size_t n, const float *x, size_t T,
                         struct qv_linear_room room);

/* dx [T, D_in] += dy [T, D_out] W. The map is frozen: it has no dW. */
void qv__linear_back(float *dx, const float *dy, const struct qv_weight *w, size_t T,
                     struct qv_linear_room room);

/* dW [D_out, D_in] += dy' x, for the one mode that trains the base. */
void qv__linear_back_weight(float *dw, const float *dy, const float *x, size_t D_out,
                            size_t D_in, size_t T);

/* y [T, D] += b [D] in every row; and db [D] += the sum of dy's rows. */
void qv__bias(float *y, const float *b, size_t T, size_t D);
void qv__bias_back(float *db, const float *dy, size_t T, size_t D);

#endif
