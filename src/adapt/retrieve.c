/* retrieve.c - some of the library's experts: drawn at random, or those that a fresh
 * LoRA trained on the task is most like.
 *
 *     random   drawn without replacement
 *     lora     cosine of the flattened factors
 *     svd      the same after MBC's sparsifying and SVD (docs/mbc.md)
 *     gauge    cosine of the updates: for experts that grew from different starts
 *     fisher   cosine of the diagonals of Fisher information
 */
#include "adapt/adapt.h"
#include "base/rng.h"
#include "cluster/cluster.h"

#include <stdlib.h>
#include <string.h>

/* near [K] from the similarity of `own`, put last, with the experts. */
static qv_status by_weights(float *near, struct qv_expert *own, struct qv_adapting *a,
                            const struct qv_similarity_opts *how, qv_err *err)
{
    size_t n = a->K + 1;
    struct qv_expert **all = qv_new_n(&a->arena, struct qv_expert *, n);
    float *sim = calloc(n * n, sizeof *sim);
    memcpy(all, a->expert, a->K * sizeof *all);
    all[a->K] = own;
    qv_status result = sim ? qv__similarity(sim, all, n, how, err)
                           : qv_fail(err, QV_ENOMEM, "no memory to compare %zu experts", n);
    if (!result)
        memcpy(near, sim + a->K * n, a->K * sizeof *near);
    free(sim);
    return result;
}

static qv_status by_fresh(float *near, struct qv_adapting *a, const char *how, qv_err *err)
{
    struct qv_similarity_opts opts = {0};
    struct qv_expert *own = NULL;
    if (strcmp(how, "lora") == 0)
        opts = (struct qv_similarity_opts){.sparsity = -1, .components = a->K + 1};
    else if (strcmp(how, "gauge") == 0)
        opts.kind = QV_SIM_GAUGE;
    qv_status result = qv__adapt_fresh(&own, a, err);
    if (!result)
        result = strcmp(how, "fisher") == 0 ? qv__fisher_near(near, own, a, err)
                                            : by_weights(near, own, a, &opts, err);
    qv__expert_free(own);
    return result;
}

static void at_random(float *near, struct qv_adapting *a)
{
    size_t *order = qv_new_n(&a->arena, size_t, a->K);
    qv__shuffle(order, a->K, qv__seed_named(a->o->train.seed, "retrieve"));
    for (size_t k = 0; k < a->K; k++)
        near[order[k]] = -(float)k;
}

/* The experts at keep [n] come first, and no others are left. */
static void keep_only(struct qv_adapting *a, const size_t *keep, size_t n)
{
    struct qv_expert **expert = qv_new_n(&a->arena, struct qv_expert *, n);
    const qv_expert_info **info = qv_new_n(&a->arena, const qv_expert_info *, n);
    for (size_t i = 0; i < n; i++) {
        expert[i] = a->expert[keep[i]];
        info[i] = a->info[keep[i]];
        a->expert[keep[i]] = NULL;
    }
    for (size_t k = 0; k < a->K; k++)
        qv__expert_free(a->expert[k]);
    a->expert = expert;
    a->info = info;
    a->K = n;
}

qv_status qv__adapt_retrieve(struct qv_adapting *a, const char *otherwise, qv_err *err)
{
    static const char *const ways[] = {"random", "lora", "svd", "gauge", "fisher"};
    const char *how = a->o->retrieve ? a->o->retrieve : otherwise;
    size_t w = 0;
    if (!how)
        return QV_OK;
    while (w < QV_COUNT(ways) && strcmp(ways[w], how) != 0)
        w++;
    if (w == QV_COUNT(ways))
        return qv_fail(err, QV_ENOTFOUND,
                       "no way to retrieve experts is named '%s' (random, lora, svd, gauge "
                       "and fisher are)",
                       how);
    size_t n = qv__min(a->o->nearest ? a->o->nearest : 5, a->K);
    float *near = qv_new_n(&a->arena, float, a->K);
    size_t *keep = qv_new_n(&a->arena, size_t, n);
    qv_status result = QV_OK;
    if (w == 0)
        at_random(near, a);
    else
        result = by_fresh(near, a, how, err);
    if (result)
        return result;
    json_t *list = json_array();
    bool *taken = qv_new_n(&a->arena, bool, a->K);
    for (size_t i = 0; i < n; i++) { // the first of equals
        size_t best = SIZE_MAX;
        for (size_t k = 0; k < a->K; k++)
            if (!taken[k] && (best == SIZE_MAX || near[k] > near[best]))
                best = k;
        taken[best] = true;
        keep[i] = best;
        json_array_append_new(list, json_real((double)near[best]));
    }
    json_object_set_new(a->learnt, "retrieve", json_string(how));
    if (w > 0)
        json_object_set(a->learnt, "similarity", list);
    json_decref(list);
    keep_only(a, keep, n);
    return QV_OK;
}
