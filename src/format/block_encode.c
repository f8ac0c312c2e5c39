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
#include "kern/half.h"

#include <math.h>
#include <string.h>

enum { POLISH = 3 };

/* The whole number nearest to x in low to high; low for NaN. */
static int nearest(float x, int low, int high)
{
    if (!(x > (float)low))
        return low;
    return x >= (float)high ? high : low + (int)(x - (float)low + 0.5f);
}

static float inverse(float x)
{
    return x != 0 ? 1 / x : 0;
}

/* The half float that stands for x, and what it is worth. */
static uint16_t half_of(float *worth, float x)
{
    const float most = 65504;
    uint16_t h = qv__f32_to_f16(x > most ? most : x < -most ? -most : x);
    *worth = qv__f16_to_f32(h);
    return h;
}

/* ---- x = scale * (code - zero) ---- */

static void codes_centred(uint8_t *code, const float *x, size_t n, float scale, int zero)
{
    float inv = inverse(scale);
    for (size_t i = 0; i < n; i++)
        code[i] = (uint8_t)(zero + nearest(x[i] * inv, -zero, zero - 1));
}

/* The best scale for these codes; *gain is by how much it lowers the sum of squares. */
static float regress_centred(double *gain, const uint8_t *code, const float *x, size_t n,
                             int zero)
{
    double xc = 0, cc = 0;
    for (size_t i = 0; i < n; i++) {
        double c = code[i] - zero;
        xc += (double)x[i] * c;
        cc += c * c;
    }
    *gain = cc > 0 ? xc * xc / cc : 0;
    return cc > 0 ? (float)(xc / cc) : 0;
}

/* The number of largest magnitude. */
static float peak_of(const float *x, size_t n)
{
    float peak = 0;
    for (size_t i = 0; i < n; i++)
        if (fabsf(x[i]) > fabsf(peak))
            peak = x[i];
    return peak;
}

/* Tries scales that send the peak to -zero - 1 ... -zero + 1. The more codes there
 * are, the less a try can win. */
static float fit_centred(const float *x, size_t n, int zero)
{
    const int tries = zero < 128 ? 7 : 2;
    uint8_t code[QV_BLOCK_MAX];
    float peak = peak_of(x, n), best = 0;
    double best_gain = -1;
    for (int k = -tries; k <= tries && peak != 0; k++) {
        float scale = peak / (-(float)zero + (float)k / (float)(tries + 1));
        for (int again = 0; again <= POLISH; again++) {
            double gain;
            codes_centred(code, x, n, scale, zero);
            scale = regress_centred(&gain, code, x, n, zero);
            if (gain <= best_gain)
                break;
            best_gain = gain;
            best = scale;
        }
    }
    return best;
}

/* ---- x = scale * code - min ---- */

struct line {
    float scale, min;
};

static void codes_on(uint8_t *code, const float *x, size_t n, struct line l, int top)
{
    float inv = inverse(l.scale);
    for (size_t i = 0; i < n; i++)
        code[i] = (uint8_t)nearest((x[i] + l.min) * inv, 0, top);
}

/* How a line is to be fitted. */
struct fit {
    int top;          // codes are 0 ... top
    bool is_pinned;   // min may not be negative
    bool is_weighted; // a number counts by its magnitude
};

static double weight_of(float x, struct fit fit)
{
    return fit.is_weighted ? fabs((double)x) : 1;
}

/* The best line for these codes. *gain is by how much it lowers the sum of squares. */
static struct line regress(double *gain, const uint8_t *code, const float *x, size_t n,
                           struct fit fit)
{
    double c1 = 0, c2 = 0, x1 = 0, xc = 0, N = 0;
    for (size_t i = 0; i < n; i++) {
        double c = code[i], w = weight_of(x[i], fit);
        N += w;
        c1 += w * c;
        c2 += w * c * c;
        x1 += w * (double)x[i];
        xc += w * (double)x[i] * c;
    }
    double det = N * c2 - c1 * c1, scale = 0, offset = N > 0 ? x1 / N : 0;
    if (det > 0) {
        scale = (N * xc - x1 * c1) / det;
        offset = (c2 * x1 - c1 * xc) / det;
    }
    if (fit.is_pinned && offset > 0) {
        offset = 0;
        scale = c2 > 0 ? xc / c2 : 0;
    }
    *gain = scale * xc + offset * x1;
    return (struct line){(float)scale, (float)-offset};
}

/* Tries lines whose codes would stop short of the ends of the group or run past. */
static struct line fit_line(const float *x, size_t n, struct fit fit)
{
    enum { TRIES = 6 };
    uint8_t code[QV_BLOCK_MAX];
    float low = x[0], high = x[0];
    for (size_t i = 1; i < n; i++) {
        low = fminf(low, x[i]);
        high = fmaxf(high, x[i]);
    }
    if (fit.is_pinned)
        low = fminf(low, 0);
    struct line best = {0, -low};
    double best_gain = -INFINITY;
    for (int k = -TRIES; k <= TRIES && high > low; k++) {
        struct line l = {(high - low) / ((float)fit.top + (float)k / 5), -low};
        for (int again = 0; again <= POLISH; again++) {
            double gain;
            codes_on(code, x, n, l, fit.top);
            l = regress(&gain, code, x, n, fit);
            if (gain <= best_gain)
                break;
            best_gain = gain;
            best = l;
        }
    }
    return best;
}

/* ---- one scale a block ---- */

static void encode_centred(struct qv_block_codes *c, const struct qv_block_type *b,
                           const float *x)
{
    float d;
    c->d = half_of(&d, fit_centred(x, b->n, b->layout->zero));
    codes_centred(c->code, x, b->n, d, b->layout->zero);
}

static void encode_offset(struct qv_block_codes *c, const struct qv_block_type *b,
                          const float *x, int top)
{
    struct line l = fit_line(x, b->n, (struct fit){.top = top});
    float offset;
    c->d = half_of(&l.scale, l.scale);
    c->m = half_of(&offset, -l.min);
    codes_on(c->code, x, b->n, (struct line){l.scale, -offset}, top);
}

/* ---- a scale a group, itself in few bits ---- */

static void encode_scaled(struct qv_block_codes *c, const struct qv_block_type *b,
                          const float *x)
{
    const struct qv_block_layout *l = b->layout;
    const int range = l->scales == QV_SCALES_SIX ? 32 : 128; // from -range on
    size_t n_groups = b->n / l->group;
    float scale[QV_BLOCK_GROUPS], d;
    for (size_t g = 0; g < n_groups; g++)
        scale[g] = fit_centred(x + g * l->group, l->group, l->zero);
    c->d = half_of(&d, peak_of(scale, n_groups) / (float)-range);
    for (size_t g = 0; g < n_groups; g++) {
        c->scale[g] = nearest(scale[g] * inverse(d), -range, range - 1);
        codes_centred(c->code + g * l->group, x + g * l->group, l->group,
                      d * (float)c->scale[g], l->zero);
    }
}

/* Weighted sum of squared errors of the group under the line l. */
static double error_on(const float *x, size_t n, struct line l, struct fit fit)
{
    uint8_t code[QV_BLOCK_MAX];
    double sum = 0;
    codes_on(code, x, n, l, fit.top);
    for (size_t i = 0; i < n; i++) {
        double e = (double)(l.scale * (float)code[i] - l.min) - (double)x[i];
        sum += weight_of(x[i], fit) * e * e;
    }
    return sum;
}

/* The line l in units of d and m, whole numbers from 0 to range: of those around it
 * the one with the least error, since two numbers rounded each for itself are not. */
static void round_line(int *scale, int *min, const float *x, size_t n, struct line l,
                       struct line unit, int range, struct fit fit)
{
    int near_scale = nearest(l.scale * inverse(unit.scale), 0, range);
    int near_min = nearest(l.min * inverse(unit.min), 0, range);
    double least = INFINITY;
    for (int s = near_scale - 1; s <= near_scale + 1; s++)
        for (int m = near_min - 1; m <= near_min + 1; m++) {
            if (s < 0 || s > range || m < 0 || m > range)
                continue;
            double error = error_on(
                x, n, (struct line){unit.scale * (float)s, unit.min * (float)m}, fit);
            if (error < least) {
                least = error;
                *scale = s;
                *min = m;
            }
        }
}

static void encode_lines(struct qv_block_codes *c, const struct qv_block_type *b,
                         const float *x, int top)
{
    const struct qv_block_layout *l = b->layout;
    const int range = l->scales == QV_SCALES_NIBBLE ? 15 : 63;
    const struct fit fit = {top, .is_pinned = true, .is_weighted = top < 4};
    size_t n_groups = b->n / l->group;
    struct line line[QV_BLOCK_GROUPS], unit;
    float most_scale = 0, most_min = 0;
    for (size_t g = 0; g < n_groups; g++) {
        line[g] = fit_line(x + g * l->group, l->group, fit);
        most_scale = fmaxf(most_scale, line[g].scale);
        most_min = fmaxf(most_min, line[g].min);
    }
    c->d = half_of(&unit.scale, most_scale / (float)range);
    c->m = half_of(&unit.min, most_min / (float)range);
    for (size_t g = 0; g < n_groups; g++) {
        const float *at = x + g * l->group;
        round_line(&c->scale[g], &c->min[g], at, l->group, line[g], unit, range, fit);
        struct line stored = {unit.scale * (float)c->scale[g], unit.min * (float)c->min[g]};
        codes_on(c->code + g * l->group, at, l->group, stored, top);
    }
}

/* ---- any type ---- */

static void encode_codes(uint8_t *block, const struct qv_block_type *b, const float *x)
{
    const struct qv_block_layout *l = b->layout;
    const int top = (1 << (l->low.bits + l->high.bits)) - 1;
    struct qv_block_codes c = {0};
    switch (l->scales) {
    case QV_SCALES_ONE:
        encode_centred(&c, b, x);
        break;
    case QV_SCALES_OFFSET:
        encode_offset(&c, b, x, top);
        break;
    case QV_SCALES_SIX:
    case QV_SCALES_BYTE:
        encode_scaled(&c, b, x);
        break;
    case QV_SCALES_NIBBLE:
    case QV_SCALES_PAIR:
        encode_lines(&c, b, x, top);
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
    uint8_t *at = blocks;
    for (size_t i = 0; i < n; i += b->n, at += b->bytes)
        if (b->layout)
            encode_codes(at, b, x + i);
        else
            encode_number(at, b, x[i]);
}
