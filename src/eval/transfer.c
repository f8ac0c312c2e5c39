/* transfer.c - see transfer.h. */
#include "eval/transfer.h"

#include "base/rng.h"
#include "cluster/cluster.h"
#include "library/library.h"
#include "model/model.h"

#include <math.h>
#include <string.h>

/* Pairs of an expert and a task that another one learnt. */
struct pairs {
    double *likeness, *gain, *weight; // [n]
    size_t *expert, *task;            // [n]
    size_t n;
};

static struct pairs list_pairs(const struct qv_transfer *t, qv_arena *a)
{
    size_t most = t->K * t->T;
    struct pairs p = {.likeness = qv_new_n(a, double, most),
                      .gain = qv_new_n(a, double, most),
                      .weight = qv_new_n(a, double, most),
                      .expert = qv_new_n(a, size_t, most),
                      .task = qv_new_n(a, size_t, most)};
    for (size_t e = 0; e < t->K; e++)
        for (size_t i = 0; i < t->T; i++) {
            double gain = t->score[e * t->T + i] - t->base[i];
            if (t->own[i] < 0 || (size_t)t->own[i] == e || !isfinite(gain))
                continue;
            p.likeness[p.n] = (double)t->similarity[e * t->K + (size_t)t->own[i]];
            p.gain[p.n] = gain;
            p.expert[p.n] = e;
            p.task[p.n++] = i;
        }
    return p;
}

/* drawn [T]: how often each task is among T draws. */
static void draw_tasks(double *drawn, size_t T, uint64_t seed)
{
    memset(drawn, 0, T * sizeof *drawn);
    for (size_t i = 0; i < T; i++)
        drawn[qv__below(seed, i, T)]++;
}

/* How often an expert is drawn: as often as the first task it learnt; once if it learnt
 * none of them. */
static double drawn_expert(const struct qv_transfer *t, const double *drawn, size_t e)
{
    for (size_t i = 0; i < t->T; i++)
        if (t->own[i] == (int)e)
            return drawn[i];
    return 1;
}

struct qv_correlation qv__transfer_correlation(const struct qv_transfer *t)
{
    qv_arena a = {0};
    struct pairs p = list_pairs(t, &a);
    struct qv_correlation c = {.n = p.n};
    double *r = qv_new_n(&a, double, QV_RESAMPLES), *drawn = qv_new_n(&a, double, t->T);
    double *of = qv_new_n(&a, double, t->K);
    size_t n = 0;
    c.r = p.n ? qv__correlation(p.likeness, p.gain, p.n) : (double)NAN;
    for (size_t k = 0; isfinite(c.r) && k < QV_RESAMPLES; k++) {
        draw_tasks(drawn, t->T, qv__seed_of(0, k));
        for (size_t e = 0; e < t->K; e++)
            of[e] = drawn_expert(t, drawn, e);
        for (size_t i = 0; i < p.n; i++)
            p.weight[i] = of[p.expert[i]] * drawn[p.task[i]];
        r[n] = qv__correlation_weighted(p.likeness, p.gain, p.weight, p.n);
        n += isfinite(r[n]) != 0; // few tasks: a draw may leave nothing that varies
    }
    qv__correlation_bounds(&c, r, n);
    qv__arena_free(&a);
    return c;
}

/* ---- measuring ---- */

static qv_status compare(struct qv_transfer *t, const qv_snapshot *snap, qv_err *err)
{
    qv_arena a = {0};
    struct qv_expert **e = qv_new_n(&a, struct qv_expert *, t->K);
    qv_status result = QV_OK;
    for (size_t i = 0; !result && i < t->K; i++)
        result = qv__snapshot_read(&e[i], snap, i, NULL, err);
    if (!result)
        result = qv__similarity(t->similarity, e, t->K, NULL, err);
    if (result == QV_EFORMAT) { // their shapes differ
        const struct qv_similarity_opts gauge = {.kind = QV_SIM_GAUGE};
        t->is_gauge = true;
        result = qv__similarity(t->similarity, e, t->K, &gauge, err);
    }
    for (size_t i = 0; i < t->K; i++)
        qv__expert_free(e[i]);
    qv__arena_free(&a);
    return result;
}

static int owner_of(const qv_snapshot *snap, const char *task)
{
    for (size_t i = 0; i < qv_snapshot_size(snap); i++)
        if (qv__expert_learnt(qv_snapshot_info(snap, i), task))
            return (int)i;
    return -1;
}

/* The base's scores, from which the tasks are known. */
static void begin_tasks(struct qv_transfer *t, const qv_eval_result *r,
                        const qv_snapshot *snap)
{
    t->T = qv_eval_tasks(r);
    t->task = qv_new_n(&t->arena, const char *, t->T);
    t->own = qv_new_n(&t->arena, int, t->T);
    t->base = qv_new_n(&t->arena, double, t->T);
    t->score = qv_new_n(&t->arena, double, t->K * t->T);
    for (size_t i = 0; i < t->T; i++) {
        t->task[i] = qv__arena_str(&t->arena, qv_eval_task(r, i)->name);
        t->own[i] = owner_of(snap, t->task[i]);
        t->base[i] = qv_eval_task(r, i)->mean;
    }
    t->metric = t->T ? qv__arena_str(&t->arena, qv_eval_task(r, 0)->metric) : "";
}

static qv_status score(struct qv_transfer *t, const qv_model *m, const char *library,
                       const qv_snapshot *snap, const char *const *paths, size_t n,
                       const qv_eval_opts *opts, qv_err *err)
{
    qv_eval_result *r;
    qv_status result = qv_eval(&r, m, NULL, paths, n, opts, err);
    if (!result)
        begin_tasks(t, r, snap);
    qv_eval_free(r);
    for (size_t e = 0; !result && e < t->K; e++) {
        qv_reuse *reuse;
        const qv_reuse_opts who = {.library = library, .expert = t->expert[e]};
        result = qv_reuse_open(&reuse, m, &who, err);
        if (!result)
            result = qv_eval(&r, m, reuse, paths, n, opts, err);
        for (size_t i = 0; !result && i < t->T; i++)
            t->score[e * t->T + i] = qv_eval_task(r, i)->mean;
        if (!result)
            qv_eval_free(r);
        qv_reuse_close(reuse);
    }
    return result;
}

qv_status qv__transfer(struct qv_transfer *out, const qv_model *m, const char *library,
                       const char *const *paths, size_t n, const qv_eval_opts *opts,
                       qv_err *err)
{
    *out = (struct qv_transfer){.K = 0};
    qv_snapshot *snap;
    qv_status result = qv__library_view(&snap, library, m->origin, err);
    if (!result && qv_snapshot_size(snap) == 0)
        result = qv_fail(err, QV_ENOTFOUND, "%s: the library has no experts", library);
    if (!result) {
        out->K = qv_snapshot_size(snap);
        out->expert = qv_new_n(&out->arena, const char *, out->K);
        out->similarity = qv_new_n(&out->arena, float, out->K * out->K);
        for (size_t e = 0; e < out->K; e++)
            out->expert[e] = qv__arena_str(&out->arena, qv_snapshot_info(snap, e)->name);
        result = compare(out, snap, err);
    }
    if (!result)
        result = score(out, m, library, snap, paths, n, opts, err);
    qv_snapshot_release(snap);
    return result;
}

void qv__transfer_end(struct qv_transfer *t)
{
    qv__arena_free(&t->arena);
    *t = (struct qv_transfer){.K = 0};
}
