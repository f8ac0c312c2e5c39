/* select.h - numbers in order: sorted, or the k-th smallest magnitude of many floats,
 * exactly, without sorting or copying them. */
#ifndef QV_BASE_SELECT_H
#define QV_BASE_SELECT_H

#include "base/base.h"

/* Ascending; no x is NaN. */
void qv__sort(double *x, size_t n);

/* Entries a caller's `count` has room for. */
enum { QV_SELECT_BINS = 1 << 16 };

struct qv_selected {
    float value;         // the k-th smallest of |x[0..n)|, from 0
    size_t below, equal; // how many are smaller, and as large: below <= k < below + equal
};

/* k < n; no x is NaN. `count` [QV_SELECT_BINS] is scratch. Two passes over x. */
struct qv_selected qv__select_magnitude(const float *x, size_t n, size_t k, size_t *count);

#endif
