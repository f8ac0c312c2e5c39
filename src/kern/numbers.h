/* numbers.h - rows of plain numbers, of 32 or 16 bits, times rows of floats. */
#ifndef QV_KERN_NUMBERS_H
#define QV_KERN_NUMBERS_H

#include "kern/block.h"

/* Products of rows with rows, each of n elements. */
struct qv_dots {
    size_t n;            // elements of a sum
    size_t rows, stride; // of W, and elements from one to the next
    size_t T;            // rows of x, one after another
    size_t y_stride;     // from what one row of x gives to what the next does
};

/* Entries of tables of kernels: see kern.h. */
void qv__dots(float *y, uint32_t type, const void *w, const float *x, struct qv_dots d);
#if defined(__x86_64__)
void qv__dots_avx2(float *y, uint32_t type, const void *w, const float *x,
                   struct qv_dots d);

/* For the entry `widen`, of these types. */
void qv__widen_numbers_avx2(float *out, uint32_t type, const void *row, size_t n);
#endif

#endif
