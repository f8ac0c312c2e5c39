/* random.c - tasks dealt at random to K experts: what MBC must beat. */
#include "base/rng.h"
#include "build/build.h"

static qv_status build(struct qv_builder *b, qv_err *err)
{
    size_t K = qv__min(b->o->clusters ? b->o->clusters : 10, b->n_tasks);
    size_t *order = qv_new_n(&b->arena, size_t, b->n_tasks);
    int *label = qv_new_n(&b->arena, int, b->n_tasks);
    qv__shuffle(order, b->n_tasks, qv__seed_named(b->o->train.seed, "random-task"));
    for (size_t i = 0; i < b->n_tasks; i++)
        label[order[i]] = (int)(i % K);
    b->n_planned = K;
    return qv__build_labelled(b, "random", label, K, 1, err);
}

const struct qv_method qv__random_task = {"random", "tasks dealt at random to K experts",
                                          build};
