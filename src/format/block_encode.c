/* block_encode.c - see block_encode.h.
 *
 * For a group of numbers and given codes the best scale (and min) is a regression;
 * for a given scale the best codes are the nearest. So: try scales around the one
 * that spans the group, keep the codes whose regression leaves the least error,
 * then let the two steps correct each other. Where scales are themselves stored in
 * few bits, codes are chosen anew for the scales as stored. Errors count alike, except
 * in two bits, where a number counts by its magnitude: docs/decisions/0013-blocks.md.
 */
#include "format/block_encode.h"
#include "kern/block_codes.h"
#include "kern/fit.h"
#include "kern/half.h"
#include "kern/kern.h"

#include <math.h>
#include <string.h>

enum { POLISH = 3, MOST_TRIES = 15 };

/* The half float that stands for x, and what it is worth. */
static uint16_t half_of(float *worth, float x)
{
    const float most = 65504;
    uint16_t h = qv__f32_to_f16(x > most ? most : x < -most ? -most : x);
    *worth = qv__f16_to_f32(h);
    return h;
}

/* ---- x = scale * (code - zero) ---- */

/* The number of largest magnitude. */
static float peak_of(const float *x, size_t n)
{
    float peak = 0;
    for (size_t i = 0; i < n; i++)
        if (fabsf(x[i]) > fabsf(peak))
            peak = x[i];
    return peak;
}

static struct qv_fit centred(int zero)
{
    return (struct qv_fit){-zero, zero - 1, false};
}

/* The best scale for codes of these sums; *gain is by how much it lowers the sum of
 * squares. */
static float regress_centred(double *gain, const struct qv_fit_sums *s)
{
    *gain = s->cc > 0 ? s->xc * s->xc / s->cc : 0;
    return s->cc > 0 ? (float)(s->xc / s->cc) : 0;
}

/* Tries scales that send the peak to -zero - 1 ... -zero + 1. The more codes there
 * are, the less a try can win. */
static float fit_centred(const struct qv_kern *kern, const float *x, size_t n, int zero)
{
    const int tries = zero < 128 ? 7 : 2;
    const struct qv_fit fit = centred(zero);
    float peak = peak_of(x, n), best = 0;
    double best_gain = -1;
    struct qv_line line[MOST_TRIES];
    struct qv_fit_sums sums[MOST_TRIES];
    size_t n_lines = 0;
    if (peak == 0)
        return 0;
    for (int k = -tries; k <= tries; k++)
        line[n_lines++] =
            (struct qv_line){peak / (-(float)zero + (float)k / (float)(tries + 1)), 0};
    kern->fit_sums(sums, line, n_lines, x, n, fit);
    for (size_t k = 0; k < n_lines; k++)
        for (int again = 0; again <= POLISH; again++) {
            double gain;
            if (again)
                kern->fit_sums(&sums[k], &line[k], 1, x, n, fit);
            line[k].scale = regress_centred(&gain, &sums[k]);
            if (gain <= best_gain)
                break;
            best_gain = gain;
            best = line[k].scale;
        }
    return best;
}

/* ---- x = scale * code - min ---- */

/* How a line is to be fitted. */
struct shape {
    struct qv_fit fit; // codes are 0 ... fit.high
    bool is_pinned;    // min may not be negative
};

/* What of a regression does not depend on codes: the sums of weights and of weighted x. */
struct mass {
    double N, x;
};

static struct mass mass_of(const float *x, size_t n, struct qv_fit fit)
{
    struct mass m = {0, 0};
    for (size_t i = 0; i < n; i++) {
        double w = fit.is_weighted ? fabs((double)x[i]) : 1;
        m.N += w;
        m.x += w * (double)x[i];
    }
    return m;
}

/* The best line for codes of these sums. *gain is by how much it lowers the sum of
 * squares. */
static struct qv_line regress(double *gain, const struct qv_fit_sums *s, struct mass m,
                              bool is_pinned)
{
    double det = m.N * s->cc - s->c * s->c, scale = 0, offset = 0;
    if (det > 0) {
        scale = (m.N * s->xc - m.x * s->c) / det;
        offset = (s->cc * m.x - s->c * s->xc) / det;
    } else if (m.N > 0) {
        offset = m.x / m.N;
    }
    if (is_pinned && offset > 0) {
        offset = 0;
        scale = s->cc > 0 ? s->xc / s->cc : 0;
    }
    *gain = scale * s->xc + offset * m.x;
    return (struct qv_line){(float)scale, (float)-offset};
}

/* Tries lines whose codes would stop short of the ends of the group or run past. */
static struct qv_line fit_line(const struct qv_kern *kern, const float *x, size_t n,
                               struct shape shape)
{
    enum { TRIES = 6 };
    const struct mass mass = mass_of(x, n, shape.fit);
    float low = x[0], high = x[0];
    for (size_t i = 1; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    if (shape.is_pinned && low > 0)
        low = 0;
    struct qv_line best = {0, -low}, line[MOST_TRIES];
    struct qv_fit_sums sums[MOST_TRIES];
    double best_gain = -INFINITY;
    size_t n_lines = 0;
    if (!(high > low))
        return best;
    for (int k = -TRIES; k <= TRIES; k++)
        line[n_lines++] =
            (struct qv_line){(high - low) / ((float)shape.fit.high + (float)k / 5), -low};
    kern->fit_sums(sums, line, n_lines, x, n, shape.fit);
    for (size_t k = 0; k < n_lines; k++)
        for (int again = 0; again <= POLISH; again++) {
            double gain;
            if (again)
                kern->fit_sums(&sums[k], &line[k], 1, x, n, shape.fit);
            line[k] = regress(&gain, &sums[k], mass, shape.is_pinned);
            if (gain <= best_gain)
                break;
            best_gain = gain;
            best = line[k];
        }
    return best;
}

/* ---- one scale a block ---- */

static void encode_centred(const struct qv_kern *kern, struct qv_block_codes *c,
                           const struct qv_block_type *b, const float *x)
{
    const int zero = b->layout->zero;
    struct qv_line l = {0, 0};
    c->d = half_of(&l.scale, fit_centred(kern, x, b->n, zero));
    kern->fit_codes(c->code, x, b->n, l, centred(zero));
}

static void encode_offset(const struct qv_kern *kern, struct qv_block_codes *c,
                          const struct qv_block_type *b, const float *x, int top)
{
    const struct qv_fit fit = {0, top, false};
    struct qv_line l = fit_line(kern, x, b->n, (struct shape){fit, false});
    float offset;
    c->d = half_of(&l.scale, l.scale);
    c->m = half_of(&offset, -l.min);
    kern->fit_codes(c->code, x, b->n, (struct qv_line){l.scale, -offset}, fit);
}

/* ---- a scale a group, itself in few bits ---- */

static void encode_scaled(const struct qv_kern *kern, struct qv_block_codes *c,
                          const struct qv_block_type *b, const float *x)
{
    const struct qv_block_layout *l = b->layout;
    const int range = l->scales == QV_SCALES_SIX ? 32 : 128; // from -range on
    size_t n_groups = b->n / l->group;
    float scale[QV_BLOCK_GROUPS], d;
    for (size_t g = 0; g < n_groups; g++)
        scale[g] = fit_centred(kern, x + g * l->group, l->group, l->zero);
    c->d = half_of(&d, peak_of(scale, n_groups) / (float)-range);
    for (size_t g = 0; g < n_groups; g++) {
        c->scale[g] = qv__nearest(scale[g] * qv__inverse(d), -range, range - 1);
        kern->fit_codes(c->code + g * l->group, x + g * l->group, l->group,
                        (struct qv_line){d * (float)c->scale[g], 0}, centred(l->zero));
    }
}

/* The line l in units of d and m, whole numbers from 0 to range: of those around it
 * the one with the least error, since two numbers rounded each for itself are not. */
static struct qv_line round_line(const struct qv_kern *kern, int *scale, int *min,
                                 const float *x, size_t n, struct qv_line l,
                                 struct qv_line unit, int range, struct qv_fit fit)
{
    int near_scale = qv__nearest(l.scale * qv__inverse(unit.scale), 0, range);
    int near_min = qv__nearest(l.min * qv__inverse(unit.min), 0, range);
    int s[9], m[9];
    struct qv_line line[9];
    double error[9];
    size_t n_lines = 0, best = 0;
    for (int k = 0; k < 9; k++) {
        s[n_lines] = near_scale - 1 + k / 3;
        m[n_lines] = near_min - 1 + k % 3;
        line[n_lines] =
            (struct qv_line){unit.scale * (float)s[n_lines], unit.min * (float)m[n_lines]};
        n_lines += s[n_lines] >= 0 && s[n_lines] <= range && m[n_lines] >= 0 &&
                   m[n_lines] <= range;
    }
    kern->fit_errors(error, line, n_lines, x, n, fit);
    for (size_t k = 1; k < n_lines; k++)
        best = error[k] < error[best] ? k : best;
    *scale = s[best];
    *min = m[best];
    return line[best];
}

static void encode_lines(const struct qv_kern *kern, struct qv_block_codes *c,
                         const struct qv_block_type *b, const float *x, int top)
{
    const struct qv_block_layout *l = b->layout;
    const int range = l->scales == QV_SCALES_NIBBLE ? 15 : 63;
    const struct shape shape = {{0, top, .is_weighted = top < 4}, .is_pinned = true};
    size_t n_groups = b->n / l->group;
    struct qv_line line[QV_BLOCK_GROUPS], unit;
    float most_scale = 0, most_min = 0;
    for (size_t g = 0; g < n_groups; g++) {
        line[g] = fit_line(kern, x + g * l->group, l->group, shape);
        most_scale = fmaxf(most_scale, line[g].scale);
        most_min = fmaxf(most_min, line[g].min);
    }
    c->d = half_of(&unit.scale, most_scale / (float)range);
    c->m = half_of(&unit.min, most_min / (float)range);
    for (size_t g = 0; g < n_groups; g++) {
        const float *at = x + g * l->group;
        struct qv_line stored = round_line(kern, &c->scale[g], &c->min[g], at, l->group,
                                           line[g], unit, range, shape.fit);
        kern->fit_codes(c->code + g * l->group, at, l->group, stored, shape.fit);
    }
}

/* ---- any type ---- */

static void encode_codes(const struct qv_kern *kern, uint8_t *block,
                         const struct qv_block_type *b, const float *x)
{
    const struct qv_block_layout *l = b->layout;
    const int top = (1 << (l->low.bits + l->high.bits)) - 1;
    struct qv_block_codes c = {0};
    switch (l->scales) {
    case QV_SCALES_ONE:
        encode_centred(kern, &c, b, x);
        break;
    case QV_SCALES_OFFSET:
        encode_offset(kern, &c, b, x, top);
        break;
    case QV_SCALES_SIX:
    case QV_SCALES_BYTE:
        encode_scaled(kern, &c, b, x);
        break;
    case QV_SCALES_NIBBLE:
    case QV_SCALES_PAIR:
        encode_lines(kern, &c, b, x, top);
    }
    qv__block_pack(block, b, &c);
}

static void encode_number(uint8_t *at, const struct qv_block_type *b, float x)
{
    float worth;
    uint16_t h = b->id == QV_BLOCK_F16 ? half_of(&worth, x) : qv__f32_to_bf16(x);
    if (b->id == QV_BLOCK_F32)
        memcpy(at, &x, sizeof x);
    else
        memcpy(at, &h, sizeof h);
}

void qv__block_encode(void *blocks, const struct qv_block_type *b, const float *x, size_t n)
{
    qv_check(b->computes && n % b->n == 0);
    const struct qv_kern *kern = qv__kern();
    uint8_t *at = blocks;
    for (size_t i = 0; i < n; i += b->n, at += b->bytes)
        if (b->layout)
            encode_codes(kern, at, b, x + i);
        else
            encode_number(at, b, x[i]);
}
