/* linalg.h - the few dense factorisations and products that quiver needs in
 * double, through LAPACK and BLAS. The only door to them. Everything is row-major
 * and densely packed.
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

/* The k largest of them alone, 0 < k <= n, in a fraction of the time: lambda [k],
 * and in row i of V [k, n] the unit eigenvector of lambda[i]. S is used up. */
qv_status qv__eigen_top(double *lambda, double *V, size_t k, double *S, size_t n,
                        qv_err *err) QV_MUST_CHECK;

/* The symmetric positive semidefinite G [n, n] = L L', with L [n, *rank]: Cholesky
 * with pivoting, which stops where what is left is rounding. L has room for
 * [n, n]. G is used up. */
qv_status qv__cholesky(double *L, size_t *rank, double *G, size_t n,
                       qv_err *err) QV_MUST_CHECK;

/* G [R, R] = A A', from A [R, D]. */
void qv__gram(double *G, const double *A, size_t R, size_t D);

/* C [M, N] = op(A) op(B), with op(A) [M, K] and op(B) [K, N]; ta and tb say that A
 * or B is stored transposed. */
void qv__dgemm(bool ta, bool tb, size_t M, size_t N, size_t K, const double *A,
               const double *B, double *C);

#endif
