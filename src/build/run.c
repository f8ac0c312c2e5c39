/* run.c - see run.h. */
#include "build/run.h"
#include "base/rng.h"
#include "lora/prototypes.h"
#include "model/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

qv_expert_meta qv__tasks_meta(qv_arena *a, struct qv_task *const *task, size_t n)
{
    const char **names = qv_new_n(a, const char *, n);
    qv_data_file *data = qv_new_n(a, qv_data_file, n);
    for (size_t i = 0; i < n; i++) {
        names[i] = task[i]->name;
        data[i] = (qv_data_file){task[i]->data->path, task[i]->data->hash};
    }
    return (qv_expert_meta){.task = names, .n_tasks = n, .data = data, .n_data = n};
}

size_t qv__build_steps(const qv_train_opts *o, struct qv_task *const *task, size_t n)
{
    size_t batch = o->batch ? o->batch : 16, epochs = o->epochs ? o->epochs : 5, steps = 0;
    for (size_t i = 0; i < n; i++)
        steps += o->steps ? o->steps : epochs * ((task[i]->n_train + batch - 1) / batch);
    return steps;
}

static qv_status gather(struct qv_run *k, qv_err *err)
{
    const struct qv_group *g = k->g;
    for (size_t i = 0; i < g->n; i++) {
        k->n_train += g->task[i]->n_train;
        k->n_valid += g->task[i]->n_valid;
    }
    k->train = calloc(qv__max(k->n_train, 1), sizeof *k->train);
    k->valid = calloc(qv__max(k->n_valid, 1), sizeof *k->valid);
    k->valid_at = calloc(qv__max(k->n_valid, 1), sizeof *k->valid_at);
    if (!k->train || !k->valid || !k->valid_at)
        return qv_fail(err, QV_ENOMEM, "no memory for %zu examples", k->n_train);
    size_t t = 0, v = 0;
    for (size_t i = 0; i < g->n; i++) {
        for (size_t j = 0; j < g->task[i]->n_train; j++, t++) {
            k->train[t] = g->task[i]->train[j];
            k->train[t].task = i;
        }
        for (size_t j = 0; j < g->task[i]->n_valid; j++, v++) {
            k->valid_at[v] = g->task[i]->valid[j];
            k->valid_at[v].task = i;
            k->valid[v] = &k->valid_at[v];
        }
    }
    size_t apart = qv__build_steps(&k->o, g->task, g->n);
    k->o.steps = g->steps ? g->steps : (size_t)lroundf(g->share * (float)apart);
    k->o.steps = qv__max(k->o.steps, 1);
    k->o.batch = k->o.batch ? k->o.batch : 16;
    return qv__source_init(&k->src, k->train, k->n_train, k->o.batch,
                           qv__seed_named(k->o.seed, g->name), err);
}

static json_t *settings_of(const struct qv_run *k)
{
    json_t *settings = qv__build_settings(&k->o, k->o.steps, k->o.batch);
    if (k->extra)
        json_object_update(settings, k->extra);
    return settings;
}

static void name_run(struct qv_run *k)
{
    json_t *settings = settings_of(k);
    char *text = json_dumps(settings, JSON_SORT_KEYS);
    qv_arena a = {0};
    char *all = qv__arena_fmt(&a, "%s %s %s", text, k->src.fingerprint, k->b->m->identity);
    qv__hash_bytes(k->id, all, strlen(all));
    qv__arena_free(&a);
    free(text);
    json_decref(settings);
}

static bool relay(void *arg, const char *what, double done, double total, const char *note)
{
    (void)what;
    const struct qv_run *k = arg;
    const qv_progress *p = &k->b->o->train.progress;
    return p->fn(p->arg, k->label, done, total, note);
}

qv_status qv__run_begin(struct qv_run *k, struct qv_builder *b, qv_library *lib,
                        const struct qv_group *g, json_t *extra, qv_err *err)
{
    *k = (struct qv_run){.b = b, .lib = lib, .g = g, .o = b->o->train, .extra = extra};
    k->checkpoint = qv__arena_fmt(&b->arena, "%s/%s.safetensors", b->work, g->name);
    snprintf(k->label, sizeof k->label, "%s %zu/%zu %s", b->o->method, b->n_done + 1,
             b->n_planned, g->name);
    if (k->o.progress.fn)
        k->o.progress = (qv_progress){relay, k};
    qv_status result = gather(k, err);
    if (!result)
        name_run(k);
    return result;
}

void qv__run_end(struct qv_run *k)
{
    k->b->n_done++;
    qv__source_end(&k->src);
    free(k->train);
    free(k->valid);
    free(k->valid_at);
    json_decref(k->extra);
}

/* Whether all that is stored with an expert is there. A build killed after it put
 * the expert has it without them. */
static bool has_artifacts(const struct qv_run *k, const char *name, const char *hash,
                          const char *extra)
{
    const char *const kinds[] = {"curve", "prototypes", extra};
    for (size_t i = 0; i < QV_COUNT(kinds); i++) {
        struct qv_st st;
        if (!kinds[i])
            continue;
        if (qv__library_artifact(&st, k->lib, name, kinds[i], hash, NULL))
            return false;
        qv__st_close(&st);
    }
    return true;
}

qv_status qv__run_made(bool *made, const struct qv_run *k, const char *name,
                       const char *extra, qv_err *err)
{
    qv_snapshot *snap;
    *made = false;
    qv_status result = qv_library_snapshot(&snap, k->lib, err);
    if (result)
        return result;
    size_t i = qv_snapshot_find(snap, name);
    if (i < qv_snapshot_size(snap)) {
        const qv_expert_info *info = qv_snapshot_info(snap, i);
        json_t *o = info->meta.settings ? json_loads(info->meta.settings, 0, NULL) : NULL;
        const char *run = json_string_value(json_object_get(o, "run"));
        bool is_ours = run && strcmp(run, k->id) == 0;
        json_decref(o);
        *made = is_ours && has_artifacts(k, name, info->hash, extra);
        if (!is_ours)
            result = qv_fail(err, QV_EEXIST,
                             "one is there from another run; remove it or build into "
                             "another library");
    }
    qv_snapshot_release(snap);
    return result;
}

static qv_status put_artifacts(const struct qv_run *k, const struct qv_expert *e,
                               const struct qv_train_log *log, qv_err *err)
{
    char hash[QV_HASH_TEXT];
    qv__expert_hash(hash, e);
    const struct qv_tensor_out curve[] = {
        {"loss", QV_F32, 1, {log->steps}, log->loss},
        {"valid", QV_F32, 2, {log->n_valid, 2}, log->valid},
    };
    qv_status result =
        qv__library_put_artifact(k->lib, e->name, "curve", hash, curve, 2, err);
    struct qv_prototypes p = {0};
    if (!result)
        result = qv__prototypes_of(&p, e, err);
    if (!result) {
        const struct qv_tensor_out proto[] = {
            {"v", QV_F32, 1, {p.first[p.n_sites]}, p.v},
            {"sigma", QV_F32, 2, {p.n_sites, 2}, p.sigma},
        };
        result =
            qv__library_put_artifact(k->lib, e->name, "prototypes", hash, proto, 2, err);
    }
    qv__prototypes_end(&p);
    return result;
}

qv_status qv__run_store(const struct qv_run *k, const struct qv_expert *e,
                        const struct qv_train_log *log, const struct qv_tensor_out *extra,
                        const char *kind, qv_err *err)
{
    qv_arena a = {0};
    const struct qv_group *g = k->g;
    json_t *settings = settings_of(k);
    json_object_set_new(settings, "run", json_string(k->id));
    json_object_set_new(settings, "method", json_string(k->b->o->method));
    json_object_set_new(settings, "tokens", json_integer((json_int_t)log->tokens));
    json_object_set_new(settings, "seconds", json_real(round(log->seconds * 10) / 10));
    char *text = json_dumps(settings, JSON_SORT_KEYS | JSON_REAL_PRECISION(7));
    const qv_score score = {g->name, "valid_loss", (double)log->best};
    qv_expert_opts opts = {.meta = qv__tasks_meta(&a, g->task, g->n),
                           .replace = true}; // qv__run_made knows whose it is
    opts.meta.base_name = e->base;
    opts.meta.base_hash = k->b->m->identity;
    opts.meta.score = &score;
    opts.meta.n_scores = 1;
    opts.meta.settings = text;
    qv_status result = qv__library_put(k->lib, e, &opts, err);
    if (!result)
        result = put_artifacts(k, e, log, err);
    if (!result && extra) {
        char hash[QV_HASH_TEXT];
        qv__expert_hash(hash, e);
        result = qv__library_put_artifact(k->lib, e->name, kind, hash, extra, 1, err);
    }
    free(text);
    json_decref(settings);
    qv__arena_free(&a);
    return result;
}
