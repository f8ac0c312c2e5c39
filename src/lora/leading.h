/* leading.h - the few largest eigenvalues of a large symmetric matrix. */
#ifndef QV_LORA_LEADING_H
#define QV_LORA_LEADING_H

#include "base/base.h"

/* lambda [q] = the largest eigenvalues of S [n, n], largest first, u [q, n] their
 * unit eigenvectors. No eigenvalue may be below 0 but by rounding; 0 < q <= n. S
 * may be overwritten. Fails with QV_ENOMEM. */
qv_status qv__leading(double *lambda, double *u, double *S, size_t n, size_t q,
                      qv_err *err) QV_MUST_CHECK;

#endif
