/* random_example.c - examples dealt at random to K experts, whatever their tasks: all
 * experts see everything, and no one more of it than another.
 */
#include "base/rng.h"
#include "build/build.h"

/* The examples among s [n] whose turn it is. */
static size_t take(struct qv_sequence **out, struct qv_builder *b,
                   const struct qv_sequence *s, size_t n, uint64_t seed, size_t k, size_t K)
{
    size_t *order = qv_new_n(&b->arena, size_t, n + 1), taken = 0;
    *out = qv_new_n(&b->arena, struct qv_sequence, n + 1);
    qv__shuffle(order, n, seed);
    for (size_t i = k; i < n; i += K)
        (*out)[taken++] = s[order[i]];
    return taken;
}

static qv_status build(struct qv_builder *b, qv_err *err)
{
    if (b->o->tries_clusters)
        return qv_fail(err, QV_EUNSUPPORTED, "random-example needs a number of clusters");
    size_t K = b->o->clusters ? b->o->clusters : 10;
    size_t all = qv__build_steps(&b->o->train, b->task, b->n_tasks);
    uint64_t seed = qv__seed_named(b->o->train.seed, "random-example");
    struct qv_task **part = qv_new_n(&b->arena, struct qv_task *, b->n_tasks);
    qv_status result = QV_OK;
    b->n_planned = K;
    for (size_t k = 0; !result && k < K; k++) {
        for (size_t i = 0; i < b->n_tasks; i++) {
            const struct qv_task *t = b->task[i];
            uint64_t own = qv__seed_named(seed, t->name);
            part[i] = qv_new(&b->arena, struct qv_task);
            *part[i] = *t;
            /* A task begins with an expert of its own, or small ones would all go to
             * the first. */
            size_t turn = (k + K - (size_t)(own % K)) % K;
            part[i]->n_train = take(&part[i]->train, b, t->train, t->n_train, own, turn, K);
            part[i]->n_valid = take(&part[i]->valid, b, t->valid, t->n_valid,
                                    qv__seed_of(own, 1), turn, K);
        }
        const struct qv_group g = {qv__arena_fmt(&b->arena, "example_%02zu", k), part,
                                   b->n_tasks, 0, qv__max((all + K / 2) / K, 1)};
        result = qv__build_group(b, b->lib, &g, err);
    }
    return result;
}

const struct qv_method qv__random_example = {
    "random-example", "examples dealt at random to K experts", build};
