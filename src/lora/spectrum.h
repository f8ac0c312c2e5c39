/* spectrum.h - the exact singular values and directions of an update B*A,
 * without ever forming it.
 *
 * QR of A transposed gives A' = Q R_a; then B*A = B R_a' Q', and the symmetric
 * R x R problem of R_a (B'B) R_a' has the squared singular values as its
 * eigenvalues and, through Q, the right singular vectors. O((D_in + D_out) R^2).
 */
#ifndef QV_LORA_SPECTRUM_H
#define QV_LORA_SPECTRUM_H

#include "base/base.h"

/* The prototype of an expert at a site: the unit input direction that B*A
 * stretches most, v [D_in], its sign fixed so that the entry of largest
 * magnitude is positive; sigma [2] = the two largest singular values (the
 * second 0 for rank 1), without the expert's scale. A zero update gives v = 0.
 * A [R, D_in], B [D_out, R]. Fails with QV_ENOMEM, or QV_EFORMAT if a weight
 * is not finite. */
qv_status qv__prototype(float *v, float sigma[2], const float *A, const float *B, size_t R,
                        size_t D_in, size_t D_out, qv_err *err) QV_MUST_CHECK;

/* The same update in its own terms, B A = (U S) V': rows of A [R, D_in] become the right
 * singular vectors, by decreasing singular value, each with its entry of largest
 * magnitude positive, and columns of B [D_out, R] the left ones times the singular
 * values. Values below a millionth of the first count as 0, and their rows and columns
 * are 0; so A's first row is the prototype. Fails as qv__prototype does. */
qv_status qv__spectral(float *A, float *B, size_t R, size_t D_in, size_t D_out,
                       qv_err *err) QV_MUST_CHECK;

/* Whether no element of x [n] is infinite or not a number. */
bool qv__all_finite(const float *x, size_t n);

#endif
