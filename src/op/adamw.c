/* adamw.c - see adamw.h. */
#include "op/adamw.h"
#include "kern/kern.h"

#include <math.h>

enum { STEP = 8192 };

/* Each stretch is summed by one thread into its place, then the places are
 * added in order: the same bits for any number of threads. */
double qv__norm(const float *g, size_t n)
{
    double sum = 0;
    for (size_t base = 0; base < n; base += 256 * (size_t)STEP) {
        double part[256] = {0};
        size_t parts = qv__min(256, (n - base + STEP - 1) / STEP);
#pragma omp parallel for schedule(static) if (parts > 1)
        for (size_t i = 0; i < parts; i++) {
            const float *from = g + base + i * STEP;
            size_t m = qv__min(STEP, n - base - i * STEP);
            for (size_t j = 0; j < m; j++)
                part[i] += (double)from[j] * (double)from[j];
        }
        for (size_t i = 0; i < parts; i++)
            sum += part[i];
    }
    return sqrt(sum);
}

void qv__adamw(float *p, const float *g, float *m, float *v, size_t n,
               const struct qv_adamw *o, size_t t, float scale)
{
    const struct qv_adamw_step step = {
        .lr = o->lr,
        .beta1 = o->beta1,
        .beta2 = o->beta2,
        .eps = o->eps,
        .decay = o->decay,
        .fix1 = (float)(1 - pow((double)o->beta1, (double)t)),
        .fix2 = (float)(1 - pow((double)o->beta2, (double)t)),
        .scale = scale,
    };
    const struct qv_kern *k = qv__kern();
#pragma omp parallel for schedule(static) if (n > STEP)
    for (size_t i = 0; i < n; i += STEP)
        k->adamw(p + i, g + i, m + i, v + i, qv__min(STEP, n - i), &step);
}
