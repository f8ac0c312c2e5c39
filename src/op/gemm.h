/* gemm.h - dense matrix products, through oneDNN. The only door to it.
 *
 * Row-major, like everything here. May be called inside a parallel region, where
 * it then uses one thread.
 */
#ifndef QV_OP_GEMM_H
#define QV_OP_GEMM_H

#include "base/base.h"

/* C [M, N] = alpha * op(A) op(B) + beta * C, with op(A) [M, K] and op(B) [K, N];
 * ta and tb say that A or B is stored transposed. A failure inside oneDNN (it
 * can only be out of memory) stops the process. */
void qv__sgemm(bool ta, bool tb, size_t M, size_t N, size_t K, float alpha, const float *A,
               size_t lda, const float *B, size_t ldb, float beta, float *C, size_t ldc);

/* The same with bfloat16 operands, float sums and float C, all densely packed:
 * C [M, N] = A [M, K] op(B) + (add ? C : 0). Fast only where qv__has_bf16(). */
void qv__bgemm(bool tb, size_t M, size_t N, size_t K, const uint16_t *A, const uint16_t *B,
               bool add, float *C);

#endif
