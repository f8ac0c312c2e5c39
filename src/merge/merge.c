/* merge.c - the list of methods, and the walk over the sites that all share. */
#include "merge/merge.h"

#include "base/select.h"
#include "merge/entries.h"
#include "merge/methods.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct qv_merge_ops *const list[] = {
    &qv__merge_average,
    &qv__merge_linear,
    &qv__merge_cat,
    &qv__merge_svd,
    &qv__merge_task_arithmetic,
    &qv__merge_ties,
    &qv__merge_ties_whole,
    &qv__merge_magnitude_prune,
    &qv__merge_breadcrumbs,
    &qv__merge_dare_linear,
    &qv__merge_dare_ties,
    &qv__merge_subtract_exact,
    &qv__merge_subtract_factor,
    NULL,
};

const struct qv_merge_ops *const *qv__mergers(void)
{
    return list;
}

const struct qv_merge_ops *qv__merger_find(const char *name)
{
    for (size_t i = 0; list[i]; i++)
        if (strcmp(list[i]->name, name) == 0)
            return list[i];
    return NULL;
}

size_t qv__largest_rank(const struct qv_merge_site *in, const struct qv_merge_how *how)
{
    (void)how;
    size_t R = 0;
    for (size_t k = 0; k < in->n; k++)
        R = qv__max(R, in->at[k]->R);
    return R;
}

/* One merge; everything lives in the arena. */
struct merging {
    const struct qv_merge_ops *ops;
    struct qv_expert *const *experts; // [K]
    size_t K;
    const double *w;               // [K]
    float *threshold;              // [K]
    struct qv_merge_site *site;    // [n_sites] in order of first appearance
    struct qv_expert_shape *shape; // [n_sites]
    size_t n_sites;
    qv_arena arena;
};

/* One site of one expert, on its way to the site of its path. */
struct place {
    const struct qv_expert_site *at;
    size_t k, order;
};

static int by_path(const void *x, const void *y)
{
    const struct place *a = x, *b = y;
    int order = strcmp(a->at->path, b->at->path);
    return order ? order : (a->order > b->order) - (a->order < b->order);
}

static int by_order(const void *x, const void *y)
{
    size_t a = (*(const struct place *const *)x)->order;
    size_t b = (*(const struct place *const *)y)->order;
    return (a > b) - (a < b);
}

static qv_status check_fits(const struct merging *m, const struct place *first,
                            const struct place *p, qv_err *err)
{
    const struct qv_expert_site *a = first->at, *b = p->at;
    const char *A = m->experts[first->k]->name, *B = m->experts[p->k]->name;
    if (a->D_in != b->D_in || a->D_out != b->D_out)
        return qv_fail(err, QV_EFORMAT,
                       "site '%.120s' maps %zu to %zu in expert '%.80s', %zu to %zu in "
                       "'%.80s'",
                       a->path, a->D_in, a->D_out, A, b->D_in, b->D_out, B);
    if (m->ops->same_ranks && a->R != b->R)
        return qv_fail(err, QV_EFORMAT,
                       "site '%.120s' has rank %zu in expert '%.80s', %zu in '%.80s': %s "
                       "combines factors entry by entry, which needs equal ranks; cat and "
                       "svd do not",
                       a->path, a->R, A, b->R, B, m->ops->name);
    return QV_OK;
}

/* The site that the places p [n], all of one path, make up. */
static qv_status gather_site(struct merging *m, struct qv_merge_site *s,
                             const struct place *p, size_t n, qv_err *err)
{
    qv_arena *a = &m->arena;
    const struct qv_expert_site **at = qv_new_n(a, const struct qv_expert_site *, n);
    const struct qv_expert **expert = qv_new_n(a, const struct qv_expert *, n);
    double *w = qv_new_n(a, double, n);
    float *threshold = qv_new_n(a, float, n);
    for (size_t i = 0; i < n; i++) {
        qv_status result = check_fits(m, &p[0], &p[i], err);
        if (result)
            return result;
        at[i] = p[i].at;
        expert[i] = m->experts[p[i].k];
        w[i] = m->w[p[i].k];
        threshold[i] = m->threshold[p[i].k];
    }
    *s = (struct qv_merge_site){.path = at[0]->path,
                                .D_in = at[0]->D_in,
                                .D_out = at[0]->D_out,
                                .n = n,
                                .at = at,
                                .expert = expert,
                                .w = w,
                                .threshold = threshold};
    return QV_OK;
}

/* The experts' sites, those of one path together, in order of first appearance. */
static qv_status gather(struct merging *m, qv_err *err)
{
    size_t n = 0, n_places = 0;
    for (size_t k = 0; k < m->K; k++)
        n_places += m->experts[k]->n_sites;
    struct place *place = qv_new_n(&m->arena, struct place, n_places + 1);
    const struct place **first = qv_new_n(&m->arena, const struct place *, n_places + 1);
    for (size_t k = 0; k < m->K; k++)
        for (size_t i = 0; i < m->experts[k]->n_sites; i++, n++)
            place[n] = (struct place){&m->experts[k]->site[i], k, n};
    qsort(place, n, sizeof *place, by_path);
    for (size_t i = 0; i < n; i++)
        if ((i == 0 || strcmp(place[i].at->path, place[i - 1].at->path) != 0) &&
            !(m->ops->first_sites && place[i].k > 0))
            first[m->n_sites++] = &place[i];
    qsort(first, m->n_sites, sizeof *first, by_order);

    m->site = qv_new_n(&m->arena, struct qv_merge_site, m->n_sites);
    qv_status result = QV_OK;
    for (size_t i = 0; i < m->n_sites && !result; i++) {
        const struct place *p = first[i], *end = p;
        while (end < place + n && strcmp(end->at->path, p->at->path) == 0)
            end++;
        result = gather_site(m, &m->site[i], p, (size_t)(end - p), err);
    }
    return result;
}

void qv__merge_weights(double *w, const struct qv_merge_ops *ops, const double *given,
                       size_t K)
{
    bool subtracts = ops->takes & QV_TAKES_GENERAL;
    for (size_t k = 0; k < K; k++)
        w[k] = given       ? given[k]
               : subtracts ? (k == 0 ? 1 : -1 / (double)(K - 1))
               : ops->sums ? 1
                           : 1 / (double)K;
}

/* The magnitude that an expert's entries must reach to be among its largest. With
 * n weights and numpy's linear quantile at (n - 1)(1 - density), an entry reaches
 * it if and only if it reaches the next order statistic. */
static qv_status find_thresholds(struct merging *m, double density, qv_err *err)
{
    m->threshold = qv_new_n(&m->arena, float, m->K);
    if (!m->ops->trims_whole)
        return QV_OK;
    size_t *count = malloc(QV_SELECT_BINS * sizeof *count);
    if (!count)
        return qv_fail(err, QV_ENOMEM, "no memory for a threshold");
    for (size_t k = 0; k < m->K; k++) {
        const struct qv_expert *e = m->experts[k];
        double at = ceil((double)(e->n_w - 1) * (1 - density));
        if (e->n_w)
            m->threshold[k] =
                qv__select_magnitude(e->w, e->n_w, (size_t)fmax(at, 0), count).value;
    }
    free(count);
    return QV_OK;
}

static void shape_sites(struct merging *m, const struct qv_merge_how *how)
{
    m->shape = qv_new_n(&m->arena, struct qv_expert_shape, m->n_sites);
    for (size_t i = 0; i < m->n_sites; i++) {
        const struct qv_merge_site *s = &m->site[i];
        size_t R = m->ops->rank(s, how);
        m->shape[i] = (struct qv_expert_shape){s->path, s->D_in, s->D_out, R, (float)R};
    }
}

static qv_status fill(const struct qv_expert_site *out, double energy[2],
                      const struct qv_merge_ops *ops, const struct qv_merge_site *in,
                      const struct qv_merge_how *how, qv_err *err)
{
    return ops->fill ? ops->fill(out, energy, in, how, err)
                     : qv__merge_entries(out, ops, in, how, err);
}

/* Sites at once; `energy` is added up in their order, so that the number of threads
 * changes nothing. */
static qv_status fill_sites(const struct qv_expert *out, double energy[2],
                            struct merging *m, const struct qv_merge_how *how, qv_err *err)
{
    double(*each)[2] =
        qv__arena_alloc(&m->arena, m->n_sites, sizeof *each, _Alignof(double));
    struct qv_first bad = {0};
#pragma omp parallel for schedule(dynamic)
    for (size_t i = 0; i < m->n_sites; i++) {
        qv_err own;
        qv_status st = fill(&out->site[i], each[i], m->ops, &m->site[i], how, &own);
        if (st) {
            qv_wrap(&own, st, "site '%.200s': ", m->site[i].path);
            qv__first_note(&bad, i, &own);
        }
    }
    for (size_t i = 0; i < m->n_sites; i++) {
        energy[0] += each[i][0];
        energy[1] += each[i][1];
    }
    return qv__first_tell(&bad, err);
}

qv_status qv__merge(struct qv_expert **out, double *discarded, const char *name,
                    const struct qv_merge_ops *ops, struct qv_expert *const *experts,
                    const double *w, size_t K, const struct qv_merge_how *how, qv_err *err)
{
    qv_check(K > 0 && !((ops->takes & QV_TAKES_GENERAL) && K == 1));
    struct merging m = {.ops = ops, .experts = experts, .K = K, .w = w};
    double energy[2] = {0};
    *out = NULL;
    qv_status result = find_thresholds(&m, how->density, err);
    if (!result)
        result = gather(&m, err);
    if (!result) {
        shape_sites(&m, how);
        result = qv__expert_new(out, name, m.shape, m.n_sites, false, err);
    }
    if (!result)
        result = fill_sites(*out, energy, &m, how, err);
    if (result) {
        qv__expert_free(*out);
        *out = NULL;
    } else {
        const char *base = experts[0]->base;
        (*out)->base = base ? qv__arena_str(&(*out)->arena, base) : NULL;
        if (discarded)
            *discarded = !ops->counts_loss ? -1 : energy[0] > 0 ? energy[1] / energy[0] : 0;
    }
    qv__arena_free(&m.arena);
    return result;
}
