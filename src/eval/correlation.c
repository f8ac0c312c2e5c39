/* correlation.c - see correlation.h. */
#include "eval/correlation.h"

#include "base/arena.h"
#include "base/rng.h"
#include "base/select.h"

#include <math.h>
#include <string.h>

double qv__correlation_weighted(const double *x, const double *y, const double *weight,
                                size_t n)
{
    double sum = 0, mean_x = 0, mean_y = 0, xx = 0, yy = 0, xy = 0;
    for (size_t i = 0; i < n; i++) {
        double w = weight ? weight[i] : 1;
        sum += w;
        mean_x += w * x[i];
        mean_y += w * y[i];
    }
    mean_x /= sum;
    mean_y /= sum;
    for (size_t i = 0; i < n; i++) {
        double w = weight ? weight[i] : 1, dx = x[i] - mean_x, dy = y[i] - mean_y;
        xx += w * dx * dx;
        yy += w * dy * dy;
        xy += w * dx * dy;
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : (double)NAN;
}

double qv__correlation(const double *x, const double *y, size_t n)
{
    return qv__correlation_weighted(x, y, NULL, n);
}

void qv__correlation_bounds(struct qv_correlation *c, double *r, size_t n)
{
    c->low = c->high = (double)NAN;
    if (n <= QV_RESAMPLES / 2)
        return;
    qv__sort(r, n);
    c->low = r[n / 40];
    c->high = r[n - 1 - n / 40];
}

struct qv_correlation qv__correlation_of_pairs(const double *x, const double *y, size_t n)
{
    qv_arena a = {0};
    double *r = qv_new_n(&a, double, QV_RESAMPLES), *drawn = qv_new_n(&a, double, n + 1);
    size_t n_r = 0;
    struct qv_correlation c = {.r = n ? qv__correlation(x, y, n) : (double)NAN, .n = n};
    for (size_t k = 0; isfinite(c.r) && k < QV_RESAMPLES; k++) {
        memset(drawn, 0, n * sizeof *drawn);
        for (size_t i = 0; i < n; i++)
            drawn[qv__below(qv__seed_of(0, k), i, n)]++;
        r[n_r] = qv__correlation_weighted(x, y, drawn, n);
        n_r += isfinite(r[n_r]) != 0;
    }
    qv__correlation_bounds(&c, r, n_r);
    qv__arena_free(&a);
    return c;
}
