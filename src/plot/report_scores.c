/* report_scores.c - means over tasks, and how far chance might move them.
 *
 * Systems are compared on the same tasks, so differences are taken task by task:
 * that tasks differ in difficulty then does not blur them.
 */
#include "plot/report.h"
#include "base/rng.h"
#include "base/select.h"
#include "eval/interval.h"

#include <math.h>
#include <string.h>

enum { RESAMPLES = 2000 };

size_t qv__report_system(const struct qv_report *r, const char *name)
{
    size_t i = 0;
    while (i < r->n_systems && strcmp(r->system[i].name, name) != 0)
        i++;
    return i;
}

size_t qv__report_suite(const struct qv_report *r, const char *name)
{
    size_t i = 0;
    while (i < r->n_suites && strcmp(r->suite[i].name, name) != 0)
        i++;
    return i;
}

/* The scores of some systems on the tasks that all of them were measured on, a
 * system a row. */
static double *shared_tasks(size_t *n, qv_arena *a, const struct qv_report *r, size_t suite,
                            enum qv_report_metric metric, const size_t *system, size_t rows)
{
    *n = 0;
    for (size_t i = 0; i < rows; i++)
        if (suite >= r->n_suites || system[i] >= r->n_systems)
            return NULL;
    const struct qv_report_suite *s = &r->suite[suite];
    double unit = metric == QV_REPORT_LOGLIK ? 1 : 100;
    double *x = qv_new_n(a, double, rows * s->n_tasks);
    for (size_t t = 0; t < s->n_tasks; t++) {
        bool all = true;
        for (size_t i = 0; i < rows; i++) {
            double v = s->score[metric][system[i] * s->n_tasks + t];
            x[i * s->n_tasks + *n] = unit * v;
            all = all && isfinite(v);
        }
        *n += all;
    }
    for (size_t i = 1; i < rows; i++) // close the rows up
        memmove(x + i * *n, x + i * s->n_tasks, *n * sizeof *x);
    return x;
}

/* One task says nothing of how tasks vary. */
static struct qv_estimate estimate(const struct qv_interval *i, size_t n)
{
    if (n < 2)
        return (struct qv_estimate){i->mean, 1, 0};
    return (struct qv_estimate){i->mean, i->low, i->high};
}

struct qv_estimate qv__report_mean(const struct qv_report *r, size_t suite,
                                   enum qv_report_metric metric, size_t system)
{
    qv_arena a = {0};
    size_t n;
    struct qv_interval i;
    const double *x = shared_tasks(&n, &a, r, suite, metric, &system, 1);
    qv_status result = qv__interval(&i, x, n, NULL, NULL);
    qv_check(!result); // it refuses only too many resamples
    qv__arena_free(&a);
    return estimate(&i, n);
}

struct qv_estimate qv__report_difference(const struct qv_report *r, size_t suite,
                                         enum qv_report_metric metric, size_t a, size_t b)
{
    qv_arena arena = {0};
    size_t n;
    struct qv_interval i;
    const double *x = shared_tasks(&n, &arena, r, suite, metric, (const size_t[]){a, b}, 2);
    qv_status result = qv__interval_of_difference(&i, x, x ? x + n : NULL, n, NULL, NULL);
    qv_check(!result);
    qv__arena_free(&arena);
    return estimate(&i, n);
}

/* x [3, n]: low, at, high. NaN unless high is above low. */
static double closed(const double *x, size_t n, const size_t *draw)
{
    double sum[3] = {0};
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < 3; k++)
            sum[k] += x[k * n + draw[i]];
    return sum[2] > sum[0] ? (sum[1] - sum[0]) / (sum[2] - sum[0]) : (double)NAN;
}

struct qv_estimate qv__report_closed(const struct qv_report *r, size_t suite, size_t low,
                                     size_t at, size_t high)
{
    qv_arena a = {0};
    size_t n;
    const double *x = shared_tasks(&n, &a, r, suite, QV_REPORT_ROUGE_L,
                                   (const size_t[]){low, at, high}, 3);
    size_t *draw = qv_new_n(&a, size_t, n);
    double *share = qv_new_n(&a, double, RESAMPLES);
    for (size_t i = 0; i < n; i++)
        draw[i] = i;
    struct qv_estimate e = {n ? closed(x, n, draw) : (double)NAN, 1, 0};
    bool sound = isfinite(e.value) && n > 1;
    for (size_t k = 0; sound && k < RESAMPLES; k++) {
        for (size_t i = 0; i < n; i++)
            draw[i] = qv__below(qv__seed_of(0, k), i, n);
        share[k] = closed(x, n, draw);
        sound = isfinite(share[k]);
    }
    if (sound) {
        qv__sort(share, RESAMPLES);
        e.low = share[RESAMPLES / 40];
        e.high = share[RESAMPLES - 1 - RESAMPLES / 40];
    }
    qv__arena_free(&a);
    return e;
}
