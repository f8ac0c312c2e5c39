/* known.c - a task that a library of poly or mhr was trained on: its skills, mixed as
 * they were for that task in training. Nothing is trained.
 *
 * Each skill's logits stand beside it as the artifact "poly" [tasks, sites, heads], the
 * tasks in the order of its own expert.json (build/poly.c).
 */
#include "adapt/adapt.h"

#include <string.h>

/* A skill's logits, and which row of them is the task's. */
struct stored {
    struct qv_st st;
    const struct qv_tensor *logit;
    size_t row;
};

static qv_status open_logits(struct stored *s, const struct qv_adapting *a, size_t k,
                             qv_err *err)
{
    const qv_expert_info *info = a->info[k];
    const char *task = a->task[0]->name;
    if (qv__library_artifact(&s->st, a->lib, info->name, "poly", info->hash, NULL))
        return qv_fail(err, QV_ENOTFOUND,
                       "no logits are kept beside it: build the library by poly or mhr");
    while (s->row < info->meta.n_tasks && strcmp(info->meta.task[s->row], task) != 0)
        s->row++;
    if (s->row == info->meta.n_tasks)
        return qv_fail(err, QV_ENOTFOUND, "it was not trained on '%s'", task);
    const struct qv_tensor *z = s->logit = qv__st_find(&s->st, "logit");
    if (!z || z->dtype != QV_F32 || z->rank != 3 || z->shape[0] != info->meta.n_tasks ||
        z->shape[1] != a->expert[k]->n_sites || z->shape[2] == 0)
        return qv_fail(err, QV_EFORMAT, "artifact 'poly' is not of its shape");
    return QV_OK;
}

static qv_status mix(struct qv_expert **out, struct qv_adapting *a, const struct stored *s,
                     qv_err *err)
{
    const struct qv_mixture_opts opts = {.heads = s[0].logit->shape[2]};
    struct qv_mixture *m = NULL;
    qv_status result = qv__mixture_new(&m, a->expert, a->K, &opts, err);
    if (result)
        return result;
    size_t n = m->n_groups * m->Q;
    for (size_t k = 0; !result && k < a->K; k++)
        if (s[k].logit->shape[1] * s[k].logit->shape[2] != n)
            result = qv_fail(err, QV_EFORMAT,
                             "experts '%s' and '%s' are not skills of one library",
                             a->expert[0]->name, a->expert[k]->name);
        else
            for (size_t i = 0; i < n; i++)
                qv__st_f32(&m->logit[i * m->S + k], s[k].logit, s[k].row * n + i, 1);
    if (!result) {
        float *w = qv_new_n(&a->arena, float, qv__mixture_n_weights(m));
        qv__mixture_weights(w, m, 0);
        result = qv__mixture_expert(out, a->name, m, w, err);
    }
    qv__mixture_free(m);
    return result;
}

static qv_status adapt(struct qv_expert **out, struct qv_adapting *a, qv_err *err)
{
    if (a->n_tasks != 1)
        return qv_fail(err, QV_EFORMAT, "known is about one task, not %zu", a->n_tasks);
    struct stored *s = qv_new_n(&a->arena, struct stored, a->K);
    qv_status result = QV_OK;
    for (size_t k = 0; !result && k < a->K; k++) {
        result = open_logits(&s[k], a, k, err);
        if (result)
            result = qv_wrap(err, result, "expert '%s': ", a->info[k]->name);
    }
    if (!result)
        result = mix(out, a, s, err);
    for (size_t k = 0; k < a->K; k++)
        qv__st_close(&s[k].st);
    return result;
}

const struct qv_adapter_ops qv__adapt_known = {
    .name = "known",
    .about = "no training: what a poly or mhr library learnt for the task",
    .takes = QV_TAKES_LIBRARY,
    .adapt = adapt,
};
