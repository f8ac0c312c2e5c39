/* block_dot.c - see block_dot.h: narrowed rows, and the product as it is defined. */
#include "kern/block_dot.h"
#include "kern/block_codes.h"

#include <string.h>

enum { LEAST_GROUP = 16 };

static size_t padded(size_t n)
{
    return (n + QV_BLOCK_MAX - 1) / QV_BLOCK_MAX * QV_BLOCK_MAX;
}

size_t qv__narrow_room(size_t T, size_t n)
{
    return T * (padded(n) / 2 + 2 * (padded(n) / LEAST_GROUP));
}

void qv__narrow_init(struct qv_narrow *q, const struct qv_block_type *b, const float *x,
                     size_t T, size_t n, float *room)
{
    const size_t group = b->layout ? b->layout->group : 0, N = padded(n);
    *q = (struct qv_narrow){.x = x, .T = T, .n = n, .N = N, .group = group};
    const size_t n_groups = group ? T * (N / group) : 0;
    q->scale = room;
    q->sum = q->scale + n_groups;
    q->code = (int16_t *)(void *)(q->sum + n_groups);
}

void qv__narrow_pad(struct qv_narrow *q)
{
    if (q->n == q->N || !q->group)
        return;
    for (size_t t = 0; t < q->T; t++) {
        const size_t at = t * q->N + q->n, left = q->N - q->n;
        memset(q->code + at, 0, left * sizeof *q->code);
        memset(q->scale + at / q->group, 0, left / q->group * sizeof *q->scale);
        memset(q->sum + at / q->group, 0, left / q->group * sizeof *q->sum);
    }
}

void qv__narrow(struct qv_narrow *q)
{
    qv__narrow_pad(q);
    for (size_t t = 0; t < q->T; t++)
        for (size_t i = 0; q->group && i < q->n; i += q->group) {
            const float *x = q->x + t * q->n + i;
            int16_t *code = q->code + t * q->N + i;
            float peak = 0, inverse;
            long sum = 0;
            for (size_t k = 0; k < q->group; k++)
                peak = isnan(peak) || fabsf(x[k]) <= peak ? peak : fabsf(x[k]);
            const float scale = qv__narrow_scale(&inverse, peak);
            for (size_t k = 0; k < q->group; k++) {
                code[k] = isfinite(peak) ? (int16_t)lrintf(x[k] * inverse) : 0;
                sum += code[k];
            }
            q->scale[(t * q->N + i) / q->group] = scale;
            q->sum[(t * q->N + i) / q->group] = scale * (float)sum;
        }
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
