/* top.h - the k largest of K numbers, and how they share. */
#ifndef QV_ROUTE_TOP_H
#define QV_ROUTE_TOP_H

#include "base/base.h"

/* Of l [K], the k largest (ties: the lower index first) with their places, by
 * decreasing size. 0 < k <= K. */
void qv__top(int *place, float *value, const float *l, size_t K, size_t k);

/* Values [k], largest first, become their softmax at the given temperature. */
void qv__share(float *value, size_t k, float temperature);

/* Both. */
void qv__top_softmax(int *expert, float *weight, const float *l, size_t K, size_t k,
                     float temperature);

#endif
