/* block_dot.c - see block_dot.h: narrowed rows, and the product as it is defined. */
#include "kern/block_dot.h"
#include "kern/block_codes.h"

#include <string.h>

static size_t runs(size_t n)
{
    return (n + QV_BLOCK_MAX - 1) / QV_BLOCK_MAX;
}

size_t qv__narrow_room(size_t T, size_t n)
{
    return T * runs(n) * (sizeof(struct qv_narrow_run) / sizeof(float));
}

void qv__narrow_init(struct qv_narrow *q, const struct qv_block_type *b, const float *x,
                     size_t T, size_t n, float *room)
{
    *q = (struct qv_narrow){.x = x, .T = T, .n = n};
    q->block = b->n;
    q->group = b->layout ? b->layout->group : 0;
    q->run = (struct qv_narrow_run *)(void *)room;
}

void qv__narrow_each(struct qv_narrow *q,
                     void (*block)(struct qv_narrow_run *run, const float *x, size_t at,
                                   const struct qv_narrow *q))
{
    for (size_t i = 0; q->group && i < q->n; i += QV_BLOCK_MAX)
        for (size_t t = 0; t < q->T; t++) {
            struct qv_narrow_run *run = q->run + i / QV_BLOCK_MAX * q->T + t;
            const size_t n = qv__min(QV_BLOCK_MAX, q->n - i);
            if (n < QV_BLOCK_MAX)
                memset(run, 0, sizeof *run);
            for (size_t at = 0; at < n; at += q->block)
                block(run, q->x + t * q->n + i + at, at, q);
        }
}

static void put(struct qv_narrow_run *run, size_t at, int code, bool is_split)
{
    if (is_split) {
        run->part[1][at] = (int8_t)code;
        run->part[0][at] = (int8_t)((code - (int8_t)code) / 256);
    } else {
        run->code[at] = (int16_t)code;
    }
}

static void narrow_block(struct qv_narrow_run *run, const float *x, size_t at,
                         const struct qv_narrow *q)
{
    float peak = 0, inverse;
    for (size_t k = 0; k < q->block; k++)
        peak = isnan(peak) || fabsf(x[k]) <= peak ? peak : fabsf(x[k]);
    const float scale = qv__narrow_scale(&inverse, peak);
    for (size_t k = 0; k < q->block; k += 32)
        run->scale[(at + k) / 32] = scale;
    for (size_t g = 0; g < q->block; g += q->group) {
        int total = 0;
        for (size_t k = g; k < g + q->group; k++) {
            int code = isfinite(peak) ? (int)lrintf(x[k] * inverse) : 0;
            put(run, at + k, code, q->block == QV_BLOCK_MAX);
            total += code;
        }
        run->sum[(at + g) / q->group] = scale * (float)total;
    }
}

void qv__narrow(struct qv_narrow *q)
{
    qv__narrow_each(q, narrow_block);
}

void qv__dot_blocks(float *y, size_t stride, const struct qv_block_type *b, const void *row,
                    const struct qv_narrow *q)
{
    enum { STEP = QV_BLOCK_MAX };
    float w[STEP];
    for (size_t t = 0; t < q->T; t++)
        y[t * stride] = 0;
    for (size_t i = 0; i < q->n; i += STEP) {
        const size_t n = qv__min(STEP, q->n - i);
        qv__block_decode(w, b, (const char *)row + qv__block_bytes(b, i), n);
        for (size_t t = 0; t < q->T; t++)
            for (size_t k = 0; k < n; k++)
                y[t * stride] += w[k] * q->x[t * q->n + i + k];
    }
}
