/* mbc.c - model-based clustering: learn a little apart, group by what was learnt,
 * learn the rest together.
 *
 * (1) One expert a task for the first part of the steps (40%), all from one
 * start. (2) Cluster them by their weights (cluster/cluster.h). (3) One fresh
 * expert a cluster on the union of its tasks, for the rest of the steps. The
 * experts of the first part stay in .build/first, a library like any other.
 */
#include "build/build.h"
#include "cluster/cluster.h"
#include "model/model.h"

#include <stdlib.h>
#include <string.h>

/* label[i] is the cluster of task i; arg is the library of the first part. */
static qv_status cluster(int *label, struct qv_builder *b, void *arg, size_t K, qv_err *err)
{
    const qv_library *first = arg;
    struct qv_expert **e = qv_new_n(&b->arena, struct qv_expert *, b->n_tasks);
    float *sim = malloc(b->n_tasks * b->n_tasks * sizeof *sim);
    struct qv_similarity_opts opts = {.kind = QV_SIM_MBC};
    if (b->o->similarity && strcmp(b->o->similarity, "gauge") == 0)
        opts.kind = QV_SIM_GAUGE;
    qv_status result =
        sim ? QV_OK : qv_fail(err, QV_ENOMEM, "no memory to compare %zu tasks", b->n_tasks);
    for (size_t i = 0; !result && i < b->n_tasks; i++)
        result = qv__library_read(&e[i], first, b->task[i]->name, &b->m->sites, err);
    if (!result)
        result = qv__similarity(sim, e, b->n_tasks, &opts, err);
    if (!result)
        result = qv__kmeans(label, NULL, sim, b->n_tasks, b->n_tasks, K, 10,
                            b->o->train.seed, err);
    for (size_t i = 0; i < b->n_tasks; i++)
        qv__expert_free(e[i]);
    free(sim);
    return result;
}

static qv_status build(struct qv_builder *b, qv_err *err)
{
    const char *s = b->o->similarity;
    if (s && strcmp(s, "mbc") != 0 && strcmp(s, "gauge") != 0)
        return qv_fail(err, QV_ENOTFOUND, "no similarity is named '%s' (mbc and gauge are)",
                       s);
    float part = b->o->first_part > 0 ? b->o->first_part : 0.4f;
    if (part >= 1)
        return qv_fail(err, QV_ELIMIT, "a first part of %g leaves nothing for the second",
                       (double)part);
    b->n_planned = b->n_tasks + qv__clusters_planned(b);
    qv_library *first = NULL;
    qv_status result = qv__build_beside(&first, b, "first", err);
    if (!result)
        result = qv__build_each(b, first, part, err);
    if (!result)
        result = qv__build_clusters(b, "mbc", cluster, first, 1 - part, err);
    qv_library_close(first);
    return result;
}

const struct qv_method qv__mbc = {"mbc", "one expert a cluster of tasks", build};
