/* entries.c - see entries.h. */
#include "merge/entries.h"

#include "base/carve.h"
#include "base/rng.h"
#include "base/select.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t layout(struct qv_factor *f, void *base, size_t K, size_t n)
{
    qv_carve c = {.base = base};
    f->x = qv__carve_f32(&c, K, n);
    f->weight = qv__carve(&c, K, 1, 1, sizeof *f->weight);
    f->count = qv__carve(&c, QV_SELECT_BINS, 1, 1, sizeof *f->count);
    return c.used;
}

static void merge_factor(float *y, struct qv_factor *f, const struct qv_merge_ops *ops,
                         const struct qv_merge_how *how)
{
    for (size_t k = 0; k < f->K; k++) {
        const struct qv_expert_site *s = f->in->at[k];
        double c = f->in->w[k] * (double)s->scale, root = sqrt(fabs(c));
        float *x = f->x + k * f->n;
        memcpy(x, f->is_B ? s->B : s->A, f->n * sizeof *x);
        f->weight[k] = c < 0 && !f->is_B ? -root : root;
        if (ops->prune)
            ops->prune(x, f, k, how);
    }
    ops->combine(y, f, how);
}

qv_status qv__merge_entries(const struct qv_expert_site *out,
                            const struct qv_merge_ops *ops, const struct qv_merge_site *in,
                            const struct qv_merge_how *how, qv_err *err)
{
    struct qv_factor f = {.in = in, .K = in->n};
    size_t most = out->R * qv__max(in->D_in, in->D_out);
    qv_carve need = {.used = layout(&f, NULL, f.K, most)};
    void *mem = qv__carve_alloc(&need);
    if (!mem)
        return qv_fail(err, QV_ENOMEM, "no memory for the factors of %zu experts", f.K);
    layout(&f, mem, f.K, most);
    f.n = out->R * in->D_in;
    merge_factor(out->A, &f, ops, how);
    f.n = out->R * in->D_out;
    f.is_B = true;
    merge_factor(out->B, &f, ops, how);
    free(mem);
    return QV_OK;
}

/* Walk over the m largest; `keep` says whether they stay or go. */
static void split(float *x, size_t n, size_t m, size_t *count, bool keep)
{
    struct qv_selected least = {0}; // the m-th largest
    size_t ties = 0;                // entries as large as it that are among the m
    if (m > 0) {
        least = qv__select_magnitude(x, n, n - m, count);
        ties = m - (n - least.below - least.equal);
    }
    for (size_t i = 0; i < n; i++) {
        float size = fabsf(x[i]);
        bool is_among = m > 0 && size >= least.value;
        if (is_among && size == least.value) {
            is_among = ties > 0;
            ties -= is_among;
        }
        if (is_among != keep)
            x[i] = 0;
    }
}

void qv__keep_largest(float *x, size_t n, size_t m, size_t *count)
{
    split(x, n, m, count, true);
}

void qv__drop_largest(float *x, size_t n, size_t m, size_t *count)
{
    split(x, n, m, count, false);
}

void qv__prune_trim(float *x, const struct qv_factor *f, size_t k,
                    const struct qv_merge_how *how)
{
    (void)k;
    qv__keep_largest(x, f->n, (size_t)(how->density * (double)f->n), f->count);
}

void qv__prune_drop(float *x, const struct qv_factor *f, size_t k,
                    const struct qv_merge_how *how)
{
    uint64_t seed = qv__seed_named(how->seed, f->in->path);
    seed = qv__seed_of(qv__seed_named(seed, f->in->expert[k]->name), f->is_B);
    for (size_t i = 0; i < f->n; i++) {
        bool stays = (double)qv__uniform(seed, i) < how->density;
        x[i] = stays ? (float)((double)x[i] / how->density) : 0;
    }
}

void qv__combine_sum(float *y, const struct qv_factor *f, const struct qv_merge_how *how)
{
    (void)how;
    for (size_t i = 0; i < f->n; i++) {
        double sum = 0;
        for (size_t k = 0; k < f->K; k++)
            sum += f->weight[k] * (double)f->x[k * f->n + i];
        y[i] = (float)sum;
    }
}

/* The weighted mean of the entries at place i that have the sign of `elected`. */
static float mean_of_sign(const struct qv_factor *f, size_t i, double elected)
{
    double sum = 0;
    size_t n = 0;
    for (size_t k = 0; k < f->K; k++) {
        double x = (double)f->x[k * f->n + i];
        if (x * elected > 0) {
            sum += f->weight[k] * x;
            n++;
        }
    }
    return n ? (float)(sum / (double)n) : 0;
}

static double total(const struct qv_factor *f, size_t i, bool count_signs)
{
    double sum = 0;
    for (size_t k = 0; k < f->K; k++) {
        double x = (double)f->x[k * f->n + i];
        sum += count_signs ? (x > 0) - (x < 0) : x;
    }
    return sum;
}

void qv__combine_elect(float *y, const struct qv_factor *f, const struct qv_merge_how *how)
{
    for (size_t i = 0; i < f->n; i++)
        y[i] = mean_of_sign(f, i, total(f, i, how->count_signs) >= 0 ? 1 : -1);
}

void qv__combine_elect_strictly(float *y, const struct qv_factor *f,
                                const struct qv_merge_how *how)
{
    for (size_t i = 0; i < f->n; i++) {
        double sum = total(f, i, how->count_signs);
        y[i] = sum != 0 ? mean_of_sign(f, i, sum > 0 ? 1 : -1) : 0;
    }
}
