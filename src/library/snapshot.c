/* snapshot.c - a listing that holds still. */
#include "library/library.h"
#include "base/file.h"
#include "library/meta.h"
#include "library/store.h"
#include "library/version.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct qv_snapshot {
    atomic_uint owners;
    struct qv_library lib; // for reading weights; its strings are in the arena
    qv_expert_info *info;  // [n] sorted by name
    size_t n;
    qv_arena arena;
};

/* A directory without expert.json is no expert; one that goes while we look is
 * not in the view. */
static qv_status list(qv_snapshot *snap, qv_err *err)
{
    char **names;
    size_t n;
    qv_arena *a = &snap->arena;
    qv_status result = qv__list_dir(&names, &n, a, snap->lib.dir, err);
    if (result)
        return result;
    snap->info = qv_new_n(a, qv_expert_info, n);
    for (size_t i = 0; i < n; i++) {
        if (names[i][0] == '.')
            continue;
        const char *dir = qv__expert_dir(a, &snap->lib, names[i]);
        if (!qv__is_dir(dir))
            continue;
        result = qv__meta_read(&snap->info[snap->n], a, dir, err);
        if (result == QV_ENOTFOUND)
            continue;
        if (result)
            return result;
        snap->info[snap->n++].name = names[i];
    }
    return QV_OK;
}

qv_status qv_library_snapshot(qv_snapshot **out, const qv_library *lib, qv_err *err)
{
    *out = NULL;
    qv_snapshot *snap = calloc(1, sizeof *snap);
    if (!snap)
        return qv_fail(err, QV_ENOMEM, "%s: no memory for a snapshot", lib->dir);
    atomic_init(&snap->owners, 1);
    snap->lib.dir = qv__arena_str(&snap->arena, lib->dir);
    qv_status result = list(snap, err);
    if (result) {
        qv_snapshot_release(snap);
        return result;
    }
    *out = snap;
    return QV_OK;
}

qv_snapshot *qv_snapshot_share(qv_snapshot *snap)
{
    atomic_fetch_add(&snap->owners, 1);
    return snap;
}

void qv_snapshot_release(qv_snapshot *snap)
{
    if (!snap || atomic_fetch_sub(&snap->owners, 1) > 1)
        return;
    qv__arena_free(&snap->arena);
    free(snap);
}

bool qv__expert_learnt(const qv_expert_info *info, const char *task)
{
    for (size_t i = 0; i < info->meta.n_tasks; i++)
        if (strcmp(info->meta.task[i], task) == 0)
            return true;
    return false;
}

size_t qv_snapshot_size(const qv_snapshot *snap)
{
    return snap->n;
}

const qv_expert_info *qv_snapshot_info(const qv_snapshot *snap, size_t i)
{
    return i < snap->n ? &snap->info[i] : NULL;
}

static int by_name(const void *key, const void *info)
{
    return strcmp(key, ((const qv_expert_info *)info)->name);
}

size_t qv_snapshot_find(const qv_snapshot *snap, const char *name)
{
    const qv_expert_info *found =
        snap->n ? bsearch(name, snap->info, snap->n, sizeof *snap->info, by_name) : NULL;
    return found ? (size_t)(found - snap->info) : snap->n;
}

qv_status qv__snapshot_read(struct qv_expert **out, const qv_snapshot *snap, size_t i,
                            const struct qv_sites *sites, qv_err *err)
{
    qv_check(i < snap->n);
    const char *name = snap->info[i].name;
    struct qv_version v;
    qv_arena a = {0};
    qv_expert_info now;
    *out = NULL;
    qv_status result = qv__version_read(&v, &snap->lib, name, err);
    if (result)
        return result;
    result = qv__version_info(&now, &a, &v, err);
    if (result)
        result = qv_wrap(err, result, "expert '%s': ", name);
    else if (strcmp(now.hash, snap->info[i].hash) != 0)
        result =
            qv_fail(err, QV_ENOTFOUND, "expert '%s': replaced since it was listed", name);
    if (!result)
        result = qv__version_expert(out, &v, name, sites, err);
    qv__version_end(&v);
    qv__arena_free(&a);
    return result;
}
