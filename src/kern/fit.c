/* fit.c - see fit.h: the plain loops. */
#include "kern/fit.h"

#include <math.h>

enum { LANES = 4 };

static double weight_of(float x, struct qv_fit f)
{
    return f.is_weighted ? fabs((double)x) : 1;
}

static double sum_of(const double s[LANES])
{
    return (s[0] + s[2]) + (s[1] + s[3]);
}

void qv__fit_codes(uint8_t *code, const float *x, size_t n, struct qv_line l,
                   struct qv_fit f)
{
    const float inv = qv__inverse(l.scale);
    for (size_t i = 0; i < n; i++)
        code[i] = (uint8_t)(qv__nearest((x[i] + l.min) * inv, f.low, f.high) - f.low);
}

static struct qv_fit_sums sums_of(struct qv_line l, const float *x, size_t n,
                                  struct qv_fit f)
{
    const float inv = qv__inverse(l.scale);
    double c1[LANES] = {0}, c2[LANES] = {0}, xc[LANES] = {0};
    for (size_t i = 0; i < n; i++) {
        double c = qv__nearest((x[i] + l.min) * inv, f.low, f.high), w = weight_of(x[i], f);
        c1[i % LANES] += w * c;
        c2[i % LANES] += w * c * c;
        xc[i % LANES] += w * (double)x[i] * c;
    }
    return (struct qv_fit_sums){sum_of(c1), sum_of(c2), sum_of(xc)};
}

void qv__fit_sums(struct qv_fit_sums *s, const struct qv_line *l, size_t n_lines,
                  const float *x, size_t n, struct qv_fit f)
{
    for (size_t k = 0; k < n_lines; k++)
        s[k] = sums_of(l[k], x, n, f);
}

static double error_of(struct qv_line l, const float *x, size_t n, struct qv_fit f)
{
    const float inv = qv__inverse(l.scale);
    double sum[LANES] = {0};
    for (size_t i = 0; i < n; i++) {
        const float c = (float)qv__nearest((x[i] + l.min) * inv, f.low, f.high);
        double e = (double)(l.scale * c - l.min) - (double)x[i];
        sum[i % LANES] += weight_of(x[i], f) * e * e;
    }
    return sum_of(sum);
}

void qv__fit_errors(double *e, const struct qv_line *l, size_t n_lines, const float *x,
                    size_t n, struct qv_fit f)
{
    for (size_t k = 0; k < n_lines; k++)
        e[k] = error_of(l[k], x, n, f);
}
