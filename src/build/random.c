/* random.c - tasks dealt at random to K experts: what MBC must beat. */
#include "base/rng.h"
#include "build/build.h"

static qv_status deal(int *label, struct qv_builder *b, void *arg, size_t K, qv_err *err)
{
    (void)arg;
    (void)err;
    size_t *order = qv_new_n(&b->arena, size_t, b->n_tasks);
    qv__shuffle(order, b->n_tasks, qv__seed_named(b->o->train.seed, "random-task"));
    for (size_t i = 0; i < b->n_tasks; i++)
        label[order[i]] = (int)(i % K);
    return QV_OK;
}

static qv_status build(struct qv_builder *b, qv_err *err)
{
    b->n_planned = qv__clusters_planned(b);
    return qv__build_clusters(b, "random", deal, NULL, 1, err);
}

const struct qv_method qv__random_task = {"random", "tasks dealt at random to K experts",
                                          build};
