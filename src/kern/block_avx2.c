/* block_avx2.c - rows in blocks for AVX2, FMA and F16C: products, and widening.
 *
 * Everything works on runs of 256 elements: one block, or eight. One function takes the
 * codes of any type out of their planes; each call of it names a layout that is constant,
 * so that what is left after inlining is loads, shifts and masks.
 *
 * Sixteen codes and sixteen narrowed numbers are multiplied by one instruction, which adds
 * neighbours: 2 * 128 * 32767 < 2^23. A group adds two such vectors: < 2^24, exact as an
 * integer and as a float. Scales are floats from there on. This file is built without
 * contraction, since widening must round as block.c does; what is fused is written so.
 */
#if defined(__x86_64__)
#include "kern/block_dot.h"
#include "kern/block_layouts.h"

#include <immintrin.h>
#include <string.h>

#define INLINE inline __attribute__((always_inline))

enum { RUN = QV_BLOCK_MAX, SMALL = 32, QUARTER = 64, ROWS = 4 };
enum { SMALL_RUN = RUN / SMALL * 34 }; // bytes of the most that eight small blocks take

/* ---- what a layout says of its block ---- */

static INLINE size_t elements(const struct qv_block_layout *l)
{
    return l->scales == QV_SCALES_ONE || l->scales == QV_SCALES_OFFSET ? SMALL : RUN;
}

static INLINE size_t bytes(const struct qv_block_layout *l)
{
    const size_t scales = l->scales == QV_SCALES_ONE || l->scales == QV_SCALES_OFFSET ? 0
                          : l->scales == QV_SCALES_SIX || l->scales == QV_SCALES_PAIR ? 12
                                                                                      : 16;
    return elements(l) * (l->low.bits + l->high.bits) / 8 + scales +
           (qv__block_has_mins(l) ? 4 : 2);
}

/* What code means 0, once bytes that have a sign are read as such. */
static INLINE int zero(const struct qv_block_layout *l)
{
    return l->low.bits == 8 ? 0 : l->zero;
}

static INLINE size_t run_bytes(const struct qv_block_layout *l)
{
    return RUN / elements(l) * bytes(l);
}

/* A run at `at`, of which n elements are there: copied to `whole` and zeros put after it if
 * that is not all. Only small blocks can end within a run. */
static INLINE const uint8_t *padded(uint8_t whole[SMALL_RUN],
                                    const struct qv_block_layout *l, const uint8_t *at,
                                    size_t n)
{
    if (elements(l) == RUN || n >= RUN)
        return at;
    const size_t there = n / elements(l) * bytes(l);
    memcpy(whole, at, there);
    memset(whole + there, 0, run_bytes(l) - there);
    return whole;
}

/* ---- codes ---- */

static INLINE uint16_t read16(const uint8_t *at)
{
    uint16_t h;
    memcpy(&h, at, sizeof h);
    return h;
}

/* Sixteen bits as sixteen numbers, 0 or 1 << up. */
static INLINE __m256i bits_of(const uint8_t *at, unsigned up)
{
    const __m256i bit = _mm256_setr_epi16(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048,
                                          4096, 8192, 16384, -32768);
    __m256i set = _mm256_and_si256(_mm256_set1_epi16((short)read16(at)), bit);
    return _mm256_and_si256(_mm256_cmpeq_epi16(set, bit),
                            _mm256_set1_epi16((short)(1 << up)));
}

/* Sixteen elements from e on of a plane, `up` bits up. */
static INLINE __m256i plane(const uint8_t *block, const struct qv_block_plane *p, size_t e,
                            unsigned up)
{
    const size_t stride = p->chunk * p->bits / 8, in = e % p->chunk;
    if (stride == 1)
        return bits_of(block + p->at + e / 8, up);
    const __m128i *at =
        (const __m128i *)(const void *)(block + p->at + e / p->chunk * stride +
                                        in % stride);
    if (p->bits == 8)
        return _mm256_cvtepi8_epi16(_mm_loadu_si128(at));
    const int shift = (int)(in / stride * p->bits) - (int)up;
    __m256i w = _mm256_cvtepu8_epi16(_mm_loadu_si128(at));
    w = shift < 0 ? _mm256_slli_epi16(w, -shift) : _mm256_srli_epi16(w, shift);
    if (in / stride * p->bits + p->bits == 8 && shift >= 0 && up == 0)
        return w; // the byte's highest bits are alone already
    return _mm256_and_si256(w, _mm256_set1_epi16((short)(((1 << p->bits) - 1) << up)));
}

/* The codes of quarter j of a run, sixteen a vector. */
static INLINE void codes(__m256i c[4], const struct qv_block_layout *l, const uint8_t *run,
                         size_t j)
{
    for (size_t k = 0; k < 4; k++) {
        const size_t e = QUARTER * j + 16 * k;
        const uint8_t *block = run + e / elements(l) * bytes(l);
        c[k] = plane(block, &l->low, e % elements(l), 0);
        if (l->high.bits)
            c[k] =
                _mm256_or_si256(c[k], plane(block, &l->high, e % elements(l), l->low.bits));
    }
}

/* ---- scales ---- */

/* Of a run: element = s * (code - zero) - min; group g's are number g of these. */
struct scales {
    __m256 s[2], min[2];
};

/* The half floats at the same place in eight blocks. */
static INLINE __m256 halves(const uint8_t *at, size_t step)
{
    __m128i h = _mm_cvtsi32_si128(read16(at));
    h = _mm_insert_epi16(h, read16(at + step), 1);
    h = _mm_insert_epi16(h, read16(at + 2 * step), 2);
    h = _mm_insert_epi16(h, read16(at + 3 * step), 3);
    h = _mm_insert_epi16(h, read16(at + 4 * step), 4);
    h = _mm_insert_epi16(h, read16(at + 5 * step), 5);
    h = _mm_insert_epi16(h, read16(at + 6 * step), 6);
    h = _mm_insert_epi16(h, read16(at + 7 * step), 7);
    return _mm256_cvtph_ps(h);
}

static INLINE __m256 half(const uint8_t *at)
{
    return _mm256_set1_ps(_cvtsh_ss(read16(at)));
}

static INLINE __m256 unsigned_bytes(uint64_t b)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)b)));
}

static INLINE __m256 signed_bytes(uint64_t b)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_cvtsi64_si128((long long)b)));
}

static INLINE void nibble_scales(__m256 s[2], __m256 min[2], const uint8_t *at)
{
    const uint64_t low = UINT64_C(0x0f0f0f0f0f0f0f0f);
    for (int h = 0; h < 2; h++) {
        uint64_t b;
        memcpy(&b, at + 8 * h, sizeof b);
        s[h] = unsigned_bytes(b & low);
        min[h] = unsigned_bytes(b >> 4 & low);
    }
}

/* See read_six() in block.c. */
static INLINE void six_scales(__m256 s[2], const uint8_t *at)
{
    const uint64_t four = UINT64_C(0x0f0f0f0f0f0f0f0f), two = 0x03030303;
    uint64_t low;
    uint32_t high;
    memcpy(&low, at, sizeof low);
    memcpy(&high, at + 8, sizeof high);
    const uint64_t a = (high & two) | (high >> 2 & two) << 32,
                   b = (high >> 4 & two) | (high >> 6 & two) << 32;
    const __m256 middle = _mm256_set1_ps(32);
    s[0] = _mm256_sub_ps(unsigned_bytes((low & four) | a << 4), middle);
    s[1] = _mm256_sub_ps(unsigned_bytes((low >> 4 & four) | b << 4), middle);
}

/* See read_pairs() in block.c. */
static INLINE void pair_scales(__m256 *s, __m256 *min, const uint8_t *at)
{
    const uint32_t six = 0x3f3f3f3f, four = 0x0f0f0f0f, two = 0x03030303;
    uint32_t w[3];
    memcpy(w, at, sizeof w);
    const uint32_t s_high = (w[2] & four) | (w[0] >> 6 & two) << 4,
                   m_high = (w[2] >> 4 & four) | (w[1] >> 6 & two) << 4;
    *s = unsigned_bytes((w[0] & six) | (uint64_t)s_high << 32);
    *min = unsigned_bytes((w[1] & six) | (uint64_t)m_high << 32);
}

static INLINE void scales(struct scales *k, const struct qv_block_layout *l,
                          const uint8_t *run)
{
    const uint8_t *at = run + l->scales_at;
    k->s[0] = k->s[1] = k->min[0] = k->min[1] = _mm256_setzero_ps();
    if (elements(l) == SMALL) {
        k->s[0] = halves(run + l->d_at, bytes(l));
        if (qv__block_has_mins(l))
            k->min[0] = _mm256_sub_ps(k->min[0], halves(run + l->m_at, bytes(l)));
        return;
    }
    if (l->scales == QV_SCALES_NIBBLE)
        nibble_scales(k->s, k->min, at);
    else if (l->scales == QV_SCALES_SIX)
        six_scales(k->s, at);
    else if (l->scales == QV_SCALES_PAIR)
        pair_scales(&k->s[0], &k->min[0], at);
    else
        for (int h = 0; h < 2; h++) {
            uint64_t b;
            memcpy(&b, at + 8 * h, sizeof b);
            k->s[h] = signed_bytes(b);
        }
    const __m256 d = half(run + l->d_at);
    for (int h = 0; h < 2; h++) {
        k->s[h] = _mm256_mul_ps(d, k->s[h]);
        if (qv__block_has_mins(l))
            k->min[h] = _mm256_mul_ps(half(run + l->m_at), k->min[h]);
    }
}

/* ---- narrowing ---- */

/* Magnitudes are compared as integers, as which NaN is larger than all numbers. */
static INLINE float peak_of(const float *x, size_t n)
{
    const __m256i size = _mm256_set1_epi32(0x7fffffff);
    __m256i most = _mm256_setzero_si256();
    for (size_t i = 0; i < n; i += 8)
        most = _mm256_max_epi32(
            most, _mm256_and_si256(size, _mm256_castps_si256(_mm256_loadu_ps(x + i))));
    __m128i m =
        _mm_max_epi32(_mm256_castsi256_si128(most), _mm256_extracti128_si256(most, 1));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1));
    return _mm_cvtss_f32(_mm_castsi128_ps(m));
}

static INLINE int sum_of_ints(__m256i v)
{
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1)));
}

static void narrow_group(int16_t *code, float *scale, float *sum, const float *x,
                         size_t group)
{
    float inverse;
    *scale = qv__narrow_scale(&inverse, peak_of(x, group));
    const __m256 inv = _mm256_set1_ps(inverse);
    __m256i total = _mm256_setzero_si256();
    for (size_t i = 0; i < group; i += 16) {
        __m256i a = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i), inv));
        __m256i b = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i + 8), inv));
        total = _mm256_add_epi32(total, _mm256_add_epi32(a, b));
        __m256i both = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8);
        _mm256_storeu_si256((__m256i *)(void *)(code + i), both);
    }
    *sum = *scale * (float)sum_of_ints(total);
}

void qv__narrow_avx2(struct qv_narrow *q)
{
    qv__narrow_each(q, narrow_group);
}

/* ---- products ---- */

static float sum_of(__m256 a, __m256 b)
{
    const __m256 v = _mm256_add_ps(a, b);
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
}

static INLINE __m256i load(const int16_t *q)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)q);
}

/* acc += quarter j of a run times as much of each of R rows x; factor [R, 16] has a group's
 * scales multiplied. Two sums a row, so that one addition need not wait for the other. */
static INLINE void dot_quarter(__m256 acc[ROWS][2], const struct qv_block_layout *l,
                               const uint8_t *run, const struct qv_narrow_run *x,
                               const size_t R, float factor[ROWS][16], const size_t j)
{
    __m256i c[4];
    codes(c, l, run, j);
    for (size_t r = 0; r < R; r++) {
        __m256i p[4];
        for (size_t k = 0; k < 4; k++)
            p[k] = _mm256_madd_epi16(c[k], load(x[r].code + QUARTER * j + 16 * k));
        for (size_t k = 0; k < 4; k += l->group / 16) {
            __m256i sum = l->group == 16 ? p[k] : _mm256_add_epi32(p[k], p[k + 1]);
            const size_t g = (QUARTER * j + 16 * k) / l->group;
            acc[r][g % 2] = _mm256_fmadd_ps(_mm256_set1_ps(factor[r][g]),
                                            _mm256_cvtepi32_ps(sum), acc[r][g % 2]);
        }
    }
}

/* acc += a run times R rows of x. */
static INLINE void dot_run(__m256 acc[ROWS][2], const struct qv_block_layout *l,
                           const uint8_t *run, const struct qv_narrow_run *x,
                           const size_t R)
{
    struct scales k;
    _Alignas(32) float factor[ROWS][16];
    scales(&k, l, run);
    for (size_t h = 0; h < RUN / l->group / 8; h++) {
        __m256 zero_at = _mm256_mul_ps(k.s[h], _mm256_set1_ps((float)zero(l)));
        zero_at = _mm256_add_ps(zero_at, k.min[h]);
        for (size_t r = 0; r < R; r++) {
            _mm256_store_ps(&factor[r][8 * h],
                            _mm256_mul_ps(k.s[h], _mm256_loadu_ps(x[r].scale + 8 * h)));
            if (zero(l) || qv__block_has_mins(l))
                acc[r][h] =
                    _mm256_fnmadd_ps(zero_at, _mm256_loadu_ps(x[r].sum + 8 * h), acc[r][h]);
        }
    }
    dot_quarter(acc, l, run, x, R, factor, 0);
    dot_quarter(acc, l, run, x, R, factor, 1);
    dot_quarter(acc, l, run, x, R, factor, 2);
    dot_quarter(acc, l, run, x, R, factor, 3);
}

/* R rows of x from t on, R known when compiled. A row's sum does not depend on which
 * others are computed beside it. */
static INLINE void dot_rows(float *y, size_t stride, const struct qv_block_layout *l,
                            const uint8_t *row, const struct qv_narrow *q, size_t t,
                            const size_t R)
{
    __m256 acc[ROWS][2];
    for (size_t r = 0; r < R; r++)
        acc[r][0] = acc[r][1] = _mm256_setzero_ps();
    const struct qv_narrow_run *x = q->run + t;
    for (size_t left = q->n, T = q->T; left;
         left -= qv__min(RUN, left), row += run_bytes(l), x += T) {
        uint8_t whole[SMALL_RUN];
        dot_run(acc, l, padded(whole, l, row, left), x, R);
    }
    for (size_t r = 0; r < R; r++)
        y[(t + r) * stride] = sum_of(acc[r][0], acc[r][1]);
}

static INLINE void dot_codes(float *y, size_t stride, const struct qv_block_layout *l,
                             const uint8_t *row, const struct qv_narrow *q)
{
    size_t t = 0;
    for (; t + 4 <= q->T; t += 4)
        dot_rows(y, stride, l, row, q, t, 4);
    for (; t + 2 <= q->T; t += 2)
        dot_rows(y, stride, l, row, q, t, 2);
    if (t < q->T)
        dot_rows(y, stride, l, row, q, t, 1);
}

/* Eight numbers of a type without codes. */
static INLINE __m256 numbers(uint32_t id, const uint8_t *at, size_t i)
{
    if (id == QV_BLOCK_F32)
        return _mm256_loadu_ps((const float *)(const void *)at + i);
    const __m128i h =
        _mm_loadu_si128((const __m128i *)(const void *)(at + i * sizeof(uint16_t)));
    if (id == QV_BLOCK_F16)
        return _mm256_cvtph_ps(h);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}

/* Numbers i to i + n - 1. */
static INLINE void widen_rest(float *out, uint32_t id, const uint8_t *at, size_t i,
                              size_t n)
{
    const struct qv_block_type *b = qv__block(id);
    qv__block_decode(out, b, at + i * b->bytes, n);
}

/* R rows of x from t on. A row of W that does not end with sixteen is finished a number at
 * a time. */
static INLINE void dot_number_rows(float *y, size_t stride, uint32_t id, const uint8_t *row,
                                   const struct qv_narrow *q, size_t t, const size_t R)
{
    const size_t n = q->n;
    const float *x = q->x + t * n;
    __m256 acc[ROWS][2];
    for (size_t r = 0; r < R; r++)
        acc[r][0] = acc[r][1] = _mm256_setzero_ps();
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (size_t k = 0; k < 2; k++) {
            const __m256 w = numbers(id, row, i + 8 * k);
            for (size_t r = 0; r < R; r++)
                acc[r][k] =
                    _mm256_fmadd_ps(w, _mm256_loadu_ps(x + r * n + i + 8 * k), acc[r][k]);
        }
    float rest[16];
    widen_rest(rest, id, row, i, n - i);
    for (size_t r = 0; r < R; r++) {
        float sum = sum_of(acc[r][0], acc[r][1]);
        for (size_t k = 0; k < n - i; k++)
            sum += rest[k] * x[r * n + i + k];
        y[(t + r) * stride] = sum;
    }
}

static INLINE void dot_numbers(float *y, size_t stride, uint32_t id, const uint8_t *row,
                               const struct qv_narrow *q)
{
    size_t t = 0;
    for (; t + 4 <= q->T; t += 4)
        dot_number_rows(y, stride, id, row, q, t, 4);
    for (; t < q->T; t++)
        dot_number_rows(y, stride, id, row, q, t, 1);
}

/* ---- widening ---- */

/* Sixteen elements of one group, rounded as in block.c. */
static INLINE void widen_sixteen(float *out, __m256i c, __m256 s, __m256 min,
                                 const struct qv_block_layout *l)
{
    if (zero(l))
        c = _mm256_sub_epi16(c, _mm256_set1_epi16((short)zero(l)));
    for (int h = 0; h < 2; h++) {
        __m128i eight = h ? _mm256_extracti128_si256(c, 1) : _mm256_castsi256_si128(c);
        __m256 x = _mm256_mul_ps(s, _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(eight)));
        _mm256_storeu_ps(out + 8 * h, qv__block_has_mins(l) ? _mm256_sub_ps(x, min) : x);
    }
}

static INLINE void widen_quarter(float *out, const struct qv_block_layout *l,
                                 const uint8_t *run, const float *s, const float *min,
                                 const size_t j)
{
    __m256i c[4];
    codes(c, l, run, j);
    for (size_t k = 0; k < 4; k++) {
        const size_t e = QUARTER * j + 16 * k, g = e / l->group;
        widen_sixteen(out + e, c[k], _mm256_broadcast_ss(s + g),
                      _mm256_broadcast_ss(min + g), l);
    }
}

static INLINE void widen_run(float *out, const struct qv_block_layout *l,
                             const uint8_t *run)
{
    struct scales k;
    _Alignas(32) float s[16], min[16];
    scales(&k, l, run);
    for (size_t h = 0; h < 2; h++) {
        _mm256_store_ps(s + 8 * h, k.s[h]);
        _mm256_store_ps(min + 8 * h, k.min[h]);
    }
    widen_quarter(out, l, run, s, min, 0);
    widen_quarter(out, l, run, s, min, 1);
    widen_quarter(out, l, run, s, min, 2);
    widen_quarter(out, l, run, s, min, 3);
}

static INLINE void widen_codes(float *out, const struct qv_block_layout *l,
                               const uint8_t *row, size_t n)
{
    for (size_t i = 0; i < n; i += RUN, row += run_bytes(l)) {
        uint8_t whole[SMALL_RUN];
        float last[RUN];
        const bool is_whole = elements(l) == RUN || i + RUN <= n;
        widen_run(is_whole ? out + i : last, l, padded(whole, l, row, n - i));
        if (!is_whole)
            memcpy(out + i, last, (n - i) * sizeof *out);
    }
}

static INLINE void widen_numbers(float *out, uint32_t id, const uint8_t *row, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(out + i, numbers(id, row, i));
    widen_rest(out + i, id, row, i, n - i);
}

/* ---- one function a type ---- */

#define WITH_CODES(type)                                                                   \
    static void dot_##type(float *y, size_t stride, const uint8_t *row,                    \
                           const struct qv_narrow *q)                                      \
    {                                                                                      \
        dot_codes(y, stride, &type, row, q);                                               \
    }                                                                                      \
    static void widen_##type(float *out, const uint8_t *row, size_t n)                     \
    {                                                                                      \
        widen_codes(out, &type, row, n);                                                   \
    }

#define WITHOUT_CODES(type, id)                                                            \
    static void dot_##type(float *y, size_t stride, const uint8_t *row,                    \
                           const struct qv_narrow *q)                                      \
    {                                                                                      \
        dot_numbers(y, stride, id, row, q);                                                \
    }                                                                                      \
    static void widen_##type(float *out, const uint8_t *row, size_t n)                     \
    {                                                                                      \
        widen_numbers(out, id, row, n);                                                    \
    }

WITH_CODES(q4_0)
WITH_CODES(q4_1)
WITH_CODES(q5_0)
WITH_CODES(q5_1)
WITH_CODES(q8_0)
WITH_CODES(q2_k)
WITH_CODES(q3_k)
WITH_CODES(q4_k)
WITH_CODES(q5_k)
WITH_CODES(q6_k)
WITHOUT_CODES(f32, QV_BLOCK_F32)
WITHOUT_CODES(f16, QV_BLOCK_F16)
WITHOUT_CODES(bf16, QV_BLOCK_BF16)

struct functions {
    void (*dot)(float *y, size_t stride, const uint8_t *row, const struct qv_narrow *q);
    void (*widen)(float *out, const uint8_t *row, size_t n);
};

static struct functions functions_of(const struct qv_block_type *b)
{
    static const struct functions of[] = {
        [QV_BLOCK_F32] = {dot_f32, widen_f32},    [QV_BLOCK_F16] = {dot_f16, widen_f16},
        [QV_BLOCK_Q4_0] = {dot_q4_0, widen_q4_0}, [QV_BLOCK_Q4_1] = {dot_q4_1, widen_q4_1},
        [QV_BLOCK_Q5_0] = {dot_q5_0, widen_q5_0}, [QV_BLOCK_Q5_1] = {dot_q5_1, widen_q5_1},
        [QV_BLOCK_Q8_0] = {dot_q8_0, widen_q8_0}, [QV_BLOCK_Q2_K] = {dot_q2_k, widen_q2_k},
        [QV_BLOCK_Q3_K] = {dot_q3_k, widen_q3_k}, [QV_BLOCK_Q4_K] = {dot_q4_k, widen_q4_k},
        [QV_BLOCK_Q5_K] = {dot_q5_k, widen_q5_k}, [QV_BLOCK_Q6_K] = {dot_q6_k, widen_q6_k},
        [QV_BLOCK_BF16] = {dot_bf16, widen_bf16},
    };
    qv_check(b->computes);
    return of[b->id];
}

void qv__dot_blocks_avx2(float *y, size_t stride, const struct qv_block_type *b,
                         const void *row, const struct qv_narrow *q)
{
    functions_of(b).dot(y, stride, row, q);
}

void qv__widen_avx2(float *out, const struct qv_block_type *b, const void *blocks, size_t n)
{
    qv_check(n % b->n == 0);
    functions_of(b).widen(out, blocks, n);
}
#else
typedef int qv__no_block_avx2; // a translation unit may not be empty
#endif
