/* verify.c - does a library hold what it says it holds? */
#include "library/library.h"
#include "base/file.h"
#include "base/hash.h"
#include "library/meta.h"
#include "library/store.h"
#include "library/version.h"

#include <string.h>

struct report {
    const qv_library *lib;
    qv_problem_fn fn;
    void *arg;
    size_t n;
};

static void tell(struct report *r, const char *expert, const char *sentence)
{
    r->n++;
    if (r->fn)
        r->fn(r->arg, expert, sentence);
}

/* The weights against what expert.json says of them. */
static qv_status check_weights(const struct qv_version *v, const qv_expert_info *info,
                               const char *name, qv_err *err)
{
    struct qv_expert *e;
    char hash[QV_HASH_TEXT];
    qv_status result = qv__version_expert(&e, v, name, NULL, err);
    if (result)
        return result;
    qv__expert_hash(hash, e);
    if (strcmp(hash, info->hash) != 0)
        result = qv_fail(err, QV_EFORMAT,
                         "expert '%s': its hash is %.12s, expert.json says %.12s", name,
                         hash, info->hash);
    else if (e->n_sites != info->n_sites || e->n_w != info->n_weights)
        result = qv_fail(err, QV_EFORMAT,
                         "expert '%s': %zu sites and %zu weights, expert.json "
                         "says %zu and %zu",
                         name, e->n_sites, e->n_w, info->n_sites, info->n_weights);
    qv__expert_free(e);
    return result;
}

static qv_status check_expert(const struct report *r, const char *name,
                              const struct qv_version *v, qv_expert_info *info, qv_arena *a,
                              qv_err *err)
{
    qv_status result = qv__version_info(info, a, v, err);
    if (!result)
        result =
            qv_library_check_base(r->lib, info->meta.base_name, info->meta.base_hash, err);
    if (result)
        return qv_wrap(err, result, "expert '%s': ", name);
    return check_weights(v, info, name, err);
}

/* Not told of if another process has just replaced the expert. */
static void tell_of_artifact(struct report *r, const char *name, const char *hash,
                             const char *sentence)
{
    qv_arena a = {0};
    qv_expert_info now;
    if (!qv__meta_read(&now, &a, qv__expert_dir(&a, r->lib, name), NULL) &&
        strcmp(now.hash, hash) == 0)
        tell(r, name, sentence);
    qv__arena_free(&a);
}

static void check_artifacts(struct report *r, const char *name, const char *hash)
{
    qv_arena a = {0};
    char **files;
    size_t n;
    const char *dir = qv__arena_fmt(&a, "%s/%s/artifacts", r->lib->dir, name);
    if (!qv__is_dir(dir) || qv__list_dir(&files, &n, &a, dir, NULL)) {
        qv__arena_free(&a);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        struct qv_st st;
        qv_err err;
        size_t size = strlen(files[i]), tail = strlen(".safetensors");
        bool is_named = size > tail && strcmp(files[i] + size - tail, ".safetensors") == 0;
        const char *kind = qv__arena_strn(&a, files[i], is_named ? size - tail : size);
        if (!is_named)
            tell_of_artifact(
                r, name, hash,
                qv__arena_fmt(&a, "expert '%s': '%s' is not an artifact", name, kind));
        else if (qv__library_artifact(&st, r->lib, name, kind, hash, &err))
            tell_of_artifact(r, name, hash, err.msg);
        else
            qv__st_close(&st);
    }
    qv__arena_free(&a);
}

static void verify_expert(struct report *r, const char *name)
{
    struct qv_version v;
    qv_arena a = {0};
    qv_expert_info info;
    qv_err err;
    qv_status result = qv__version_read(&v, r->lib, name, &err);
    if (result) {
        // One that has just been removed is no problem.
        if (qv__is_dir(qv__expert_dir(&a, r->lib, name)))
            tell(r, name, err.msg);
    } else if (check_expert(r, name, &v, &info, &a, &err)) {
        tell(r, name, err.msg);
    } else {
        check_artifacts(r, name, info.hash);
    }
    qv__version_end(&v);
    qv__arena_free(&a);
}

qv_status qv_library_verify(qv_library *lib, qv_problem_fn report, void *arg,
                            size_t *n_problems, qv_err *err)
{
    struct report r = {lib, report, arg, 0};
    qv_arena a = {0};
    char **names;
    size_t n;
    qv_library *again;
    qv_err why;
    if (qv_library_open(&again, lib->dir, &why))
        tell(&r, NULL, why.msg);
    else
        qv_library_close(again);
    qv_status result = qv__list_dir(&names, &n, &a, lib->dir, err);
    for (size_t i = 0; i < n && !result; i++)
        if (names[i][0] != '.' && qv__is_dir(qv__expert_dir(&a, lib, names[i])))
            verify_expert(&r, names[i]);
    *n_problems = r.n;
    qv__arena_free(&a);
    return result;
}
