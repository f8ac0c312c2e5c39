/* reuse.c - see reuse.h. A router that gives every token the same weights is
 * folded into one expert here, and costs what one expert costs. */
#include "model/reuse.h"
#include "library/library.h"
#include "model/gguf_adapter.h"
#include "model/model.h"

#include <stdlib.h>
#include <string.h>

/* A bank of one expert that is all of them at once. */
static qv_status fold(struct qv_bank **out, const qv_reuse *r,
                      const struct qv_reuse_from *from, const struct qv_router_ops *ops,
                      size_t own, qv_err *err)
{
    float *w = calloc(from->n, sizeof *w);
    if (!w)
        return qv_fail(err, QV_ENOMEM, "no memory for the weights of %zu experts", from->n);
    struct qv_expert *one = NULL;
    ops->weigh(w, from->n, own);
    qv_status result =
        qv__fold(&one, ops->name, from->experts, w, from->n, from->compose, err);
    if (!result)
        result = qv__bank_new(out, &r->model->sites, &one, 1, err);
    qv__expert_free(one);
    free(w);
    return result;
}

static qv_status bind_oracle(qv_reuse *r, const struct qv_reuse_from *from,
                             const struct qv_router_ops *ops, qv_err *err)
{
    r->of = qv_new_n(&r->arena, struct qv_bank *, from->n);
    r->tasks = qv_new_n(&r->arena, const char *const *, from->n);
    r->n_tasks = qv_new_n(&r->arena, size_t, from->n);
    for (size_t i = 0; i < from->n; i++) {
        const char **tasks = qv_new_n(&r->arena, const char *, from->n_tasks[i]);
        for (size_t j = 0; j < from->n_tasks[i]; j++)
            tasks[j] = qv__arena_str(&r->arena, from->tasks[i][j]);
        r->tasks[i] = tasks;
        r->n_tasks[i] = from->n_tasks[i];
        qv_status result = fold(&r->of[i], r, from, ops, i, err);
        if (result)
            return result;
    }
    return QV_OK;
}

/* A bank and a router that looks at every token. */
static qv_status bind_router(qv_reuse *r, const struct qv_reuse_from *from,
                             const struct qv_router_ops *ops, qv_err *err)
{
    const struct qv_router_opts opts = {from->top_k, from->temperature};
    qv_status result =
        qv__bank_new(&r->bank, &r->model->sites, from->experts, from->n, err);
    for (size_t i = 0; !result && from->proto && i < from->n; i++)
        if (from->proto[i].mem)
            result = qv__bank_set_prototypes(r->bank, i, &from->proto[i], err);
    return result ? result : ops->open(&r->router, r->bank, &opts, err);
}

static qv_status bind(qv_reuse *r, const struct qv_reuse_from *from, qv_err *err)
{
    if (!from->router)
        return qv__bank_new(&r->bank, &r->model->sites, from->experts, from->n, err);
    const struct qv_router_ops *ops = qv__router_find(from->router);
    if (!ops)
        return qv_fail(err, QV_ENOTFOUND, "no router is named '%s'", from->router);
    if (from->n == 0)
        return qv_fail(err, QV_ENOTFOUND, "no experts to route to");
    if (ops->is_oracle)
        return bind_oracle(r, from, ops, err);
    return ops->weigh ? fold(&r->bank, r, from, ops, 0, err)
                      : bind_router(r, from, ops, err);
}

qv_status qv__reuse_new(qv_reuse **out, const qv_model *model,
                        const struct qv_reuse_from *from, qv_err *err)
{
    *out = NULL;
    qv_reuse *r = calloc(1, sizeof *r);
    if (!r)
        return qv_fail(err, QV_ENOMEM, "no memory to bind %zu experts", from->n);
    r->model = model;
    r->compose = from->compose;
    r->n = from->n;
    r->name = qv_new_n(&r->arena, const char *, from->n);
    for (size_t i = 0; i < from->n; i++)
        r->name[i] = qv__arena_str(&r->arena, from->experts[i]->name);
    qv_status result = from->n || from->router ? bind(r, from, err) : QV_OK;
    if (result)
        qv_reuse_close(r);
    else
        *out = r;
    return result;
}

qv_status qv__reuse_like(qv_reuse **out, const qv_reuse *r, size_t top_k, float temperature,
                         enum qv_compose compose, qv_err *err)
{
    qv_check(r->router);
    const struct qv_router_opts opts = {top_k, temperature};
    *out = NULL;
    qv_reuse *like = calloc(1, sizeof *like);
    if (!like)
        return qv_fail(err, QV_ENOMEM, "no memory for a router");
    *like = (qv_reuse){
        .model = r->model, .bank = r->bank, .borrows_bank = true, .compose = compose};
    qv_status result = r->router->ops->open(&like->router, like->bank, &opts, err);
    if (result)
        qv_reuse_close(like);
    else
        *out = like;
    return result;
}

/* What is stored beside the expert of that hash. *p stays all-zero if nothing is,
 * or something that was computed from another version of it. */
static qv_status read_prototypes(struct qv_prototypes *p, const qv_library *lib,
                                 const struct qv_expert *e, const char *hash, qv_err *err)
{
    struct qv_st st;
    qv_err why;
    qv_status result = qv__library_artifact(&st, lib, e->name, "prototypes", hash, &why);
    if (result == QV_ENOTFOUND)
        return QV_OK;
    if (result)
        return qv_fail(err, result, "%s", why.msg);
    const struct qv_tensor *v = qv__st_find(&st, "v"), *sigma = qv__st_find(&st, "sigma");
    result = qv__prototypes_init(p, e, err);
    if (!result && v && v->dtype == QV_F32 && v->n == p->first[p->n_sites] && sigma &&
        sigma->dtype == QV_F32 && sigma->n == 2 * p->n_sites) {
        qv__st_f32(p->v, v, 0, v->n);
        qv__st_f32(p->sigma, sigma, 0, sigma->n);
    } else if (!result) {
        result = qv_fail(err, QV_EFORMAT, "artifact 'prototypes' is not of its shape");
    }
    qv__st_close(&st);
    return result;
}

static qv_status read_experts(struct qv_reading *d, const qv_model *m,
                              const qv_library *lib, const qv_snapshot *snap,
                              const char *only, qv_err *err)
{
    size_t n = qv_snapshot_size(snap);
    d->experts = calloc(qv__max(n, 1), sizeof *d->experts);
    d->proto = calloc(qv__max(n, 1), sizeof *d->proto);
    d->tasks = calloc(qv__max(n, 1), sizeof *d->tasks);
    d->n_tasks = calloc(qv__max(n, 1), sizeof *d->n_tasks);
    if (!d->experts || !d->proto || !d->tasks || !d->n_tasks)
        return qv_fail(err, QV_ENOMEM, "no memory for %zu experts", n);
    for (size_t i = 0; i < n; i++) {
        const qv_expert_info *info = qv_snapshot_info(snap, i);
        if (only && strcmp(only, info->name) != 0)
            continue;
        size_t k = d->n;
        qv_status result = qv__snapshot_read(&d->experts[k], snap, i, &m->sites, err);
        if (result)
            return result;
        d->n++;
        d->tasks[k] = info->meta.task;
        d->n_tasks[k] = info->meta.n_tasks;
        result = read_prototypes(&d->proto[k], lib, d->experts[k], info->hash, err);
        if (result)
            return qv_wrap(err, result, "expert '%s': ", info->name);
    }
    if (only && d->n == 0)
        return qv_fail(err, QV_ENOTFOUND, "no expert is named '%s'", only);
    return QV_OK;
}

qv_status qv__reading_init(struct qv_reading *d, const qv_model *m, const char *path,
                           const char *only, qv_err *err)
{
    qv_library *lib = NULL;
    *d = (struct qv_reading){0};
    qv_status result = qv_library_open(&lib, path, err);
    if (result)
        return result;
    result = qv_library_check_base(lib, NULL, m->origin, err);
    if (!result)
        result = qv_library_snapshot(&d->snap, lib, err);
    if (!result)
        result = read_experts(d, m, lib, d->snap, only, err);
    qv_library_close(lib);
    return result ? qv_wrap(err, result, "%s: ", path) : QV_OK;
}

void qv__reading_end(struct qv_reading *d)
{
    for (size_t i = 0; i < d->n; i++) {
        qv__expert_free(d->experts[i]);
        qv__prototypes_end(&d->proto[i]);
    }
    free(d->experts);
    free(d->proto);
    free(d->tasks);
    free(d->n_tasks);
    qv_snapshot_release(d->snap);
    *d = (struct qv_reading){0};
}

static qv_status open_library(qv_reuse **out, const qv_model *m, const qv_reuse_opts *o,
                              qv_err *err)
{
    struct qv_reading d;
    qv_status result = qv__reading_init(&d, m, o->library, o->expert, err);
    struct qv_reuse_from from = {
        .experts = d.experts,
        .n = d.n,
        .proto = d.proto,
        .tasks = d.tasks,
        .n_tasks = d.n_tasks,
        .router = o->expert ? NULL : o->router,
        .top_k = o->top_k,
        .temperature = o->temperature,
        .compose = o->compose == QV_COMPOSE_OUTPUT ? QV_OUTPUT : QV_FACTOR,
    };
    if (!result) {
        result = qv__reuse_new(out, m, &from, err);
        if (result)
            qv_wrap(err, result, "%s: ", o->library);
    }
    qv__reading_end(&d);
    return result;
}

qv_status qv_reuse_open(qv_reuse **out, const qv_model *model, const qv_reuse_opts *opts,
                        qv_err *err)
{
    *out = NULL;
    qv_reuse_opts o = opts ? *opts : (qv_reuse_opts){0};
    if (o.adapter && o.library)
        return qv_fail(err, QV_EFORMAT, "an adapter and a library: choose one");
    if (o.library && !o.router == !o.expert)
        return qv_fail(err, QV_EFORMAT,
                       "a library needs a router or an expert, one of them");
    if (!o.library && (o.router || o.expert))
        return qv_fail(err, QV_EFORMAT, "a router or an expert needs a library");
    if (o.library)
        return open_library(out, model, &o, err);
    struct qv_expert *e = NULL;
    qv_status result = o.adapter ? qv__adapter_read(&e, o.adapter, model, err) : QV_OK;
    struct qv_reuse_from from = {.experts = &e, .n = e ? 1 : 0};
    if (!result)
        result = qv__reuse_new(out, model, &from, err);
    qv__expert_free(e);
    return result;
}

void qv_reuse_close(qv_reuse *r)
{
    if (!r)
        return;
    if (r->router)
        r->router->ops->close(r->router);
    if (!r->borrows_bank)
        qv__bank_free(r->bank);
    for (size_t i = 0; r->of && i < r->n; i++)
        qv__bank_free(r->of[i]);
    qv__arena_free(&r->arena);
    free(r);
}

size_t qv_reuse_experts(const qv_reuse *r)
{
    return r->n;
}

const char *qv_reuse_expert(const qv_reuse *r, size_t i)
{
    return i < r->n ? r->name[i] : NULL;
}

static const struct qv_bank *own_bank(const qv_reuse *r, const char *task)
{
    for (size_t i = 0; task && i < r->n; i++)
        for (size_t j = 0; j < r->n_tasks[i]; j++)
            if (strcmp(r->tasks[i][j], task) == 0)
                return r->of[i];
    return NULL;
}

qv_status qv__reuse_update(struct qv_update *u, const qv_reuse *r, const char *task,
                           size_t T_max, qv_err *err)
{
    *u = (struct qv_update){0};
    if (!r)
        return QV_OK;
    const struct qv_bank *bank = r->of ? own_bank(r, task) : r->bank;
    if (!bank && r->of)
        return qv_fail(err, QV_ENOTFOUND, "the oracle has no expert for task '%s'",
                       task ? task : "");
    return bank ? qv__update_init(u, bank, r->router, r->compose, T_max, err) : QV_OK;
}
