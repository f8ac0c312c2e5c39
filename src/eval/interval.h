/* interval.h - a mean and how far chance might have moved it.
 *
 * The percentile bootstrap: draw as many scores as there are, with replacement,
 * again and again; the middle 95% of the means of the draws is the interval. The
 * scores are of examples, to ask about one task, or of tasks, to ask about a
 * suite. Draw i of resample r depends on (seed, r, i) alone.
 */
#ifndef QV_EVAL_INTERVAL_H
#define QV_EVAL_INTERVAL_H

#include "base/base.h"

struct qv_interval {
    double mean, low, high; // NaN of no scores
};

/* Zero means default. */
struct qv_interval_opts {
    double confidence; // default: 0.95
    size_t resamples;  // default: 2000; at most 1000000
    uint64_t seed;
};

/* Of the mean of x[0..n). `opts` may be NULL. Fails with QV_ELIMIT. */
qv_status qv__interval(struct qv_interval *out, const double *x, size_t n,
                       const struct qv_interval_opts *opts, qv_err *err) QV_MUST_CHECK;

/* Of the mean of x[i] - y[i]: two systems on the same examples or tasks. */
qv_status qv__interval_of_difference(struct qv_interval *out, const double *x,
                                     const double *y, size_t n,
                                     const struct qv_interval_opts *opts,
                                     qv_err *err) QV_MUST_CHECK;

#endif
