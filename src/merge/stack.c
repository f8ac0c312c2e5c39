/* stack.c - see stack.h.
 *
 * With the stacked factors A [R, D_in] and B [D_out, R], A A' = L L' and
 * A = L Q for some Q with orthonormal rows, which is never needed: B A and the
 * small B L have the same singular values, and those of B L come from the
 * symmetric S = L' (B'B) L. For the eigenvector u of sigma^2, y = L u gives
 *     sigma * left vector  = B y
 *     right vector         = A' (B'B) y / sigma^2.
 * O(R^2 (D_in + D_out) + R^3). Squaring costs half the digits of a double, which
 * leaves those of a float: so each pair of a row of A and a column of B first
 * shares its length evenly, lest one factor's size drown the other's.
 */
#include "merge/stack.h"

#include "base/carve.h"
#include "lora/linalg.h"

#include <math.h>
#include <stdlib.h>

size_t qv__stacked_rank(const struct qv_merge_site *in)
{
    size_t R = 0;
    for (size_t k = 0; k < in->n; k++)
        R += in->at[k]->R;
    return R;
}

void qv__stack(const struct qv_expert_site *out, const struct qv_merge_site *in)
{
    size_t row = 0;
    for (size_t k = 0; k < in->n; k++) {
        const struct qv_expert_site *s = in->at[k];
        double c = in->w[k] * (double)s->scale;
        float *A = out->A + row * s->D_in;
        for (size_t i = 0; i < s->R * s->D_in; i++)
            A[i] = (float)(c * (double)s->A[i]);
        for (size_t o = 0; o < s->D_out; o++)
            for (size_t r = 0; r < s->R; r++)
                out->B[o * out->R + row + r] = s->B[o * s->R + r];
        row += s->R;
    }
}

struct work {
    double *A;      // [R, D_in]
    double *Bt;     // [R, D_out] B transposed
    double *G;      // [R, R] A A', then S [m, m]
    double *GB;     // [R, R] B'B
    double *L;      // [R, m]
    double *GBL;    // [R, m]
    double *lambda; // [q]
    double *U;      // [q, m]
    double *Y;      // [q, R]
    double *Z;      // [q, R]
    double *left;   // [q, D_out]
    double *right;  // [q, D_in]
};

static size_t layout(struct work *w, void *base, size_t R, size_t q, size_t D_in,
                     size_t D_out)
{
    qv_carve c = {.base = base};
    w->A = qv__carve(&c, R, D_in, 1, sizeof *w->A);
    w->Bt = qv__carve(&c, R, D_out, 1, sizeof *w->Bt);
    w->G = qv__carve(&c, R, R, 1, sizeof *w->G);
    w->GB = qv__carve(&c, R, R, 1, sizeof *w->GB);
    w->L = qv__carve(&c, R, R, 1, sizeof *w->L);
    w->GBL = qv__carve(&c, R, R, 1, sizeof *w->GBL);
    w->lambda = qv__carve(&c, q, 1, 1, sizeof *w->lambda);
    w->U = qv__carve(&c, q, R, 1, sizeof *w->U);
    w->Y = qv__carve(&c, q, R, 1, sizeof *w->Y);
    w->Z = qv__carve(&c, q, R, 1, sizeof *w->Z);
    w->left = qv__carve(&c, q, D_out, 1, sizeof *w->left);
    w->right = qv__carve(&c, q, D_in, 1, sizeof *w->right);
    return c.used;
}

static double length(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sqrt(sum);
}

static void scale(double *x, size_t n, double by)
{
    for (size_t i = 0; i < n; i++)
        x[i] *= by;
}

/* One row of the stacked factors: a row of A and a column of B, with c between
 * them shared so that both are as long. */
static void load_row(double *a, double *b, const struct qv_expert_site *s, size_t r,
                     double c)
{
    for (size_t d = 0; d < s->D_in; d++)
        a[d] = (double)s->A[r * s->D_in + d];
    for (size_t o = 0; o < s->D_out; o++)
        b[o] = (double)s->B[o * s->R + r];
    double in = length(a, s->D_in), out = length(b, s->D_out);
    double each = sqrt(fabs(c) * in * out);
    scale(a, s->D_in, in > 0 ? copysign(each / in, c) : 0);
    scale(b, s->D_out, out > 0 ? each / out : 0);
}

static void load(struct work *w, const struct qv_merge_site *in)
{
    size_t row = 0;
    for (size_t k = 0; k < in->n; k++) {
        const struct qv_expert_site *s = in->at[k];
        double c = in->w[k] * (double)s->scale;
        for (size_t r = 0; r < s->R; r++)
            load_row(w->A + (row + r) * s->D_in, w->Bt + (row + r) * s->D_out, s, r, c);
        row += s->R;
    }
}

/* The q leading vectors, from S's eigenvectors in U. */
static void directions(const struct work *w, size_t R, size_t m, size_t q,
                       const struct qv_merge_site *in)
{
    qv__dgemm(false, true, q, R, m, w->U, w->L, w->Y);
    qv__dgemm(false, false, q, in->D_out, R, w->Y, w->Bt, w->left);
    qv__dgemm(false, false, q, R, R, w->Y, w->GB, w->Z);
    qv__dgemm(false, false, q, in->D_in, R, w->Z, w->A, w->right);
}

static void store(const struct qv_expert_site *out, const struct work *w, size_t j)
{
    const double *v = w->right + j * out->D_in, *u = w->left + j * out->D_out;
    double largest = 0;
    for (size_t d = 0; d < out->D_in; d++)
        if (fabs(v[d]) > fabs(largest))
            largest = v[d];
    double sign = copysign(1, largest);
    for (size_t d = 0; d < out->D_in; d++)
        out->A[j * out->D_in + d] = (float)(sign * v[d] / w->lambda[j]);
    for (size_t o = 0; o < out->D_out; o++)
        out->B[o * out->R + j] = (float)(sign * u[o]);
}

static qv_status decompose(const struct qv_expert_site *out, double energy[2],
                           struct work *w, size_t R, const struct qv_merge_site *in,
                           qv_err *err)
{
    size_t m;
    load(w, in);
    qv__gram(w->G, w->A, R, in->D_in);
    qv__gram(w->GB, w->Bt, R, in->D_out);
    qv_status result = qv__cholesky(w->L, &m, w->G, R, err);
    if (result || m == 0)
        return result;
    qv__dgemm(false, false, R, m, R, w->GB, w->L, w->GBL);
    qv__dgemm(true, false, m, m, R, w->L, w->GBL, w->G);
    double whole = 0, kept = 0;
    for (size_t i = 0; i < m; i++)
        whole += w->G[i * m + i];

    size_t q = qv__min(out->R, m);
    result = qv__eigen_top(w->lambda, w->U, q, w->G, m, err);
    if (result)
        return result;
    directions(w, R, m, q, in);
    double least = w->lambda[0] * 0x1p-52 * (double)R; // less is rounding
    for (size_t j = 0; j < q && w->lambda[j] > least; j++) {
        kept += w->lambda[j];
        store(out, w, j);
    }
    energy[0] += whole;
    energy[1] += q < m ? fmax(whole - kept, 0) : 0;
    return QV_OK;
}

qv_status qv__compress(const struct qv_expert_site *out, double energy[2],
                       const struct qv_merge_site *in, qv_err *err)
{
    struct work w;
    size_t R = qv__stacked_rank(in), q = out->R;
    qv_carve need = {.used = layout(&w, NULL, R, q, in->D_in, in->D_out)};
    void *mem = qv__carve_alloc(&need);
    if (!mem)
        return qv_fail(err, QV_ENOMEM, "no memory to compress rank %zu", R);
    layout(&w, mem, R, q, in->D_in, in->D_out);
    qv_status result = decompose(out, energy, &w, R, in, err);
    free(mem);
    return result;
}

static bool is_cut(const struct qv_merge_site *in, const struct qv_merge_how *how)
{
    return how->rank && how->rank < qv__stacked_rank(in);
}

size_t qv__sum_rank(const struct qv_merge_site *in, const struct qv_merge_how *how)
{
    size_t R = qv__stacked_rank(in);
    return is_cut(in, how) ? qv__min(how->rank, qv__min(in->D_in, in->D_out)) : R;
}

qv_status qv__sum_updates(const struct qv_expert_site *out, double energy[2],
                          const struct qv_merge_site *in, const struct qv_merge_how *how,
                          qv_err *err)
{
    if (is_cut(in, how))
        return qv__compress(out, energy, in, err);
    qv__stack(out, in);
    return QV_OK;
}
