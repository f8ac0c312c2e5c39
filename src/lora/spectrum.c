/* spectrum.c - see spectrum.h. */
#include "lora/spectrum.h"

#include "base/carve.h"
#include "lora/linalg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct work {
    double *Q;      // [R, D_in] A, then the orthonormal rows of its LQ
    double *L;      // [R, m]
    double *Bt;     // [R, D_out] B transposed
    double *G;      // [R, R] B'B
    double *GL;     // [R, m]
    double *S;      // [m, m]
    double *lambda; // [m]
    double *v;      // [D_in]
};

static size_t layout(struct work *w, void *base, size_t R, size_t D_in, size_t D_out)
{
    qv_carve c = {.base = base};
    size_t m = qv__min(R, D_in);
    w->Q = qv__carve(&c, R, D_in, 1, sizeof *w->Q);
    w->L = qv__carve(&c, R, m, 1, sizeof *w->L);
    w->Bt = qv__carve(&c, R, D_out, 1, sizeof *w->Bt);
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

/* G = B'B, from B [D_out, R], by way of its columns: they are as long as R is short. */
static void gram(const struct work *w, const float *B, size_t R, size_t D_out)
{
    for (size_t o = 0; o < D_out; o++)
        for (size_t i = 0; i < R; i++)
            w->Bt[i * D_out + o] = (double)B[o * R + i];
    for (size_t i = 0; i < R; i++)
        for (size_t j = 0; j <= i; j++) {
            const double *a = w->Bt + i * D_out, *b = w->Bt + j * D_out;
            double sum = 0;
#pragma omp simd reduction(+ : sum)
            for (size_t o = 0; o < D_out; o++)
                sum += a[o] * b[o];
            w->G[i * R + j] = w->G[j * R + i] = sum;
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

/* v = Q' u of length 1, its largest entry positive, for the i-th eigenvector u. Returns
 * what Q' u was multiplied by. */
static double direction(float *v, const struct work *w, size_t i, size_t m, size_t D_in)
{
    const double *u = w->S + i * m;
    double *to = w->v, norm2 = 0, peak = 0;
    for (size_t d = 0; d < D_in; d++)
        to[d] = 0;
    for (size_t j = 0; j < m; j++) {
        const double *q = w->Q + j * D_in;
#pragma omp simd
        for (size_t d = 0; d < D_in; d++)
            to[d] += u[j] * q[d];
    }
#pragma omp simd reduction(+ : norm2)
    for (size_t d = 0; d < D_in; d++)
        norm2 += to[d] * to[d];
    for (size_t d = 0; d < D_in; d++)
        peak = fabs(to[d]) > peak ? fabs(to[d]) : peak;
    size_t first = 0; // of largest magnitude
    while (first + 1 < D_in && fabs(to[first]) < peak)
        first++;
    double scale = copysign(1 / sqrt(norm2), to[first]);
#pragma omp simd
    for (size_t d = 0; d < D_in; d++)
        v[d] = (float)(to[d] * scale);
    return scale;
}

/* Q, L and the eigenvectors and values of S, in memory that the caller frees. */
static qv_status factorise(struct work *w, void **mem, const float *A, const float *B,
                           size_t R, size_t D_in, size_t D_out, qv_err *err)
{
    *mem = NULL;
    if (!qv__all_finite(A, R * D_in) || !qv__all_finite(B, D_out * R))
        return qv_fail(err, QV_EFORMAT, "a weight is not finite");
    qv_carve need = {.used = layout(w, NULL, R, D_in, D_out)};
    *mem = qv__carve_alloc(&need);
    if (!*mem)
        return qv_fail(err, QV_ENOMEM, "no memory for a prototype of rank %zu", R);
    layout(w, *mem, R, D_in, D_out);
    size_t m = qv__min(R, D_in);
    for (size_t i = 0; i < R * D_in; i++)
        w->Q[i] = A[i];
    qv_status result = qv__lq(w->Q, w->L, R, D_in, err);
    if (result)
        return result;
    gram(w, B, R, D_out);
    core(w, R, m);
    return qv__eigen(w->lambda, w->S, m, err);
}

qv_status qv__prototype(float *v, float sigma[2], const float *A, const float *B, size_t R,
                        size_t D_in, size_t D_out, qv_err *err)
{
    struct work w;
    void *mem;
    qv_status result = factorise(&w, &mem, A, B, R, D_in, D_out, err);
    size_t m = qv__min(R, D_in);
    if (!result) {
        sigma[0] = (float)sqrt(fmax(w.lambda[0], 0));
        sigma[1] = m > 1 ? (float)sqrt(fmax(w.lambda[1], 0)) : 0;
        for (size_t d = 0; d < D_in; d++)
            v[d] = 0;
        if (w.lambda[0] > 0)
            direction(v, &w, 0, m, D_in);
    }
    free(mem);
    return result;
}

/* Column i of B (L u), from the old B; `column` [R] is scratch. */
static void project(float *B, double *column, const float *old, const struct work *w,
                    size_t i, double sign, size_t R, size_t m, size_t D_out)
{
    for (size_t r = 0; r < R; r++) {
        column[r] = 0;
        for (size_t j = 0; j < m; j++)
            column[r] += sign * w->L[r * m + j] * w->S[i * m + j];
    }
    for (size_t o = 0; o < D_out; o++) {
        double sum = 0;
        for (size_t r = 0; r < R; r++)
            sum += (double)old[o * R + r] * column[r];
        B[o * R + i] = (float)sum;
    }
}

qv_status qv__spectral(float *A, float *B, size_t R, size_t D_in, size_t D_out, qv_err *err)
{
    struct work w;
    void *mem = NULL;
    float *old = malloc(D_out * R * sizeof *old);
    qv_status result = old ? factorise(&w, &mem, A, B, R, D_in, D_out, err)
                           : qv_fail(err, QV_ENOMEM, "no memory for a spectrum");
    if (!result) {
        size_t m = qv__min(R, D_in);
        memcpy(old, B, D_out * R * sizeof *old);
        memset(A, 0, R * D_in * sizeof *A);
        memset(B, 0, D_out * R * sizeof *B);
        for (size_t i = 0; i < m && w.lambda[i] > 1e-12 * w.lambda[0]; i++) {
            double sign = copysign(1, direction(A + i * D_in, &w, i, m, D_in));
            project(B, w.GL, old, &w, i, sign, R, m, D_out);
        }
    }
    free(mem);
    free(old);
    return result;
}
