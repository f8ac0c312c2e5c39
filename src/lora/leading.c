/* leading.c - block Krylov iteration: products with S alone, where LAPACK first
 * makes all of S tridiagonal.
 *
 * From a random block X of q + 8 rows, the rows of X, X S, X S^2, ... soon hold
 * the leading eigenvectors; made orthonormal as they come (Z), the eigenvectors
 * of the small Z S Z' give them. It stops when every S u - lambda u is below 1e-8
 * of its own eigenvalue, or 1e-12 of the largest, which is rounding: small ones count
 * too, since a singular value is a root of one. A matrix that resists, or a small
 * one, is LAPACK's.
 */
#include "lora/leading.h"

#include "base/carve.h"
#include "base/rng.h"
#include "lora/linalg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MORE = 8, CHECK = 4, SMALL = 200 };

struct work {
    double *Z, *W;  // [m_max, n] the basis, and the basis times S
    double *P;      // [m_max, m_max] products with the basis
    double *T;      // [m_max, m_max]
    double *lambda; // [m_max]
    double *r;      // [b, n]
    double *L;      // [b, b]
};

static size_t layout(struct work *w, void *base, size_t m, size_t n, size_t b)
{
    qv_carve c = {.base = base};
    w->Z = qv__carve(&c, m, n, 1, sizeof *w->Z);
    w->W = qv__carve(&c, m, n, 1, sizeof *w->W);
    w->P = qv__carve(&c, m, m, 1, sizeof *w->P);
    w->T = qv__carve(&c, m, m, 1, sizeof *w->T);
    w->lambda = qv__carve(&c, m, 1, 1, sizeof *w->lambda);
    w->r = qv__carve(&c, b, n, 1, sizeof *w->r);
    w->L = qv__carve(&c, b, b, 1, sizeof *w->L);
    return c.used;
}

/* Rows m .. m + b - 1 of Z, orthonormal and orthogonal to those before. */
static qv_status orthogonalise(struct work *w, size_t m, size_t n, size_t b, qv_err *err)
{
    double *X = w->Z + m * n;
    qv_status result = QV_OK;
    // Where X adds nothing, the first pass leaves rounding, made unit, to the others.
    for (int again = 0; again < 3 && !result; again++) {
        if (m > 0) {
            qv__dgemm(false, true, b, m, n, X, w->Z, w->P);
            qv__dgemm(false, false, b, n, m, w->P, w->Z, w->r);
            for (size_t i = 0; i < b * n; i++)
                X[i] -= w->r[i];
        }
        result = qv__lq(X, w->L, b, n, err);
    }
    return result;
}

/* The best q vectors of the basis's m; *is_done if they are near enough. */
static qv_status rotate(double *lambda, double *u, bool *is_done, struct work *w, size_t m,
                        size_t n, size_t q, qv_err *err)
{
    qv__dgemm(false, true, m, m, n, w->W, w->Z, w->T);
    qv_status result = qv__eigen(w->lambda, w->T, m, err);
    if (result)
        return result;
    memcpy(lambda, w->lambda, q * sizeof *lambda);
    qv__dgemm(false, false, q, n, m, w->T, w->Z, u);
    qv__dgemm(false, false, q, n, m, w->T, w->W, w->r);
    *is_done = true;
    for (size_t j = 0; j < q; j++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++) {
            double d = w->r[j * n + i] - lambda[j] * u[j * n + i];
            sum += d * d;
        }
        *is_done = *is_done && sqrt(sum) <= fmax(1e-8 * lambda[j], 1e-12 * lambda[0]);
    }
    return QV_OK;
}

qv_status qv__leading(double *lambda, double *u, double *S, size_t n, size_t q, qv_err *err)
{
    size_t b = q + MORE, blocks = n / 2 / b;
    if (n <= SMALL || blocks < CHECK)
        return qv__eigen_top(lambda, u, q, S, n, err);
    struct work w;
    qv_carve need = {.used = layout(&w, NULL, blocks * b, n, b)};
    void *mem = qv__carve_alloc(&need);
    if (!mem)
        return qv_fail(err, QV_ENOMEM, "no memory for %zu eigenvalues", q);
    layout(&w, mem, blocks * b, n, b);
    for (size_t i = 0; i < b * n; i++)
        w.Z[i] = (double)qv__normal(1, i);

    bool is_done = false;
    qv_status result = QV_OK;
    for (size_t k = 0; k < blocks && !result && !is_done; k++) {
        result = orthogonalise(&w, k * b, n, b, err);
        qv__dgemm(false, false, b, n, n, w.Z + k * b * n, S, w.W + k * b * n);
        if (!result && (k + 1) % CHECK == 0)
            result = rotate(lambda, u, &is_done, &w, (k + 1) * b, n, q, err);
        if (k + 1 < blocks)
            memcpy(w.Z + (k + 1) * b * n, w.W + k * b * n, b * n * sizeof *w.Z);
    }
    free(mem);
    return result || is_done ? result : qv__eigen_top(lambda, u, q, S, n, err);
}
