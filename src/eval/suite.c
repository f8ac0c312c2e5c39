/* suite.c - see suite.h. */
#include "eval/suite.h"
#include "base/file.h"
#include "base/json.h"
#include "data/mapping.h"

#include <string.h>

static const char *const metrics[] = {
    [QV_ROUGE_L] = "rougeL",        [QV_EXACT] = "exact",
    [QV_CHOICE] = "choice",         [QV_LOGLIK] = "loglik",
    [QV_CHOICE_SUM] = "choice_sum", [QV_CHOICE_CHAR] = "choice_char",
    [QV_PASS] = "pass@1",
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
    return qv_fail(
        err, QV_EFORMAT,
        "no metric '%s': there are rougeL, exact, choice, choice_sum, choice_char, "
        "loglik, pass@1",
        name);
}

bool qv__metric_is_choice(enum qv_metric metric)
{
    return metric == QV_CHOICE || metric == QV_CHOICE_SUM || metric == QV_CHOICE_CHAR;
}

bool qv__metric_generates(enum qv_metric metric)
{
    return metric == QV_ROUGE_L || metric == QV_EXACT || metric == QV_PASS;
}

const char *qv__part_name(enum qv_part part)
{
    return parts[part];
}

bool qv__part_named(enum qv_part *out, const char *name)
{
    for (size_t i = 0; i < QV_COUNT(parts); i++)
        if (strcmp(parts[i], name) == 0) {
            *out = (enum qv_part)i;
            return true;
        }
    return false;
}

static qv_status add_task(struct qv_suite *s, const struct qv_suite_task *like,
                          const char *name, const char *const *paths, size_t n, qv_err *err)
{
    for (size_t j = 0; j < s->n; j++)
        if (strcmp(s->at[j].name, name) == 0)
            return qv_fail(err, QV_EEXIST, "task '%s' is both %s and %s", name,
                           s->at[j].paths[0], paths[0]);
    s->at = qv_more(&s->arena, struct qv_suite_task, s->at, s->n, &s->room);
    struct qv_suite_task *one = &s->at[s->n++];
    *one = *like;
    one->name = name;
    one->paths = paths;
    one->n_paths = n;
    return QV_OK;
}

/* The data files of a directory (*.json, *.jsonl, *.csv, *.txt), or the file itself. */
static qv_status list_data(char ***files, size_t *n, qv_arena *a, const char *path,
                           qv_err *err)
{
    char **names;
    size_t n_names;
    if (!qv__is_dir(path))
        return qv__dataset_list(files, n, a, path, err);
    qv_status result = qv__list_dir(&names, &n_names, a, path, err);
    if (result)
        return result;
    *files = qv_new_n(a, char *, n_names + 1);
    *n = 0;
    for (size_t i = 0; i < n_names; i++)
        if (names[i][0] != '.' &&
            (qv__ends_with(names[i], ".json") || qv__ends_with(names[i], ".jsonl") ||
             qv__ends_with(names[i], ".csv") || qv__ends_with(names[i], ".txt")))
            (*files)[(*n)++] = qv__arena_fmt(a, "%s/%s", path, names[i]);
    return *n ? QV_OK
              : qv_fail(err, QV_ENOTFOUND,
                        "%s: no data files (*.json, *.jsonl, *.csv, *.txt)", path);
}

/* Add the task file at `path`, or every task file of that directory, scored as
 * `like` says. With a name, that is the task's, and a directory's files are one task. */
static qv_status add_tasks(struct qv_suite *s, const char *path, const char *name,
                           const struct qv_suite_task *like, qv_err *err)
{
    char **files;
    size_t n;
    qv_status result = like->map ? list_data(&files, &n, &s->arena, path, err)
                                 : qv__dataset_list(&files, &n, &s->arena, path, err);
    if (result)
        return result;
    const char **paths = qv_new_n(&s->arena, const char *, n);
    for (size_t i = 0; i < n; i++)
        paths[i] = files[i];
    if (name)
        return add_task(s, like, qv__arena_str(&s->arena, name), paths, n, err);
    for (size_t i = 0; !result && i < n; i++)
        result = add_task(s, like, qv__stem(&s->arena, files[i]), paths + i, 1, err);
    return result;
}

/* "stop", a text or a list of them. */
static qv_status read_stop(struct qv_suite_task *like, qv_arena *a, const json_t *from,
                           qv_err *err)
{
    const json_t *v = json_object_get(from, "stop");
    size_t n = json_is_array(v) ? json_array_size(v) : v ? 1 : 0;
    const char **stop = qv_new_n(a, const char *, n + 1);
    if (!v)
        return QV_OK;
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_is_array(v) ? json_array_get(v, i) : v);
        if (!text || !*text)
            return qv_fail(err, QV_EFORMAT, "'stop' is neither a text nor a list of them");
        stop[i] = qv__arena_str(a, text);
    }
    like->stop = stop;
    like->n_stop = n;
    return QV_OK;
}

/* What a suite or one of its tasks says of how it is scored. */
static qv_status read_settings(struct qv_suite_task *like, qv_arena *a, const json_t *from,
                               qv_err *err)
{
    const char *metric = NULL, *split = NULL;
    qv_status result = qv__json_str(from, "metric", &metric, err);
    if (!result && metric)
        result = qv__metric_of(&like->metric, metric, err);
    if (!result)
        result = qv__json_str(from, "split", &split, err);
    if (!result && split && !qv__part_named(&like->part, split))
        result = qv_fail(err, QV_EFORMAT,
                         "no split '%s': there are all, train, valid, test", split);
    const struct {
        const char *key;
        size_t *to;
    } size[] = {{"skip", &like->skip},       {"limit", &like->limit},
                {"sample", &like->sample},   {"max_tokens", &like->max_tokens},
                {"seconds", &like->seconds}, {"megabytes", &like->megabytes}};
    for (size_t i = 0; !result && i < QV_COUNT(size); i++)
        result = qv__json_size(from, size[i].key, size[i].to, err);
    bool ends = !like->is_open;
    if (!result)
        result = qv__json_bool(from, "eos", &ends, err);
    like->is_open = !ends;
    return result ? result : read_stop(like, a, from, err);
}

/* A task's mapping, if it has a prompt, which only mapped tasks have. */
static qv_status read_map(struct qv_suite *s, struct qv_suite_task *like,
                          const json_t *task, const char *dir, qv_err *err)
{
    struct qv_mapping *map;
    if (!json_object_get(task, "prompt"))
        return QV_OK;
    qv_status result = qv__mapping_parse(&map, &s->arena, task, dir, err);
    if (result)
        return result;
    s->map = qv_more(&s->arena, struct qv_mapping *, s->map, s->n_maps, &s->maps_room);
    s->map[s->n_maps++] = map;
    like->map = map;
    return QV_OK;
}

static qv_status read_task(struct qv_suite *s, const json_t *task, const char *dir,
                           struct qv_suite_task like, qv_err *err)
{
    const char *file = json_string_value(task), *name = NULL;
    qv_status result = QV_OK;
    if (!file) {
        if (!json_is_object(task))
            return qv_fail(err, QV_EFORMAT, "neither a file's name nor an object");
        result = qv__json_str(task, "file", &file, err);
        if (!result && !file)
            result = qv_fail(err, QV_EFORMAT, "no 'file'");
        if (!result)
            result = qv__json_str(task, "name", &name, err);
        if (!result)
            result = read_settings(&like, &s->arena, task, err);
        if (!result)
            result = read_map(s, &like, task, dir, err);
        if (!result && name && !like.map)
            result = qv_fail(err, QV_EFORMAT,
                             "a 'name' needs a 'prompt': a task file names itself");
    }
    if (result)
        return result;
    if (file[0] != '/')
        file = qv__arena_fmt(&s->arena, "%s%s", dir, file);
    return add_tasks(s, file, name, &like, err);
}

static qv_status read_suite(struct qv_suite *s, const json_t *suite, const char *path,
                            struct qv_suite_task like, const char *data, qv_err *err)
{
    size_t i;
    json_t *task;
    const char *dir =
        data ? qv__arena_fmt(&s->arena, "%s/", data)
             : qv__arena_strn(&s->arena, path, (size_t)(qv__base_name(path) - path));
    const char *name = NULL;
    qv_status result = qv__json_str(suite, "name", &name, err);
    if (!result)
        result = read_settings(&like, &s->arena, suite, err);
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
    *suite = NULL;
    if (!qv__ends_with(path, ".json") || qv__is_dir(path))
        return QV_OK;
    qv_status result = qv__json_read(suite, path, SIZE_MAX, err);
    if (!result && !json_is_array(json_object_get(*suite, "tasks"))) {
        json_decref(*suite);
        *suite = NULL;
    }
    return result;
}

qv_status qv__suite_open(struct qv_suite *out, const char *const *paths, size_t n,
                         const char *metric, const char *data, qv_err *err)
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
        result = read_suite(out, suite, paths[0], like, data, err);
        if (result)
            result = qv_wrap(err, result, "%s: ", paths[0]);
    } else if (!result) {
        out->name = n == 1 ? qv__stem(&out->arena, paths[0]) : "files";
        for (size_t i = 0; !result && i < n; i++)
            result = add_tasks(out, paths[i], NULL, &like, err);
    }
    json_decref(suite);
    if (result)
        qv__suite_end(out);
    return result;
}

void qv__suite_end(struct qv_suite *s)
{
    for (size_t i = 0; i < s->n_maps; i++)
        qv__mapping_end(s->map[i]);
    qv__arena_free(&s->arena);
    *s = (struct qv_suite){0};
}
