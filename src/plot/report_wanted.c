/* report_wanted.c - the tables and figures that a run's tables.json asks for, such as the
 * paper's:
 *
 *     {"tables": [{"title", "note", "suite", "metric", "against",
 *                  "columns": [{"label", "suite", "metric"}, ...],
 *                  "rows": [{"label", "system", "paper"}, ...]}, ...],
 *      "figures": [{"title", "note", "suite", "metric", "x_label", "y_label",
 *                   "series": [{"name", "points": [[x, system], ...]}, ...]}, ...]}
 *
 * A table has a row a system. With "columns" each is the mean over a suite's tasks;
 * without, a column is a task of "suite", and the last one their mean. "against" adds what
 * the mean of the last column is above that system's, paired task by task. "paper" is a
 * number that stands beside. A metric is rougeL, loglik or accuracy. A figure has a curve a
 * series; the height of a point is a system's mean.
 */
#include "plot/html.h"
#include "plot/report_parts.h"
#include "base/json.h"

#include <math.h>
#include <string.h>

enum { MOST_BYTES = 16 << 20 };

static const char *text(const json_t *o, const char *key, const char *otherwise)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : otherwise;
}

/* QV_REPORT_ALL_METRICS for what is none. */
static enum qv_report_metric metric_of(const char *name)
{
    return strcmp(name, "rougeL") == 0     ? QV_REPORT_ROUGE_L
           : strcmp(name, "loglik") == 0   ? QV_REPORT_LOGLIK
           : strcmp(name, "accuracy") == 0 ? QV_REPORT_ACCURACY
                                           : QV_REPORT_ALL_METRICS;
}

/* ---- reading: what is drawn later is checked here ---- */

static qv_status check_metric(const json_t *o, qv_err *err)
{
    const char *name = text(o, "metric", "rougeL");
    if (metric_of(name) == QV_REPORT_ALL_METRICS)
        return qv_fail(err, QV_EFORMAT, "metric '%s' is not rougeL, loglik or accuracy",
                       name);
    return QV_OK;
}

static qv_status check_table(const json_t *t, qv_err *err)
{
    size_t i;
    const json_t *v, *columns = json_object_get(t, "columns");
    const json_t *rows = json_object_get(t, "rows");
    qv_status result = check_metric(t, err);
    if (!result && !json_is_array(rows))
        result = qv_fail(err, QV_EFORMAT, "'rows' is not a list");
    if (!result && !columns && !text(t, "suite", NULL))
        result = qv_fail(err, QV_EFORMAT, "it has neither 'suite' nor 'columns'");
    json_array_foreach(rows, i, v) if (!result && !text(v, "system", NULL)) result =
        qv_fail(err, QV_EFORMAT, "row %zu names no 'system'", i);
    json_array_foreach(columns, i, v)
    {
        if (!result)
            result = check_metric(v, err);
        if (!result && !text(v, "suite", NULL))
            result = qv_fail(err, QV_EFORMAT, "column %zu names no 'suite'", i);
    }
    return result;
}

static qv_status check_figure(const json_t *f, qv_err *err)
{
    size_t i, j;
    const json_t *s, *p;
    qv_status result = check_metric(f, err);
    if (!result && !text(f, "suite", NULL))
        result = qv_fail(err, QV_EFORMAT, "it has no 'suite'");
    json_array_foreach(json_object_get(f, "series"), i, s) json_array_foreach(
        json_object_get(s, "points"), j,
        p) if (!result && (!json_is_number(json_array_get(p, 0)) ||
                           !json_is_string(json_array_get(p, 1)))) result =
        qv_fail(err, QV_EFORMAT, "point %zu of series %zu is not [x, system]", j, i);
    return result;
}

qv_status qv__report_read_tables(struct qv_report *r, const char *path, qv_err *err)
{
    size_t i;
    const json_t *v;
    qv_status result = qv__json_read(&r->tables, path, MOST_BYTES, err);
    if (result)
        return result;
    json_array_foreach(json_object_get(r->tables, "tables"), i, v)
    {
        result = check_table(v, err);
        if (result)
            return qv_wrap(err, result, "%s: table %zu: ", path, i);
    }
    json_array_foreach(json_object_get(r->tables, "figures"), i, v)
    {
        result = check_figure(v, err);
        if (result)
            return qv_wrap(err, result, "%s: figure %zu: ", path, i);
    }
    return QV_OK;
}

/* ---- a table ---- */

struct column {
    const char *label;
    size_t suite, task; // task n_tasks: their mean
    enum qv_report_metric metric;
    bool is_gain, is_paper;
};

struct table {
    const struct qv_report *r;
    const json_t *wanted, *rows;
    struct column *column; // [n] after the rows' names
    size_t n, against;     // a system, or n_systems
};

static void add_task_columns(struct table *t, qv_arena *a)
{
    size_t s = qv__report_suite(t->r, text(t->wanted, "suite", ""));
    size_t n = s < t->r->n_suites ? t->r->suite[s].n_tasks : 0;
    enum qv_report_metric metric = metric_of(text(t->wanted, "metric", "rougeL"));
    t->column = qv_new_n(a, struct column, n + 3);
    for (size_t i = 0; i <= n; i++)
        t->column[t->n++] =
            (struct column){.label = i < n ? t->r->suite[s].task[i] : "mean",
                            .suite = s,
                            .task = i,
                            .metric = metric};
}

static void add_columns(struct table *t, qv_arena *a)
{
    const json_t *columns = json_object_get(t->wanted, "columns"), *v;
    size_t i;
    const struct column *last;
    if (columns)
        t->column = qv_new_n(a, struct column, json_array_size(columns) + 2);
    else
        add_task_columns(t, a);
    json_array_foreach(columns, i, v) t->column[t->n++] = (struct column){
        .label = text(v, "label", text(v, "suite", "")),
        .suite = qv__report_suite(t->r, text(v, "suite", "")),
        .task = SIZE_MAX,
        .metric = metric_of(text(v, "metric", text(t->wanted, "metric", "rougeL")))};
    last = t->n ? &t->column[t->n - 1] : NULL;
    if (last && t->against < t->r->n_systems) {
        t->column[t->n] = *last;
        t->column[t->n].is_gain = true;
        t->column[t->n++].label =
            qv__arena_fmt(a, "\xe2\x88\x92 %s", t->r->system[t->against].name);
    }
    bool has_paper = false;
    json_array_foreach(t->rows, i, v) has_paper =
        has_paper || json_is_number(json_object_get(v, "paper"));
    if (last && has_paper)
        t->column[t->n++] =
            (struct column){.label = "the paper", .metric = last->metric, .is_paper = true};
}

static struct qv_estimate cell_of(const struct table *t, const struct column *c,
                                  const json_t *row)
{
    const struct qv_report *r = t->r;
    const struct qv_estimate none = {(double)NAN, 1, 0};
    size_t system = qv__report_system(r, text(row, "system", ""));
    if (c->is_paper) {
        const json_t *v = json_object_get(row, "paper");
        return (struct qv_estimate){json_is_number(v) ? json_number_value(v) : (double)NAN,
                                    1, 0};
    }
    if (c->suite >= r->n_suites || system >= r->n_systems)
        return none;
    if (c->is_gain)
        return system == t->against
                   ? none
                   : qv__report_difference(r, c->suite, c->metric, system, t->against);
    const struct qv_report_suite *s = &r->suite[c->suite];
    if (c->task >= s->n_tasks)
        return qv__report_mean(r, c->suite, c->metric, system);
    double unit = c->metric == QV_REPORT_LOGLIK ? 1 : 100;
    return (struct qv_estimate){unit * s->score[c->metric][system * s->n_tasks + c->task],
                                1, 0};
}

static void mark_best(struct qv_cell *cell, size_t rows, size_t columns, size_t c)
{
    struct qv_cell *best = NULL;
    for (size_t i = 0; i < rows; i++) {
        struct qv_cell *this = &cell[i * columns + c];
        if (isfinite(this->number.value) &&
            (!best || this->number.value > best->number.value))
            best = this;
    }
    if (best)
        best->best = true;
}

static void table(FILE *out, const struct qv_report *r, const json_t *wanted, qv_arena *a)
{
    struct table t = {.r = r, .wanted = wanted, .rows = json_object_get(wanted, "rows")};
    t.against = qv__report_system(r, text(wanted, "against", ""));
    add_columns(&t, a);
    size_t rows = json_array_size(t.rows), columns = t.n + 1;
    struct qv_cell *cell = qv_new_n(a, struct qv_cell, rows * columns);
    const char **head = qv_new_n(a, const char *, columns);
    int *decimals = qv_new_n(a, int, columns);
    head[0] = "";
    for (size_t c = 1; c < columns; c++) {
        head[c] = t.column[c - 1].label;
        decimals[c] = t.column[c - 1].metric == QV_REPORT_LOGLIK ? 2 : 1;
        for (size_t i = 0; i < rows; i++)
            cell[i * columns + c].number =
                cell_of(&t, &t.column[c - 1], json_array_get(t.rows, i));
        if (!t.column[c - 1].is_gain && !t.column[c - 1].is_paper)
            mark_best(cell, rows, columns, c);
    }
    for (size_t i = 0; i < rows; i++) {
        const json_t *row = json_array_get(t.rows, i);
        cell[i * columns].text = text(row, "label", text(row, "system", ""));
    }
    qv__html_table(out, &(struct qv_table){.title = text(wanted, "title", "A table."),
                                           .caption = text(wanted, "note", ""),
                                           .columns = head,
                                           .n_columns = columns,
                                           .n_rows = rows,
                                           .cells = cell,
                                           .decimals = decimals});
}

/* ---- a figure ---- */

static void figure(FILE *out, const struct qv_report *r, const json_t *wanted, qv_arena *a)
{
    const json_t *list = json_object_get(wanted, "series"), *s, *p;
    const char *title = text(wanted, "title", "A figure.");
    size_t n = json_array_size(list), i, j;
    size_t suite = qv__report_suite(r, text(wanted, "suite", ""));
    enum qv_report_metric metric = metric_of(text(wanted, "metric", "rougeL"));
    struct qv_series *series = qv_new_n(a, struct qv_series, n);
    json_array_foreach(list, i, s)
    {
        const json_t *points = json_object_get(s, "points");
        double *x = qv_new_n(a, double, json_array_size(points));
        double *y = qv_new_n(a, double, json_array_size(points));
        series[i] =
            (struct qv_series){.name = text(s, "name", ""), .x = x, .y = y, .group = i};
        json_array_foreach(points, j, p)
        {
            const char *system = json_string_value(json_array_get(p, 1));
            double v =
                qv__report_mean(r, suite, metric, qv__report_system(r, system)).value;
            if (!isfinite(v))
                continue;
            x[series[i].n] = json_number_value(json_array_get(p, 0));
            y[series[i].n++] = v;
        }
    }
    qv__html_figure_begin(out);
    qv__plot_lines(out, &(struct qv_lines){.plot = {.title = title},
                                           .x_label = text(wanted, "x_label", ""),
                                           .y_label = text(wanted, "y_label", ""),
                                           .series = series,
                                           .n_series = n});
    qv__html_figure_end(out, title, text(wanted, "note", ""));
}

void qv__report_wanted(FILE *out, const struct qv_report *r)
{
    qv_arena a = {0};
    size_t i;
    const json_t *v;
    if (!r->tables)
        qv__html_prose(out, "The run asks for no tables of its own (`tables.json`).");
    json_array_foreach(json_object_get(r->tables, "tables"), i, v) table(out, r, v, &a);
    json_array_foreach(json_object_get(r->tables, "figures"), i, v) figure(out, r, v, &a);
    qv__arena_free(&a);
}
