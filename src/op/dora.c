/* dora.c - see dora.h. */
#include "op/dora.h"
#include "op/gemm.h"

#include <math.h>

static float length(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return (float)sqrt(sum);
}

void qv__dora_lengths(float *n, const struct qv_weight *w, const struct qv_lora_map *m,
                      float *slab)
{
    const size_t D_in = w->D_in, most = qv__linear_slab(D_in) / D_in;
    for (size_t o = 0, rows; o < w->D_out; o += rows) {
        rows = qv__min(most, w->D_out - o);
#pragma omp parallel for schedule(static)
        for (size_t i = 0; i < rows; i++)
            qv__weight_row(slab + i * D_in, w, o + i);
        qv__sgemm(false, false, rows, D_in, m->R, m->scale, m->B + o * m->R, m->R, m->A,
                  D_in, 1, slab, D_in);
#pragma omp parallel for schedule(static)
        for (size_t i = 0; i < rows; i++)
            n[o + i] = length(slab + i * D_in, D_in);
    }
}

/* Threads split the columns, a stretch of each row at a time. */
void qv__column_lengths(float *n, const float *w, size_t rows, size_t cols)
{
    enum { STRETCH = 64 };
#pragma omp parallel for schedule(static)
    for (size_t from = 0; from < cols; from += STRETCH) {
        const size_t width = qv__min(STRETCH, cols - from);
        double sum[STRETCH] = {0};
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < width; j++) {
                double x = (double)w[i * cols + from + j];
                sum[j] += x * x;
            }
        for (size_t j = 0; j < width; j++)
            n[from + j] = (float)sqrt(sum[j]);
    }
}

void qv__scale_rows(float *w, const float *gain, size_t rows, size_t cols)
{
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            w[i * cols + j] *= gain[i];
}

void qv__rescale(float *y, const float *gain, const float *shift, size_t T, size_t D)
{
#pragma omp parallel for schedule(static) if (T * D > 1 << 15)
    for (size_t t = 0; t < T; t++)
        for (size_t i = 0; i < D; i++)
            y[t * D + i] = gain[i] * y[t * D + i] + shift[i];
}
