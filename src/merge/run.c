/* run.c - from names in a library to a merged adapter in a directory. */
#include "base/file.h"
#include "base/json.h"
#include "library/library.h"
#include "library/meta.h"
#include "lora/peft.h"
#include "merge/merge.h"

#include <quiver/merge.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct run {
    const qv_merge_opts *o;
    const struct qv_merge_ops *ops;
    const char *out, *dir; // dir: the library's, for messages
    qv_snapshot *snap;
    const qv_expert_info **info; // [K] the general ones last
    struct qv_expert **expert;   // [K] owned
    double *w;                   // [K]
    size_t K;
    struct qv_merge_how how;
    qv_arena arena;
};

/* PEFT's variants that work on whole updates. */
static qv_status refuse_method(const char *name, qv_err *err)
{
    static const char *const whole[][2] = {
        {"ties_svd", "ties"},
        {"dare_linear_svd", "dare_linear"},
        {"dare_ties_svd", "dare_ties"},
        {"magnitude_prune_svd", "magnitude_prune"},
    };
    for (size_t i = 0; i < QV_COUNT(whole); i++)
        if (strcmp(name, whole[i][0]) == 0)
            return qv_fail(err, QV_EUNSUPPORTED,
                           "%s prunes updates of D_out x D_in, which are never formed "
                           "here; %s prunes their factors",
                           name, whole[i][1]);
    return qv_fail(err, QV_ENOTFOUND, "no merge method is named '%s'", name);
}

/* Every option given is one that the method takes. */
static qv_status check_taken(const struct run *r, qv_err *err)
{
    const qv_merge_opts *o = r->o;
    const struct {
        bool is_given;
        unsigned flag;
        const char *what;
    } option[] = {
        {o->weight, QV_TAKES_WEIGHTS, "weights"},
        {o->density != 0, QV_TAKES_DENSITY, "density"},
        {o->gamma != 0, QV_TAKES_GAMMA, "gamma"},
        {o->rank, QV_TAKES_RANK, "rank"},
        {o->seed, QV_TAKES_SEED, "seed"},
        {o->count_signs, QV_TAKES_SIGNS, "way to elect signs"},
        {o->n_general, QV_TAKES_GENERAL, "general experts"},
    };
    for (size_t i = 0; i < QV_COUNT(option); i++)
        if (option[i].is_given && !(r->ops->takes & option[i].flag))
            return qv_fail(err, QV_EFORMAT, "%s has no use for %s%s", r->ops->name,
                           option[i].flag & (QV_TAKES_WEIGHTS | QV_TAKES_GENERAL) ? ""
                                                                                  : "a ",
                           option[i].what);
    return QV_OK;
}

static qv_status check_values(struct run *r, qv_err *err)
{
    const qv_merge_opts *o = r->o;
    r->how = (struct qv_merge_how){
        .density = o->density != 0 ? o->density : 0.2,
        .gamma = o->gamma < 0    ? 0
                 : o->gamma != 0 ? o->gamma
                                 : 0.01,
        .rank = o->rank,
        .count_signs = o->count_signs,
        .seed = o->seed,
    };
    if (!(r->how.density > 0 && r->how.density <= 1))
        return qv_fail(err, QV_EFORMAT, "a density of %g is not above 0 and up to 1",
                       r->how.density);
    if (!(r->how.gamma < 1))
        return qv_fail(err, QV_EFORMAT, "a gamma of %g is not below 1", r->how.gamma);
    if ((r->ops->takes & QV_TAKES_GAMMA) && r->how.density + r->how.gamma > 1)
        return qv_fail(err, QV_EFORMAT,
                       "a density of %g and a gamma of %g are more than all",
                       r->how.density, r->how.gamma);
    for (size_t i = 0; o->weight && i < o->n_experts; i++)
        if (!isfinite(o->weight[i]))
            return qv_fail(err, QV_EFORMAT, "expert '%s': its weight is not finite",
                           o->expert[i]);
    if (r->ops->takes & QV_TAKES_GENERAL) {
        if (o->n_experts != 1)
            return qv_fail(err, QV_EFORMAT,
                           "%s changes one expert: name it, and no other, by --experts",
                           r->ops->name);
        if (o->n_general == 0)
            return qv_fail(err, QV_EFORMAT, "%s needs general experts", r->ops->name);
    }
    if (o->weight && o->n_experts == 0)
        return qv_fail(err, QV_EFORMAT, "weights need names of experts beside them");
    return QV_OK;
}

static qv_status choose(struct run *r, const char *name, qv_err *err)
{
    size_t i = qv_snapshot_find(r->snap, name);
    if (i == qv_snapshot_size(r->snap))
        return qv_fail(err, QV_ENOTFOUND, "%s: no expert is named '%s'", r->dir, name);
    for (size_t k = 0; k < r->K; k++)
        if (r->info[k] == qv_snapshot_info(r->snap, i))
            return qv_fail(err, QV_EFORMAT, "expert '%s' is named twice", name);
    r->info[r->K++] = qv_snapshot_info(r->snap, i);
    return QV_OK;
}

static qv_status choose_all(struct run *r, qv_err *err)
{
    const qv_merge_opts *o = r->o;
    size_t n = qv_snapshot_size(r->snap);
    r->info = qv_new_n(&r->arena, const qv_expert_info *, n + 1);
    qv_status result = QV_OK;
    for (size_t i = 0; i < o->n_experts && !result; i++)
        result = choose(r, o->expert[i], err);
    for (size_t i = 0; i < n && o->n_experts == 0 && !result; i++)
        result = choose(r, qv_snapshot_info(r->snap, i)->name, err);
    for (size_t i = 0; i < o->n_general && !result; i++)
        result = choose(r, o->general[i], err);
    if (!result && r->K == 0)
        result = qv_fail(err, QV_ENOTFOUND, "%s: the library has no experts", r->dir);
    return result;
}

static qv_status check_bases(const struct run *r, qv_err *err)
{
    for (size_t j = 1; j < r->K; j++)
        for (size_t i = 0; i < j; i++) {
            const qv_expert_meta *a = &r->info[i]->meta, *b = &r->info[j]->meta;
            if (!qv__same_base(a->base_name, a->base_hash, b->base_name, b->base_hash))
                return qv_fail(err, QV_EFORMAT,
                               "expert '%.80s' was trained over the model '%.60s' "
                               "(%.12s), '%.80s' over '%.60s' (%.12s)",
                               r->info[i]->name, a->base_name ? a->base_name : "?",
                               a->base_hash ? a->base_hash : "no hash", r->info[j]->name,
                               b->base_name ? b->base_name : "?",
                               b->base_hash ? b->base_hash : "no hash");
        }
    return QV_OK;
}

static qv_status read_experts(struct run *r, qv_err *err)
{
    r->expert = qv_new_n(&r->arena, struct qv_expert *, r->K);
    qv_status result = QV_OK;
    for (size_t k = 0; k < r->K && !result; k++)
        result = qv__snapshot_read(&r->expert[k], r->snap,
                                   qv_snapshot_find(r->snap, r->info[k]->name), NULL, err);
    return result;
}

static qv_status check_out(const struct run *r, qv_arena *a, qv_err *err)
{
    if (qv__is_file(qv__arena_fmt(a, "%s/adapter_config.json", r->out)) ||
        qv__is_file(qv__arena_fmt(a, "%s/adapter_model.safetensors", r->out)))
        return qv_fail(err, QV_EEXIST, "%s: an adapter is there", r->out);
    return QV_OK;
}

/* How it was made, a JSON object as text; the caller ends it with free(). */
static char *describe(const struct run *r)
{
    json_t *experts = json_array();
    for (size_t k = 0; k < r->K; k++)
        json_array_append_new(experts,
                              json_pack("{s:s, s:s?, s:f}", "name", r->info[k]->name,
                                        "hash", r->info[k]->hash, "weight", r->w[k]));
    json_t *all = json_pack("{s:s, s:o}", "merge", r->ops->name, "experts", experts);
    unsigned takes = r->ops->takes;
    if (takes & QV_TAKES_DENSITY)
        json_object_set_new(all, "density", json_real(r->how.density));
    if (takes & QV_TAKES_GAMMA)
        json_object_set_new(all, "gamma", json_real(r->how.gamma));
    if ((takes & QV_TAKES_RANK) && r->how.rank)
        json_object_set_new(all, "rank", json_integer((json_int_t)r->how.rank));
    if (takes & QV_TAKES_SEED)
        json_object_set_new(all, "seed", json_integer((json_int_t)r->how.seed));
    if (takes & QV_TAKES_SIGNS)
        json_object_set_new(all, "elect",
                            json_string(r->how.count_signs ? "count" : "sum"));
    char *text = json_dumps(all, JSON_SORT_KEYS);
    json_decref(all);
    return text;
}

/* Put `task` at the end of the list unless it is in it. */
static void add_task(const char **list, size_t *n, const char *task)
{
    for (size_t i = 0; i < *n; i++)
        if (strcmp(list[i], task) == 0)
            return;
    list[(*n)++] = task;
}

/* The tasks of all that was merged, the first known base, and how it was made. */
static void gather_meta(struct run *r, qv_expert_meta *meta)
{
    size_t n = r->K - r->o->n_general, most = 0;
    for (size_t k = 0; k < n; k++)
        most += r->info[k]->meta.n_tasks;
    const char **task = qv_new_n(&r->arena, const char *, most + 1);
    *meta = (qv_expert_meta){.task = task};
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < r->info[k]->meta.n_tasks; i++)
            add_task(task, &meta->n_tasks, r->info[k]->meta.task[i]);
    for (size_t k = 0; k < r->K; k++) {
        const qv_expert_meta *m = &r->info[k]->meta;
        meta->base_name = meta->base_name ? meta->base_name : m->base_name;
        meta->base_hash = meta->base_hash ? meta->base_hash : m->base_hash;
    }
}

static qv_status write_merged(struct run *r, const struct qv_expert *e, qv_err *err)
{
    qv_expert_meta meta;
    json_t *root = NULL;
    char *settings = describe(r);
    gather_meta(r, &meta);
    meta.settings = settings;
    qv_status result = qv__meta_make(&root, e, &meta, err);
    if (!result)
        result = qv__make_dir(r->out, err);
    if (!result)
        result = qv__peft_write(e, r->out, err);
    if (!result)
        result =
            qv__json_write(root, qv__arena_fmt(&r->arena, "%s/expert.json", r->out), err);
    json_decref(root);
    free(settings);
    return result;
}

static void report_of(qv_merge_report *report, const struct qv_expert *e, size_t K,
                      double discarded)
{
    *report = (qv_merge_report){.n_experts = K,
                                .n_sites = e->n_sites,
                                .min_rank = e->n_sites ? SIZE_MAX : 0,
                                .discarded = discarded};
    for (size_t i = 0; i < e->n_sites; i++) {
        report->min_rank = qv__min(report->min_rank, e->site[i].R);
        report->max_rank = qv__max(report->max_rank, e->site[i].R);
    }
}

static qv_status prepare(struct run *r, const qv_library *lib, qv_err *err)
{
    r->ops = qv__merger_find(r->o->method);
    if (!r->ops)
        return refuse_method(r->o->method, err);
    qv_status result = check_taken(r, err);
    if (!result)
        result = check_values(r, err);
    if (!result)
        result = check_out(r, &r->arena, err);
    if (!result)
        result = qv_library_snapshot(&r->snap, lib, err);
    if (!result)
        result = choose_all(r, err);
    if (!result)
        result = check_bases(r, err);
    if (result)
        return result;
    r->w = qv_new_n(&r->arena, double, r->K);
    qv__merge_weights(r->w, r->ops, r->o->weight, r->K);
    return read_experts(r, err);
}

qv_status qv_merge(const qv_library *lib, const char *out, const qv_merge_opts *opts,
                   qv_merge_report *report, qv_err *err)
{
    struct run r = {.o = opts, .out = out, .dir = qv_library_dir(lib)};
    struct qv_expert *e = NULL;
    double discarded;
    qv_status result = prepare(&r, lib, err);
    if (!result)
        result = qv__merge(&e, &discarded, qv__dir_name(&r.arena, out), r.ops, r.expert,
                           r.w, r.K, &r.how, err);
    if (!result)
        result = write_merged(&r, e, err);
    if (!result && report)
        report_of(report, e, r.K, discarded);
    qv__expert_free(e);
    for (size_t k = 0; r.expert && k < r.K; k++)
        qv__expert_free(r.expert[k]);
    qv_snapshot_release(r.snap);
    qv__arena_free(&r.arena);
    return result;
}
