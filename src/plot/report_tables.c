/* report_tables.c - the scores: what was measured, compared, and by family. */
#include "plot/report_parts.h"
#include "plot/html.h"
#include "plot/svg.h"

#include <math.h>
#include <string.h>

/* With hyphens that do not break. */
static const char *const metric_name[QV_REPORT_METRICS] = {"ROUGE\xe2\x80\x91L",
                                                           "log\xe2\x80\x91likelihood"};
static const int metric_decimals[QV_REPORT_METRICS] = {1, 2};

/* "held_out" is read as "held out". */
static const char *words(qv_arena *a, const char *name)
{
    char *text = qv__arena_str(a, name);
    for (char *c = text; *c; c++)
        *c = *c == '_' ? ' ' : *c;
    return text;
}

static size_t examples(const struct qv_report_suite *s)
{
    size_t n = 0;
    for (size_t t = 0; t < s->n_tasks; t++)
        n += s->n[t];
    return n;
}

static bool is_oracle(const struct qv_report_system *s)
{
    return strcmp(s->router, "oracle") == 0;
}

/* Whether every system that was measured on a suite was so on all its tasks. */
static bool is_complete(const struct qv_report *r, const struct qv_report_suite *s)
{
    for (size_t m = 0; m < QV_REPORT_METRICS; m++)
        for (size_t i = 0; i < r->n_systems; i++) {
            size_t n = 0;
            for (size_t t = 0; t < s->n_tasks; t++)
                n += isfinite(s->score[m][i * s->n_tasks + t]) != 0;
            if (n && n < s->n_tasks)
                return false;
        }
    return true;
}

static void mark_best(struct qv_cell *cell, const struct qv_report *r, size_t columns)
{
    for (size_t c = 1; c < columns; c++) {
        struct qv_cell *best = NULL;
        for (size_t i = 0; i < r->n_systems; i++) {
            struct qv_cell *this = &cell[i * columns + c];
            if (!is_oracle(&r->system[i]) && isfinite(this->number.value) &&
                (!best || this->number.value > best->number.value))
                best = this;
        }
        if (best)
            best->best = true;
    }
}

static const char *table_caption(const struct qv_report *r, qv_arena *a)
{
    const char *text =
        "Means over tasks, with bootstrap intervals of 95% over tasks in "
        "grey. ROUGE-L is of greedy answers, in points of 100; log-likelihood "
        "is of the right answer, a token. The best system that is not told "
        "the task is bold.";
    for (size_t s = 0; s < r->n_suites; s++)
        text = qv__arena_fmt(
            a, "%s%s %s: %zu tasks, %zu examples%s", text, s ? ";" : " Scored on",
            words(a, r->suite[s].name), r->suite[s].n_tasks, examples(&r->suite[s]),
            is_complete(r, &r->suite[s]) ? "" : " (some systems on fewer)");
    text = qv__arena_fmt(a, "%s.", text);
    return text;
}

static void table(FILE *out, const struct qv_report *r, qv_arena *a)
{
    size_t columns = 1 + r->n_suites * QV_REPORT_METRICS, n_rules = 0;
    const char **head = qv_new_n(a, const char *, columns);
    int *decimals = qv_new_n(a, int, columns);
    size_t *rules = qv_new_n(a, size_t, r->n_systems);
    struct qv_cell *cell = qv_new_n(a, struct qv_cell, columns * r->n_systems);
    head[0] = "system";
    for (size_t c = 1; c < columns; c++) {
        size_t s = (c - 1) / QV_REPORT_METRICS, m = (c - 1) % QV_REPORT_METRICS;
        head[c] = qv__arena_fmt(a, "%s %s", words(a, r->suite[s].name), metric_name[m]);
        decimals[c] = metric_decimals[m];
        for (size_t i = 0; i < r->n_systems; i++)
            cell[i * columns + c].number =
                qv__report_mean(r, s, (enum qv_report_metric)m, i);
    }
    for (size_t i = 0; i < r->n_systems; i++) {
        cell[i * columns].text = r->system[i].name;
        if (i && strcmp(r->system[i].library, r->system[i - 1].library) != 0)
            rules[n_rules++] = i;
    }
    mark_best(cell, r, columns);
    qv__html_table(out, &(struct qv_table){.title = "Scores.",
                                           .caption = table_caption(r, a),
                                           .columns = head,
                                           .n_columns = columns,
                                           .n_rows = r->n_systems,
                                           .cells = cell,
                                           .decimals = decimals,
                                           .rules = rules,
                                           .n_rules = n_rules});
}

static void dots(FILE *out, const struct qv_report *r, qv_arena *a)
{
    const char **rows = qv_new_n(a, const char *, r->n_systems);
    const char **series = qv_new_n(a, const char *, r->n_suites);
    struct qv_estimate *at = qv_new_n(a, struct qv_estimate, r->n_systems * r->n_suites);
    for (size_t i = 0; i < r->n_systems; i++) {
        rows[i] = r->system[i].name;
        for (size_t s = 0; s < r->n_suites; s++)
            at[i * r->n_suites + s] = qv__report_mean(r, s, QV_REPORT_ROUGE_L, i);
    }
    for (size_t s = 0; s < r->n_suites; s++)
        series[s] = words(a, r->suite[s].name);
    qv__html_figure_begin(out);
    qv__plot_dots(out, &(struct qv_dots){.plot = {.title = "ROUGE-L of every system"},
                                         .x_label = "mean ROUGE-L over tasks",
                                         .rows = rows,
                                         .n_rows = r->n_systems,
                                         .series = series,
                                         .n_series = r->n_suites,
                                         .at = at});
    qv__html_figure_end(out, "ROUGE-L of every system.",
                        "Marks are means over tasks, lines bootstrap intervals of 95% over "
                        "tasks. Most of their width is that tasks differ in difficulty, "
                        "which the comparisons below take out. An oracle exists only for "
                        "tasks that some expert was trained on.");
}

/* The comparisons that the method's claims rest on. */
static const struct {
    const char *text, *a, *b;
} pair[] = {
    {"private-uniform \xe2\x88\x92 "
     "base",
     "private-uniform", "base"},
    {"private: arrow \xe2\x88\x92 uniform", "private-arrow", "private-uniform"},
    {"private: oracle \xe2\x88\x92 "
     "arrow",
     "private-oracle", "private-arrow"},
    {"mbc: arrow \xe2\x88\x92 uniform", "mbc-arrow", "mbc-uniform"},
    {"mbc: oracle \xe2\x88\x92 "
     "arrow",
     "mbc-oracle", "mbc-arrow"},
    {"uniform: mbc \xe2\x88\x92 private", "mbc-uniform", "private-uniform"},
    {"arrow: mbc \xe2\x88\x92 private", "mbc-arrow", "private-arrow"},
    {"private-arrow \xe2\x88\x92 shared", "private-arrow", "shared"},
    {"mbc-arrow \xe2\x88\x92 shared", "mbc-arrow", "shared"},
};

static void comparisons(FILE *out, const struct qv_report *r, qv_arena *a)
{
    size_t columns = 1 + r->n_suites * QV_REPORT_METRICS, n = 0;
    const char **head = qv_new_n(a, const char *, columns);
    int *decimals = qv_new_n(a, int, columns);
    struct qv_cell *cell = qv_new_n(a, struct qv_cell, columns * QV_COUNT(pair));
    head[0] = "difference";
    for (size_t p = 0; p < QV_COUNT(pair); p++) {
        size_t x = qv__report_system(r, pair[p].a), y = qv__report_system(r, pair[p].b);
        if (x == r->n_systems || y == r->n_systems)
            continue;
        cell[n * columns].text = pair[p].text;
        for (size_t c = 1; c < columns; c++) {
            size_t s = (c - 1) / QV_REPORT_METRICS, m = (c - 1) % QV_REPORT_METRICS;
            head[c] = qv__arena_fmt(a, "%s %s", words(a, r->suite[s].name), metric_name[m]);
            decimals[c] = metric_decimals[m];
            cell[n * columns + c].number =
                qv__report_difference(r, s, (enum qv_report_metric)m, x, y);
        }
        n++;
    }
    if (n)
        qv__html_table(
            out, &(struct qv_table){
                     .title = "Comparisons.",
                     .caption = "Mean differences on the same tasks, with bootstrap "
                                "intervals of 95% over tasks. An interval that does not "
                                "hold 0 is a difference that the choice of tasks does not "
                                "explain.",
                     .columns = head,
                     .n_columns = columns,
                     .n_rows = n,
                     .cells = cell,
                     .decimals = decimals});
}

/* Whether base < private-uniform < private-arrow <= private-oracle, in numbers. */
static void order(FILE *out, const struct qv_report *r, qv_arena *a)
{
    static const char *const chain[] = {"base", "private-uniform", "private-arrow",
                                        "private-oracle"};
    size_t upstream = qv__report_suite(r, "upstream");
    const char *text = "";
    double last = -INFINITY;
    bool rises = true;
    for (size_t i = 0; i < QV_COUNT(chain); i++) {
        double v =
            qv__report_mean(r, upstream, QV_REPORT_ROUGE_L, qv__report_system(r, chain[i]))
                .value;
        if (!isfinite(v))
            return;
        rises = rises && (v > last || (i == 3 && v >= last));
        last = v;
        text =
            qv__arena_fmt(a, "%s%s%s %s", text, i ? ", " : "", chain[i], qv__num(a, v, 1));
    }
    qv__html_prose(
        out,
        qv__arena_fmt(a,
                      "On the tasks that experts were trained on, mean ROUGE-L %s: "
                      "%s.",
                      rises ? "rises at every step from the base to the oracle"
                            : "does not rise at every step from the base to the oracle",
                      text));
}

/* How far arrow comes, for each library that allows to say so. */
static void gaps(FILE *out, const struct qv_report *r, qv_arena *a)
{
    static const char *const library[] = {"private", "mbc"};
    size_t upstream = qv__report_suite(r, "upstream"), s[3];
    for (size_t i = 0; i < QV_COUNT(library); i++) {
        static const char *const router[] = {"uniform", "arrow", "oracle"};
        for (size_t k = 0; k < 3; k++)
            s[k] = qv__report_system(r, qv__arena_fmt(a, "%s-%s", library[i], router[k]));
        struct qv_estimate e = qv__report_closed(r, upstream, s[0], s[1], s[2]);
        if (!isfinite(e.value))
            continue;
        const char *interval = "";
        if (e.low <= e.high)
            interval =
                qv__arena_fmt(a, " (interval over tasks: %s%% to %s%%)",
                              qv__num(a, 100 * e.low, 0), qv__num(a, 100 * e.high, 0));
        qv__html_prose(
            out, qv__arena_fmt(a,
                               "With the library `%s`, arrow covers %s%% of the way from "
                               "uniform to oracle%s.%s",
                               library[i], qv__num(a, 100 * e.value, 0), interval,
                               e.value < 0.5 ? " That is less than half." : ""));
    }
}

void qv__report_scores(FILE *out, const struct qv_report *r)
{
    qv_arena a = {0};
    if (!r->n_systems)
        qv__html_prose(out, "The run has no results of `quiver eval`.");
    else {
        qv__html_prose(
            out,
            "`upstream` scores unseen examples of the tasks that experts were trained "
            "on, `held out` other tasks. `shared` is one expert trained on all tasks, "
            "`private` has one expert a task, `mbc` one a cluster of tasks. With these, "
            "`uniform` averages all experts, `oracle` is told the task, and `arrow` "
            "chooses anew for every token at every site, by the experts' weights and "
            "with nothing trained to choose.");
        order(out, r, &a);
        gaps(out, r, &a);
        table(out, r, &a);
        dots(out, r, &a);
        comparisons(out, r, &a);
    }
    qv__arena_free(&a);
}

/* The mean over a family's tasks. */
static double family_mean(const struct qv_report_suite *s, const char *family,
                          size_t system)
{
    double sum = 0;
    size_t n = 0;
    for (size_t t = 0; t < s->n_tasks; t++)
        if (s->family[t] && strcmp(s->family[t], family) == 0) {
            sum += s->score[QV_REPORT_ROUGE_L][system * s->n_tasks + t];
            n++;
        }
    return n ? 100 * sum / (double)n : (double)NAN;
}

/* The suite's families, each once, with how many tasks they have. */
static size_t list_families(const char **family, size_t *size,
                            const struct qv_report_suite *s)
{
    size_t n = 0;
    for (size_t t = 0; t < s->n_tasks; t++) {
        size_t f = 0;
        if (!s->family[t])
            continue;
        while (f < n && strcmp(family[f], s->family[t]) != 0)
            f++;
        n += f == n;
        family[f] = s->family[t];
        size[f]++;
    }
    return n;
}

static void family_figure(FILE *out, const struct qv_report *r,
                          const struct qv_report_suite *s, qv_arena *a)
{
    static const char *const shown[] = {"base", "shared", "private-uniform",
                                        "private-arrow", "private-oracle"};
    const char **family = qv_new_n(a, const char *, s->n_tasks);
    size_t *size = qv_new_n(a, size_t, s->n_tasks), n_series = 0;
    size_t n = list_families(family, size, s);
    size_t system[QV_COUNT(shown)];
    const char *series[QV_COUNT(shown)];
    for (size_t k = 0; k < QV_COUNT(shown); k++) {
        size_t i = qv__report_system(r, shown[k]);
        bool measured = false;
        for (size_t f = 0; f < n && i < r->n_systems; f++)
            measured = measured || isfinite(family_mean(s, family[f], i));
        if (measured) {
            series[n_series] = shown[k];
            system[n_series++] = i;
        }
    }
    if (!n || !n_series)
        return;
    struct qv_estimate *at = qv_new_n(a, struct qv_estimate, n * n_series);
    const char **rows = qv_new_n(a, const char *, n);
    for (size_t f = 0; f < n; f++) {
        rows[f] = qv__arena_fmt(a, "%s (%zu)", family[f], size[f]);
        for (size_t k = 0; k < n_series; k++)
            at[f * n_series + k] =
                (struct qv_estimate){family_mean(s, family[f], system[k]), 1, 0};
    }
    const char *title = qv__arena_fmt(a, "ROUGE-L by family, %s.", words(a, s->name));
    qv__html_figure_begin(out);
    qv__plot_dots(out, &(struct qv_dots){.plot = {.title = title},
                                         .x_label = "mean ROUGE-L over the family's tasks",
                                         .rows = rows,
                                         .n_rows = n,
                                         .series = series,
                                         .n_series = n_series,
                                         .at = at,
                                         .level = true});
    qv__html_figure_end(
        out, title,
        "In brackets: how many tasks of the family the suite has. Few tasks "
        "a family: read patterns, not single marks.");
}

void qv__report_families(FILE *out, const struct qv_report *r)
{
    qv_arena a = {0};
    bool known = false;
    for (size_t s = 0; s < r->n_suites; s++)
        for (size_t t = 0; t < r->suite[s].n_tasks; t++)
            known = known || r->suite[s].family[t];
    if (!known)
        qv__html_prose(out, "The run does not say which family a task is of, or has no "
                            "results of `quiver eval`.");
    for (size_t s = 0; known && s < r->n_suites; s++)
        family_figure(out, r, &r->suite[s], &a);
    qv__arena_free(&a);
}
