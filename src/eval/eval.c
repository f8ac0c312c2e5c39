/* eval.c - run a model over a suite and score what it says.
 *
 * Per task: generated answers (answers.c), or likelihoods of options or targets
 * (choice.c). Examples are scored side by side, but each alone: no example sees
 * another.
 */
#include <quiver/eval.h>

#include "base/arena.h"
#include "base/base.h"
#include "base/rng.h"
#include "data/mapping.h"
#include "data/task.h"
#include "eval/program.h"
#include "eval/run.h"
#include "model/model.h"
#include "model/reuse.h"

#include <math.h>
#include <stdlib.h>

struct qv_eval_result {
    qv_task_result *task; // [n]
    size_t n;
    qv_arena arena;
};

/* Whether an example at that position is asked for. */
static bool in_part(const struct qv_suite_task *t, size_t position)
{
    if (t->part == QV_PART_ALL)
        return true;
    enum qv_split part = qv__part_of(t->name, position);
    return (t->part == QV_PART_TRAIN && part == QV_TRAIN) ||
           (t->part == QV_PART_VALID && part == QV_VALID) ||
           (t->part == QV_PART_TEST && part == QV_TEST);
}

static int by_address(const void *x, const void *y)
{
    const struct qv_example *a = *(const struct qv_example *const *)x;
    const struct qv_example *b = *(const struct qv_example *const *)y;
    return (a > b) - (a < b);
}

/* Of the chosen examples the task's sample, drawn by its name, in the file's order. */
static void draw(struct qv_run *r)
{
    size_t n = r->task->sample;
    if (n == 0 || n >= r->n)
        return;
    size_t *order = qv_new_n(&r->arena, size_t, r->n);
    const struct qv_example **drawn = qv_new_n(&r->arena, const struct qv_example *, n);
    qv__shuffle(order, r->n, qv__seed_named(0, r->task->name));
    for (size_t i = 0; i < n; i++)
        drawn[i] = r->at[order[i]];
    qsort(drawn, n, sizeof *drawn, by_address);
    r->at = drawn;
    r->n = n;
}

static qv_status read_examples(struct qv_run *r, qv_err *err)
{
    const struct qv_suite_task *t = r->task;
    qv_status result =
        t->map ? qv__mapping_read(&r->data, t->map, t->name, t->paths, t->n_paths, err)
               : qv__dataset_read(&r->data, t->paths[0], NULL, err);
    if (result)
        return result;
    size_t limit = r->o->limit ? r->o->limit : t->limit;
    r->at = qv_new_n(&r->arena, const struct qv_example *, r->data->n);
    for (size_t i = t->skip; i < r->data->n; i++)
        if (in_part(t, i))
            r->at[r->n++] = &r->data->at[i];
    draw(r);
    if (limit)
        r->n = qv__min(r->n, limit);
    return QV_OK;
}

static qv_status run_task(qv_task_result *out, struct qv_run *r, qv_err *err)
{
    enum qv_metric metric = r->task->metric;
    qv_status result = read_examples(r, err);
    if (result)
        return result;
    r->score = qv_new_n(r->keep, double, qv__max(r->n, 1));
    result =
        qv__metric_generates(metric) ? qv__run_answers(r, err) : qv__run_likelihood(r, err);
    if (result)
        return result;
    double sum = 0;
    for (size_t i = 0; i < r->n; i++)
        sum += r->score[i];
    *out = (qv_task_result){.name = qv__arena_str(r->keep, r->task->name),
                            .metric = qv__metric_name(metric),
                            .n = r->n,
                            .mean = r->n ? sum / (double)r->n : NAN,
                            .score = r->score,
                            .answer = r->answer};
    return QV_OK;
}

/* What would stop the suite at a later task, hours from now. */
static qv_status check_suite(const struct qv_suite *suite, qv_err *err)
{
    qv_status result = QV_OK;
    for (size_t i = 0; !result && i < suite->n; i++)
        if (suite->at[i].metric == QV_PASS)
            result = qv__can_run_programs(&suite->at[i], err);
    return result;
}

static qv_status run_suite(qv_eval_result *out, const struct qv_suite *suite,
                           const struct qv_run *common, qv_err *err)
{
    const qv_progress *p = &common->o->progress;
    out->task = qv_new_n(&out->arena, qv_task_result, suite->n);
    for (size_t i = 0; i < suite->n; i++) {
        if (p->fn && p->fn(p->arg, "eval", (double)i, (double)suite->n, suite->at[i].name))
            return qv_fail(err, QV_ECANCEL, "stopped after %zu of %zu tasks", i, suite->n);
        struct qv_run r = *common;
        struct qv_suite_task task = suite->at[i];
        r.task = &task;
        r.keep = &out->arena;
        qv_status result = QV_OK;
        if (r.o->split && !qv__part_named(&task.part, r.o->split))
            result = qv_fail(err, QV_ENOTFOUND, "no split is named '%s'", r.o->split);
        if (!result)
            result = run_task(&out->task[i], &r, err);
        qv__dataset_free(r.data);
        qv__arena_free(&r.arena);
        if (result)
            return result;
        out->n++;
    }
    return QV_OK;
}

qv_status qv_eval(qv_eval_result **out, const qv_model *model, const qv_reuse *reuse,
                  const char *const *paths, size_t n, const qv_eval_opts *opts, qv_err *err)
{
    *out = NULL;
    if (!model->tokenizer)
        return qv_fail(err, QV_ENOTFOUND, "the model has no tokenizer to read tasks with");
    qv_eval_opts o = opts ? *opts : (qv_eval_opts){0};
    o.max_tokens = o.max_tokens ? o.max_tokens : 32;
    o.pass_tokens = o.pass_tokens ? o.pass_tokens : 1024;
    qv_eval_result *r = calloc(1, sizeof *r);
    if (!r)
        return qv_fail(err, QV_ENOMEM, "no memory for results");
    struct qv_suite suite = {0};
    const struct qv_run common = {
        .m = qv__reuse_model(reuse, model), .reuse = reuse, .o = &o};
    qv_status result = qv__suite_open(&suite, paths, n, o.metric, o.data, err);
    if (!result)
        result = check_suite(&suite, err);
    if (!result)
        result = run_suite(r, &suite, &common, err);
    qv__suite_end(&suite);
    if (result)
        qv_eval_free(r);
    else
        *out = r;
    return result;
}

void qv_eval_free(qv_eval_result *r)
{
    if (!r)
        return;
    qv__arena_free(&r->arena);
    free(r);
}

size_t qv_eval_tasks(const qv_eval_result *r)
{
    return r->n;
}

const qv_task_result *qv_eval_task(const qv_eval_result *r, size_t i)
{
    return i < r->n ? &r->task[i] : NULL;
}

double qv_eval_mean(const qv_eval_result *r)
{
    double sum = 0;
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++)
        if (r->task[i].n) {
            sum += r->task[i].mean;
            n++;
        }
    return n ? sum / (double)n : NAN;
}
