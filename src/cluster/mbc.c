/* mbc.c - the embeddings of model-based clustering, as their inner products.
 *
 * The authors sparsify each expert's flattened weights to the rows of Y [K, n],
 * take Y = U S V' cut to c components and embed expert i as row i of U S. Only
 * cosines of embeddings are ever used, and with Y Y' = U S^2 U' they follow from
 * the eigenvectors of a K x K matrix: exactly, and n never matters but for one
 * pass over the weights.
 */
#include "cluster/gram.h"

#include "base/carve.h"
#include "cluster/cluster.h"
#include "lora/linalg.h"
#include "op/gemm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Columns of Y that one float product adds up; the products themselves are added
 * in double, so that rounding does not grow with n. */
enum { PIECE = 1024 };

struct work {
    double *threshold; // [K]
    double *lambda;    // [K]
    double *U;         // [K, K] row l is the l-th eigenvector
    float *Y;          // [K, PIECE]
    float *product;    // [K, K]
};

static size_t layout(struct work *w, void *base, size_t K)
{
    qv_carve c = {.base = base};
    w->threshold = qv__carve(&c, K, 1, 1, sizeof *w->threshold);
    w->lambda = qv__carve(&c, K, 1, 1, sizeof *w->lambda);
    w->U = qv__carve(&c, K, K, 1, sizeof *w->U);
    w->Y = qv__carve_f32(&c, K, PIECE);
    w->product = qv__carve_f32(&c, K, K);
    return c.used;
}

/* That entry i of the flattened weights means the same in every expert. */
static qv_status check_shapes(struct qv_expert *const *experts, size_t K, qv_err *err)
{
    const struct qv_expert *a = experts[0];
    for (size_t k = 1; k < K; k++) {
        const struct qv_expert *b = experts[k];
        if (a->n_sites != b->n_sites)
            return qv_fail(err, QV_EFORMAT, "experts '%s' and '%s' have %zu and %zu sites",
                           a->name, b->name, a->n_sites, b->n_sites);
        for (size_t i = 0; i < a->n_sites; i++) {
            const struct qv_expert_site *s = &a->site[i], *t = &b->site[i];
            if (strcmp(s->path, t->path) != 0)
                return qv_fail(err, QV_EFORMAT,
                               "experts '%s' and '%s' adapt different sites: '%s' and '%s'",
                               a->name, b->name, s->path, t->path);
            if (s->R != t->R || s->D_in != t->D_in || s->D_out != t->D_out)
                return qv_fail(err, QV_EFORMAT,
                               "experts '%s' and '%s' differ at site '%s': %zu to %zu by "
                               "rank %zu and %zu to %zu by rank %zu",
                               a->name, b->name, s->path, s->D_in, s->D_out, s->R, t->D_in,
                               t->D_out, t->R);
        }
    }
    return QV_OK;
}

static qv_status find_thresholds(double *threshold, struct qv_expert *const *experts,
                                 size_t K, double q, qv_err *err)
{
    struct qv_first bad = {0};
#pragma omp parallel for schedule(dynamic)
    for (size_t k = 0; k < K; k++) {
        threshold[k] = -1; // below every magnitude
        if (q < 0 || experts[k]->n_w == 0)
            continue;
        qv_err own;
        qv_status st =
            qv__magnitude_quantile(&threshold[k], experts[k]->w, experts[k]->n_w, q, &own);
        if (st) {
            qv_wrap(&own, st, "expert '%s': ", experts[k]->name);
            qv__first_note(&bad, k, &own);
        }
    }
    return qv__first_tell(&bad, err);
}

/* G = Y Y', piece by piece of Y, which never exists as a whole. */
static void multiply(double *G, const struct work *w, struct qv_expert *const *experts,
                     size_t K)
{
    memset(G, 0, K * K * sizeof *G);
    for (size_t i0 = 0; i0 < experts[0]->n_w; i0 += PIECE) {
        size_t width = qv__min(experts[0]->n_w - i0, PIECE);
#pragma omp parallel for schedule(static)
        for (size_t k = 0; k < K; k++) {
            const float *theta = experts[k]->w + i0;
            float *y = w->Y + k * width;
            for (size_t i = 0; i < width; i++)
                y[i] = fabs((double)theta[i]) <= w->threshold[k] ? 0 : theta[i];
        }
        qv__sgemm(false, true, K, K, width, 1, w->Y, width, w->Y, width, 0, w->product, K);
        for (size_t i = 0; i < K * K; i++)
            G[i] += w->product[i];
    }
}

/* G, cut to its c largest eigenvalues. */
static qv_status cut(double *G, const struct work *w, size_t K, size_t c, qv_err *err)
{
    memcpy(w->U, G, K * K * sizeof *G);
    qv_status result = qv__eigen(w->lambda, w->U, K, err);
    if (result)
        return result;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < K; i++) {
        double *row = G + i * K;
        bool is_zero = row[i] == 0; // then rounding must not make it something
        memset(row, 0, K * sizeof *row);
        for (size_t l = 0; l < c && !is_zero; l++) {
            double a = fmax(w->lambda[l], 0) * w->U[l * K + i];
            for (size_t j = 0; j < K; j++)
                row[j] += a * w->U[l * K + j];
        }
    }
    return QV_OK;
}

qv_status qv__gram_mbc(double *G, struct qv_expert *const *experts, size_t K, double q,
                       size_t components, qv_err *err)
{
    qv_status result = check_shapes(experts, K, err);
    if (result)
        return result;
    struct work w;
    qv_carve need = {.used = layout(&w, NULL, K)};
    void *mem = qv__carve_alloc(&need);
    if (!mem)
        return qv_fail(err, QV_ENOMEM, "no memory to compare %zu experts", K);
    layout(&w, mem, K);
    result = find_thresholds(w.threshold, experts, K, q, err);
    if (!result) {
        multiply(G, &w, experts, K);
        result = cut(G, &w, K, qv__min(components, K), err);
    }
    free(mem);
    return result;
}
