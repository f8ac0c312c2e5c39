/* linalg.h - the two dense factorisations that quiver needs, in double, through
 * LAPACK. The only door to it. Everything is row-major.
 *
 * A caller checks that its numbers are finite; a factorisation then can only
 * fail for lack of memory (QV_ENOMEM).
 */
#ifndef QV_LORA_LINALG_H
#define QV_LORA_LINALG_H

#include "base/base.h"

/* A [R, D] = L Q with orthonormal rows Q [m, D] and L [R, m], m = min(R, D):
 * the QR of A transposed. On return A's first m rows are Q. */
qv_status qv__lq(double *A, double *L, size_t R, size_t D, qv_err *err) QV_MUST_CHECK;

/* The eigenvalues of the symmetric S [n, n], largest first, in lambda [n]. On
 * return row i of S is the unit eigenvector of lambda[i]. */
qv_status qv__eigen(double *lambda, double *S, size_t n, qv_err *err) QV_MUST_CHECK;

#endif
