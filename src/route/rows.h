/* rows.h - products of tokens with vectors that lie apart, many tokens at a time.
 *
 * A vector an expert stays where its library keeps it. A few of them are laid side by side
 * at a time, for a product of matrices: what that costs is one of the tokens' products in
 * hundreds, and what it saves is a copy of them all.
 */
#ifndef QV_ROUTE_ROWS_H
#define QV_ROUTE_ROWS_H

#include "base/base.h"

/* l [n, K] = v_e . x_t, of x [n, D] and v [K] of each [D]; slab [qv__rows_slab(K, D)]. */
void qv__rows_times(float *l, const float *x, size_t n, const float *const *v, size_t K,
                    size_t D, float *slab);

/* Floats of its slab. */
size_t qv__rows_slab(size_t K, size_t D);

#endif
