/* block_dot.h - a row of W in blocks, times a few rows of numbers.
 *
 * What limits this product is reading W, so all else has to be done in the time that
 * takes. A code fills a byte or less; so the numbers are narrowed too, once for all rows
 * of W, to 16 bits beneath a scale that as many share as are in a block of W. Products and
 * their sums are then whole numbers, and exact. With x_i = u q_i,
 *     y = sum over groups g of d_g u (sum of code_i q_i) - e_g (sum of x_i)
 * where d_g is the scale of W's group and e_g what its zero and its min take away.
 *
 * Narrowing moves x_i by at most u / 2, which is 1.6e-5 of the largest in its block, and y
 * by at most u / 2 times the sum of |W|; in practice by 2e-5 of |W| |x|.
 */
#ifndef QV_KERN_BLOCK_DOT_H
#define QV_KERN_BLOCK_DOT_H

#include "kern/block.h"

#include <math.h>

/* 256 numbers of a row, narrowed. */
struct qv_narrow_run {
    float scale[8]; // of 32 numbers; NaN if one that shares it is not finite
    float sum[16];  // of the numbers, as narrowed, that meet one group of W
    union {
        int16_t code[QV_BLOCK_MAX];   // for small blocks
        int8_t part[2][QV_BLOCK_MAX]; // for large ones: 256 part[0] + part[1]
    };
};

/* T rows x [T, n], and the same narrowed, with zeros after them if a row does not end with
 * a run. A run's rows are neighbours, since a piece of W meets all of them at once. */
struct qv_narrow {
    const float *x; // [T, n]
    size_t T, n;
    size_t block, group;       // of W's type; group 0: it has none, and x is not narrowed
    struct qv_narrow_run *run; // [n / 256, rounded up, T]
};

/* Floats of room for T narrowed rows of n. */
size_t qv__narrow_room(size_t T, size_t n);

/* Lays q out in room [qv__narrow_room(T, n)] for a product with rows of type b. Borrows x
 * and room. Nothing is narrowed yet: that is for a table of kernels. */
void qv__narrow_init(struct qv_narrow *q, const struct qv_block_type *b, const float *x,
                     size_t T, size_t n, float *room);

/* Of numbers whose largest magnitude is `peak`: the scale, and what to multiply by. NaN if
 * that is not finite; 0 if it is beneath what any sum of floats would notice. With this
 * many steps, both bytes of a code have a sign. */
static inline float qv__narrow_scale(float *inverse, float peak)
{
    const float most = 127 * 256 + 127;
    *inverse = peak > 0x1p-100f ? most / peak : 0;
    return peak > 0x1p-100f ? peak <= 0x1.fffffep127f ? peak / most : NAN : peak * 0;
}

/* Narrows all rows by calls of `block`, whose x [q->block] are numbers `at` and so on of
 * the run. */
void qv__narrow_each(struct qv_narrow *q,
                     void (*block)(struct qv_narrow_run *run, const float *x, size_t at,
                                   const struct qv_narrow *q));

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
