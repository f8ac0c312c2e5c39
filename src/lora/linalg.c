/* linalg.c - see linalg.h.
 *
 * LAPACK reads columns first, so a row-major A [R, D] is to it the D x R matrix
 * A transposed, and rows here are columns there: no copy is needed.
 */
#include "lora/linalg.h"

#include <stdlib.h>
#include <lapacke.h>

static qv_status failed(const char *what, size_t rows, size_t columns, qv_err *err)
{
    return qv_fail(err, QV_ENOMEM, "no memory for the %s of a %zu x %zu matrix", what, rows,
                   columns);
}

qv_status qv__lq(double *A, double *L, size_t R, size_t D, qv_err *err)
{
    qv_check(R > 0 && D > 0 && R <= INT32_MAX && D <= INT32_MAX);
    size_t m = qv__min(R, D);
    double *tau = malloc(m * sizeof *tau);
    if (!tau)
        return failed("QR", R, D, err);

    lapack_int d = (lapack_int)D, k = (lapack_int)m;
    qv_status result = QV_OK;
    if (LAPACKE_dgeqrf(LAPACK_COL_MAJOR, d, (lapack_int)R, A, d, tau)) {
        result = failed("QR", R, D, err);
        goto out;
    }
    // Column i of the upper triangle is row i of L.
    for (size_t i = 0; i < R; i++)
        for (size_t j = 0; j < m; j++)
            L[i * m + j] = j <= i ? A[i * D + j] : 0;
    if (LAPACKE_dorgqr(LAPACK_COL_MAJOR, d, k, k, A, d, tau))
        result = failed("QR", R, D, err);

out:
    free(tau);
    return result;
}

qv_status qv__eigen(double *lambda, double *S, size_t n, qv_err *err)
{
    qv_check(n > 0 && n <= INT32_MAX);
    lapack_int k = (lapack_int)n;
    if (LAPACKE_dsyevd(LAPACK_COL_MAJOR, 'V', 'U', k, S, k, lambda))
        return failed("eigenvalues", n, n, err);

    // LAPACK's order is smallest first.
    for (size_t i = 0; i < n / 2; i++) {
        size_t j = n - 1 - i;
        double swap = lambda[i];
        lambda[i] = lambda[j], lambda[j] = swap;
        for (size_t c = 0; c < n; c++) {
            swap = S[i * n + c];
            S[i * n + c] = S[j * n + c], S[j * n + c] = swap;
        }
    }
    return QV_OK;
}
