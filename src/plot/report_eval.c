/* report_eval.c - the files of RUN/eval as one array of scores a suite.
 *
 * The files are read first, to learn which systems, suites and tasks there are;
 * then their numbers are put in their places.
 */
#include "plot/report_parts.h"
#include "base/file.h"
#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 256 << 20 };

/* Under which keys a metric's scores can stand. */
static const char *const metric_key[QV_REPORT_ALL_METRICS][5] = {
    {"rougeL"},
    {"loglik"},
    {"choice", "choice_sum", "choice_char", "exact", "pass@1"},
};

struct file {
    const char *path, *system, *suite;
    json_t *value, *tasks;
};

/* "private-arrow.upstream.json" is of system private-arrow, suite upstream; in
 * "private-arrow.upstream.2.json", 2 tells parts apart and means nothing more. */
static qv_status read_file(struct file *f, qv_arena *a, const char *dir, const char *name,
                           qv_err *err)
{
    char *stem = qv__stem(a, name), *dot = strchr(stem, '.');
    f->path = qv__arena_fmt(a, "%s/%s", dir, name);
    if (!dot || dot == stem || !dot[1])
        return qv_fail(err, QV_EFORMAT, "%s: not named SYSTEM.SUITE.json", f->path);
    *dot = '\0';
    f->system = stem;
    f->suite = qv__arena_strn(a, dot + 1, strcspn(dot + 1, "."));
    qv_status result = qv__json_read(&f->value, f->path, MOST_BYTES, err);
    if (result)
        return result;
    f->tasks = json_object_get(f->value, "tasks");
    if (!json_is_object(f->tasks))
        return qv_fail(err, QV_EFORMAT, "%s: 'tasks' is not an object", f->path);
    return QV_OK;
}

/* Known words first, in the order of the table; others after them, or, if the
 * last word is to stay last, before it. */
static size_t rank_of(const char *word, const char *const *list, size_t n)
{
    size_t i = 0;
    while (i < n && strcmp(list[i], word) != 0)
        i++;
    return i;
}

static int by_rank(const char *a, const char *b, const char *const *list, size_t n)
{
    size_t i = rank_of(a, list, n), j = rank_of(b, list, n);
    return i < j ? -1 : i > j ? 1 : strcmp(a, b);
}

static const char *const library_order[] = {"base", "shared", "private", "mbc"};
static const char *const router_order[] = {"", "uniform", "arrow"};
static const char *const suite_order[] = {"upstream", "held_out"};

static int by_system(const void *a, const void *b)
{
    const struct qv_report_system *x = a, *y = b;
    int order = by_rank(x->library, y->library, library_order, QV_COUNT(library_order));
    bool last_x = strcmp(x->router, "oracle") == 0,
         last_y = strcmp(y->router, "oracle") == 0;
    if (order)
        return order;
    if (last_x != last_y)
        return last_x ? 1 : -1;
    return by_rank(x->router, y->router, router_order, QV_COUNT(router_order));
}

static int by_suite(const void *a, const void *b)
{
    const struct qv_report_suite *x = a, *y = b;
    return by_rank(x->name, y->name, suite_order, QV_COUNT(suite_order));
}

static int by_word(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The systems and suites that the files name, each once and in order. */
static void list_names(struct qv_report *r, const struct file *f, size_t n)
{
    qv_arena *a = &r->arena;
    r->system = qv_new_n(a, struct qv_report_system, n);
    r->suite = qv_new_n(a, struct qv_report_suite, n);
    for (size_t i = 0; i < n; i++) {
        const char *dash = strrchr(f[i].system, '-');
        size_t length = dash ? (size_t)(dash - f[i].system) : strlen(f[i].system);
        if (qv__report_system(r, f[i].system) == r->n_systems)
            r->system[r->n_systems++] = (struct qv_report_system){
                f[i].system, qv__arena_strn(a, f[i].system, length), dash ? dash + 1 : ""};
        if (qv__report_suite(r, f[i].suite) == r->n_suites)
            r->suite[r->n_suites++] = (struct qv_report_suite){.name = f[i].suite};
    }
    qsort(r->system, r->n_systems, sizeof *r->system, by_system);
    qsort(r->suite, r->n_suites, sizeof *r->suite, by_suite);
}

static void list_tasks(struct qv_report *r, struct qv_report_suite *s, const struct file *f,
                       size_t n)
{
    json_t *all = json_object(), *task;
    const char *name;
    for (size_t i = 0; i < n; i++)
        if (strcmp(f[i].suite, s->name) == 0)
            json_object_foreach(f[i].tasks, name, task)
                json_object_set_new(all, name, json_true());
    s->task = qv_new_n(&r->arena, const char *, json_object_size(all));
    json_object_foreach(all, name, task) s->task[s->n_tasks++] =
        qv__arena_str(&r->arena, name);
    json_decref(all);
    qsort(s->task, s->n_tasks, sizeof *s->task, by_word);

    s->n = qv_new_n(&r->arena, size_t, s->n_tasks);
    s->family = qv_new_n(&r->arena, const char *, s->n_tasks);
    for (size_t t = 0; t < s->n_tasks; t++)
        s->family[t] = qv__report_family(r, s->task[t]);
    for (size_t m = 0; m < QV_REPORT_ALL_METRICS; m++) {
        s->score[m] = qv_new_n(&r->arena, double, r->n_systems * s->n_tasks);
        for (size_t i = 0; i < r->n_systems * s->n_tasks; i++)
            s->score[m][i] = (double)NAN;
    }
}

/* A number under one of a metric's keys; NaN without one. */
static qv_status read_score(double *out, const json_t *task, size_t metric, qv_err *err)
{
    *out = (double)NAN;
    for (size_t k = 0; k < QV_COUNT(metric_key[0]) && metric_key[metric][k]; k++) {
        const json_t *v = json_object_get(task, metric_key[metric][k]);
        if (!v || json_is_null(v))
            continue;
        if (!json_is_number(v))
            return qv_fail(err, QV_EFORMAT, "'%s' is not a number", metric_key[metric][k]);
        *out = json_number_value(v);
        return QV_OK;
    }
    return QV_OK;
}

/* parts [metrics, n_systems, n_tasks]: how many files a score is the mean of so far. */
static qv_status put_task(struct qv_report_suite *s, size_t *parts, size_t n_systems,
                          size_t at, const json_t *task, qv_err *err)
{
    size_t n = 0, t = at % s->n_tasks;
    qv_status result = json_is_object(task) ? qv__json_size(task, "n", &n, err)
                                            : qv_fail(err, QV_EFORMAT, "not an object");
    s->n[t] = qv__max(s->n[t], n);
    for (size_t m = 0; !result && m < QV_REPORT_ALL_METRICS; m++) {
        double score, *mean = &s->score[m][at];
        size_t *k = &parts[m * n_systems * s->n_tasks + at];
        result = read_score(&score, task, m, err);
        if (result || !isfinite(score))
            continue;
        *mean = *k ? *mean + (score - *mean) / (double)(*k + 1) : score;
        ++*k;
    }
    return result;
}

/* The scores of a suite, from all files that are of it. */
static qv_status put_scores(struct qv_report *r, struct qv_report_suite *s,
                            const struct file *f, size_t n, qv_err *err)
{
    size_t *parts =
        qv_new_n(&r->arena, size_t, QV_REPORT_ALL_METRICS * r->n_systems * s->n_tasks);
    for (size_t i = 0; i < n; i++) {
        size_t system = qv__report_system(r, f[i].system);
        for (size_t t = 0; t < s->n_tasks && strcmp(f[i].suite, s->name) == 0; t++) {
            const json_t *task = json_object_get(f[i].tasks, s->task[t]);
            qv_status result =
                task ? put_task(s, parts, r->n_systems, system * s->n_tasks + t, task, err)
                     : QV_OK;
            if (result)
                return qv_wrap(err, result, "%s: task '%s': ", f[i].path, s->task[t]);
        }
    }
    return QV_OK;
}

qv_status qv__report_read_eval(struct qv_report *r, const char *dir, qv_err *err)
{
    char **names;
    size_t n_names, n = 0;
    qv_status result = qv__list_dir(&names, &n_names, &r->arena, dir, err);
    if (result)
        return result;
    struct file *f = qv_new_n(&r->arena, struct file, n_names);
    for (size_t i = 0; !result && i < n_names; i++)
        if (qv__ends_with(names[i], ".json"))
            result = read_file(&f[n++], &r->arena, dir, names[i], err);
    if (!result)
        list_names(r, f, n);
    for (size_t i = 0; !result && i < r->n_suites; i++)
        list_tasks(r, &r->suite[i], f, n);
    for (size_t i = 0; !result && i < r->n_suites; i++)
        result = put_scores(r, &r->suite[i], f, n, err);
    for (size_t i = 0; i < n; i++)
        json_decref(f[i].value);
    return result;
}
