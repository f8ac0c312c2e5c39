/* clusters.c - one expert a group of tasks, where the number of groups is given or
 * chosen.
 *
 * It is chosen by training: 2, 4, 8 ... groups, up to as many as there are tasks, each
 * into a library of its own under .build. As every task is in one group, the validation
 * losses of a library's experts, weighted by their examples, are the mean over all
 * examples; the lowest wins, the fewer groups if two are equal, and its experts are
 * copied. Since a group's steps grow with its tasks, each trial costs the same.
 */
#include "build/build.h"

#include <math.h>
#include <string.h>

/* The next number to try after K; 0 when there is none. */
static size_t next_trial(size_t K, size_t n_tasks)
{
    size_t first = qv__min(2, n_tasks);
    return K == 0 ? first : K >= n_tasks ? 0 : qv__min(2 * K, n_tasks);
}

size_t qv__clusters_planned(const struct qv_builder *b)
{
    if (!b->o->tries_clusters)
        return qv__min(b->o->clusters ? b->o->clusters : 10, b->n_tasks);
    size_t all = 0;
    for (size_t K = 0; (K = next_trial(K, b->n_tasks));)
        all += K;
    return all;
}

static qv_status open_trial(qv_library **out, struct qv_builder *b, const char *prefix,
                            size_t K, qv_err *err)
{
    return qv__build_beside(out, b, qv__arena_fmt(&b->arena, "%s-%zu", prefix, K), err);
}

/* The mean validation loss over all examples of the library's tasks. An expert without
 * examples to validate by counts with the loss of its last step, once. */
static double mean_loss(const struct qv_builder *b, const qv_snapshot *snap)
{
    double sum = 0, n = 0;
    for (size_t i = 0; i < qv_snapshot_size(snap); i++) {
        const qv_expert_meta *meta = &qv_snapshot_info(snap, i)->meta;
        size_t examples = 0;
        for (size_t j = 0; j < meta->n_tasks; j++)
            for (size_t t = 0; t < b->n_tasks; t++)
                if (strcmp(b->task[t]->name, meta->task[j]) == 0)
                    examples += b->task[t]->n_valid;
        double weight = (double)qv__max(examples, 1);
        sum += weight * (meta->n_scores ? meta->score[0].value : INFINITY);
        n += weight;
    }
    return sum / n;
}

static qv_status try(double *loss, struct qv_builder *b, const char *prefix,
                     qv_grouping_fn group, void *arg, float share, size_t K, qv_err *err)
{
    qv_library *trial = NULL;
    qv_snapshot *snap = NULL;
    int *label = qv_new_n(&b->arena, int, b->n_tasks);
    qv_status result = open_trial(&trial, b, prefix, K, err);
    if (!result)
        result = group(label, b, arg, K, err);
    if (!result)
        result = qv__build_labelled(b, trial, prefix, label, K, share, err);
    if (!result)
        result = qv_library_snapshot(&snap, trial, err);
    if (!result)
        *loss = mean_loss(b, snap);
    qv_snapshot_release(snap);
    qv_library_close(trial);
    return result;
}

static qv_status copy_artifact(qv_library *to, const qv_library *from,
                               const qv_expert_info *info, const char *kind, qv_err *err)
{
    struct qv_st st;
    qv_arena a = {0};
    qv_status result = qv__library_artifact(&st, from, info->name, kind, info->hash, err);
    if (result)
        return result;
    struct qv_tensor_out *out = qv_new_n(&a, struct qv_tensor_out, st.n);
    for (size_t i = 0; i < st.n; i++) {
        const struct qv_tensor *t = &st.tensor[i];
        out[i] = (struct qv_tensor_out){
            .name = t->name, .dtype = t->dtype, .rank = t->rank, .data = t->data};
        memcpy(out[i].shape, t->shape, sizeof t->shape);
    }
    result = qv__library_put_artifact(to, info->name, kind, info->hash, out, st.n, err);
    qv__arena_free(&a);
    qv__st_close(&st);
    return result;
}

static bool has_artifact(const qv_library *lib, const qv_expert_info *info,
                         const char *kind)
{
    struct qv_st st;
    if (qv__library_artifact(&st, lib, info->name, kind, info->hash, NULL))
        return false;
    qv__st_close(&st);
    return true;
}

/* Whether the expert, with what is kept beside it, is in the library already. Fails with
 * QV_EEXIST if another one of its name is. */
static qv_status is_adopted(bool *is_there, const struct qv_builder *b,
                            const qv_expert_info *info, qv_err *err)
{
    qv_snapshot *snap;
    *is_there = false;
    qv_status result = qv_library_snapshot(&snap, b->lib, err);
    if (result)
        return result;
    size_t i = qv_snapshot_find(snap, info->name);
    if (i < qv_snapshot_size(snap)) {
        *is_there =
            has_artifact(b->lib, info, "curve") && has_artifact(b->lib, info, "prototypes");
        if (strcmp(qv_snapshot_info(snap, i)->hash, info->hash) != 0)
            result = qv_fail(err, QV_EEXIST,
                             "expert '%s': one is there from another run; remove it or "
                             "build into another library",
                             info->name);
    }
    qv_snapshot_release(snap);
    return result;
}

static qv_status adopt(struct qv_builder *b, const qv_library *trial,
                       const qv_expert_info *info, qv_err *err)
{
    bool is_there;
    qv_status result = is_adopted(&is_there, b, info, err);
    if (result || is_there)
        return result;
    const qv_expert_opts opts = {.meta = info->meta, .replace = true};
    const char *dir = qv__arena_fmt(&b->arena, "%s/%s", qv_library_dir(trial), info->name);
    result = qv_library_add(b->lib, info->name, dir, &opts, err);
    if (!result)
        result = copy_artifact(b->lib, trial, info, "curve", err);
    if (!result)
        result = copy_artifact(b->lib, trial, info, "prototypes", err);
    return result;
}

/* The experts of the trial of K groups become the library's. */
static qv_status adopt_all(struct qv_builder *b, const char *prefix, size_t K, qv_err *err)
{
    qv_library *trial = NULL;
    qv_snapshot *snap = NULL;
    qv_status result = open_trial(&trial, b, prefix, K, err);
    if (!result)
        result = qv_library_snapshot(&snap, trial, err);
    for (size_t i = 0; !result && i < qv_snapshot_size(snap); i++)
        result = adopt(b, trial, qv_snapshot_info(snap, i), err);
    qv_snapshot_release(snap);
    qv_library_close(trial);
    return result;
}

qv_status qv__build_clusters(struct qv_builder *b, const char *prefix, qv_grouping_fn group,
                             void *arg, float share, qv_err *err)
{
    if (!b->o->tries_clusters) {
        size_t K = qv__clusters_planned(b);
        int *label = qv_new_n(&b->arena, int, b->n_tasks);
        qv_status result = group(label, b, arg, K, err);
        return result ? result
                      : qv__build_labelled(b, b->lib, prefix, label, K, share, err);
    }
    size_t best = 0;
    double least = INFINITY;
    for (size_t K = 0; (K = next_trial(K, b->n_tasks));) {
        double loss = INFINITY;
        qv_status result = try(&loss, b, prefix, group, arg, share, K, err);
        if (result)
            return result;
        if (best == 0 || loss < least) {
            best = K;
            least = loss;
        }
    }
    return adopt_all(b, prefix, best, err);
}
