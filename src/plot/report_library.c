/* report_library.c - the libraries of a run: what each expert learnt from and how
 * its training went, and a comparison of the experts by their weights.
 *
 * Clusters are shown over the experts that mbc clustered, those of its first
 * part, which it keeps (build/mbc.c); without them, over the private library.
 */
#include "plot/report_parts.h"
#include "base/file.h"
#include "base/json.h"
#include "base/rng.h"
#include "base/select.h"
#include "cluster/cluster.h"
#include "library/library.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SHUFFLES = 2000 };

static const char *copy(qv_arena *a, const char *s)
{
    return s ? qv__arena_str(a, s) : NULL;
}

/* Column `c` of a tensor [n, columns] of numbers. */
static double *column(qv_arena *a, const struct qv_tensor *t, size_t columns, size_t c)
{
    double *x = qv_new_n(a, double, t->n / columns);
    for (size_t i = 0; i < t->n / columns; i++) {
        float v;
        qv__st_f32(&v, t, i * columns + c, 1);
        x[i] = (double)v;
    }
    return x;
}

static bool holds_floats(const struct qv_tensor *t, int rank)
{
    return t && t->dtype == QV_F32 && t->rank == rank && (rank == 1 || t->shape[1] == 2);
}

/* The "curve" artifact: "loss" [steps] and "valid" [n, 2], of step and loss. An
 * expert from elsewhere has none. */
static void read_curve(struct qv_report_expert *e, qv_arena *a, const qv_library *lib,
                       const char *hash)
{
    struct qv_st st;
    if (qv__library_artifact(&st, lib, e->name, "curve", hash, NULL))
        return;
    const struct qv_tensor *loss = qv__st_find(&st, "loss");
    const struct qv_tensor *valid = qv__st_find(&st, "valid");
    if (holds_floats(loss, 1)) {
        e->n_loss = loss->n;
        e->loss = column(a, loss, 1, 0);
        e->step = qv_new_n(a, double, e->n_loss);
        for (size_t i = 0; i < e->n_loss; i++)
            e->step[i] = (double)(i + 1);
    }
    if (holds_floats(valid, 2)) {
        e->n_valid = valid->shape[0];
        e->at = column(a, valid, 2, 0);
        e->valid = column(a, valid, 2, 1);
    }
    qv__st_close(&st);
}

static double number(const json_t *settings, const char *key)
{
    return json_number_value(json_object_get(settings, key));
}

static void fill_expert(struct qv_report_expert *e, struct qv_report *r,
                        const qv_library *lib, const qv_expert_info *info)
{
    qv_arena *a = &r->arena;
    e->name = copy(a, info->name);
    e->n_tasks = info->meta.n_tasks;
    e->task = qv_new_n(a, const char *, e->n_tasks);
    bool one = e->n_tasks > 0;
    for (size_t i = 0; i < e->n_tasks; i++) {
        e->task[i] = copy(a, info->meta.task[i]);
        const char *family = qv__report_family(r, e->task[i]);
        one = one && family && (i == 0 || strcmp(family, e->family) == 0);
        e->family = family;
    }
    e->family = one ? e->family : NULL;
    json_t *settings =
        info->meta.settings ? json_loads(info->meta.settings, 0, NULL) : NULL;
    e->seconds = number(settings, "seconds");
    e->tokens = number(settings, "tokens");
    e->steps = number(settings, "steps");
    json_decref(settings);
    read_curve(e, a, lib, info->hash);
}

static qv_status read_library(struct qv_report *r, const char *dir, qv_err *err)
{
    qv_arena *a = &r->arena;
    qv_library *lib;
    qv_snapshot *snap = NULL;
    qv_status result = qv_library_open(&lib, dir, err);
    if (result)
        return result;
    result = qv_library_snapshot(&snap, lib, err);
    if (!result) {
        struct qv_report_library *l = &r->library[r->n_libraries++];
        const qv_library_opts *facts = qv_library_facts(lib);
        l->name = copy(a, qv__base_name(dir));
        l->base_name = copy(a, facts->base_name);
        l->base_hash = copy(a, facts->base_hash);
        l->n = qv_snapshot_size(snap);
        l->expert = qv_new_n(a, struct qv_report_expert, l->n);
        for (size_t i = 0; i < l->n; i++)
            fill_expert(&l->expert[i], r, lib, qv_snapshot_info(snap, i));
        if (l->n) {
            l->made_by = copy(a, qv_snapshot_info(snap, 0)->created_by);
            l->settings = copy(a, qv_snapshot_info(snap, 0)->meta.settings);
        }
    }
    qv_snapshot_release(snap);
    qv_library_close(lib);
    return result;
}

/* Which expert of library mbc learnt the task, or -1. */
static int cluster_of(const struct qv_report_library *mbc, const char *task)
{
    for (size_t c = 0; mbc && c < mbc->n; c++)
        for (size_t i = 0; i < mbc->expert[c].n_tasks; i++)
            if (strcmp(mbc->expert[c].task[i], task) == 0)
                return (int)c;
    return -1;
}

/* Fills map->cluster if every expert of the map is of a task that mbc learnt. */
static void find_clusters(struct qv_report *r)
{
    struct qv_report_map *m = &r->map;
    const struct qv_report_library *mbc = NULL;
    for (size_t i = 0; i < r->n_libraries; i++)
        if (strcmp(r->library[i].name, "mbc") == 0)
            mbc = &r->library[i];
    int *cluster = qv_new_n(&r->arena, int, m->n);
    for (size_t i = 0; i < m->n; i++) {
        cluster[i] = cluster_of(mbc, m->name[i]);
        if (cluster[i] < 0)
            return;
    }
    m->cluster = cluster;
    m->n_clusters = mbc->n;
    m->cluster_name = qv_new_n(&r->arena, const char *, mbc->n);
    for (size_t c = 0; c < mbc->n; c++)
        m->cluster_name[c] = mbc->expert[c].name;
}

/* Families as numbers, and how far clusters agree with them: the adjusted Rand
 * index, and what it reaches when families are dealt out at random. */
static void find_agreement(struct qv_report_map *m, qv_arena *a)
{
    int *family = qv_new_n(a, int, m->n), *dealt = qv_new_n(a, int, m->n);
    double *by_chance = qv_new_n(a, double, SHUFFLES);
    size_t *order = qv_new_n(a, size_t, m->n);
    for (size_t i = 0; i < m->n; i++)
        while (strcmp(m->family[family[i]], m->family[i]) != 0)
            family[i]++;
    m->rand = qv__adjusted_rand(m->cluster, family, m->n);
    for (size_t k = 0; k < SHUFFLES; k++) {
        qv__shuffle(order, m->n, qv__seed_of(0, k));
        for (size_t i = 0; i < m->n; i++)
            dealt[i] = family[order[i]];
        by_chance[k] = qv__adjusted_rand(m->cluster, dealt, m->n);
    }
    qv__sort(by_chance, SHUFFLES);
    m->chance = by_chance[SHUFFLES - 1 - SHUFFLES / 40];
}

static void find_labels(struct qv_report *r)
{
    struct qv_report_map *m = &r->map;
    m->rand = m->chance = (double)NAN;
    m->family = qv_new_n(&r->arena, const char *, m->n);
    for (size_t i = 0; i < m->n; i++) {
        m->family[i] = qv__report_family(r, m->name[i]);
        if (!m->family[i]) {
            m->family = NULL;
            break;
        }
    }
    find_clusters(r);
    if (m->family && m->cluster)
        find_agreement(m, &r->arena);
    int *one = qv_new_n(&r->arena, int, m->n);
    qv__cluster_order(m->order, m->sim, m->cluster ? m->cluster : one, m->n);
}

/* The experts of the snapshot compared as mbc compares them, or, if they do not
 * share their shapes, by their updates. */
static qv_status compare(struct qv_report *r, const qv_snapshot *snap, qv_err *err)
{
    struct qv_report_map *m = &r->map;
    qv_arena *a = &r->arena;
    m->n = qv_snapshot_size(snap);
    m->name = qv_new_n(a, const char *, m->n);
    m->order = qv_new_n(a, size_t, m->n);
    m->sim = qv_new_n(a, float, m->n * m->n);
    m->xy = qv_new_n(a, float, 2 * m->n);
    struct qv_expert **e = qv_new_n(a, struct qv_expert *, m->n);
    qv_status result = QV_OK;
    for (size_t i = 0; !result && i < m->n; i++) {
        m->name[i] = copy(a, qv_snapshot_info(snap, i)->name);
        result = qv__snapshot_read(&e[i], snap, i, NULL, err);
    }
    if (!result && qv__similarity(m->sim, e, m->n, NULL, NULL) == QV_EFORMAT)
        result = qv__similarity(m->sim, e, m->n,
                                &(struct qv_similarity_opts){.kind = QV_SIM_GAUGE}, err);
    if (!result)
        result = qv__map2d(m->xy, m->sim, m->n, err);
    for (size_t i = 0; i < m->n; i++)
        qv__expert_free(e[i]);
    return result;
}

static qv_status read_map(struct qv_report *r, const char *dir, qv_err *err)
{
    const char *source[] = {"mbc/.build/first", "private"};
    for (size_t i = 0; i < QV_COUNT(source); i++) {
        qv_snapshot *snap;
        const char *path = qv__arena_fmt(&r->arena, "%s/%s", dir, source[i]);
        if (!qv__is_dir(path))
            continue;
        qv_status result = qv__library_view(&snap, path, NULL, err);
        if (!result && qv_snapshot_size(snap) > 2)
            result = compare(r, snap, err);
        qv_snapshot_release(snap);
        if (result)
            return qv_wrap(err, result, "%s: ", path);
        if (r->map.n) {
            r->map.is_first = i == 0;
            find_labels(r);
            return QV_OK;
        }
    }
    return QV_OK;
}

/* In the order of the study; others after them, by name. */
static int by_name(const void *a, const void *b)
{
    static const char *const known[] = {"private", "shared", "mbc"};
    const struct qv_report_library *x = a, *y = b;
    size_t i = 0, j = 0;
    while (i < QV_COUNT(known) && strcmp(known[i], x->name) != 0)
        i++;
    while (j < QV_COUNT(known) && strcmp(known[j], y->name) != 0)
        j++;
    return i < j ? -1 : i > j ? 1 : strcmp(x->name, y->name);
}

qv_status qv__report_read_libraries(struct qv_report *r, const char *dir, qv_err *err)
{
    char **names;
    size_t n;
    qv_status result = qv__list_dir(&names, &n, &r->arena, dir, err);
    if (result)
        return result;
    r->library = qv_new_n(&r->arena, struct qv_report_library, n);
    for (size_t i = 0; !result && i < n; i++) {
        const char *path = qv__arena_fmt(&r->arena, "%s/%s", dir, names[i]);
        if (names[i][0] != '.' && qv__is_dir(path))
            result = read_library(r, path, err);
    }
    qsort(r->library, r->n_libraries, sizeof *r->library, by_name);
    return result ? result : read_map(r, dir, err);
}
