/* task.c - see task.h. */
#include "data/task.h"

#include <stdlib.h>

enum qv_split qv__part_of(const char *task, size_t position)
{
    return qv__split_of(task, position, 0.1f, 0.1f, 0);
}

static qv_status fill(struct qv_task *t, const qv_tokenizer *tok,
                      const struct qv_task_opts *o, qv_err *err)
{
    size_t n = t->data->n;
    t->train = qv_new_n(&t->arena, struct qv_sequence, n);
    t->valid = qv_new_n(&t->arena, struct qv_sequence, n);
    for (size_t i = 0; i < n; i++) {
        enum qv_split part = qv__part_of(t->name, i);
        size_t limit = part == QV_TRAIN ? o->limit : o->valid_limit;
        size_t *n_part = part == QV_TRAIN ? &t->n_train : &t->n_valid;
        if (part == QV_TEST || (limit && *n_part == limit))
            continue;
        struct qv_sequence *to = &(part == QV_TRAIN ? t->train : t->valid)[(*n_part)++];
        const struct qv_example *e = &t->data->at[i];
        qv_status result = qv__sequence_make(to, &t->arena, tok, e->prompt, e->targets[0],
                                             o->max_tokens, err);
        if (result)
            return qv_wrap(err, result, "%s: example %zu: ", t->data->path, i);
    }
    return QV_OK;
}

qv_status qv__task_read(struct qv_task **out, const char *path, const qv_tokenizer *tok,
                        const struct qv_task_opts *opts, qv_err *err)
{
    *out = NULL;
    struct qv_task *t = calloc(1, sizeof *t);
    if (!t)
        return qv_fail(err, QV_ENOMEM, "%s: no memory for a task", path);
    qv_status result = qv__dataset_read(&t->data, path, &opts->data, err);
    if (!result) {
        t->name = t->data->name;
        result = fill(t, tok, opts, err);
    }
    if (result)
        qv__task_free(t);
    else
        *out = t;
    return result;
}

void qv__task_free(struct qv_task *t)
{
    if (!t)
        return;
    qv__dataset_free(t->data);
    qv__arena_free(&t->arena);
    free(t);
}
