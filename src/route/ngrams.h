/* ngrams.h - a text as a hashed bag of its tokens and pairs of neighbouring tokens. */
#ifndef QV_ROUTE_NGRAMS_H
#define QV_ROUTE_NGRAMS_H

#include "base/base.h"

/* f [F] of ids [n]: every token and every pair of neighbours falls into one of F
 * buckets, by a hash; a bucket with c > 0 in it counts 1 + log c, and f has length 1
 * (all zeros for no ids). */
void qv__ngrams(float *f, size_t F, const int *ids, size_t n);

#endif
