/* correlation.h - Pearson's correlation, and how sure it is. */
#ifndef QV_EVAL_CORRELATION_H
#define QV_EVAL_CORRELATION_H

#include <stddef.h>

struct qv_correlation {
    double r, low, high; // low to high: 95% of resamples; NaN where not defined
    size_t n;            // pairs
};

enum { QV_RESAMPLES = 2000 };

/* Pearson's correlation of x and y [n], pair i counting weight[i] times (NULL: once); NaN
 * if one of them does not vary. */
double qv__correlation(const double *x, const double *y, size_t n);
double qv__correlation_weighted(const double *x, const double *y, const double *weight,
                                size_t n);

/* The bounds of c from those of QV_RESAMPLES resamples' correlations that are defined, r
 * [n], which this sorts; NaN unless they are more than half. */
void qv__correlation_bounds(struct qv_correlation *c, double *r, size_t n);

/* The correlation of pairs that are independent of one another: resamples draw pairs. */
struct qv_correlation qv__correlation_of_pairs(const double *x, const double *y, size_t n);

#endif
