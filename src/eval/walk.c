/* walk.c - see walk.h. */
#include "eval/walk.h"

#include "base/arena.h"
#include "data/task.h"
#include "eval/suite.h"
#include "model/decoder.h"
#include "model/forward.h"

static void pass(const struct qv_walk *w, struct qv_acts *acts, const int *pos,
                 const struct qv_sequence *s)
{
    const struct qv_seq seq = {.n = s->n - 1};
    const struct qv_batch b = {
        .T = s->n - 1, .token = s->ids, .pos = pos, .seq = &seq, .n_seq = 1};
    w->at->first = s->n_prompt ? s->n_prompt - 1 : 0;
    w->at->last = s->n - 1;
    qv__forward(&(struct qv_pass){.m = w->m, .a = acts, .b = &b, .update = w->update});
    if (w->ends)
        w->ends(w->arg);
}

static qv_status walk_task(const struct qv_walk *w, struct qv_acts *acts, const int *pos,
                           const struct qv_suite_task *t, qv_err *err)
{
    const struct qv_task_opts opts = {.max_tokens = w->m->c.n_ctx};
    struct qv_task *task;
    qv_status result = qv__task_read(&task, t->paths[0], w->m->tokenizer, &opts, err);
    if (result)
        return result;
    w->at->task = t->name;
    size_t n = w->limit ? qv__min(w->limit, task->n_valid) : task->n_valid;
    for (size_t i = 0; i < n; i++)
        pass(w, acts, pos, &task->valid[i]);
    qv__task_free(task);
    return QV_OK;
}

static qv_status walk_suite(const struct qv_walk *w, const struct qv_suite *suite,
                            qv_arena *a, qv_err *err)
{
    const size_t n_ctx = w->m->c.n_ctx;
    const qv_progress *p = &w->progress;
    struct qv_acts acts = {0};
    int *pos = qv_new_n(a, int, n_ctx);
    for (size_t i = 0; i < n_ctx; i++)
        pos[i] = (int)i;
    qv_status result = qv__acts_init(&acts, w->m, n_ctx, n_ctx, 1, 0, 0, err);
    for (size_t i = 0; !result && i < suite->n; i++) {
        if (p->fn && p->fn(p->arg, "walk", (double)i, (double)suite->n, suite->at[i].name))
            result =
                qv_fail(err, QV_ECANCEL, "stopped after %zu of %zu tasks", i, suite->n);
        else if (suite->at[i].map)
            result = qv_fail(err, QV_EUNSUPPORTED,
                             "task '%s' has no training and validation parts: it is read "
                             "from other fields",
                             suite->at[i].name);
        else
            result = walk_task(w, &acts, pos, &suite->at[i], err);
    }
    qv__acts_end(&acts);
    return result;
}

qv_status qv__walk(const struct qv_walk *w, qv_err *err)
{
    if (!w->m->tokenizer)
        return qv_fail(err, QV_ENOTFOUND, "the model has no tokenizer to read tasks with");
    struct qv_suite suite = {0};
    qv_arena a = {0};
    qv_status result = qv__suite_open(&suite, w->paths, w->n, "loglik", NULL, err);
    if (!result)
        result = walk_suite(w, &suite, &a, err);
    qv__suite_end(&suite);
    qv__arena_free(&a);
    return result;
}
