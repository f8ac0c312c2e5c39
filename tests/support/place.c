/* place.c - see place.h. */
#include "support/place.h"

#include "base/file.h"
#include "support/experts.h"
#include "support/scratch.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *root;
qv_model *model, *other_model;
qv_arena names;

int open_place(void **state)
{
    (void)state;
    qv_err err;
    root = strdup(access("/dev/shm", W_OK) ? "/tmp/quiver-test-XXXXXX"
                                           : "/dev/shm/quiver-test-XXXXXX");
    assert_non_null(root);
    assert_non_null(mkdtemp(root));
    assert_works(qv__make_dir(at("tasks"), &err), &err);
    return 0;
}

int close_place(void **state)
{
    (void)state;
    qv_model_close(model);
    qv_model_close(other_model);
    int result = qv__remove_tree(root, NULL);
    qv__arena_free(&names);
    free(root);
    return result;
}

const char *at(const char *name)
{
    return qv__arena_fmt(&names, "%s/%s", root, name);
}

const char *task_at(const char *name)
{
    return qv__arena_fmt(&names, "%s/tasks/%s.jsonl", root, name);
}

const char *file_at(const char *name, const char *text)
{
    write_text(at(name), text);
    return at(name);
}

static void tell(void *arg, const char *expert, const char *sentence)
{
    (void)arg;
    print_error("%s: %s\n", expert ? expert : "-", sentence);
}

struct listing list(const char *lib)
{
    struct listing l;
    qv_err err;
    size_t problems;
    assert_works(qv_library_open(&l.lib, at(lib), &err), &err);
    assert_works(qv_library_verify(l.lib, tell, NULL, &problems, &err), &err);
    assert_int_equal(problems, 0);
    assert_works(qv_library_snapshot(&l.snap, l.lib, &err), &err);
    l.n = qv_snapshot_size(l.snap);
    return l;
}

void end_list(struct listing *l)
{
    qv_snapshot_release(l->snap);
    qv_library_close(l->lib);
}

const qv_expert_info *expert_in(const struct listing *l, const char *name)
{
    size_t i = qv_snapshot_find(l->snap, name);
    if (i == l->n)
        fail_msg("no expert is named '%s'", name);
    return qv_snapshot_info(l->snap, i);
}

json_t *settings_of(const qv_expert_info *info)
{
    json_t *o;
    qv_err err;
    assert_non_null(info->meta.settings);
    assert_works(qv__json_parse(&o, info->meta.settings, strlen(info->meta.settings), &err),
                 &err);
    return o;
}

json_int_t setting_of(const qv_expert_info *info, const char *key)
{
    json_t *o = settings_of(info);
    json_int_t value = json_integer_value(json_object_get(o, key));
    json_decref(o);
    return value;
}

void put_drawn(qv_library *lib, const char *name, const char *task, size_t R, uint64_t seed)
{
    struct qv_expert_shape shape[32];
    size_t n = model->sites.n;
    qv_err err;
    assert_true(n <= QV_COUNT(shape));
    for (size_t i = 0; i < n; i++)
        shape[i] =
            (struct qv_expert_shape){model->sites.at[i].path, model->sites.at[i].D_in,
                                     model->sites.at[i].D_out, R, 2};
    struct qv_expert *e = expert_drawn(name, shape, n, seed);
    for (size_t i = 0; i < e->n_w; i++)
        e->w[i] *= .2f;
    const qv_expert_opts opts = {.meta = {.task = &task, .n_tasks = 1}};
    assert_works(qv__library_put(lib, e, &opts, &err), &err);
    qv__expert_free(e);
}

bool stop_at_once(void *arg, const char *what, double done, double total, const char *note)
{
    (void)what, (void)done, (void)total, (void)note;
    ++*(int *)arg;
    return true;
}
