/* spectrum.c - see spectrum.h. */
#include "lora/spectrum.h"

#include "base/carve.h"
#include "lora/linalg.h"

#include <math.h>
#include <stdlib.h>

struct work {
    double *Q;      // [R, D_in] A, then the orthonormal rows of its LQ
    double *L;      // [R, m]
    double *G;      // [R, R] B'B
    double *GL;     // [R, m]
    double *S;      // [m, m]
    double *lambda; // [m]
    double *v;      // [D_in]
};

static size_t layout(struct work *w, void *base, size_t R, size_t D_in)
{
    qv_carve c = {.base = base};
    size_t m = qv__min(R, D_in);
    w->Q = qv__carve(&c, R, D_in, 1, sizeof *w->Q);
    w->L = qv__carve(&c, R, m, 1, sizeof *w->L);
    w->G = qv__carve(&c, R, R, 1, sizeof *w->G);
    w->GL = qv__carve(&c, R, m, 1, sizeof *w->GL);
    w->S = qv__carve(&c, m, m, 1, sizeof *w->S);
    w->lambda = qv__carve(&c, m, 1, 1, sizeof *w->lambda);
    w->v = qv__carve(&c, D_in, 1, 1, sizeof *w->v);
    return c.used;
}

bool qv__all_finite(const float *x, size_t n)
{
    // 0 * x is 0 for every number and NaN for the rest; unlike a loop that stops
    // early, this one runs as fast as memory.
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++)
        sum += 0 * x[i];
    return sum == 0;
}

/* G = B'B, from B [D_out, R]. */
static void gram(double *G, const float *B, size_t R, size_t D_out)
{
    for (size_t i = 0; i < R * R; i++)
        G[i] = 0;
    for (size_t o = 0; o < D_out; o++) {
        const float *b = B + o * R;
        for (size_t i = 0; i < R; i++)
            for (size_t j = 0; j < R; j++)
                G[i * R + j] += (double)b[i] * b[j];
    }
}

/* S = L' G L. */
static void core(const struct work *w, size_t R, size_t m)
{
    for (size_t i = 0; i < R; i++)
        for (size_t j = 0; j < m; j++) {
            double sum = 0;
            for (size_t k = 0; k < R; k++)
                sum += w->G[i * R + k] * w->L[k * m + j];
            w->GL[i * m + j] = sum;
        }
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < m; j++) {
            double sum = 0;
            for (size_t k = 0; k < R; k++)
                sum += w->L[k * m + i] * w->GL[k * m + j];
            w->S[i * m + j] = sum;
        }
}

/* v = Q' u, of length 1, its largest entry positive. */
static void direction(float *v, const struct work *w, size_t m, size_t D_in)
{
    const double *u = w->S; // row 0: the eigenvector of the largest eigenvalue
    for (size_t d = 0; d < D_in; d++)
        w->v[d] = 0;
    for (size_t i = 0; i < m; i++)
        for (size_t d = 0; d < D_in; d++)
            w->v[d] += u[i] * w->Q[i * D_in + d];

    double largest = 0, norm2 = 0;
    for (size_t d = 0; d < D_in; d++) {
        norm2 += w->v[d] * w->v[d];
        if (fabs(w->v[d]) > fabs(largest))
            largest = w->v[d];
    }
    double scale = copysign(1 / sqrt(norm2), largest);
    for (size_t d = 0; d < D_in; d++)
        v[d] = (float)(w->v[d] * scale);
}

qv_status qv__prototype(float *v, float sigma[2], const float *A, const float *B, size_t R,
                        size_t D_in, size_t D_out, qv_err *err)
{
    if (!qv__all_finite(A, R * D_in) || !qv__all_finite(B, D_out * R))
        return qv_fail(err, QV_EFORMAT, "a weight is not finite");

    struct work w;
    qv_carve need = {.used = layout(&w, NULL, R, D_in)};
    void *mem = qv__carve_alloc(&need);
    if (!mem)
        return qv_fail(err, QV_ENOMEM, "no memory for a prototype of rank %zu", R);
    layout(&w, mem, R, D_in);
    size_t m = qv__min(R, D_in);

    for (size_t i = 0; i < R * D_in; i++)
        w.Q[i] = A[i];
    qv_status result = qv__lq(w.Q, w.L, R, D_in, err);
    if (result)
        goto out;
    gram(w.G, B, R, D_out);
    core(&w, R, m);
    result = qv__eigen(w.lambda, w.S, m, err);
    if (result)
        goto out;

    sigma[0] = (float)sqrt(fmax(w.lambda[0], 0));
    sigma[1] = m > 1 ? (float)sqrt(fmax(w.lambda[1], 0)) : 0;
    if (w.lambda[0] > 0)
        direction(v, &w, m, D_in);
    else
        for (size_t d = 0; d < D_in; d++)
            v[d] = 0;

out:
    free(mem);
    return result;
}
