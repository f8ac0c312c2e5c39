/* suite.c - see suite.h. */
#include "eval/suite.h"
#include "base/file.h"
#include "base/json.h"
#include "data/dataset.h"

#include <string.h>

static const char *const metrics[] = {
    [QV_ROUGE_L] = "rougeL",
    [QV_EXACT] = "exact",
    [QV_CHOICE] = "choice",
    [QV_LOGLIK] = "loglik",
};

static const char *const parts[] = {
    [QV_PART_ALL] = "all",
    [QV_PART_TRAIN] = "train",
    [QV_PART_VALID] = "valid",
    [QV_PART_TEST] = "test",
};

const char *qv__metric_name(enum qv_metric metric)
{
    return metrics[metric];
}

qv_status qv__metric_of(enum qv_metric *out, const char *name, qv_err *err)
{
    for (size_t i = 0; i < QV_COUNT(metrics); i++)
        if (strcmp(metrics[i], name) == 0) {
            *out = (enum qv_metric)i;
            return QV_OK;
        }
    return qv_fail(err, QV_EFORMAT,
                   "no metric '%s': there are rougeL, exact, choice, loglik", name);
}

static qv_status part_of(enum qv_part *out, const char *name, qv_err *err)
{
    for (size_t i = 0; i < QV_COUNT(parts); i++)
        if (strcmp(parts[i], name) == 0) {
            *out = (enum qv_part)i;
            return QV_OK;
        }
    return qv_fail(err, QV_EFORMAT, "no split '%s': there are all, train, valid, test",
                   name);
}

/* Add the task file at `path`, or every task file of that directory, scored as
 * `like` says. */
static qv_status add_tasks(struct qv_suite *s, const char *path,
                           const struct qv_suite_task *like, qv_err *err)
{
    char **files;
    size_t n;
    qv_status result = qv__dataset_list(&files, &n, &s->arena, path, err);
    if (result)
        return result;
    struct qv_suite_task *more = qv_new_n(&s->arena, struct qv_suite_task, s->n + n);
    if (s->n)
        memcpy(more, s->at, s->n * sizeof *more);
    s->at = more;
    for (size_t i = 0; i < n; i++) {
        struct qv_suite_task *task = &s->at[s->n];
        *task = *like;
        task->path = files[i];
        task->name = qv__stem(&s->arena, files[i]);
        for (size_t j = 0; j < s->n; j++)
            if (strcmp(s->at[j].name, task->name) == 0)
                return qv_fail(err, QV_EEXIST, "task '%s' is both %s and %s", task->name,
                               s->at[j].path, task->path);
        s->n++;
    }
    return QV_OK;
}

/* "metric", "split" and "limit" of a suite or of one of its tasks. */
static qv_status read_settings(struct qv_suite_task *like, const json_t *from, qv_err *err)
{
    const char *metric = NULL, *split = NULL;
    qv_status result = qv__json_str(from, "metric", &metric, err);
    if (!result && metric)
        result = qv__metric_of(&like->metric, metric, err);
    if (!result)
        result = qv__json_str(from, "split", &split, err);
    if (!result && split)
        result = part_of(&like->part, split, err);
    if (!result)
        result = qv__json_size(from, "limit", &like->limit, err);
    return result;
}

static qv_status read_task(struct qv_suite *s, const json_t *task, const char *dir,
                           struct qv_suite_task like, qv_err *err)
{
    const char *file = json_string_value(task);
    qv_status result = QV_OK;
    if (!file) {
        if (!json_is_object(task))
            return qv_fail(err, QV_EFORMAT, "neither a file's name nor an object");
        result = qv__json_str(task, "file", &file, err);
        if (!result && !file)
            result = qv_fail(err, QV_EFORMAT, "no 'file'");
        if (!result)
            result = read_settings(&like, task, err);
    }
    if (result)
        return result;
    if (file[0] != '/')
        file = qv__arena_fmt(&s->arena, "%s%s", dir, file);
    return add_tasks(s, file, &like, err);
}

static qv_status read_suite(struct qv_suite *s, const json_t *suite, const char *path,
                            struct qv_suite_task like, qv_err *err)
{
    size_t i;
    json_t *task;
    const char *dir = qv__arena_strn(&s->arena, path, (size_t)(qv__base_name(path) - path));
    const char *name = NULL;
    qv_status result = qv__json_str(suite, "name", &name, err);
    if (!result)
        result = read_settings(&like, suite, err);
    if (result)
        return result;
    s->name = name ? qv__arena_str(&s->arena, name) : qv__stem(&s->arena, path);
    json_array_foreach(json_object_get(suite, "tasks"), i, task)
    {
        result = read_task(s, task, dir, like, err);
        if (result)
            return qv_wrap(err, result, "task %zu: ", i + 1);
    }
    return s->n ? QV_OK : qv_fail(err, QV_EFORMAT, "no tasks");
}

/* *suite becomes what the file holds, if it is a suite's: a JSON object with a
 * list "tasks". Anything else is left for the reader of task files to judge. */
static qv_status find_suite(json_t **suite, const char *path, qv_err *err)
{
    size_t n = strlen(path);
    *suite = NULL;
    if (n < 5 || strcmp(path + n - 5, ".json") != 0 || qv__is_dir(path))
        return QV_OK;
    qv_status result = qv__json_read(suite, path, SIZE_MAX, err);
    if (!result && !json_is_array(json_object_get(*suite, "tasks"))) {
        json_decref(*suite);
        *suite = NULL;
    }
    return result;
}

qv_status qv__suite_open(struct qv_suite *out, const char *const *paths, size_t n,
                         const char *metric, qv_err *err)
{
    json_t *suite = NULL;
    struct qv_suite_task like = {0};
    *out = (struct qv_suite){0};
    qv_status result = metric ? qv__metric_of(&like.metric, metric, err) : QV_OK;
    if (!result && n == 0)
        result = qv_fail(err, QV_ENOTFOUND, "no tasks to evaluate");
    if (!result && n == 1)
        result = find_suite(&suite, paths[0], err);
    if (!result && suite) {
        result = read_suite(out, suite, paths[0], like, err);
        if (result)
            result = qv_wrap(err, result, "%s: ", paths[0]);
    } else if (!result) {
        out->name = n == 1 ? qv__stem(&out->arena, paths[0]) : "files";
        for (size_t i = 0; !result && i < n; i++)
            result = add_tasks(out, paths[i], &like, err);
    }
    json_decref(suite);
    if (result)
        qv__suite_end(out);
    return result;
}

void qv__suite_end(struct qv_suite *s)
{
    qv__arena_free(&s->arena);
    *s = (struct qv_suite){0};
}
