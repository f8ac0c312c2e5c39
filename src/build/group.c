/* group.c - one expert from some tasks: trained, stored, and never twice. */
#include "base/file.h"
#include "base/hash.h"
#include "base/rng.h"
#include "build/build.h"
#include "lora/prototypes.h"
#include "model/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* One expert in training. */
struct making {
    struct qv_builder *b;
    qv_library *lib;
    const struct qv_group *g;
    qv_train_opts o;
    struct qv_sequence *train;        // [n_train]
    const struct qv_sequence **valid; // [n_valid]
    size_t n_train, n_valid, steps;
    struct qv_source src;
    struct qv_expert *e;
    const char *checkpoint;
    char run[QV_HASH_TEXT]; // names settings, data and base
    bool is_there;          // in the library, from the same run
    char label[160];
};

static qv_status gather(struct making *k, qv_err *err)
{
    const struct qv_group *g = k->g;
    size_t batch = k->o.batch ? k->o.batch : 16, epochs = k->o.epochs ? k->o.epochs : 5;
    size_t apart = 0; // steps that the tasks would take one by one
    for (size_t i = 0; i < g->n; i++) {
        k->n_train += g->task[i]->n_train;
        k->n_valid += g->task[i]->n_valid;
        apart +=
            k->o.steps ? k->o.steps : epochs * ((g->task[i]->n_train + batch - 1) / batch);
    }
    k->train = calloc(qv__max(k->n_train, 1), sizeof *k->train);
    k->valid = calloc(qv__max(k->n_valid, 1), sizeof *k->valid);
    if (!k->train || !k->valid)
        return qv_fail(err, QV_ENOMEM, "no memory for %zu examples", k->n_train);
    size_t t = 0, v = 0;
    for (size_t i = 0; i < g->n; i++) {
        for (size_t j = 0; j < g->task[i]->n_train; j++)
            k->train[t++] = g->task[i]->train[j];
        for (size_t j = 0; j < g->task[i]->n_valid; j++)
            k->valid[v++] = &g->task[i]->valid[j];
    }
    k->steps = qv__max((size_t)lroundf(g->share * (float)apart), 1);
    k->o.steps = k->steps;
    k->o.batch = batch;
    return qv__source_init(&k->src, k->train, k->n_train, batch,
                           qv__seed_named(k->o.seed, g->name), err);
}

static void name_run(struct making *k)
{
    json_t *settings = qv__build_settings(&k->o, k->steps, k->o.batch);
    char *text = json_dumps(settings, JSON_SORT_KEYS);
    qv_arena a = {0};
    char *all = qv__arena_fmt(&a, "%s %s %s", text, k->src.fingerprint, k->b->m->identity);
    qv__hash_bytes(k->run, all, strlen(all));
    qv__arena_free(&a);
    free(text);
    json_decref(settings);
}

/* Whether all that is stored with an expert is there. A build killed after it put
 * the expert has it without them. */
static bool has_artifacts(const struct making *k, const char *hash)
{
    static const char *const kinds[] = {"curve", "prototypes"};
    for (size_t i = 0; i < QV_COUNT(kinds); i++) {
        struct qv_st st;
        if (qv__library_artifact(&st, k->lib, k->g->name, kinds[i], hash, NULL))
            return false;
        qv__st_close(&st);
    }
    return true;
}

/* Whether the library has this very expert. Fails if it has another. */
static qv_status is_made(bool *made, struct making *k, qv_err *err)
{
    qv_snapshot *snap;
    *made = false;
    qv_status result = qv_library_snapshot(&snap, k->lib, err);
    if (result)
        return result;
    size_t i = qv_snapshot_find(snap, k->g->name);
    if (i < qv_snapshot_size(snap)) {
        const qv_expert_info *info = qv_snapshot_info(snap, i);
        json_t *o = info->meta.settings ? json_loads(info->meta.settings, 0, NULL) : NULL;
        const char *run = json_string_value(json_object_get(o, "run"));
        k->is_there = run && strcmp(run, k->run) == 0;
        json_decref(o);
        *made = k->is_there && has_artifacts(k, info->hash);
        if (!k->is_there)
            result = qv_fail(err, QV_EEXIST,
                             "one is there from another run; remove it or build into "
                             "another library");
    }
    qv_snapshot_release(snap);
    return result;
}

static qv_status put_artifacts(struct making *k, const struct qv_train_log *log,
                               qv_err *err)
{
    char hash[QV_HASH_TEXT];
    qv__expert_hash(hash, k->e);
    const struct qv_tensor_out curve[] = {
        {"loss", QV_F32, 1, {log->steps}, log->loss},
        {"valid", QV_F32, 2, {log->n_valid, 2}, log->valid},
    };
    qv_status result =
        qv__library_put_artifact(k->lib, k->g->name, "curve", hash, curve, 2, err);
    struct qv_prototypes p = {0};
    if (!result)
        result = qv__prototypes_of(&p, k->e, err);
    if (!result) {
        const struct qv_tensor_out proto[] = {
            {"v", QV_F32, 1, {p.first[p.n_sites]}, p.v},
            {"sigma", QV_F32, 2, {p.n_sites, 2}, p.sigma},
        };
        result =
            qv__library_put_artifact(k->lib, k->g->name, "prototypes", hash, proto, 2, err);
    }
    qv__prototypes_end(&p);
    return result;
}

static qv_status store(struct making *k, const struct qv_train_log *log, qv_err *err)
{
    qv_arena a = {0};
    const struct qv_group *g = k->g;
    const char **tasks = qv_new_n(&a, const char *, g->n);
    qv_data_file *data = qv_new_n(&a, qv_data_file, g->n);
    for (size_t i = 0; i < g->n; i++) {
        tasks[i] = g->task[i]->name;
        data[i] = (qv_data_file){g->task[i]->data->path, g->task[i]->data->hash};
    }
    json_t *settings = qv__build_settings(&k->o, k->steps, k->o.batch);
    json_object_set_new(settings, "run", json_string(k->run));
    json_object_set_new(settings, "method", json_string(k->b->o->method));
    json_object_set_new(settings, "tokens", json_integer((json_int_t)log->tokens));
    json_object_set_new(settings, "seconds", json_real(round(log->seconds * 10) / 10));
    char *text = json_dumps(settings, JSON_SORT_KEYS | JSON_REAL_PRECISION(7));
    const qv_score score = {g->name, "valid_loss", (double)log->best};
    const qv_expert_opts opts = {.meta = {.task = tasks,
                                          .n_tasks = g->n,
                                          .base_name = k->e->base,
                                          .base_hash = k->b->m->identity,
                                          .data = data,
                                          .n_data = g->n,
                                          .score = &score,
                                          .n_scores = 1,
                                          .settings = text},
                                 .replace = k->is_there};
    qv_status result = qv__library_put(k->lib, k->e, &opts, err);
    if (!result)
        result = put_artifacts(k, log, err);
    free(text);
    json_decref(settings);
    qv__arena_free(&a);
    return result;
}

static bool relay(void *arg, const char *what, double done, double total, const char *note)
{
    (void)what;
    const struct making *k = arg;
    const qv_progress *p = &k->b->o->train.progress;
    return p->fn(p->arg, k->label, done, total, note);
}

static qv_status make(struct making *k, qv_err *err)
{
    struct qv_train_log log = {0};
    snprintf(k->label, sizeof k->label, "%s %zu/%zu %s", k->b->o->method, k->b->n_done + 1,
             k->b->n_planned, k->g->name);
    if (k->o.progress.fn)
        k->o.progress = (qv_progress){relay, k};
    qv_status result = qv__build_expert(&k->e, k->g->name, k->b->m, &k->o, err);
    if (!result)
        result = qv__train_expert(k->e, k->b->m, &k->src, k->valid, k->n_valid, &k->o,
                                  k->checkpoint, &log, err);
    if (!result)
        result = store(k, &log, err);
    qv__expert_free(k->e);
    qv__train_log_end(&log);
    return result;
}

qv_status qv__build_group(struct qv_builder *b, qv_library *lib, const struct qv_group *g,
                          qv_err *err)
{
    struct making k = {.b = b, .lib = lib, .g = g, .o = b->o->train};
    k.checkpoint = qv__arena_fmt(&b->arena, "%s/%s.safetensors", b->work, g->name);
    bool made = false;
    qv_status result = gather(&k, err);
    if (!result) {
        name_run(&k);
        result = is_made(&made, &k, err);
    }
    if (!result && !made)
        result = make(&k, err);
    if (!result)
        result = qv__remove_tree(k.checkpoint, err);
    b->n_done++;
    qv__source_end(&k.src);
    free(k.train);
    free(k.valid);
    return result ? qv_wrap(err, result, "expert '%s': ", g->name) : QV_OK;
}

qv_status qv__build_each(struct qv_builder *b, qv_library *lib, float share, qv_err *err)
{
    qv_status result = QV_OK;
    for (size_t i = 0; !result && i < b->n_tasks; i++) {
        const struct qv_group g = {b->task[i]->name, &b->task[i], 1, share};
        result = qv__build_group(b, lib, &g, err);
    }
    return result;
}

qv_status qv__build_labelled(struct qv_builder *b, const char *prefix, const int *label,
                             size_t n_labels, float share, qv_err *err)
{
    struct qv_task **task = qv_new_n(&b->arena, struct qv_task *, b->n_tasks);
    qv_status result = QV_OK;
    for (size_t l = 0; !result && l < n_labels; l++) {
        struct qv_group g = {qv__arena_fmt(&b->arena, "%s_%02zu", prefix, l), task, 0,
                             share};
        for (size_t i = 0; i < b->n_tasks; i++)
            if (label[i] == (int)l)
                task[g.n++] = b->task[i];
        if (g.n)
            result = qv__build_group(b, b->lib, &g, err);
    }
    return result;
}
