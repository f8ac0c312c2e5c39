/* build.c - reading the tasks, opening the library, and handing both to a method. */
#include "build/build.h"
#include "base/file.h"
#include "model/model.h"

#include <stdlib.h>
#include <string.h>

static const struct qv_method *const methods[] = {
    &qv__private,     &qv__shared,         &qv__mbc,       &qv__poly, &qv__mhr,
    &qv__random_task, &qv__random_example, &qv__embedding, NULL};

const struct qv_method *const *qv__methods(void)
{
    return methods;
}

const struct qv_method *qv__method_find(const char *name)
{
    for (size_t i = 0; methods[i]; i++)
        if (name && strcmp(methods[i]->name, name) == 0)
            return methods[i];
    return NULL;
}

static int by_name(const void *x, const void *y)
{
    struct qv_task *const *a = x, *const *b = y;
    return strcmp((*a)->name, (*b)->name);
}

qv_status qv__build_tasks(struct qv_task ***out, size_t *n_out, qv_arena *a,
                          const qv_model *m, const char *const *paths, size_t n,
                          const qv_build_opts *o, qv_err *err)
{
    *n_out = 0;
    if (!m->tokenizer)
        return qv_fail(err, QV_ENOTFOUND, "the model has no tokenizer to read tasks with");
    size_t total = 0;
    char ***files = qv_new_n(a, char **, n);
    size_t *n_files = qv_new_n(a, size_t, n);
    for (size_t i = 0; i < n; i++) {
        qv_status result = qv__dataset_list(&files[i], &n_files[i], a, paths[i], err);
        if (result)
            return result;
        total += n_files[i];
    }
    *out = qv_new_n(a, struct qv_task *, total);
    size_t longest = o->train.max_tokens ? o->train.max_tokens : m->c.n_ctx;
    const struct qv_task_opts opts = {.max_tokens = qv__min(longest, m->c.n_ctx),
                                      .limit = o->limit,
                                      .valid_limit = o->train.valid_limit};
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n_files[i]; j++) {
            qv_status result =
                qv__task_read(&(*out)[*n_out], files[i][j], m->tokenizer, &opts, err);
            if (result)
                return result;
            ++*n_out;
        }
    if (*n_out == 0)
        return qv_fail(err, QV_ENOTFOUND, "no task files in '%s'", n ? paths[0] : "");
    qsort(*out, *n_out, sizeof **out, by_name);
    for (size_t i = 1; i < *n_out; i++)
        if (strcmp((*out)[i]->name, (*out)[i - 1]->name) == 0)
            return qv_fail(err, QV_EEXIST, "two tasks are named '%s'", (*out)[i]->name);
    return QV_OK;
}

/* Open the library, or make it for this model. */
static qv_status open_library(struct qv_builder *b, qv_err *err)
{
    qv_err quiet;
    qv_status result = qv_library_open(&b->lib, b->dir, &quiet);
    if (!result)
        return qv_library_check_base(b->lib, NULL, b->m->identity, err);
    if (result != QV_ENOTFOUND)
        return qv_fail(err, result, "%s", quiet.msg);
    json_t *settings = json_pack("{s:s}", "method", b->o->method);
    char *text = json_dumps(settings, 0);
    const qv_library_opts facts = {.base_name = b->m->dir ? qv__base_name(b->m->dir) : NULL,
                                   .base_hash = b->m->identity,
                                   .settings = text};
    result = qv_library_create(&b->lib, b->dir, &facts, err);
    free(text);
    json_decref(settings);
    return result;
}

qv_status qv__build_beside(qv_library **out, struct qv_builder *b, const char *name,
                           qv_err *err)
{
    const char *dir = qv__arena_fmt(&b->arena, "%s/%s", b->work, name);
    qv_err quiet;
    qv_status result = qv_library_open(out, dir, &quiet);
    if (result == QV_ENOTFOUND)
        return qv_library_create(out, dir, qv_library_facts(b->lib), err);
    return result ? qv_fail(err, result, "%s", quiet.msg) : QV_OK;
}

qv_status qv_build(const qv_model *model, const char *const *paths, size_t n,
                   const char *library, const qv_build_opts *opts, qv_err *err)
{
    const struct qv_method *method = qv__method_find(opts->method);
    if (!method)
        return qv_fail(err, QV_ENOTFOUND, "no method is named '%s'",
                       opts->method ? opts->method : "");
    struct qv_builder b = {.m = model, .o = opts, .dir = library};
    b.work = qv__arena_fmt(&b.arena, "%s/.build", library);
    qv_status result =
        qv__build_tasks(&b.task, &b.n_tasks, &b.arena, model, paths, n, opts, err);
    if (!result)
        result = open_library(&b, err);
    if (!result)
        result = qv__make_dir(b.work, err);
    if (!result)
        result = method->build(&b, err);
    for (size_t i = 0; i < b.n_tasks; i++)
        qv__task_free(b.task[i]);
    qv_library_close(b.lib);
    qv__arena_free(&b.arena);
    return result;
}
