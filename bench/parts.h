/* parts.h - what several of these programs are made of. */
#ifndef BENCH_PARTS_H
#define BENCH_PARTS_H

#include "cli/waiting.h"
#include "lora/expert.h"
#include "model/model.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* The shape of 110 million weights that the benchmarks share. */
static inline struct qv_config shape_110m(size_t n_ctx)
{
    return (struct qv_config){.D = 768,
                              .L = 12,
                              .H = 12,
                              .Hk = 12,
                              .E = 64,
                              .F = 2048,
                              .V = 32000,
                              .n_ctx = n_ctx,
                              .theta = 10000,
                              .eps = 1e-5f,
                              .is_tied = true};
}

/* Seconds of this process on all processors. */
static inline double processor_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The q-quantile of x [n], which is sorted by it. */
static inline double quantile(double *x, size_t n, double q)
{
    if (n == 0)
        return 0;
    qsort(x, n, sizeof *x, by_value);
    return x[(size_t)(q * (double)(n - 1) + 0.5)];
}

static inline double median(double *x, size_t n)
{
    return quantile(x, n, 0.5);
}

/* Start again with the OpenMP that quiver has. */
static inline void wait_as_quiver_does(char **argv)
{
    if (qv__ask_to_wait())
        execv("/proc/self/exe", argv);
}

/* An expert of rank R at every site, a function of its seed: B, which begins as zero, is
 * made of A, `share` of its size. */
static inline qv_status random_expert(struct qv_expert **out, const qv_model *m,
                                      const char *name, size_t R, float share,
                                      uint64_t seed, qv_err *err)
{
    struct qv_expert_shape *shape = calloc(m->sites.n, sizeof *shape);
    if (!shape)
        return qv_fail(err, QV_ENOMEM, "no memory for %zu sites", m->sites.n);
    for (size_t i = 0; i < m->sites.n; i++)
        shape[i] = (struct qv_expert_shape){m->sites.at[i].path, m->sites.at[i].D_in,
                                            m->sites.at[i].D_out, R, 2 * (float)R};
    qv_status result = qv__expert_new(out, name, shape, m->sites.n, false, err);
    free(shape);
    if (result)
        return result;
    struct qv_expert *e = *out;
    qv__expert_init(e, seed);
    for (size_t i = 0; i < e->n_w; i++)
        e->w[i] += e->w[i] == 0 ? share * e->w[(i * 7919 + seed) % e->n_w] + 1e-4f : 0;
    return QV_OK;
}

#endif
