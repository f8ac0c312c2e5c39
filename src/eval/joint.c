/* joint.c - see joint.h. */
#include "eval/joint.h"

#include <quiver/build.h>

#include "base/file.h"
#include "base/json.h"
#include "base/rng.h"
#include "cluster/cluster.h"
#include "data/dataset.h"
#include "library/library.h"
#include "model/model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A task with an expert of its own. */
struct owned {
    const char *path, *task, *expert;
    size_t at;           // in the snapshot
    qv_train_opts train; // how the expert was trained
    double score;        // of the expert on the task; NaN until it is known
};

struct study {
    struct qv_joint *out;
    const qv_model *m;
    const char *library;
    const qv_snapshot *snap;
    const struct qv_joint_opts *o;
    struct owned *task; // [n]
    size_t n, n_pairs;
};

/* ---- pairs ---- */

/* Which bin of the range from `least` to `most` a cosine is in. */
static size_t bin_of(float x, float least, float most, size_t bins)
{
    double at =
        most > least ? ((double)x - (double)least) / ((double)most - (double)least) : 0;
    return qv__min((size_t)(at * (double)bins), bins - 1);
}

size_t qv__pairs_by_bins(struct qv_pair *pair, size_t bins, const float *sim, size_t K,
                         uint64_t seed)
{
    float least = INFINITY, most = -INFINITY;
    size_t n = 0;
    for (size_t i = 0; i < K; i++)
        for (size_t j = i + 1; j < K; j++) {
            least = fminf(least, sim[i * K + j]);
            most = fmaxf(most, sim[i * K + j]);
        }
    for (size_t b = 0; b < bins; b++) {
        size_t seen = 0;
        for (size_t i = 0; i < K; i++)
            for (size_t j = i + 1; j < K; j++) {
                if (bin_of(sim[i * K + j], least, most, bins) != b)
                    continue;
                // The k-th of a bin takes the place of the one before with chance 1 / k.
                seen++;
                if (qv__below(qv__seed_of(seed, b), seen, seen) == 0)
                    pair[n] = (struct qv_pair){i, j};
            }
        n += seen > 0;
    }
    return n;
}

/* ---- what there is ---- */

static float or_none(float x)
{
    return x > 0 ? x : -1;
}

/* The options that give the settings of an expert.json (build/group.c writes them). */
static qv_status read_settings(qv_train_opts *o, qv_arena *a, const char *text, qv_err *err)
{
    json_t *v;
    const char *sites = NULL;
    size_t seed = 0;
    *o = (qv_train_opts){0};
    if (!text)
        return qv_fail(err, QV_ENOTFOUND, "it does not say how it was trained");
    qv_status result = qv__json_parse(&v, text, strlen(text), err);
    if (result)
        return result;
    const struct {
        const char *key;
        float *to;
    } floats[] = {{"alpha", &o->alpha}, {"dropout", &o->dropout},
                  {"lr", &o->lr},       {"warmup", &o->warmup},
                  {"beta2", &o->beta2}, {"weight_decay", &o->weight_decay},
                  {"clip", &o->clip}};
    const struct {
        const char *key;
        size_t *to;
    } sizes[] = {
        {"rank", &o->rank}, {"steps", &o->steps}, {"batch", &o->batch}, {"seed", &seed}};
    for (size_t i = 0; !result && i < QV_COUNT(floats); i++)
        result = qv__json_float(v, floats[i].key, floats[i].to, err);
    for (size_t i = 0; !result && i < QV_COUNT(sizes); i++)
        result = qv__json_size(v, sizes[i].key, sizes[i].to, err);
    if (!result)
        result = qv__json_str(v, "sites", &sites, err);
    if (!result && (!sites || o->steps == 0))
        result = qv_fail(err, QV_ENOTFOUND, "it does not say how it was trained");
    if (!result) {
        o->sites = qv__arena_str(a, sites);
        o->seed = seed;
        o->dropout = or_none(o->dropout);
        o->warmup = or_none(o->warmup);
        o->clip = or_none(o->clip);
    }
    json_decref(v);
    return result;
}

/* The expert that learnt that task and no other, or the snapshot's size. */
static size_t owner_of(const qv_snapshot *snap, const char *task)
{
    size_t i = 0;
    for (; i < qv_snapshot_size(snap); i++) {
        const qv_expert_meta *meta = &qv_snapshot_info(snap, i)->meta;
        if (meta->n_tasks == 1 && strcmp(meta->task[0], task) == 0)
            break;
    }
    return i;
}

static qv_status list_tasks(struct study *s, const char *const *paths, size_t n,
                            qv_err *err)
{
    qv_arena *a = &s->out->arena;
    size_t room = 0;
    for (size_t p = 0; p < n; p++) {
        char **files;
        size_t n_files;
        qv_status result = qv__dataset_list(&files, &n_files, a, paths[p], err);
        for (size_t i = 0; !result && i < n_files; i++) {
            struct owned t = {.path = files[i], .score = (double)NAN};
            t.task = qv__stem(a, files[i]);
            t.at = owner_of(s->snap, t.task);
            if (t.at == qv_snapshot_size(s->snap))
                continue;
            const qv_expert_info *info = qv_snapshot_info(s->snap, t.at);
            t.expert = info->name;
            result = read_settings(&t.train, a, info->meta.settings, err);
            if (result)
                result = qv_wrap(err, result, "expert '%s': ", info->name);
            s->task = qv_more(a, struct owned, s->task, s->n, &room);
            s->task[s->n++] = t;
        }
        if (result)
            return result;
    }
    if (s->n < 2)
        return qv_fail(err, QV_ENOTFOUND,
                       "%s: %zu of the tasks have an expert of their own, pairs need two",
                       s->library, s->n);
    return QV_OK;
}

/* sim [n, n] of the tasks' experts. */
static qv_status compare(float *sim, const struct study *s, qv_err *err)
{
    struct qv_expert **e = qv_new_n(&s->out->arena, struct qv_expert *, s->n);
    qv_status result = QV_OK;
    for (size_t i = 0; !result && i < s->n; i++)
        result = qv__snapshot_read(&e[i], s->snap, s->task[i].at, &s->m->sites, err);
    if (!result)
        result = qv__similarity(sim, e, s->n, NULL, err);
    for (size_t i = 0; i < s->n; i++)
        qv__expert_free(e[i]);
    return result;
}

/* ---- scores ---- */

/* The score of one expert of a library on one task. */
static qv_status score(double *out, struct study *s, const char *library,
                       const char *expert, const char *path, qv_err *err)
{
    qv_reuse *reuse = NULL;
    qv_eval_result *r = NULL;
    const qv_reuse_opts who = {.library = library, .expert = expert};
    qv_status result = qv_reuse_open(&reuse, s->m, &who, err);
    if (!result)
        result = qv_eval(&r, s->m, reuse, &path, 1, &s->o->eval, err);
    if (!result) {
        *out = qv_eval_task(r, 0)->mean;
        s->out->metric = qv__arena_str(&s->out->arena, qv_eval_task(r, 0)->metric);
    }
    qv_eval_free(r);
    qv_reuse_close(reuse);
    return result;
}

/* Progress of a build, with the pair it is of. */
static bool tell(void *arg, const char *what, double done, double of, const char *unit)
{
    const struct study *s = arg;
    char label[240];
    snprintf(label, sizeof label, "pair %zu/%zu %s", s->out->n + 1, s->n_pairs, what);
    return s->o->progress.fn(s->o->progress.arg, label, done, of, unit);
}

static qv_status score_pair(struct qv_joint_pair *p, struct study *s, struct owned *a,
                            struct owned *b, qv_err *err)
{
    struct owned *const of[2] = {a, b};
    const char *const paths[2] = {a->path, b->path};
    const char *dir =
        qv__arena_fmt(&s->out->arena, "%s/%s+%s", s->o->work, a->task, b->task);
    qv_build_opts build = {.method = "shared", .train = a->train};
    build.train.steps = (a->train.steps + b->train.steps) / 2; // for each of the two
    if (s->o->progress.fn)
        build.train.progress = (qv_progress){.fn = tell, .arg = s};
    qv_status result = qv__make_dir(s->o->work, err);
    if (!result)
        result = qv_build(s->m, paths, 2, dir, &build, err);
    *p = (struct qv_joint_pair){.task = {a->task, b->task}};
    for (size_t i = 0; !result && i < 2; i++) {
        double both;
        if (isnan(of[i]->score))
            result = score(&of[i]->score, s, s->library, of[i]->expert, of[i]->path, err);
        if (!result)
            result = score(&both, s, dir, "shared", of[i]->path, err);
        if (result)
            break;
        p->apart += of[i]->score / 2;
        p->together += both / 2;
    }
    return result;
}

static qv_status run(struct study *s, const char *const *paths, size_t n, qv_err *err)
{
    struct qv_joint *out = s->out;
    const size_t bins = s->o->bins ? s->o->bins : 50;
    qv_status result = list_tasks(s, paths, n, err);
    if (result)
        return result;
    struct qv_pair *pair = qv_new_n(&out->arena, struct qv_pair, bins);
    float *sim = qv_new_n(&out->arena, float, s->n * s->n);
    result = compare(sim, s, err);
    if (result)
        return result;
    const size_t n_pairs = qv__pairs_by_bins(pair, bins, sim, s->n, s->o->seed);
    s->n_pairs = n_pairs;
    double *x = qv_new_n(&out->arena, double, n_pairs);
    double *y = qv_new_n(&out->arena, double, n_pairs);
    out->pair = qv_new_n(&out->arena, struct qv_joint_pair, n_pairs);
    for (; !result && out->n < n_pairs; out->n += !result) {
        const size_t i = pair[out->n].i, j = pair[out->n].j;
        struct qv_joint_pair *p = &out->pair[out->n];
        result = score_pair(p, s, &s->task[i], &s->task[j], err);
        p->similarity = x[out->n] = (double)sim[i * s->n + j];
        y[out->n] = p->together - p->apart;
    }
    if (!result)
        out->correlation = qv__correlation_of_pairs(x, y, n_pairs);
    return result;
}

qv_status qv__joint(struct qv_joint *out, const qv_model *m, const char *library,
                    const char *const *paths, size_t n, const struct qv_joint_opts *opts,
                    qv_err *err)
{
    *out = (struct qv_joint){.n = 0};
    struct study s = {.out = out, .m = m, .library = library, .o = opts};
    qv_snapshot *snap;
    qv_status result = qv__library_view(&snap, library, m->origin, err);
    s.snap = snap;
    if (!result)
        result = run(&s, paths, n, err);
    qv_snapshot_release(snap);
    return result;
}

void qv__joint_end(struct qv_joint *j)
{
    qv__arena_free(&j->arena);
    *j = (struct qv_joint){.n = 0};
}
