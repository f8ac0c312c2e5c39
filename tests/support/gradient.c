/* gradient.c - see gradient.h. */
#include "support/gradient.h"

#include <stdlib.h>

static double loss(const struct function *f)
{
    double sum = 0;
    f->fill(f->arg);
    for (size_t i = 0; i < f->n_y; i++)
        sum += (double)f->weight[i] * (double)f->y[i];
    return sum;
}

static double moved(const struct function *f, float *x, float by)
{
    float was = *x;
    *x = was + by;
    double result = loss(f);
    *x = was;
    return result;
}

void assert_gradient_at(const struct function *f, float *x, size_t n, const float *dx,
                        const float *was, const char *name, const char *file, int line)
{
    const float h = 0x1p-5f;
    float *want = malloc((n + 1) * sizeof *want), *got = malloc((n + 1) * sizeof *got);
    assert_non_null(want);
    assert_non_null(got);
    for (size_t i = 0; i < n; i++) {
        double near = moved(f, &x[i], h) - moved(f, &x[i], -h);
        double far = moved(f, &x[i], 2 * h) - moved(f, &x[i], -2 * h);
        want[i] = (float)((8 * near - far) / (12 * (double)h));
        got[i] = was ? dx[i] - was[i] : dx[i];
    }
    assert_close_to_scale_at(got, want, n, 1e-4, name, file, line);
    free(want);
    free(got);
}
