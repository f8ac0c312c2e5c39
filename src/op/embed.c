/* embed.c - see embed.h. */
#include "op/embed.h"
#include "kern/kern.h"

#include <string.h>

void qv__embed(float *x, const int *token, const struct qv_weight *table, size_t T)
{
#pragma omp parallel for schedule(static) if (T * table->D_in > 1 << 15)
    for (size_t t = 0; t < T; t++)
        qv__weight_row(x + t * table->D_in, table, (size_t)token[t]);
}

/* Threads split the columns: tokens repeat, columns do not. */
void qv__embed_back(float *dtable, const float *dx, const int *token, size_t T, size_t D)
{
    const size_t step = 64;
#pragma omp parallel for schedule(static)
    for (size_t from = 0; from < D; from += step) {
        size_t n = qv__min(step, D - from);
        for (size_t t = 0; t < T; t++)
            qv__kern()->axpy(dtable + (size_t)token[t] * D + from, 1, dx + t * D + from, n);
    }
}

void qv__sum(float *y, const float *a, const float *b, size_t n)
{
#pragma omp parallel for simd schedule(static) if (n > 1 << 15)
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] + b[i];
}

void qv__gather(float *to, const float *from, const int *row, size_t n, size_t D)
{
    for (size_t i = 0; i < n; i++)
        memcpy(to + i * D, from + (size_t)row[i] * D, D * sizeof *to);
}

void qv__gather_back(float *dfrom, const float *dto, const int *row, size_t n, size_t D)
{
    for (size_t i = 0; i < n; i++)
        qv__kern()->axpy(dfrom + (size_t)row[i] * D, 1, dto + i * D, D);
}
