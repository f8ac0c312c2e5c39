/* truncate.c - see truncate.h.
 *
 * The leading singular vectors of M = B A lie in the span of a few products with it:
 * from random rows U, the rows of U M, then of U M M' M, ... (block Krylov; Musco and
 * Musco, arXiv:1504.05477, bound the error whatever the gaps between singular
 * values). Products with M'M would lose half the digits of a float. Golub and Kahan's
 * order keeps them: again and again,
 *
 *     V = the rows of U M made orthonormal, U = the rows of V M' made orthonormal.
 *
 * With all the Vs one below another, and all the Us, V M' = T U for a small T, whose
 * singular values are M's and whose vectors, through V and U, are M's as well. A
 * block has a few rows more than are wanted: the last of those is then found sooner.
 *
 * A row of V costs O(R (D_in + D_out)), in products that oneDNN does at full speed.
 */
#include "lora/truncate.h"

#include "base/carve.h"
#include "base/rng.h"
#include "kern/kern.h"
#include "lora/linalg.h"
#include "op/adamw.h"
#include "op/gemm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 11, MORE = 8 };

struct work {
    size_t m, b;    // rows of V and U, and of a block of them
    float *V;       // [m, D_in] orthonormal rows, or zeros where M has no more
    float *U;       // [m, D_out] the same
    float *T;       // [m, m] V M' U'
    float *W;       // [b, D_out]
    float *X;       // [b, D_in]
    float *P;       // [b, max(R, m)]
    double *S;      // [m, m] T T', then its eigenvectors
    double *lambda; // [m] squared singular values
    float *lead;    // [q, m] the eigenvectors that are kept
};

static size_t layout(struct work *w, void *base, const struct qv_expert_site *M, size_t q)
{
    qv_carve c = {.base = base};
    size_t most = qv__min(M->R, qv__min(M->D_in, M->D_out));
    w->b = qv__min(q + MORE, most);
    w->m = qv__min(w->b * BLOCKS, most);
    w->V = qv__carve_f32(&c, w->m, M->D_in);
    w->U = qv__carve_f32(&c, w->m, M->D_out);
    w->T = qv__carve_f32(&c, w->m, w->m);
    w->W = qv__carve_f32(&c, w->b, M->D_out);
    w->X = qv__carve_f32(&c, w->b, M->D_in);
    w->P = qv__carve_f32(&c, w->b, qv__max(M->R, w->m));
    w->S = qv__carve(&c, w->m, w->m, 1, sizeof *w->S);
    w->lambda = qv__carve(&c, w->m, 1, 1, sizeof *w->lambda);
    w->lead = qv__carve_f32(&c, q, w->m);
    return c.used;
}

/* Numbers of mean 0 and variance 1. */
static void draw(float *x, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i++)
        x[i] = sqrtf(12) * (qv__uniform(seed, i) - 0.5f);
}

/* Y [n, D_in] = X M. P [n, R]. */
static void times(float *Y, const float *X, size_t n, const struct qv_expert_site *M,
                  float *P)
{
    qv__sgemm(false, false, n, M->R, M->D_out, 1, X, M->D_out, M->B, M->R, 0, P, M->R);
    qv__sgemm(false, false, n, M->D_in, M->R, 1, P, M->R, M->A, M->D_in, 0, Y, M->D_in);
}

/* Y [n, D_out] = X M'. P [n, R]. */
static void times_transposed(float *Y, const float *X, size_t n,
                             const struct qv_expert_site *M, float *P)
{
    qv__sgemm(false, true, n, M->R, M->D_in, 1, X, M->D_in, M->A, M->D_in, 0, P, M->R);
    qv__sgemm(false, true, n, M->D_out, M->R, 1, P, M->R, M->B, M->R, 0, Y, M->D_out);
}

/* X [n, D] less its part in the rows of Q [k, D]. P [n, k]. */
static void project_off(float *X, size_t n, const float *Q, size_t k, size_t D, float *P)
{
    if (k == 0)
        return;
    qv__sgemm(false, true, n, k, D, 1, X, D, Q, D, 0, P, k);
    qv__sgemm(false, false, n, D, k, -1, P, k, Q, D, 1, X, D);
}

/* x [D] of length 1, or zero if it is not longer than `least`. */
static void make_unit(float *x, size_t D, double least)
{
    double length = qv__norm(x, D);
    double by = length > least ? 1 / length : 0;
    for (size_t d = 0; d < D; d++)
        x[d] = (float)(by * (double)x[d]);
}

/* The n rows of Q after the first k, made orthonormal and orthogonal to those. Twice,
 * since a row of which little is left has that much more of its rounding in it. One of
 * which nothing but rounding is left becomes zero: the rounding leans on the rows that
 * were taken off, so that the second time takes most of it. */
static void make_orthonormal(float *Q, size_t k, size_t n, size_t D, float *P)
{
    static const double least[2] = {1e-6, 0.5};
    const struct qv_kern *kern = qv__kern();
    float *X = Q + k * D;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < n; i++)
            make_unit(X + i * D, D, 0);
        project_off(X, n, Q, k, D, P);
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j < i; j++)
                kern->axpy(X + i * D, -kern->dot(X + i * D, X + j * D, D), X + j * D, D);
            make_unit(X + i * D, D, least[pass]);
        }
    }
}

/* Rows k, k + 1 ... of V, U and T, at most a block of them, from some rows of U. */
static void add_block(struct work *w, const struct qv_expert_site *M, size_t k,
                      const float *from)
{
    size_t n = qv__min(w->b, w->m - k);
    float *V = w->V + k * M->D_in, *U = w->U + k * M->D_out;
    times(V, from, n, M, w->P);
    make_orthonormal(w->V, k, n, M->D_in, w->P);
    times_transposed(w->W, V, n, M, w->P);
    memcpy(U, w->W, n * M->D_out * sizeof *U);
    make_orthonormal(w->U, k, n, M->D_out, w->P);
    qv__sgemm(false, true, n, k + n, M->D_out, 1, w->W, M->D_out, w->U, M->D_out, 0,
              w->T + k * w->m, w->m);
}

static void find_bases(struct work *w, const struct qv_expert_site *M)
{
    draw(w->U, w->b * M->D_out, qv__seed_named(1, M->path));
    add_block(w, M, 0, w->U);
    if (w->m == w->b) // all of M in one block: again, since the draw may have missed some
        add_block(w, M, 0, w->U);
    for (size_t k = w->b; k < w->m; k += w->b)
        add_block(w, M, k, w->U + (k - w->b) * M->D_out);
}

/* The squared norm of what M does beyond V. Of random x less their part in V,
 * |M x|^2 is that on average; here over b of them. */
static double beyond(struct work *w, const struct qv_expert_site *M)
{
    draw(w->X, w->b * M->D_in, qv__seed_named(2, M->path));
    project_off(w->X, w->b, w->V, w->m, M->D_in, w->P);
    times_transposed(w->W, w->X, w->b, M, w->P);
    double length = qv__norm(w->W, w->b * M->D_out);
    return length * length / (double)w->b;
}

/* S = T T'. */
static void square(double *S, const float *T, size_t m)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j <= i; j++) {
            double sum = 0;
            for (size_t k = 0; k < m; k++)
                sum += (double)T[i * m + k] * (double)T[j * m + k];
            S[i * m + j] = S[j * m + i] = sum;
        }
}

/* out->A = lead V, out->B = (lead T U)'. */
static void rotate(const struct qv_expert_site *out, struct work *w)
{
    size_t q = out->R, m = w->m, D_in = out->D_in, D_out = out->D_out;
    for (size_t j = 0; j < q; j++) {
        bool is_real = w->lambda[j] > 1e-12 * w->lambda[0]; // less is rounding
        for (size_t i = 0; i < m; i++)
            w->lead[j * m + i] = is_real ? (float)w->S[j * m + i] : 0;
    }
    qv__sgemm(false, false, q, D_in, m, 1, w->lead, m, w->V, D_in, 0, out->A, D_in);
    qv__sgemm(false, false, q, m, m, 1, w->lead, m, w->T, m, 0, w->P, m);
    qv__sgemm(true, true, D_out, q, m, 1, w->U, D_out, w->P, m, 0, out->B, q);
}

/* The largest entry of each row of A becomes positive. */
static void fix_signs(const struct qv_expert_site *out)
{
    for (size_t j = 0; j < out->R; j++) {
        float *a = out->A + j * out->D_in, largest = 0;
        for (size_t d = 0; d < out->D_in; d++)
            largest = fabsf(a[d]) > fabsf(largest) ? a[d] : largest;
        if (largest >= 0)
            continue;
        for (size_t d = 0; d < out->D_in; d++)
            a[d] = -a[d];
        for (size_t o = 0; o < out->D_out; o++)
            out->B[o * out->R + j] = -out->B[o * out->R + j];
    }
}

qv_status qv__truncate(const struct qv_expert_site *out, double energy[2],
                       const struct qv_expert_site *in, qv_err *err)
{
    struct work w;
    qv_carve need = {.used = layout(&w, NULL, in, out->R)};
    void *mem = qv__carve_alloc(&need);
    if (!mem)
        return qv_fail(err, QV_ENOMEM, "no memory to cut rank %zu to %zu", in->R, out->R);
    layout(&w, mem, in, out->R);
    find_bases(&w, in);
    square(w.S, w.T, w.m);
    double seen = 0, kept = 0;
    for (size_t i = 0; i < w.m; i++)
        seen += w.S[i * w.m + i];
    qv_status result;
#pragma omp critical(qv__truncate) // OpenBLAS's own threads crawl for two callers at once
    result = qv__eigen(w.lambda, w.S, w.m, err);
    if (!result) {
        rotate(out, &w);
        fix_signs(out);
        for (size_t j = 0; j < out->R; j++)
            kept += w.lambda[j];
        double cut = fmax(seen - kept, 0) + beyond(&w, in);
        energy[0] += kept + cut;
        energy[1] += cut;
    }
    free(mem);
    return result;
}
