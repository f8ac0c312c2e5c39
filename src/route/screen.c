/* screen.c - see screen.h.
 *
 * Let l_e be the dot product of v_e and x as kern.h computes it, a_e that of c_e and x, and
 * suppose |l_e - a_e| <= err_e for all e. Let t be the k-th largest of |a_e| - err_e. At
 * least k experts have |l_e| >= |a_e| - err_e >= t. So an expert with |a_e| + err_e < t has
 * |l_e| < t, and k others are strictly before it: it is not among the k largest, and no
 * tie concerns it. All others are computed, in the order of their indices, and the same
 * function that would choose from all l_e chooses from them. (Without the absolute values
 * where the sign counts.)
 *
 * err_e, with u = 2^-24, the sum of:
 *   off_e |x|             v_e . x - c_e . x, by Cauchy and Schwarz
 *   1e-4 |c_e| |x|        x is narrowed to 16 bits, each number by at most .505 / 32639 of
 *                         the largest of its 32, so that |x - x'| <= 8.8e-5 |x|
 *   1.01 D u |v_e| |x|    a sum of D products of floats, in whatever order it is added
 *   1.01 (D + 4) u |c_e| |x|   the same for what is left to floats in the blocks' product
 * and a few u more for computing with err itself. |x| is computed in floats too: its square
 * is off by a D u of itself, and what underflows there is less than 2^-50 if D < 2^26.
 */
#include "route/screen.h"

#include "kern/half.h"
#include "kern/kern.h"
#include "route/top.h"

#include <math.h>

enum {
    BLOCK = 32,          // numbers of a block of Q8_0
    LEAST = 32,          // vectors that a screen pays for
    MOST_D = 1 << 17,    // so that D u is small
    ONE_THREAD = 1 << 15 // numbers that one thread multiplies as fast as several
};

/* As it lies in memory: a scale in half precision, and codes. */
struct block {
    uint16_t d;
    int8_t code[BLOCK];
};
_Static_assert(sizeof(struct block) == 34, "a block of Q8_0 has 34 bytes");

void qv__screen_carve(struct qv_screen *s, qv_carve *c, size_t K, size_t D)
{
    *s = (struct qv_screen){.D = D};
    if (K < LEAST || D % BLOCK != 0 || D > MOST_D)
        return;
    s->K = K;
    s->code = qv__carve(c, K, D / BLOCK, 1, sizeof(struct block));
    s->off = qv__carve_f32(c, K, 1);
}

/* One block near x, and the square of how far it is. */
static double encode(struct block *b, const float *x)
{
    float peak = 0, squares = 0;
    for (size_t i = 0; i < BLOCK; i++) {
        const float size = fabsf(x[i]);
        peak = size > peak ? size : peak;
    }
    b->d = qv__f32_to_f16(peak / 127 < 65504 ? peak / 127 : 65504);
    const float d = qv__f16_to_f32(b->d), by = d > 0 ? 1 / d : 0;
    for (size_t i = 0; i < BLOCK; i++) {
        float code = x[i] * by;
        code = code > 127 ? 127 : code < -127 ? -127 : code;
        b->code[i] = (int8_t)(code + copysignf(.5f, code));
        const float apart = x[i] - d * (float)b->code[i];
        squares += apart * apart;
    }
    return (double)squares;
}

static struct block *row_of(const struct qv_screen *s, size_t e)
{
    return (struct block *)s->code + e * (s->D / BLOCK);
}

/* Encode one vector. Returns what s->size must be at least. */
static float fill_one(struct qv_screen *s, size_t e, const float *v)
{
    const double up = 1 + 1e-5; // more than what is rounded here, and in squares of blocks
    struct block *row = row_of(s, e);
    double apart = 0, length = 0;
    for (size_t i = 0; i < s->D; i += BLOCK)
        apart += encode(&row[i / BLOCK], v + i);
    for (size_t i = 0; i < s->D; i++)
        length += (double)v[i] * (double)v[i];
    s->off[e] = (float)(sqrt(apart) * up + 0x1p-50); // squares may underflow
    return (float)((sqrt(length) + sqrt(apart)) * up);
}

void qv__screen_fill(struct qv_screen *s, const float *const *v)
{
    float size = 0;
    s->v = v;
#pragma omp parallel for schedule(static) reduction(max : size)
    for (size_t e = 0; e < s->K; e++)
        size = fmaxf(size, fill_one(s, e, v[e]));
    s->size = size;
}

void qv__screen_refill(struct qv_screen *s, const float *const *v,
                       const struct qv_screen *before)
{
    enum { AHEAD = 8 }; // vectors that may have gone from between two that stay
    const size_t bytes = s->D * sizeof **v;
    size_t next = 0; // of before's, that was not yet met
    s->v = v;
    s->size = before->size; // a bound, also of fewer
    for (size_t e = 0; e < s->K; e++) {
        const size_t end = qv__min(next + AHEAD, before->D == s->D ? before->K : 0);
        size_t j = next;
        while (j < end && memcmp(v[e], before->v[j], bytes) != 0)
            j++;
        if (j >= end) {
            s->size = fmaxf(s->size, fill_one(s, e, v[e]));
            continue;
        }
        memcpy(row_of(s, e), row_of(before, j), s->D / BLOCK * sizeof(struct block));
        s->off[e] = before->off[j];
        next = j + 1;
    }
}

size_t qv__screen_room(const struct qv_screen *s, size_t T)
{
    return s->K ? T * s->K + qv__narrow_room(T, s->D) : 0;
}

/* near [T, K] = all products with the codes. */
static void look(float *near, const struct qv_screen *s, const float *x, size_t T)
{
    const struct qv_kern *kern = qv__kern();
    const struct qv_block_type *type = qv__block(QV_BLOCK_Q8_0);
    const size_t row = qv__block_bytes(type, s->D);
    struct qv_narrow q;
    qv__narrow_init(&q, type, x, T, s->D, near + T * s->K);
    kern->narrow(&q);
#pragma omp parallel for schedule(static) if (s->K * s->D > ONE_THREAD)
    for (size_t e = 0; e < s->K; e++)
        kern->dot_blocks(near + e, s->K, type, (const char *)s->code + e * row, &q);
}

/* One token: l [K] are its products with the codes. */
static void choose(int *expert, float *value, float *l, const struct qv_screen *s,
                   const float *x, float norm, size_t k, bool is_signed)
{
    const struct qv_kern *kern = qv__kern();
    const float D = (float)s->D;
    const float rounding =
        (1e-4f + (2.1f * D + 256) * 0x1p-24f) * s->size * norm + 0x1p-100f;
    for (size_t e = 0; e < s->K; e++)
        l[e] = (is_signed ? l[e] : fabsf(l[e])) - (s->off[e] * norm + rounding);
    qv__top(expert, value, l, s->K, k);
    const float least = value[k - 1];
    for (size_t e = 0; e < s->K; e++) {
        if (l[e] + 2 * (s->off[e] * norm + rounding) < least) {
            l[e] = -INFINITY;
            continue;
        }
        const float exact = kern->dot(s->v[e], x, s->D);
        l[e] = is_signed ? exact : fabsf(exact);
    }
    qv__top(expert, value, l, s->K, k);
}

/* One token, one by one. */
static void choose_plainly(int *expert, float *value, float *l, const struct qv_screen *s,
                           const float *x, size_t k, bool is_signed)
{
    const struct qv_kern *kern = qv__kern();
    for (size_t e = 0; e < s->K; e++) {
        const float exact = kern->dot(s->v[e], x, s->D);
        l[e] = is_signed ? exact : fabsf(exact);
    }
    qv__top(expert, value, l, s->K, k);
}

void qv__screen_top(int *expert, float *value, const struct qv_screen *s, const float *x,
                    size_t T, size_t k, bool is_signed, float *scratch)
{
    const struct qv_kern *kern = qv__kern();
    qv_check(s->K && k <= s->K && T <= QV_SCREEN_TOKENS);
    look(scratch, s, x, T);
#pragma omp parallel for schedule(static) if (T > 1)
    for (size_t t = 0; t < T; t++) {
        const float *one = x + t * s->D;
        float *l = scratch + t * s->K;
        const float norm =
            sqrtf(kern->dot(one, one, s->D)) * (1 + (float)s->D * 0x1p-23f) + 0x1p-50f;
        // What is not finite, or might become so, has no bound.
        if (norm < 1e15f && s->size < 1e15f)
            choose(expert + t * k, value + t * k, l, s, one, norm, k, is_signed);
        else
            choose_plainly(expert + t * k, value + t * k, l, s, one, k, is_signed);
    }
}
