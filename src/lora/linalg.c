/* linalg.c - see linalg.h.
 *
 * LAPACK reads columns first, so a row-major A [R, D] is to it the D x R matrix
 * A transposed, and rows here are columns there: no copy is needed.
 */
#include "lora/linalg.h"

#include <stdlib.h>
#include <cblas.h>
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

qv_status qv__eigen_top(double *lambda, double *V, size_t k, double *S, size_t n,
                        qv_err *err)
{
    qv_check(k > 0 && k <= n && n <= INT32_MAX);
    double *all = malloc(n * sizeof *all); // LAPACK wants room for n values
    lapack_int *support = malloc(2 * n * sizeof *support), found = 0;
    lapack_int N = (lapack_int)n, first = N - (lapack_int)k + 1;
    qv_status result = QV_OK;
    if (!all || !support ||
        LAPACKE_dsyevr(LAPACK_COL_MAJOR, 'V', 'I', 'U', N, S, N, 0, 0, first, N, 0, &found,
                       all, V, N, support) ||
        (size_t)found != k)
        result = failed("eigenvalues", n, n, err);

    // LAPACK's order is smallest first.
    for (size_t i = 0; i < k && !result; i++)
        lambda[i] = all[k - 1 - i];
    for (size_t i = 0; i < k / 2 && !result; i++)
        for (size_t c = 0; c < n; c++) {
            double swap = V[i * n + c];
            V[i * n + c] = V[(k - 1 - i) * n + c], V[(k - 1 - i) * n + c] = swap;
        }
    free(all);
    free(support);
    return result;
}

qv_status qv__cholesky(double *L, size_t *rank, double *G, size_t n, qv_err *err)
{
    qv_check(n > 0 && n <= INT32_MAX);
    *rank = 0;
    lapack_int *pivot = malloc(n * sizeof *pivot), N = (lapack_int)n, m = 0;
    // A positive result says that the rank is below n, which is no failure; a
    // negative tolerance is n times the precision of the largest diagonal entry.
    if (!pivot || LAPACKE_dpstrf(LAPACK_COL_MAJOR, 'L', N, G, N, pivot, &m, -1) < 0) {
        free(pivot);
        return failed("Cholesky factor", n, n, err);
    }
    // Row i of the factor is that of unknown pivot[i]; columns are rows there.
    size_t r = (size_t)m;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < r; j++)
            L[(size_t)(pivot[i] - 1) * r + j] = j <= i ? G[j * n + i] : 0;
    free(pivot);
    *rank = r;
    return QV_OK;
}

void qv__gram(double *G, const double *A, size_t R, size_t D)
{
    qv_check(R <= INT32_MAX && D <= INT32_MAX);
    cblas_dsyrk(CblasRowMajor, CblasLower, CblasNoTrans, (int)R, (int)D, 1, A, (int)D, 0, G,
                (int)R);
    for (size_t i = 0; i < R; i++)
        for (size_t j = 0; j < i; j++)
            G[j * R + i] = G[i * R + j];
}

void qv__dgemm(bool ta, bool tb, size_t M, size_t N, size_t K, const double *A,
               const double *B, double *C)
{
    qv_check(M <= INT32_MAX && N <= INT32_MAX && K <= INT32_MAX);
    cblas_dgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans,
                tb ? CblasTrans : CblasNoTrans, (int)M, (int)N, (int)K, 1, A,
                (int)(ta ? M : K), B, (int)(tb ? K : N), 0, C, (int)N);
}
