/* bank.c - see bank.h.
 *
 * Experts are checked and counted first, so that the tables and the weights are
 * each one allocation; then expert after expert is copied to its places, its sites in
 * parallel, and may be let go.
 */
#include "lora/bank.h"

#include "base/carve.h"
#include "lora/pack.h"
#include "lora/spectrum.h"

#include <stdlib.h>
#include <string.h>

qv_status qv__bank_place(size_t *where, const struct qv_expert *e,
                         const struct qv_sites *sites, qv_err *err)
{
    for (size_t i = 0; i < e->n_sites; i++) {
        const struct qv_expert_site *s = &e->site[i];
        where[i] = qv__site_find(sites, s->path);
        if (where[i] == sites->n)
            return qv_fail(err, QV_EFORMAT, "expert '%s': the model has no site '%s'",
                           e->name, s->path);
        const struct qv_site *m = &sites->at[where[i]];
        if (s->D_in != m->D_in || s->D_out != m->D_out)
            return qv_fail(err, QV_EFORMAT,
                           "expert '%s': site '%s' maps %zu to %zu, the model's %zu to %zu",
                           e->name, s->path, s->D_in, s->D_out, m->D_in, m->D_out);
        if (!qv__all_finite(s->A, s->R * s->D_in) || !qv__all_finite(s->B, s->D_out * s->R))
            return qv_fail(err, QV_EFORMAT,
                           "expert '%s': site '%s': a weight is not finite", e->name,
                           s->path);
    }
    return QV_OK;
}

static int by_name(const void *a, const void *b)
{
    const struct qv_expert *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

/* That no two are called the same; `sorted` [K] is scratch. */
static qv_status check_names(const struct qv_expert **sorted,
                             struct qv_expert *const *experts, size_t K, qv_err *err)
{
    for (size_t k = 0; k < K; k++)
        sorted[k] = experts[k];
    if (K)
        qsort(sorted, K, sizeof *sorted, by_name);
    for (size_t k = 1; k < K; k++)
        if (strcmp(sorted[k - 1]->name, sorted[k]->name) == 0)
            return qv_fail(err, QV_EEXIST, "two experts are called '%s'", sorted[k]->name);
    return QV_OK;
}

/* The place of expert k in the site's list, or s->K. */
static size_t place_of(const struct qv_bank_site *s, size_t k)
{
    size_t from = 0, to = s->K;
    while (from < to) {
        const size_t middle = from + (to - from) / 2;
        if ((size_t)s->expert[middle] < k)
            from = middle + 1;
        else
            to = middle;
    }
    return from < s->K && (size_t)s->expert[from] == k ? from : s->K;
}

/* Every table of every site, from where[k][i] = the model's index of expert k's
 * site i. */
static void fill_tables(struct qv_bank *b, const struct qv_sites *sites,
                        struct qv_expert *const *experts, size_t *const *where)
{
    for (size_t k = 0; k < b->K; k++)
        for (size_t i = 0; i < experts[k]->n_sites; i++)
            b->site[where[k][i]].K++;
    for (size_t m = 0; m < b->n_sites; m++) {
        struct qv_bank_site *s = &b->site[m];
        s->D_in = sites->at[m].D_in;
        s->D_out = sites->at[m].D_out;
        s->expert = qv_new_n(&b->arena, int, s->K);
        s->own = qv_new_n(&b->arena, size_t, s->K);
        s->first = qv_new_n(&b->arena, size_t, s->K + 1);
        s->scale = qv_new_n(&b->arena, float, s->K);
        s->A = qv_new_n(&b->arena, float *, s->K);
        s->Bt = qv_new_n(&b->arena, float *, s->K);
        s->proto = qv_new_n(&b->arena, const float *, s->K);
        s->sigma = qv_new_n(&b->arena, const float *, s->K);
        s->K = 0; // counts again as the places fill
    }
    for (size_t k = 0; k < b->K; k++)
        for (size_t i = 0; i < experts[k]->n_sites; i++) {
            const struct qv_expert_site *e = &experts[k]->site[i];
            struct qv_bank_site *s = &b->site[where[k][i]];
            size_t j = s->K++;
            s->expert[j] = (int)k;
            s->own[j] = i;
            s->first[j + 1] = s->first[j] + e->R;
            s->scale[j] = e->scale;
            s->R_max = qv__max(s->R_max, e->R);
        }
}

static void lay_out_tables(struct qv_bank *b, const struct qv_sites *sites,
                           struct qv_expert *const *experts, size_t K)
{
    b->K = K;
    b->n_sites = sites->n;
    b->name = qv_new_n(&b->arena, const char *, K);
    b->n_own = qv_new_n(&b->arena, size_t, K);
    b->has_prototypes = qv_new_n(&b->arena, bool, K);
    b->vectors = qv_new_n(&b->arena, struct qv_prototypes, K);
    b->site = qv_new_n(&b->arena, struct qv_bank_site, sites->n);
    for (size_t k = 0; k < K; k++) {
        b->name[k] = qv__arena_str(&b->arena, experts[k]->name);
        b->n_own[k] = experts[k]->n_sites;
    }
}

static size_t lay_out_weights(struct qv_bank *b, void *base)
{
    qv_carve c = {.base = base};
    for (size_t m = 0; m < b->n_sites; m++) {
        struct qv_bank_site *s = &b->site[m];
        float *A = qv__carve_f32(&c, s->first[s->K], s->D_in);
        float *Bt = qv__carve_f32(&c, s->first[s->K], s->D_out);
        for (size_t j = 0; base && j < s->K; j++) {
            s->A[j] = A + s->first[j] * s->D_in;
            s->Bt[j] = Bt + s->first[j] * s->D_out;
        }
    }
    return c.used;
}

static void copy_pair(struct qv_bank_site *s, size_t j, const struct qv_expert_site *e)
{
    memcpy(s->A[j], e->A, e->R * e->D_in * sizeof *e->A);
    for (size_t r = 0; r < e->R; r++)
        for (size_t o = 0; o < e->D_out; o++)
            s->Bt[j][r * e->D_out + o] = e->B[o * e->R + r];
}

static qv_status fill_weights(struct qv_bank *b, struct qv_expert *const *experts,
                              size_t *const *where, bool takes, qv_err *err)
{
    qv_carve need = {.used = lay_out_weights(b, NULL)};
    b->weights = qv__carve_alloc(&need);
    if (!b->weights)
        return qv_fail(err, QV_ENOMEM, "no memory for a bank of %zu experts", b->K);
    lay_out_weights(b, b->weights);
    for (size_t k = 0; k < b->K; k++) {
        struct qv_expert *e = experts[k];
#pragma omp parallel for schedule(static) if (e->n_w > 1 << 16)
        for (size_t i = 0; i < e->n_sites; i++) {
            struct qv_bank_site *s = &b->site[where[k][i]];
            copy_pair(s, place_of(s, k), &e->site[i]);
        }
        if (takes)
            qv__expert_give_up(e);
    }
    return QV_OK;
}

static qv_status new_bank(struct qv_bank **out, const struct qv_sites *sites,
                          struct qv_expert *const *experts, size_t K, bool takes,
                          qv_err *err)
{
    *out = NULL;
    qv_arena scratch = {0};
    struct qv_bank *b = calloc(1, sizeof *b);
    if (!b)
        return qv_fail(err, QV_ENOMEM, "no memory for a bank of %zu experts", K);

    size_t **where = qv_new_n(&scratch, size_t *, K);
    qv_status result =
        check_names(qv_new_n(&scratch, const struct qv_expert *, K), experts, K, err);
    for (size_t k = 0; k < K && !result; k++) {
        where[k] = qv_new_n(&scratch, size_t, experts[k]->n_sites);
        result = qv__bank_place(where[k], experts[k], sites, err);
    }
    if (result)
        goto out;

    lay_out_tables(b, sites, experts, K);
    fill_tables(b, sites, experts, where);
    result = fill_weights(b, experts, where, takes, err);
    if (result)
        goto out;
    *out = b;
    b = NULL; // now owned by the caller

out:
    qv__arena_free(&scratch);
    qv__bank_free(b);
    return result;
}

qv_status qv__bank_new(struct qv_bank **out, const struct qv_sites *sites,
                       struct qv_expert *const *experts, size_t K, qv_err *err)
{
    return new_bank(out, sites, experts, K, false, err);
}

qv_status qv__bank_take(struct qv_bank **out, const struct qv_sites *sites,
                        struct qv_expert *const *experts, size_t K, qv_err *err)
{
    return new_bank(out, sites, experts, K, true, err);
}

/* What a site's j-th expert borrows from its pack. */
static void borrow(struct qv_bank_site *s, size_t j, struct qv_pack *p)
{
    s->A[j] = p->A[s->own[j]];
    s->Bt[j] = p->Bt[s->own[j]];
    s->used[j] = &p->used;
}

qv_status qv__bank_of(struct qv_bank **out, const struct qv_sites *sites,
                      struct qv_pack *const *packs, size_t K, qv_err *err)
{
    *out = NULL;
    qv_arena scratch = {0};
    struct qv_bank *b = calloc(1, sizeof *b);
    if (!b)
        return qv_fail(err, QV_ENOMEM, "no memory for a bank of %zu experts", K);
    struct qv_expert **experts = qv_new_n(&scratch, struct qv_expert *, K);
    size_t **where = qv_new_n(&scratch, size_t *, K);
    for (size_t k = 0; k < K; k++) {
        experts[k] = packs[k]->shape;
        where[k] = packs[k]->where;
    }
    qv_status result =
        check_names(qv_new_n(&scratch, const struct qv_expert *, K), experts, K, err);
    if (!result) {
        lay_out_tables(b, sites, experts, K);
        fill_tables(b, sites, experts, where);
    }
    for (size_t m = 0; !result && m < b->n_sites; m++) {
        struct qv_bank_site *s = &b->site[m];
        s->used = qv_new_n(&b->arena, atomic_bool *, s->K);
        for (size_t j = 0; j < s->K; j++)
            borrow(s, j, packs[s->expert[j]]);
    }
    qv__arena_free(&scratch);
    if (result)
        qv__bank_free(b);
    else
        *out = b;
    return result;
}

void qv__bank_free(struct qv_bank *b)
{
    if (!b)
        return;
    free(b->weights);
    for (size_t k = 0; b->vectors && k < b->K; k++)
        qv__prototypes_end(&b->vectors[k]);
    free(b->thin);
    qv__arena_free(&b->arena);
    free(b);
}

float *qv__bank_gain(struct qv_bank *b, size_t site)
{
    qv_check(b->K == 1 && site < b->n_sites && b->site[site].K == 1);
    struct qv_bank_site *s = &b->site[site];
    s->gain = qv_new_n(&b->arena, float, 2 * s->D_out);
    return s->gain;
}

static bool they_fit(const struct qv_bank *b, size_t k, const struct qv_prototypes *p)
{
    if (p->n_sites != b->n_own[k])
        return false;
    for (size_t m = 0; m < b->n_sites; m++) {
        const struct qv_bank_site *s = &b->site[m];
        size_t j = place_of(s, k);
        if (j < s->K && p->first[s->own[j] + 1] - p->first[s->own[j]] != s->D_in)
            return false;
    }
    return true;
}

/* Where the prototypes of expert k are. */
static void point_to(struct qv_bank *b, size_t k, const struct qv_prototypes *p)
{
    for (size_t m = 0; m < b->n_sites; m++) {
        struct qv_bank_site *s = &b->site[m];
        const size_t j = place_of(s, k);
        if (j == s->K)
            continue;
        s->proto[j] = p->v + p->first[s->own[j]];
        s->sigma[j] = p->sigma + 2 * s->own[j];
    }
    b->has_prototypes[k] = true;
}

/* Room for those of expert k, of the bank's own. */
static qv_status make_room(struct qv_bank *b, size_t k, qv_err *err)
{
    qv_arena a = {0};
    size_t *width = qv_new_n(&a, size_t, b->n_own[k]);
    for (size_t m = 0; m < b->n_sites; m++) {
        const struct qv_bank_site *s = &b->site[m];
        const size_t j = place_of(s, k);
        if (j < s->K)
            width[s->own[j]] = s->D_in;
    }
    qv__prototypes_end(&b->vectors[k]);
    qv_status result =
        qv__prototypes_sized(&b->vectors[k], b->name[k], width, b->n_own[k], err);
    qv__arena_free(&a);
    return result;
}

qv_status qv__bank_set_prototypes(struct qv_bank *b, size_t k, struct qv_prototypes *p,
                                  enum qv_keeping how, qv_err *err)
{
    qv_check(k < b->K);
    if (!they_fit(b, k, p))
        return qv_fail(err, QV_EFORMAT,
                       "expert '%s': its prototypes have the shape of another expert",
                       b->name[k]);
    const size_t n = p->first[p->n_sites];
    if (!qv__all_finite(p->v, n))
        return qv_fail(err, QV_EFORMAT, "expert '%s': a prototype is not finite",
                       b->name[k]);
    struct qv_prototypes *own = &b->vectors[k];
    qv_status result = how == QV_COPIES ? make_room(b, k, err) : QV_OK;
    if (result)
        return result;
    if (how == QV_COPIES) {
        memcpy(own->v, p->v, n * sizeof *own->v);
        memcpy(own->sigma, p->sigma, 2 * p->n_sites * sizeof *own->sigma);
    } else if (how == QV_TAKES) {
        qv__prototypes_end(own);
        *own = *p;
        *p = (struct qv_prototypes){0};
    }
    point_to(b, k, how == QV_BORROWS ? p : own);
    return QV_OK;
}

/* B [D_out, R] of the j-th expert of a site, as an expert holds it; the caller's. NULL
 * without memory. */
static float *copy_B(const struct qv_bank_site *s, size_t j)
{
    size_t R = s->first[j + 1] - s->first[j];
    const float *Bt = s->Bt[j];
    float *B = malloc(R * s->D_out * sizeof *B);
    for (size_t o = 0; B && o < s->D_out; o++)
        for (size_t r = 0; r < R; r++)
            B[o * R + r] = Bt[r * s->D_out + o];
    return B;
}

/* The prototype of the j-th expert of a site. qv__prototype wants B as an expert
 * holds it, so that a prototype is the same to the last bit whether computed
 * here or when the artifact was made. */
static qv_status compute_pair(struct qv_bank *b, struct qv_bank_site *s, size_t j,
                              qv_err *err)
{
    const struct qv_prototypes *p = &b->vectors[s->expert[j]];
    size_t R = s->first[j + 1] - s->first[j];
    float *B = copy_B(s, j);
    if (!B)
        return qv_fail(err, QV_ENOMEM, "no memory for a prototype of rank %zu", R);
    qv_status result = qv__prototype(p->v + p->first[s->own[j]], p->sigma + 2 * s->own[j],
                                     s->A[j], B, R, s->D_in, s->D_out, err);
    free(B);
    return result;
}

static qv_status spectral_pair(struct qv_bank *b, struct qv_bank_site *s, size_t j,
                               qv_err *err)
{
    (void)b;
    size_t R = s->first[j + 1] - s->first[j];
    float *B = copy_B(s, j), *Bt = s->Bt[j];
    if (!B)
        return qv_fail(err, QV_ENOMEM, "no memory for a spectrum");
    qv_status result = qv__spectral(s->A[j], B, R, s->D_in, s->D_out, err);
    for (size_t o = 0; !result && o < s->D_out; o++)
        for (size_t r = 0; r < R; r++)
            Bt[r * s->D_out + o] = B[o * R + r];
    free(B);
    return result;
}

/* Do `pair` for every expert of every site, in parallel; but for experts that `done`
 * says are done, if it is not NULL. */
static qv_status each_pair(struct qv_bank *b, const bool *done,
                           qv_status (*pair)(struct qv_bank *, struct qv_bank_site *,
                                             size_t, qv_err *),
                           qv_err *err)
{
    struct qv_first bad = {0};
    size_t n_pairs = b->n_sites * b->K;
#pragma omp parallel for schedule(dynamic)
    for (size_t i = 0; i < n_pairs; i++) {
        struct qv_bank_site *s = &b->site[i / b->K];
        size_t k = i % b->K, j = done && done[k] ? s->K : place_of(s, k);
        qv_err own;
        qv_status st = j < s->K ? pair(b, s, j, &own) : QV_OK;
        if (st) {
            qv_wrap(&own, st, "expert '%s': ", b->name[k]);
            qv__first_note(&bad, i, &own);
        }
    }
    return qv__first_tell(&bad, err);
}

qv_status qv__bank_prototypes(struct qv_bank *b, qv_err *err)
{
    qv_status result = QV_OK;
    for (size_t k = 0; k < b->K && !result; k++)
        if (!b->has_prototypes[k])
            result = make_room(b, k, err);
    if (!result)
        result = each_pair(b, b->has_prototypes, compute_pair, err);
    for (size_t k = 0; k < b->K && !result; k++)
        if (!b->has_prototypes[k])
            point_to(b, k, &b->vectors[k]);
    return result;
}

qv_status qv__bank_spectral(struct qv_bank *b, qv_err *err)
{
    qv_check(b->weights);
    return each_pair(b, NULL, spectral_pair, err);
}
