/* block_encode.h - from numbers to the blocks of kern/block.h, by least squares. */
#ifndef QV_FORMAT_BLOCK_ENCODE_H
#define QV_FORMAT_BLOCK_ENCODE_H

#include "kern/block.h"

/* The blocks whose values come near x [n], finite numbers, n a multiple of b->n; `b`
 * computes. What is beyond the range of the type's half floats is stored as the largest
 * there is. */
void qv__block_encode(void *blocks, const struct qv_block_type *b, const float *x,
                      size_t n);

#endif
