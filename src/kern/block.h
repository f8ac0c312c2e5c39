/* block.h - weights stored in blocks, as GGUF numbers and names their types.
 *
 * A block is a few elements of one row that share a scale. Where a type has no
 * scale (F32, F16, BF16) a block is one element. Rows are whole blocks, densely
 * packed and maybe unaligned. How numbers become blocks: format/block_encode.h.
 */
#ifndef QV_KERN_BLOCK_H
#define QV_KERN_BLOCK_H

#include "base/base.h"

/* The types that are computed with, by GGUF's numbers. */
enum qv_block_id {
    QV_BLOCK_F32 = 0,
    QV_BLOCK_F16 = 1,
    QV_BLOCK_Q4_0 = 2,
    QV_BLOCK_Q4_1 = 3,
    QV_BLOCK_Q5_0 = 6,
    QV_BLOCK_Q5_1 = 7,
    QV_BLOCK_Q8_0 = 8,
    QV_BLOCK_Q2_K = 10,
    QV_BLOCK_Q3_K = 11,
    QV_BLOCK_Q4_K = 12,
    QV_BLOCK_Q5_K = 13,
    QV_BLOCK_Q6_K = 14,
    QV_BLOCK_BF16 = 30,
};

/* The most elements a block has. */
enum { QV_BLOCK_MAX = 256 };

struct qv_block_type {
    const char *name; // as GGUF writes it: "Q4_K"
    uint32_t id;
    size_t n, bytes;                      // elements and bytes of a block
    bool computes;                        // else of known size, and no more is known here
    const struct qv_block_layout *layout; // see block_codes.h; NULL for plain numbers
};

/* A type by its number, or by its name in either case; NULL if there is none. */
const struct qv_block_type *qv__block(uint32_t id);
const struct qv_block_type *qv__block_named(const char *name);

/* All of them, in the order of their numbers. */
const struct qv_block_type *qv__block_all(size_t *n);

/* Bytes of n elements; n is a multiple of b->n. */
static inline size_t qv__block_bytes(const struct qv_block_type *b, size_t n)
{
    return n / b->n * b->bytes;
}

/* out [n] are the values of n elements, n a multiple of b->n. `b` computes. */
void qv__block_decode(float *out, const struct qv_block_type *b, const void *blocks,
                      size_t n);

#endif
