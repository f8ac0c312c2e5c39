/* interval.c - see interval.h. */
#include "eval/interval.h"
#include "base/arena.h"
#include "base/rng.h"
#include "base/select.h"

#include <math.h>

enum { MOST_RESAMPLES = 1000000 };

/* Of sorted[0..n), interpolated between neighbours. */
static double quantile(const double *sorted, size_t n, double q)
{
    double at = q * (double)(n - 1);
    size_t i = (size_t)at;
    double next = sorted[qv__min(i + 1, n - 1)];
    return sorted[i] + (at - (double)i) * (next - sorted[i]);
}

static double mean_of_difference(const double *x, const double *y, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += y ? x[i] - y[i] : x[i];
    return sum / (double)n;
}

static qv_status bootstrap(struct qv_interval *out, const double *x, const double *y,
                           size_t n, const struct qv_interval_opts *opts, qv_err *err)
{
    static const struct qv_interval_opts defaults = {0};
    if (!opts)
        opts = &defaults;
    double confidence = opts->confidence > 0 ? opts->confidence : 0.95;
    size_t resamples = opts->resamples ? opts->resamples : 2000;
    *out = (struct qv_interval){NAN, NAN, NAN};
    if (n == 0)
        return QV_OK;
    if (resamples > MOST_RESAMPLES)
        return qv_fail(err, QV_ELIMIT, "%zu resamples, more than the limit of %d",
                       resamples, MOST_RESAMPLES);
    qv_arena a = {0};
    double *means = qv_new_n(&a, double, resamples);
    for (size_t r = 0; r < resamples; r++) {
        uint64_t seed = qv__seed_of(opts->seed, r);
        double sum = 0;
        for (size_t i = 0; i < n; i++) {
            size_t j = qv__below(seed, i, n);
            sum += y ? x[j] - y[j] : x[j];
        }
        means[r] = sum / (double)n;
    }
    qv__sort(means, resamples);
    out->mean = mean_of_difference(x, y, n);
    out->low = quantile(means, resamples, (1 - confidence) / 2);
    out->high = quantile(means, resamples, (1 + confidence) / 2);
    qv__arena_free(&a);
    return QV_OK;
}

qv_status qv__interval(struct qv_interval *out, const double *x, size_t n,
                       const struct qv_interval_opts *opts, qv_err *err)
{
    return bootstrap(out, x, NULL, n, opts, err);
}

qv_status qv__interval_of_difference(struct qv_interval *out, const double *x,
                                     const double *y, size_t n,
                                     const struct qv_interval_opts *opts, qv_err *err)
{
    return bootstrap(out, x, y, n, opts, err);
}
