/* group.c - one expert from some tasks: trained, stored, and never twice. */
#include "base/file.h"
#include "build/run.h"
#include "model/model.h"

#include <stdlib.h>

#define ATTENTION "q_proj|k_proj|v_proj|o_proj"

qv_status qv__build_expert(struct qv_expert **out, const char *name, const qv_model *m,
                           const qv_train_opts *o, qv_err *err)
{
    const struct qv_sites *sites = &m->sites;
    bool *chosen = calloc(sites->n, sizeof *chosen);
    struct qv_expert_shape *shape = calloc(sites->n, sizeof *shape);
    size_t n_chosen, n = 0;
    qv_status result = QV_OK;
    if (!chosen || !shape)
        result = qv_fail(err, QV_ENOMEM, "no memory for %zu sites", sites->n);
    else
        result =
            qv__sites_match(chosen, &n_chosen, sites, o->sites ? o->sites : ATTENTION, err);
    for (size_t i = 0; !result && i < sites->n; i++)
        if (chosen[i])
            shape[n++] = (struct qv_expert_shape){
                .path = sites->at[i].path,
                .D_in = sites->at[i].D_in,
                .D_out = sites->at[i].D_out,
                .R = o->rank ? o->rank : 4,
                .alpha = o->alpha > 0 ? o->alpha : 16,
            };
    if (!result)
        result = qv__expert_new(out, name, shape, n, false, err);
    if (!result) {
        (*out)->base = m->dir ? qv__arena_str(&(*out)->arena, qv__base_name(m->dir)) : NULL;
        (*out)->dropout = o->dropout < 0 ? 0 : o->dropout > 0 ? o->dropout : 0.05f;
        qv__expert_init(*out, o->seed);
    }
    free(chosen);
    free(shape);
    return result;
}

json_t *qv__build_settings(const qv_train_opts *o, size_t steps, size_t batch)
{
    qv_train_opts d = *o;
    qv__train_defaults(&d, false);
    return json_pack("{s:I, s:f, s:f, s:s, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:I}", "rank",
                     (json_int_t)(o->rank ? o->rank : 4), "alpha",
                     (double)(o->alpha > 0 ? o->alpha : 16), "dropout", (double)d.dropout,
                     "sites", o->sites ? o->sites : ATTENTION, "lr", (double)d.lr, "warmup",
                     (double)d.warmup, "weight_decay", (double)d.weight_decay, "beta2",
                     (double)d.beta2, "clip", (double)d.clip, "steps", (json_int_t)steps,
                     "batch", (json_int_t)batch, "seed", (json_int_t)o->seed);
}

static qv_status make(struct qv_run *k, qv_err *err)
{
    struct qv_train_log log = {0};
    struct qv_expert *e = NULL;
    qv_status result = qv__build_expert(&e, k->g->name, k->b->m, &k->o, err);
    if (!result)
        result = qv__train_expert(e, k->b->m, &k->src, k->valid, k->n_valid, &k->o,
                                  k->checkpoint, &log, err);
    if (!result)
        result = qv__run_store(k, e, &log, NULL, NULL, err);
    qv__expert_free(e);
    qv__train_log_end(&log);
    return result;
}

qv_status qv__build_group(struct qv_builder *b, qv_library *lib, const struct qv_group *g,
                          qv_err *err)
{
    struct qv_run k;
    bool made = false;
    qv_status result = qv__run_begin(&k, b, lib, g, NULL, err);
    if (!result)
        result = qv__run_made(&made, &k, g->name, NULL, err);
    if (!result && !made)
        result = make(&k, err);
    if (!result)
        result = qv__remove_tree(k.checkpoint, err);
    qv__run_end(&k);
    return result ? qv_wrap(err, result, "expert '%s': ", g->name) : QV_OK;
}

qv_status qv__build_each(struct qv_builder *b, qv_library *lib, float share, qv_err *err)
{
    qv_status result = QV_OK;
    for (size_t i = 0; !result && i < b->n_tasks; i++) {
        const struct qv_group g = {b->task[i]->name, &b->task[i], 1, share, 0};
        result = qv__build_group(b, lib, &g, err);
    }
    return result;
}

qv_status qv__build_labelled(struct qv_builder *b, qv_library *lib, const char *prefix,
                             const int *label, size_t n_labels, float share, qv_err *err)
{
    struct qv_task **task = qv_new_n(&b->arena, struct qv_task *, b->n_tasks);
    qv_status result = QV_OK;
    for (size_t l = 0; !result && l < n_labels; l++) {
        struct qv_group g = {qv__arena_fmt(&b->arena, "%s_%02zu", prefix, l), task, 0,
                             share, 0};
        for (size_t i = 0; i < b->n_tasks; i++)
            if (label[i] == (int)l)
                task[g.n++] = b->task[i];
        if (g.n)
            result = qv__build_group(b, lib, &g, err);
    }
    return result;
}
