/* linear.c - see linear.h. With y_t = W x_t, dx_t = W' dy_t, dW = sum_t dy_t x_t'. */
#include "op/linear.h"
#include "kern/half.h"
#include "kern/kern.h"
#include "op/gemm.h"

#include <string.h>

enum {
    RUN = 1024,     // of a row in blocks, widened at a time; whole blocks of any type
    SLAB = 1 << 20, // floats of a slab, or one row if that is more
};

/* One row of W, in blocks, times each of few rows of x. */
static void block_row(float *y, const float *x, const struct qv_weight *w, size_t T,
                      size_t o)
{
    const struct qv_kern *k = qv__kern();
    const char *row = (const char *)w->blocks + o * qv__block_bytes(w->type, w->D_in);
    float value[RUN], sum[QV_FEW_ROWS] = {0};
    for (size_t i = 0; i < w->D_in; i += RUN) {
        size_t n = qv__min(RUN, w->D_in - i);
        qv__block_decode(value, w->type, row + qv__block_bytes(w->type, i), n);
        for (size_t t = 0; t < T; t++)
            sum[t] += k->dot(value, x + t * w->D_in + i, n);
    }
    for (size_t t = 0; t < T; t++)
        y[t * w->D_out + o] = sum[t];
}

/* Each output element is one dot product along a row of W, so each row of W is
 * read once however many threads there are. */
static void few_rows(float *y, const float *x, const struct qv_weight *w, size_t T)
{
    const struct qv_kern *k = qv__kern();
#pragma omp parallel for schedule(static) if (w->D_out * w->D_in > 1 << 15)
    for (size_t o = 0; o < w->D_out; o++) {
        if (w->blocks) {
            block_row(y, x, w, T, o);
            continue;
        }
        for (size_t t = 0; t < T; t++)
            y[t * w->D_out + o] =
                w->bf16 ? k->dot_bf16(w->bf16 + o * w->D_in, x + t * w->D_in, w->D_in)
                        : k->dot(w->f32 + o * w->D_in, x + t * w->D_in, w->D_in);
    }
}

static void round_rows(uint16_t *half, const float *x, size_t n)
{
    const struct qv_kern *k = qv__kern();
    const size_t step = 1 << 13;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < n; i += step)
        k->to_bf16(half + i, x + i, qv__min(step, n - i));
}

size_t qv__linear_slab(size_t D_in)
{
    return qv__max(SLAB, D_in);
}

void qv__weight_row(float *out, const struct qv_weight *w, size_t o)
{
    const size_t D = w->D_in;
    if (w->blocks)
        qv__block_decode(out, w->type,
                         (const char *)w->blocks + o * qv__block_bytes(w->type, D), D);
    else if (w->f32)
        memcpy(out, w->f32 + o * D, D * sizeof *out);
    else
        for (size_t i = 0; i < D; i++)
            out[i] = qv__bf16_to_f32(w->bf16[o * D + i]);
}

/* Widens up to a slab of W's rows from row o on; returns how many. */
static size_t widen(float *slab, const struct qv_weight *w, size_t o)
{
    qv_check(slab);
    const size_t n = qv__min(qv__linear_slab(w->D_in) / w->D_in, w->D_out - o);
#pragma omp parallel for schedule(static)
    for (size_t r = 0; r < n; r++)
        qv__weight_row(slab + r * w->D_in, w, o + r);
    return n;
}

static void with_slabs(float *y, const float *x, const struct qv_weight *w, size_t T,
                       float *slab)
{
    for (size_t o = 0, n; o < w->D_out; o += n) {
        n = widen(slab, w, o);
        qv__sgemm(false, true, T, n, w->D_in, 1, x, w->D_in, slab, w->D_in, 0, y + o,
                  w->D_out);
    }
}

static void with_slabs_back(float *dx, const float *dy, const struct qv_weight *w, size_t T,
                            float *slab)
{
    for (size_t o = 0, n; o < w->D_out; o += n) {
        n = widen(slab, w, o);
        qv__sgemm(false, false, T, w->D_in, n, 1, dy + o, w->D_out, slab, w->D_in, 1, dx,
                  w->D_in);
    }
}

void qv__linear(float *y, const float *x, const struct qv_weight *w, size_t T,
                struct qv_linear_room room)
{
    if (T < QV_FEW_ROWS) {
        few_rows(y, x, w, T);
    } else if (w->blocks) {
        with_slabs(y, x, w, T, room.slab);
    } else if (room.half && w->bf16) {
        round_rows(room.half, x, T * w->D_in);
        qv__bgemm(true, T, w->D_out, w->D_in, room.half, w->bf16, false, y);
    } else {
        qv_check(w->f32);
        qv__sgemm(false, true, T, w->D_out, w->D_in, 1, x, w->D_in, w->f32, w->D_in, 0, y,
                  w->D_out);
    }
}

void qv__linear_back(float *dx, const float *dy, const struct qv_weight *w, size_t T,
                     struct qv_linear_room room)
{
    if (w->blocks) {
        with_slabs_back(dx, dy, w, T, room.slab);
    } else if (room.half && w->bf16) {
        round_rows(room.half, dy, T * w->D_out);
        qv__bgemm(false, T, w->D_in, w->D_out, room.half, w->bf16, true, dx);
    } else {
        qv_check(w->f32);
        qv__sgemm(false, false, T, w->D_in, w->D_out, 1, dy, w->D_out, w->f32, w->D_in, 1,
                  dx, w->D_in);
    }
}

void qv__linear_back_weight(float *dw, const float *dy, const float *x, size_t D_out,
                            size_t D_in, size_t T)
{
    qv__sgemm(true, false, D_out, D_in, T, 1, dy, D_out, x, D_in, 1, dw, D_in);
}

void qv__bias(float *y, const float *b, size_t T, size_t D)
{
#pragma omp parallel for schedule(static) if (T > 16)
    for (size_t t = 0; t < T; t++)
        for (size_t i = 0; i < D; i++)
            y[t * D + i] += b[i];
}

/* Threads split the columns, so that each sum has one writer. */
void qv__bias_back(float *db, const float *dy, size_t T, size_t D)
{
    const size_t step = 64;
#pragma omp parallel for schedule(static)
    for (size_t from = 0; from < D; from += step)
        for (size_t t = 0; t < T; t++)
            for (size_t i = from; i < qv__min(from + step, D); i++)
                db[i] += dy[t * D + i];
}
