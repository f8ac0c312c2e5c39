/* adapt.c - the list of methods, and the way from files to an expert that all share. */
#include "adapt/adapt.h"
#include "base/file.h"
#include "base/rng.h"
#include "build/build.h"
#include "library/meta.h"
#include "lora/peft.h"
#include "model/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct qv_adapter_ops *const list[] = {
    &qv__adapt_lora, &qv__adapt_shared,  &qv__adapt_mu, &qv__adapt_poly,  &qv__adapt_polyz,
    &qv__adapt_mhr,  &qv__adapt_lorahub, &qv__adapt_pi, &qv__adapt_known, NULL,
};

const struct qv_adapter_ops *const *qv__adapters(void)
{
    return list;
}

const struct qv_adapter_ops *qv__adapter_find(const char *name)
{
    for (size_t i = 0; list[i]; i++)
        if (name && strcmp(list[i]->name, name) == 0)
            return list[i];
    return NULL;
}

/* Every option given is one that the method takes, and what it needs is given. */
static qv_status check_options(const struct qv_adapter_ops *ops, const qv_adapt_opts *o,
                               qv_err *err)
{
    const struct {
        bool is_given;
        unsigned flag;
        const char *what;
    } option[] = {
        {o->library, QV_TAKES_LIBRARY, "a library"},
        {o->expert, QV_TAKES_ONE, "an expert's name"},
        {o->retrieve, QV_TAKES_NEAREST, "a way to retrieve experts"},
        {o->nearest, QV_TAKES_NEAREST, "a number of nearest experts"},
        {o->heads, QV_TAKES_HEADS, "heads"},
        {o->evaluations, QV_TAKES_EVALUATIONS, "evaluations"},
        {o->judged, QV_TAKES_EVALUATIONS, "a number of examples to judge by"},
    };
    for (size_t i = 0; i < QV_COUNT(option); i++)
        if (option[i].is_given && !(ops->takes & option[i].flag))
            return qv_fail(err, QV_EFORMAT, "%s has no use for %s", ops->name,
                           option[i].what);
    if ((ops->takes & QV_TAKES_LIBRARY) && !o->library)
        return qv_fail(err, QV_EFORMAT, "%s needs a library", ops->name);
    if (o->fraction != 0 && !(o->fraction > 0 && o->fraction <= 1))
        return qv_fail(err, QV_EFORMAT, "a fraction of %g is not above 0 and up to 1",
                       o->fraction);
    return QV_OK;
}

/* The training examples are permuted as a function of the task's name alone, and the
 * first ones taken: 5% of a task are the same for every method and seed, and are among
 * its 10%. Examples for validation are all kept. */
static qv_status read_data(struct qv_adapting *a, const char *const *paths, size_t n,
                           qv_err *err)
{
    const qv_build_opts opts = {.train = a->o->train};
    double fraction = a->o->fraction != 0 ? a->o->fraction : 1;
    qv_status result =
        qv__build_tasks(&a->task, &a->n_tasks, &a->arena, a->m, paths, n, &opts, err);
    size_t n_train = 0, n_valid = 0;
    for (size_t i = 0; !result && i < a->n_tasks; i++) {
        n_train += a->task[i]->n_train;
        n_valid += a->task[i]->n_valid;
    }
    a->train = calloc(qv__max(n_train, 1), sizeof *a->train);
    a->valid = calloc(qv__max(n_valid, 1), sizeof *a->valid);
    if (!result && (!a->train || !a->valid))
        result = qv_fail(err, QV_ENOMEM, "no memory for %zu examples", n_train);
    for (size_t i = 0; !result && i < a->n_tasks; i++) {
        const struct qv_task *t = a->task[i];
        size_t *order = qv_new_n(&a->arena, size_t, t->n_train + 1);
        size_t some = (size_t)round(fraction * (double)t->n_train);
        qv__shuffle(order, t->n_train, qv__seed_named(0, t->name));
        some = qv__min(qv__max(some, 1), t->n_train);
        for (size_t j = 0; j < some; j++)
            a->train[a->n_train++] = t->train[order[j]];
        for (size_t j = 0; j < t->n_valid; j++)
            a->valid[a->n_valid++] = &t->valid[j];
    }
    return result;
}

static qv_status read_library(struct qv_adapting *a, qv_err *err)
{
    if (!a->o->library)
        return QV_OK;
    qv_status result = qv_library_open(&a->lib, a->o->library, err);
    if (!result)
        result = qv_library_check_base(a->lib, NULL, a->m->origin, err);
    if (!result)
        result = qv_library_snapshot(&a->snap, a->lib, err);
    if (result)
        return result;
    size_t n = qv_snapshot_size(a->snap);
    if (n == 0)
        return qv_fail(err, QV_ENOTFOUND, "%s: the library has no experts", a->o->library);
    a->info = qv_new_n(&a->arena, const qv_expert_info *, n);
    a->expert = qv_new_n(&a->arena, struct qv_expert *, n);
    for (size_t i = 0; !result && i < n; i++) {
        a->info[i] = qv_snapshot_info(a->snap, i);
        result = qv__snapshot_read(&a->expert[i], a->snap, i, &a->m->sites, err);
        a->K += !result;
    }
    return result;
}

/* expert.json, as a library keeps it. */
static qv_status write_meta(struct qv_adapting *a, const struct qv_expert *e,
                            const char *out, qv_err *err)
{
    size_t steps = (size_t)json_integer_value(json_object_get(a->learnt, "steps"));
    size_t batch = a->o->train.batch ? a->o->train.batch : 16;
    json_t *root = NULL, *how = qv__build_settings(&a->o->train, steps, batch);
    json_object_set_new(how, "method", json_string(a->o->method));
    char *settings = json_dumps(how, JSON_SORT_KEYS | JSON_REAL_PRECISION(7));
    qv_expert_meta meta = qv__tasks_meta(&a->arena, a->task, a->n_tasks);
    meta.base_name = e->base;
    meta.base_hash = a->m->identity;
    meta.settings = settings;
    qv_status result = qv__meta_make(&root, e, &meta, err);
    if (!result)
        result = qv__json_write(root, qv__arena_fmt(&a->arena, "%s/expert.json", out), err);
    json_decref(root);
    json_decref(how);
    free(settings);
    return result;
}

/* What was learnt first, the adapter's config last: it says that all is there. */
static qv_status write_expert(struct qv_adapting *a, struct qv_expert *e, const char *out,
                              qv_err *err)
{
    json_t *names = json_array();
    for (size_t k = 0; k < a->K; k++)
        json_array_append_new(names, json_string(a->info[k]->name));
    json_object_set_new(a->learnt, "method", json_string(a->o->method));
    json_object_set_new(a->learnt, "examples", json_integer((json_int_t)a->n_train));
    if (a->lib)
        json_object_set(a->learnt, "experts", names);
    json_decref(names);
    if (!e->base && a->m->dir)
        e->base = qv__arena_str(&e->arena, qv__base_name(a->m->dir));
    e->name = qv__arena_str(&e->arena, a->name);
    qv_status result =
        qv__json_write(a->learnt, qv__arena_fmt(&a->arena, "%s/adaptation.json", out), err);
    if (!result)
        result = write_meta(a, e, out, err);
    return result ? result : qv__peft_write(e, out, err);
}

static void end(struct qv_adapting *a)
{
    for (size_t i = 0; i < a->n_tasks; i++)
        qv__task_free(a->task[i]);
    for (size_t k = 0; k < a->K; k++)
        qv__expert_free(a->expert[k]);
    free(a->train);
    free(a->valid);
    qv_snapshot_release(a->snap);
    qv_library_close(a->lib);
    json_decref(a->learnt);
    qv__arena_free(&a->arena);
}

qv_status qv_adapt(const qv_model *model, const char *const *paths, size_t n,
                   const char *out, const qv_adapt_opts *opts, qv_err *err)
{
    const struct qv_adapter_ops *ops = qv__adapter_find(opts->method);
    if (!ops)
        return qv_fail(err, QV_ENOTFOUND, "no way to adapt is named '%s'",
                       opts->method ? opts->method : "");
    qv_status result = check_options(ops, opts, err);
    if (result)
        return result;
    struct qv_adapting a = {.m = model, .o = opts, .learnt = json_object()};
    struct qv_expert *e = NULL;
    a.name = qv__dir_name(&a.arena, out);
    a.work = qv__arena_fmt(&a.arena, "%s.checkpoint", out);
    result = read_data(&a, paths, n, err);
    if (!result)
        result = read_library(&a, err);
    if (!result)
        result = qv__make_dir(out, err);
    if (!result)
        result = qv__make_dir(a.work, err);
    if (!result)
        result = ops->adapt(&e, &a, err);
    if (!result)
        result = write_expert(&a, e, out, err);
    if (!result)
        result = qv__remove_tree(a.work, err);
    qv__expert_free(e);
    end(&a);
    return result;
}
