/* block_dot.h - a row of W in blocks, times a few rows of numbers.
 *
 * What limits this product is reading W, so all else has to be done in the time that
 * takes. A code fills a byte or less; so the numbers are narrowed too, once for all rows
 * of W, to 16 bits and a scale a group. A group's products and their sum are then whole
 * numbers, and exact:
 *     y = sum over g of d_g u_g (sum over i in g of code_i q_i) + e_g sum over i in g of
 * x_i where x_i = u_g q_i, d_g is the scale of W's group and e_g what its zero and its min
 * add.
 *
 * Narrowing moves x_i by at most u_g / 2, which is 1.5e-5 of the largest in its group;
 * y by at most u_g / 2 times the sum of |W|, and in practice by 1e-5 of |W| |x|.
 */
#ifndef QV_KERN_BLOCK_DOT_H
#define QV_KERN_BLOCK_DOT_H

#include "kern/block.h"

#include <math.h>

/* 256 numbers narrowed, of one row, in groups of as many as W's groups have. */
struct qv_narrow_run {
    float scale[16]; // of a group; NaN if a number of it is not finite
    float sum[16];   // of a group's numbers, as narrowed
    int16_t code[QV_BLOCK_MAX];
};

/* T rows x [T, n], and the same narrowed, with zeros after them if a row does not end with
 * a run. A run's rows are neighbours, since a piece of W meets all of them at once. */
struct qv_narrow {
    const float *x; // [T, n]
    size_t T, n;
    size_t group;              // of W's type; 0 if it has none: then x is not narrowed
    struct qv_narrow_run *run; // [n / 256, rounded up, T]
};

/* Floats of room for T narrowed rows of n. */
size_t qv__narrow_room(size_t T, size_t n);

/* Lays q out in room [qv__narrow_room(T, n)] for a product with rows of type b. Borrows x
 * and room. Nothing is narrowed yet: that is for a table of kernels. */
void qv__narrow_init(struct qv_narrow *q, const struct qv_block_type *b, const float *x,
                     size_t T, size_t n, float *room);

/* The scale of a group whose largest magnitude is `peak`, and what to multiply by. NaN if
 * that is not finite; 0 if it is beneath what any sum of floats would notice. */
static inline float qv__narrow_scale(float *inverse, float peak)
{
    const float most = 32767;
    *inverse = peak > 0x1p-100f ? most / peak : 0;
    return peak > 0x1p-100f ? peak <= 0x1.fffffep127f ? peak / most : NAN : peak * 0;
}

/* Narrows all groups by calls of `group`, which gets code [n], a scale, a sum, x [n], n. */
void qv__narrow_each(struct qv_narrow *q,
                     void (*group)(int16_t *code, float *scale, float *sum, const float *x,
                                   size_t n));

/* Entries of tables of kernels: see kern.h. The plain product takes x as it is. */
void qv__narrow(struct qv_narrow *q);
void qv__dot_blocks(float *y, size_t stride, const struct qv_block_type *b, const void *row,
                    const struct qv_narrow *q);
#if defined(__x86_64__)
void qv__narrow_avx2(struct qv_narrow *q);
void qv__dot_blocks_avx2(float *y, size_t stride, const struct qv_block_type *b,
                         const void *row, const struct qv_narrow *q);
void qv__widen_avx2(float *out, const struct qv_block_type *b, const void *blocks,
                    size_t n);
#endif

#endif
