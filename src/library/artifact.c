/* artifact.c - what was computed from an expert, and is worth nothing once the
 * expert is another. */
#include "library/library.h"
#include "base/file.h"
#include "library/meta.h"
#include "library/store.h"

#include <string.h>

/* The key of the stamp in a safetensors file's metadata. */
static const char STAMP[] = "expert";

static qv_status check_names(const char *name, const char *kind, qv_err *err)
{
    qv_status result = qv__check_name("expert", name, err);
    return result ? result : qv__check_name("artifact", kind, err);
}

/* With the lock held: is the expert still the one of that hash? */
static qv_status check_current(const char *home, const char *name, const char *hash,
                               qv_err *err)
{
    qv_arena a = {0};
    qv_expert_info info;
    qv_status result =
        qv__is_dir(home) ? qv__meta_read(&info, &a, home, err) : QV_ENOTFOUND;
    if (result == QV_ENOTFOUND || (!result && strcmp(info.hash, hash) != 0))
        result = qv_fail(err, QV_ENOTFOUND,
                         "expert '%s': not the one of hash %.12s any more", name, hash);
    qv__arena_free(&a);
    return result;
}

qv_status qv__library_put_artifact(qv_library *lib, const char *name, const char *kind,
                                   const char *hash, const struct qv_tensor_out *tensor,
                                   size_t n, qv_err *err)
{
    return qv__library_put_facts(lib, name, kind, hash, NULL, 0, tensor, n, err);
}

qv_status qv__library_put_facts(qv_library *lib, const char *name, const char *kind,
                                const char *hash, const char *const (*facts)[2],
                                size_t n_facts, const struct qv_tensor_out *tensor,
                                size_t n, qv_err *err)
{
    struct qv_change c = {0};
    qv_status result = check_names(name, kind, err);
    if (!result)
        result = qv__change_begin(&c, lib, err);
    if (result)
        return result;
    const char *home = qv__expert_dir(&c.arena, lib, name);
    const char *dir = qv__arena_fmt(&c.arena, "%s/artifacts", home);
    const char *file = qv__arena_fmt(&c.arena, "%s.safetensors", kind);
    const char *made = qv__arena_fmt(&c.arena, "%s/%s", c.dir, file);
    const char *(*meta)[2] =
        qv__arena_alloc(&c.arena, n_facts + 1, sizeof *meta, _Alignof(char *));
    meta[0][0] = STAMP, meta[0][1] = hash;
    for (size_t i = 0; i < n_facts; i++)
        meta[i + 1][0] = facts[i][0], meta[i + 1][1] = facts[i][1];
    result = qv__st_write(made, tensor, n, (const char *const(*)[2])meta, n_facts + 1, err);
    if (!result)
        result = qv__change_lock(&c, err);
    if (!result)
        result = check_current(home, name, hash, err);
    if (!result)
        result = qv__make_dir(dir, err);
    if (!result)
        result = qv__change_move(&c, made, dir, file, err);
    qv__change_end(&c);
    return result;
}

qv_status qv__library_artifact(struct qv_st *st, const qv_library *lib, const char *name,
                               const char *kind, const char *hash, qv_err *err)
{
    qv_arena a = {0};
    *st = (struct qv_st){0};
    const char *path =
        qv__arena_fmt(&a, "%s/%s/artifacts/%s.safetensors", lib->dir, name, kind);
    qv_status result = check_names(name, kind, err);
    if (!result)
        result = qv__st_open(st, path, err);
    if (result == QV_ENOTFOUND)
        result = qv_fail(err, result, "expert '%s' has no artifact '%s'", name, kind);
    if (!result) {
        const char *stamp = qv__st_meta(st, STAMP);
        if (!stamp || strcmp(stamp, hash) != 0) {
            result = qv_fail(err, QV_ENOTFOUND,
                             "expert '%s': artifact '%s' is of another "
                             "version",
                             name, kind);
            qv__st_close(st);
        }
    }
    qv__arena_free(&a);
    return result;
}
