/* reuse.c - see reuse.h. A router that gives every token the same weights is
 * folded into one expert here, and costs what one expert costs. */
#include "model/reuse.h"
#include "base/memory.h"
#include "library/library.h"
#include "lora/pack.h"
#include "lora/peft.h"
#include "lora/thin.h"
#include "model/adapted.h"
#include "model/gguf_adapter.h"
#include "model/model.h"
#include "model/subtract.h"

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

static qv_status bind_bank(qv_reuse *r, const struct qv_reuse_from *from, qv_err *err)
{
    const struct qv_sites *sites = &r->model->sites;
    if (from->packs)
        return qv__bank_of(&r->bank, sites, from->packs, from->n, err);
    return from->gives ? qv__bank_take(&r->bank, sites, from->experts, from->n, err)
                       : qv__bank_new(&r->bank, sites, from->experts, from->n, err);
}

/* A bank and a router that looks at every token. */
static qv_status bind_router(qv_reuse *r, const struct qv_reuse_from *from,
                             const struct qv_router_ops *ops, qv_err *err)
{
    const struct qv_router_opts opts = {.top_k = from->top_k,
                                        .temperature = from->temperature,
                                        .filter = from->filter,
                                        .before =
                                            from->before ? from->before->router : NULL,
                                        .texts = ops->reads ? &r->texts : NULL};
    qv_status result = bind_bank(r, from, err);
    for (size_t i = 0; !result && from->vectors && i < from->n; i++) {
        struct qv_prototypes *p = &from->vectors[i];
        const bool is_packs = from->packs && p->v == from->packs[i]->p.v;
        if (p->mem)
            result = qv__bank_set_prototypes(r->bank, i, is_packs ? &from->packs[i]->p : p,
                                             is_packs      ? QV_BORROWS
                                             : from->gives ? QV_TAKES
                                                           : QV_COPIES,
                                             err);
    }
    return result ? result : qv__router_open(&r->router, ops, r->bank, &opts, err);
}

/* Whether single rows meet the base in codes (op/linear.h). */
static bool meets_codes(const qv_model *m)
{
    bool any = false;
    for (size_t l = 0; l < m->c.L; l++)
        for (size_t i = 0; i < QV_N_MAPS; i++) {
            const struct qv_weight *w = &m->layer[l].map[i].w;
            any |= w->blocks && w->type->layout;
        }
    return any && !m->wants_f32;
}

static qv_status bind_as(qv_reuse *r, const struct qv_reuse_from *from,
                         const struct qv_router_ops *ops, qv_err *err)
{
    if (!ops)
        return bind_bank(r, from, err);
    if (ops->is_oracle)
        return bind_oracle(r, from, ops, err);
    return ops->weigh ? fold(&r->bank, r, from, ops, 0, err)
                      : bind_router(r, from, ops, err);
}

/* The same for experts less something, whose own prototypes are no longer theirs. */
static qv_status bind_less(qv_reuse *r, const struct qv_reuse_from *from, bool centred,
                           const struct qv_router_ops *ops, qv_err *err)
{
    struct qv_expert **less = calloc(from->n, sizeof *less);
    struct qv_reuse_from rest = *from;
    qv_status result =
        less ? QV_OK : qv_fail(err, QV_ENOMEM, "no memory for %zu experts", from->n);
    if (!result && centred)
        result = qv__subtract_mean(less, from->experts, from->n, err);
    else if (!result)
        result = qv__subtract_general(less, from->experts, from->n, from->general,
                                      from->n_general, from->subtracts_exactly, err);
    rest.experts = less;
    rest.n_general = 0;
    if (!ops || !ops->artifact)
        rest.vectors = NULL;
    if (!result && !centred && ops && ops->is_centred)
        result = bind_less(r, &rest, true, ops, err);
    else if (!result)
        result = bind_as(r, &rest, ops, err);
    for (size_t i = 0; less && i < from->n; i++)
        qv__expert_free(less[i]);
    free(less);
    return result;
}

static qv_status bind(qv_reuse *r, const struct qv_reuse_from *from, qv_err *err)
{
    const struct qv_router_ops *ops = from->router ? qv__router_find(from->router) : NULL;
    if (from->router && !ops)
        return qv_fail(err, QV_ENOTFOUND, "no router is named '%s'", from->router);
    if (from->n == 0 && (ops || from->n_general))
        return qv_fail(err, QV_ENOTFOUND, "no experts to route to");
    if (from->texts) {
        r->texts = *from->texts;
        *from->texts = (struct qv_text_table){0};
    }
    if (from->n_general)
        return bind_less(r, from, false, ops, err);
    return ops && ops->is_centred ? bind_less(r, from, true, ops, err)
                                  : bind_as(r, from, ops, err);
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
    if (!result && r->bank && r->bank->weights && !r->router && meets_codes(model))
        result = qv__bank_thin(r->bank, err);
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
    const struct qv_router_opts opts = {
        .top_k = top_k,
        .temperature = temperature,
        .texts = r->router->texts,
    };
    *out = NULL;
    qv_reuse *like = calloc(1, sizeof *like);
    if (!like)
        return qv_fail(err, QV_ENOMEM, "no memory for a router");
    *like = (qv_reuse){
        .model = r->model, .bank = r->bank, .borrows_bank = true, .compose = compose};
    qv_status result =
        qv__router_open(&like->router, r->router->ops, like->bank, &opts, err);
    if (result)
        qv_reuse_close(like);
    else
        *out = like;
    return result;
}

/* Whether `name` is in a list parted by commas. */
static bool is_listed(const char *list, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = list; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, name, n) == 0 && (at[n] == ',' || at[n] == '\0'))
            return true;
    }
    return false;
}

static qv_status read_expert(struct qv_library_reading *d, const qv_model *m,
                             const qv_snapshot *snap, size_t i, bool is_general,
                             qv_err *err)
{
    const qv_expert_info *info = qv_snapshot_info(snap, i);
    struct qv_expert **to = is_general ? &d->general[d->n_general] : &d->experts[d->n];
    qv_status result = qv__snapshot_read(to, snap, i, &m->sites, err);
    if (result)
        return result;
    if (is_general) {
        d->n_general++;
        return QV_OK;
    }
    d->tasks[d->n] = info->meta.task;
    d->n_tasks[d->n++] = info->meta.n_tasks;
    result = qv__kept_add(&d->kept, *to, info->hash, err);
    // What is not found says of whom by itself.
    return result && result != QV_ENOTFOUND
               ? qv_wrap(err, result, "expert '%s': ", info->name)
               : result;
}

static qv_status read_experts(struct qv_library_reading *d, const qv_model *m,
                              const qv_library *lib, const qv_snapshot *snap,
                              const qv_reuse_opts *o, qv_err *err)
{
    size_t n = qv__max(qv_snapshot_size(snap), 1), n_names = o->general ? 1 : 0;
    d->experts = calloc(n, sizeof *d->experts);
    d->general = calloc(n, sizeof *d->general);
    d->tasks = calloc(n, sizeof *d->tasks);
    d->n_tasks = calloc(n, sizeof *d->n_tasks);
    if (!d->experts || !d->general || !d->tasks || !d->n_tasks)
        return qv_fail(err, QV_ENOMEM, "no memory for %zu experts", n);
    const struct qv_router_ops *ops =
        o->router && !o->expert ? qv__router_find(o->router) : NULL;
    qv_status result = qv__kept_init(&d->kept, lib, m, ops, n, err);
    for (size_t i = 0; !result && i < qv_snapshot_size(snap); i++) {
        const char *name = qv_snapshot_info(snap, i)->name;
        bool is_general = o->general && is_listed(o->general, name);
        if (is_general || !o->expert || strcmp(o->expert, name) == 0)
            result = read_expert(d, m, snap, i, is_general, err);
    }
    if (!result && o->expert && d->n == 0)
        result = qv_fail(err, QV_ENOTFOUND, "no expert is named '%s'", o->expert);
    for (const char *at = o->general; at && (at = strchr(at, ',')); at++)
        n_names++;
    if (!result && d->n_general != n_names)
        result = qv_fail(err, QV_ENOTFOUND,
                         "%zu experts among '%s', which names %zu general ones",
                         d->n_general, o->general, n_names);
    return result;
}

qv_status qv__library_reading_init(struct qv_library_reading *d, const qv_model *m,
                                   const char *path, const qv_reuse_opts *o, qv_err *err)
{
    qv_library *lib = NULL;
    *d = (struct qv_library_reading){0};
    qv_status result = qv_library_open(&lib, path, err);
    if (result)
        return result;
    result = qv_library_check_base(lib, NULL, m->origin, err);
    if (!result)
        result = qv_library_snapshot(&d->snap, lib, err);
    if (!result)
        result = read_experts(d, m, lib, d->snap, o, err);
    qv_library_close(lib);
    return result ? qv_wrap(err, result, "%s: ", path) : QV_OK;
}

void qv__library_reading_end(struct qv_library_reading *d)
{
    for (size_t i = 0; i < d->n; i++)
        qv__expert_free(d->experts[i]);
    for (size_t i = 0; i < d->n_general; i++)
        qv__expert_free(d->general[i]);
    qv__kept_end(&d->kept);
    free(d->experts);
    free(d->general);
    free(d->tasks);
    free(d->n_tasks);
    qv_snapshot_release(d->snap);
    *d = (struct qv_library_reading){0};
}

static qv_status open_library(qv_reuse **out, const qv_model *m, const qv_reuse_opts *o,
                              qv_err *err)
{
    struct qv_library_reading d;
    qv_status result = qv__library_reading_init(&d, m, o->library, o, err);
    struct qv_reuse_from from = {
        .experts = d.experts,
        .n = d.n,
        .vectors = d.kept.vectors,
        .gives = true,
        .texts = &d.kept.texts,
        .general = d.general,
        .n_general = d.n_general,
        .subtracts_exactly = o->subtract == QV_SUBTRACT_EXACT,
        .tasks = d.tasks,
        .n_tasks = d.n_tasks,
        .router = o->expert ? NULL : o->router,
        .top_k = o->top_k,
        .filter = o->filter,
        .temperature = o->temperature,
        .compose = qv__router_compose(d.kept.ops, o->compose),
    };
    if (!result) {
        result = qv__reuse_new(out, m, &from, err);
        if (result)
            qv_wrap(err, result, "%s: ", o->library);
    }
    qv__library_reading_end(&d);
    qv__memory_trim(); // names and tables of thousands of experts
    return result;
}

static qv_status open_gguf_adapter(qv_reuse **out, const qv_model *m, const char *path,
                                   qv_err *err)
{
    struct qv_expert *e;
    qv_status result = qv__adapter_read(&e, path, m, err);
    if (result)
        return result;
    result = qv__reuse_new(out, m, &(struct qv_reuse_from){.experts = &e, .n = 1}, err);
    qv__expert_free(e);
    return result;
}

static qv_status open_adapter(qv_reuse **out, const qv_model *m, const char *dir,
                              qv_err *err)
{
    if (qv__is_gguf_name(dir))
        return open_gguf_adapter(out, m, dir, err);
    struct qv_adapter *a;
    qv_status result = qv__peft_read_adapter(&a, dir, &m->sites, err);
    if (result)
        return result;
    struct qv_reuse_from from = {.experts = &a->expert, .n = 1};
    result = qv__reuse_new(out, m, &from, err);
    if (!result && (a->tables->n_sites || a->n_extra || a->n_saved)) {
        qv_reuse *r = *out;
        r->adapter = a; // now owns it
        a = NULL;
        result = qv__adapted_new(&r->adapted, m, r->adapter, err);
        if (!result)
            result = qv__adapted_gains(r->bank, r->adapted, r->adapter, err);
        if (result) {
            qv_reuse_close(r);
            *out = NULL;
            result = qv_wrap(err, result, "%s/adapter_model.safetensors: ", dir);
        }
    }
    qv__adapter_free(a);
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
    if (!o.library && o.general)
        return qv_fail(err, QV_EFORMAT, "general experts need a library");
    if (o.library)
        return open_library(out, model, &o, err);
    return o.adapter ? open_adapter(out, model, o.adapter, err)
                     : qv__reuse_new(out, model, &(struct qv_reuse_from){0}, err);
}

void qv_reuse_close(qv_reuse *r)
{
    if (!r)
        return;
    qv__router_close(r->router);
    if (!r->borrows_bank)
        qv__bank_free(r->bank);
    qv__adapted_free(r->adapted);
    qv__adapter_free(r->adapter);
    for (size_t i = 0; r->of && i < r->n; i++)
        qv__bank_free(r->of[i]);
    free(r->texts.v);
    free(r->texts.bias);
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

const qv_model *qv__reuse_model(const qv_reuse *r, const qv_model *model)
{
    qv_check(!r || r->model == model);
    return r && r->adapted ? &r->adapted->m : model;
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
