/* gauge.c - inner products of the updates themselves.
 *
 * (A, B) and (M A, B M^-1) are the same update, so comparing factors compares
 * something that nothing depends on. The inner product of two updates does not
 * need them formed:
 *     <s B A, s' B' A'> = sum over a, b of (s B_a . s' B'_b) (A_a . A'_b),
 * with a over the ranks of one expert (rows of A, columns of B) and b over those
 * of the other. With the ranks of all experts stacked, that is two Gram matrices
 * multiplied entry by entry, then summed over the blocks of each pair.
 */
#include "cluster/gram.h"

#include "base/carve.h"
#include "op/gemm.h"

#include <stdlib.h>
#include <string.h>

/* Ranks whose products with all earlier ones are formed at a time. */
enum { ROWS = 256 };

/* All experts at one site. */
struct stack {
    size_t D_in, D_out;
    size_t n;       // experts here
    size_t *which;  // [K] their indices
    size_t *first;  // [K + 1] expert j's ranks are first[j] .. first[j + 1]
    float *A;       // [first[n], D_in]
    float *B;       // [first[n], D_out] columns of s B
    float *AA, *BB; // [rows, first[n]] products of some ranks with all
};

static size_t layout(struct stack *s, void *base, size_t rows)
{
    qv_carve c = {.base = base};
    size_t N = s->first[s->n];
    s->A = qv__carve_f32(&c, N, s->D_in);
    s->B = qv__carve_f32(&c, N, s->D_out);
    s->AA = qv__carve_f32(&c, rows, N);
    s->BB = qv__carve_f32(&c, rows, N);
    return c.used;
}

/* Who adapts the site, and at which ranks; *most = the largest rank. */
static qv_status list_experts(struct stack *s, size_t *most, const char *path,
                              struct qv_expert *const *experts, size_t K, qv_err *err)
{
    s->n = 0;
    *most = 0;
    for (size_t k = 0; k < K; k++) {
        const struct qv_expert_site *site = qv__expert_site(experts[k], path);
        if (!site)
            continue;
        if (s->n == 0) {
            s->D_in = site->D_in;
            s->D_out = site->D_out;
        } else if (site->D_in != s->D_in || site->D_out != s->D_out)
            return qv_fail(err, QV_EFORMAT,
                           "experts '%s' and '%s' differ at site '%s': %zu to %zu and %zu "
                           "to %zu",
                           experts[s->which[0]]->name, experts[k]->name, path, s->D_in,
                           s->D_out, site->D_in, site->D_out);
        s->which[s->n] = k;
        s->first[s->n + 1] = s->first[s->n] + site->R;
        s->n++;
        *most = qv__max(*most, site->R);
    }
    return QV_OK;
}

static void fill(struct stack *s, const char *path, struct qv_expert *const *experts)
{
#pragma omp parallel for schedule(static)
    for (size_t j = 0; j < s->n; j++) {
        const struct qv_expert_site *site = qv__expert_site(experts[s->which[j]], path);
        float *A = s->A + s->first[j] * s->D_in, *B = s->B + s->first[j] * s->D_out;
        memcpy(A, site->A, site->R * s->D_in * sizeof *A);
        for (size_t r = 0; r < site->R; r++)
            for (size_t o = 0; o < s->D_out; o++)
                B[r * s->D_out + o] = site->scale * site->B[o * site->R + r];
    }
}

/* <update i, update j>, with expert i's ranks from row `row` of AA and BB. */
static double inner(const struct stack *s, size_t row, size_t i, size_t j)
{
    size_t N = s->first[s->n];
    double sum = 0;
    for (size_t a = 0; a < s->first[i + 1] - s->first[i]; a++)
        for (size_t b = s->first[j]; b < s->first[j + 1]; b++)
            sum += (double)s->AA[(row + a) * N + b] * s->BB[(row + a) * N + b];
    return sum;
}

/* G += the inner products of experts i0 .. i1 - 1 with all up to themselves. */
static void add_products(double *G, const struct stack *s, size_t i0, size_t i1, size_t K)
{
    size_t begin = s->first[i0], rows = s->first[i1] - begin, N = s->first[s->n];
    size_t columns = s->first[i1];
    qv__sgemm(false, true, rows, columns, s->D_in, 1, s->A + begin * s->D_in, s->D_in, s->A,
              s->D_in, 0, s->AA, N);
    qv__sgemm(false, true, rows, columns, s->D_out, 1, s->B + begin * s->D_out, s->D_out,
              s->B, s->D_out, 0, s->BB, N);
#pragma omp parallel for schedule(dynamic)
    for (size_t i = i0; i < i1; i++)
        for (size_t j = 0; j <= i; j++)
            G[s->which[i] * K + s->which[j]] += inner(s, s->first[i] - begin, i, j);
}

static qv_status add_site(double *G, struct stack *s, const char *path,
                          struct qv_expert *const *experts, size_t K, qv_err *err)
{
    size_t most;
    qv_status result = list_experts(s, &most, path, experts, K, err);
    if (result)
        return result;
    size_t rows = qv__min(s->first[s->n], ROWS + most);
    qv_carve need = {.used = layout(s, NULL, rows)};
    void *mem = qv__carve_alloc(&need);
    if (!mem)
        return qv_fail(err, QV_ENOMEM, "no memory to compare %zu experts at '%s'", s->n,
                       path);
    layout(s, mem, rows);
    fill(s, path, experts);
    for (size_t i0 = 0, i1; i0 < s->n; i0 = i1) {
        for (i1 = i0 + 1; i1 < s->n && s->first[i1] - s->first[i0] < ROWS; i1++)
            ;
        add_products(G, s, i0, i1, K);
    }
    free(mem);
    return QV_OK;
}

/* Whether an expert before k adapts the site: it has been counted then. */
static bool is_done(const char *path, struct qv_expert *const *experts, size_t k)
{
    for (size_t j = 0; j < k; j++)
        if (qv__expert_site(experts[j], path))
            return true;
    return false;
}

qv_status qv__gram_gauge(double *G, struct qv_expert *const *experts, size_t K, qv_err *err)
{
    qv_arena scratch = {0};
    struct stack s = {.which = qv_new_n(&scratch, size_t, K),
                      .first = qv_new_n(&scratch, size_t, K + 1)};
    qv_status result = QV_OK;
    for (size_t k = 0; k < K && !result; k++)
        for (size_t i = 0; i < experts[k]->n_sites && !result; i++) {
            const char *path = experts[k]->site[i].path;
            if (!is_done(path, experts, k))
                result = add_site(G, &s, path, experts, K, err);
        }
    qv__arena_free(&scratch);
    return result;
}
