/* carve.h - working memory whose layout is described once.
 *
 * Activations, caches, optimiser state: one function describes the arrays and
 * is run twice, to measure and to carve, so the two cannot disagree. Arrays
 * start on 64-byte boundaries.
 */
#ifndef QV_BASE_CARVE_H
#define QV_BASE_CARVE_H

#include "base/base.h"

typedef struct qv_carve {
    char *base;  // NULL while measuring
    size_t used; // bytes so far; SIZE_MAX once a size has overflowed
} qv_carve;

/* The next array of n1 * n2 * n3 elements of `size` bytes; NULL while
 * measuring or after an overflow. */
void *qv__carve(qv_carve *c, size_t n1, size_t n2, size_t n3, size_t size);

static inline float *qv__carve_f32(qv_carve *c, size_t n1, size_t n2)
{
    return qv__carve(c, n1, n2, 1, sizeof(float));
}

/* Memory for what was measured, zeroed, or NULL (also if `used` overflowed).
 * The caller owns it and ends it with free(). */
void *qv__carve_alloc(const qv_carve *measured);

/* free(), after the pages of these bytes have gone back to the system, whatever the
 * allocator would keep for later. */
void qv__let_go(void *mem, size_t bytes);

#endif
