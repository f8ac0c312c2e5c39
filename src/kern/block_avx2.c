/* block_avx2.c - rows in blocks for AVX2, FMA and F16C: products, and widening.
 *
 * Everything works on runs of 256 elements: one block, or eight. One function takes the
 * codes of any type out of their planes; each call of it names a layout that is constant,
 * so that what is left after inlining is loads, shifts and masks.
 *
 * Small blocks: sixteen codes and sixteen narrowed numbers are multiplied by one
 * instruction, which adds neighbours: 2 * 128 * 32639 < 2^23. A block adds two such
 * vectors: < 2^24, exact as an integer and as a float. Scales are floats from there on.
 * Large ones: 32 codes and 32 high or low bytes, then their groups' scales, as integers
 * too; one float a block is left to do. This file is built without contraction, since
 * widening must round as block.c does; what is fused is written so.
 */
#if defined(__x86_64__)
#include "kern/block_dot.h"
#include "kern/block_layouts.h"
#include "kern/numbers.h"

#include <immintrin.h>
#include <string.h>

#define INLINE inline __attribute__((always_inline))

enum { RUN = QV_BLOCK_MAX, SMALL = 32, QUARTER = 64, ROWS = 4 };
enum { LINE = 64, AHEAD = 2048 }; // bytes of memory that come together; asked for so early
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

/* A large block's scales and mins as signed bytes, one a group. */
struct scale_bytes {
    __m128i s, min;
};

static INLINE __m128i two_words(uint64_t low, uint64_t high)
{
    return _mm_set_epi64x((long long)high, (long long)low);
}

static INLINE struct scale_bytes nibble_scales(const uint8_t *at)
{
    const __m128i low = _mm_set1_epi8(15), b = _mm_loadu_si128((const void *)at);
    return (struct scale_bytes){_mm_and_si128(b, low),
                                _mm_and_si128(_mm_srli_epi16(b, 4), low)};
}

/* See read_six() in block.c. */
static INLINE struct scale_bytes six_scales(const uint8_t *at)
{
    const uint64_t four = UINT64_C(0x0f0f0f0f0f0f0f0f), two = 0x03030303;
    uint64_t low;
    uint32_t high;
    memcpy(&low, at, sizeof low);
    memcpy(&high, at + 8, sizeof high);
    const uint64_t a = (high & two) | (high >> 2 & two) << 32,
                   b = (high >> 4 & two) | (high >> 6 & two) << 32;
    const __m128i s = two_words((low & four) | a << 4, (low >> 4 & four) | b << 4);
    return (struct scale_bytes){_mm_sub_epi8(s, _mm_set1_epi8(32)), _mm_setzero_si128()};
}

/* See read_pairs() in block.c. */
static INLINE struct scale_bytes pair_scales(const uint8_t *at)
{
    const uint32_t six = 0x3f3f3f3f, four = 0x0f0f0f0f, two = 0x03030303;
    uint32_t w[3];
    memcpy(w, at, sizeof w);
    const uint32_t s_high = (w[2] & four) | (w[0] >> 6 & two) << 4,
                   m_high = (w[2] >> 4 & four) | (w[1] >> 6 & two) << 4;
    return (struct scale_bytes){two_words((w[0] & six) | (uint64_t)s_high << 32, 0),
                                two_words((w[1] & six) | (uint64_t)m_high << 32, 0)};
}

static INLINE struct scale_bytes scale_bytes(const struct qv_block_layout *l,
                                             const uint8_t *run)
{
    const uint8_t *at = run + l->scales_at;
    if (l->scales == QV_SCALES_NIBBLE)
        return nibble_scales(at);
    if (l->scales == QV_SCALES_SIX)
        return six_scales(at);
    if (l->scales == QV_SCALES_PAIR)
        return pair_scales(at);
    return (struct scale_bytes){_mm_loadu_si128((const void *)at), _mm_setzero_si128()};
}

/* Eight of the bytes as floats. */
static INLINE __m256 eight(__m128i bytes, size_t h)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(h ? _mm_srli_si128(bytes, 8) : bytes));
}

/* Of a run: element = s * (code - zero) - min; group g's are number g of these. */
struct scales {
    __m256 s[2], min[2];
};

static INLINE void scales(struct scales *k, const struct qv_block_layout *l,
                          const uint8_t *run)
{
    k->s[0] = k->s[1] = k->min[0] = k->min[1] = _mm256_setzero_ps();
    if (elements(l) == SMALL) {
        k->s[0] = halves(run + l->d_at, bytes(l));
        if (qv__block_has_mins(l))
            k->min[0] = _mm256_sub_ps(k->min[0], halves(run + l->m_at, bytes(l)));
        return;
    }
    const struct scale_bytes b = scale_bytes(l, run);
    const __m256 d = half(run + l->d_at);
    for (size_t h = 0; h < RUN / l->group / 8; h++) {
        k->s[h] = _mm256_mul_ps(d, eight(b.s, h));
        if (qv__block_has_mins(l))
            k->min[h] = _mm256_mul_ps(half(run + l->m_at), eight(b.min, h));
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

/* Stores sixteen codes, as they are or byte by byte. */
static INLINE void put(struct qv_narrow_run *run, size_t at, __m256i codes, bool is_split)
{
    if (!is_split) {
        _mm256_storeu_si256((__m256i *)(void *)(run->code + at), codes);
        return;
    }
    const __m256i low = _mm256_srai_epi16(_mm256_slli_epi16(codes, 8), 8);
    const __m256i high = _mm256_srai_epi16(_mm256_sub_epi16(codes, low), 8);
    const __m256i both = _mm256_permute4x64_epi64(_mm256_packs_epi16(high, low), 0xd8);
    _mm_storeu_si128((void *)(run->part[0] + at), _mm256_castsi256_si128(both));
    _mm_storeu_si128((void *)(run->part[1] + at), _mm256_extracti128_si256(both, 1));
}

static void narrow_block(struct qv_narrow_run *run, const float *x, size_t at,
                         const struct qv_narrow *q)
{
    float inverse;
    const float scale = qv__narrow_scale(&inverse, peak_of(x, q->block));
    const __m256 inv = _mm256_set1_ps(inverse);
    for (size_t k = 0; k < q->block; k += 32)
        run->scale[(at + k) / 32] = scale;
    for (size_t g = 0; g < q->block; g += q->group) {
        __m256i total = _mm256_setzero_si256();
        for (size_t k = g; k < g + q->group; k += 16) {
            __m256i a = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + k), inv));
            __m256i b = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + k + 8), inv));
            total = _mm256_add_epi32(total, _mm256_add_epi32(a, b));
            put(run, at + k, _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8),
                q->block == RUN);
        }
        run->sum[(at + g) / q->group] = scale * (float)sum_of_ints(total);
    }
}

void qv__narrow_avx2(struct qv_narrow *q)
{
    qv__narrow_each(q, narrow_block);
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

/* ---- of small blocks ---- */

/* acc += quarter j of a run times as much of each of R rows x; factor [R, 8] has a block's
 * scales multiplied. Two sums a row, so that one addition need not wait for the other. */
static INLINE void dot_quarter(__m256 acc[ROWS][2], const struct qv_block_layout *l,
                               const uint8_t *run, const struct qv_narrow_run *x,
                               const size_t R, float factor[ROWS][8], const size_t j)
{
    __m256i c[4];
    codes(c, l, run, j);
    for (size_t r = 0; r < R; r++) {
        __m256i p[4];
        for (size_t k = 0; k < 4; k++)
            p[k] = _mm256_madd_epi16(c[k], load(x[r].code + QUARTER * j + 16 * k));
        for (size_t k = 0; k < 2; k++) {
            const __m256i sum = _mm256_add_epi32(p[2 * k], p[2 * k + 1]);
            acc[r][k] = _mm256_fmadd_ps(_mm256_set1_ps(factor[r][2 * j + k]),
                                        _mm256_cvtepi32_ps(sum), acc[r][k]);
        }
    }
}

/* acc += a run times R rows of x. */
static INLINE void dot_small(__m256 acc[ROWS][2], const struct qv_block_layout *l,
                             const uint8_t *run, const struct qv_narrow_run *x,
                             const size_t R)
{
    struct scales k;
    _Alignas(32) float factor[ROWS][8];
    scales(&k, l, run);
    __m256 away = _mm256_mul_ps(k.s[0], _mm256_set1_ps((float)zero(l)));
    away = _mm256_add_ps(away, k.min[0]);
    for (size_t r = 0; r < R; r++) {
        _mm256_store_ps(factor[r], _mm256_mul_ps(k.s[0], _mm256_loadu_ps(x[r].scale)));
        if (zero(l) || qv__block_has_mins(l))
            acc[r][0] = _mm256_fnmadd_ps(away, _mm256_loadu_ps(x[r].sum), acc[r][0]);
    }
    dot_quarter(acc, l, run, x, R, factor, 0);
    dot_quarter(acc, l, run, x, R, factor, 1);
    dot_quarter(acc, l, run, x, R, factor, 2);
    dot_quarter(acc, l, run, x, R, factor, 3);
}

/* ---- of large blocks ---- */

/* 32 elements from e on of a plane, as bytes, `up` bits up. */
static INLINE __m256i byte_plane(const uint8_t *block, const struct qv_block_plane *p,
                                 size_t e, unsigned up)
{
    const size_t stride = p->chunk * p->bits / 8, in = e % p->chunk;
    const int shift = (int)(in / stride * p->bits) - (int)up;
    const uint8_t *at = block + p->at + e / p->chunk * stride + in % stride;
    __m256i b = _mm256_loadu_si256((const void *)at);
    b = shift < 0 ? _mm256_slli_epi16(b, -shift) : _mm256_srli_epi16(b, shift);
    return _mm256_and_si256(b, _mm256_set1_epi8((char)(((1 << p->bits) - 1) << up)));
}

/* Scales as 16-bit numbers, so placed that pick() gives those of any 32 elements. */
static INLINE __m256i spread(__m128i s, const struct qv_block_layout *l)
{
    const __m128i even_first =
        _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
    return _mm256_cvtepi8_epi16(l->group == 16 ? _mm_shuffle_epi8(s, even_first)
                                               : _mm_unpacklo_epi64(s, s));
}

/* Of elements 32 q to 32 q + 31: each half of them has the scale of its group. */
static INLINE __m256i pick(__m256i spread_scales, const size_t q)
{
    return _mm256_shuffle_epi8(spread_scales,
                               _mm256_set1_epi16((short)(2 * q | (2 * q + 1) << 8)));
}

/* sum += 32 elements times as much of each of R rows, high bytes and low ones apart. A code
 * has at most 6 bits, a scale 8, so that neighbours make 2 * 63 * 128 < 2^14 in 16 bits and
 * a lane of a whole run less than 8 * 2 * 2^14 * 128 = 2^25. */
static INLINE void dot_eighth(__m256i sum[ROWS][2], const struct qv_block_layout *l,
                              const uint8_t *run, const struct qv_narrow_run *x,
                              const size_t R, __m256i spread_scales, const size_t q)
{
    __m256i c = byte_plane(run, &l->low, 32 * q, 0);
    if (l->high.bits)
        c = _mm256_or_si256(c, byte_plane(run, &l->high, 32 * q, l->low.bits));
    const __m256i scale = pick(spread_scales, q);
    for (size_t r = 0; r < R; r++)
        for (size_t h = 0; h < 2; h++) {
            const __m256i b = _mm256_loadu_si256((const void *)(x[r].part[h] + 32 * q));
            const __m256i p = _mm256_madd_epi16(_mm256_maddubs_epi16(c, b), scale);
            sum[r][h] = _mm256_add_epi32(sum[r][h], p);
        }
}

/* acc += a block times R rows of x. */
static INLINE void dot_large(__m256 acc[ROWS][2], const struct qv_block_layout *l,
                             const uint8_t *run, const struct qv_narrow_run *x,
                             const size_t R)
{
    const struct scale_bytes b = scale_bytes(l, run);
    const __m256i s = spread(b.s, l);
    const __m256 d = half(run + l->d_at);
    __m256i sum[ROWS][2];
    for (size_t r = 0; r < R; r++)
        sum[r][0] = sum[r][1] = _mm256_setzero_si256();
    for (size_t h = 0; h < RUN / l->group / 8; h++) {
        __m256 away = qv__block_has_mins(l)
                          ? _mm256_mul_ps(half(run + l->m_at), eight(b.min, h))
                          : _mm256_mul_ps(_mm256_mul_ps(d, _mm256_set1_ps((float)zero(l))),
                                          eight(b.s, h));
        for (size_t r = 0; r < R; r++)
            acc[r][1] =
                _mm256_fnmadd_ps(away, _mm256_loadu_ps(x[r].sum + 8 * h), acc[r][1]);
    }
    dot_eighth(sum, l, run, x, R, s, 0);
    dot_eighth(sum, l, run, x, R, s, 1);
    dot_eighth(sum, l, run, x, R, s, 2);
    dot_eighth(sum, l, run, x, R, s, 3);
    dot_eighth(sum, l, run, x, R, s, 4);
    dot_eighth(sum, l, run, x, R, s, 5);
    dot_eighth(sum, l, run, x, R, s, 6);
    dot_eighth(sum, l, run, x, R, s, 7);
    for (size_t r = 0; r < R; r++) {
        const __m256 whole =
            _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[r][0]), _mm256_set1_ps(256),
                            _mm256_cvtepi32_ps(sum[r][1]));
        const __m256 factor = _mm256_mul_ps(d, _mm256_set1_ps(x[r].scale[0]));
        acc[r][0] = _mm256_fmadd_ps(factor, whole, acc[r][0]);
    }
}

/* ---- of both ---- */

/* Asks memory for what lies so far ahead of a run: a thread that reads one row after
 * another would otherwise wait for it, and memory for the thread. */
static INLINE void ask_ahead(const uint8_t *run, const struct qv_block_layout *l)
{
    for (size_t i = 0; i < run_bytes(l); i += LINE)
        _mm_prefetch((const char *)run + AHEAD + i, _MM_HINT_T0);
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
        ask_ahead(row, l);
        if (elements(l) == SMALL)
            dot_small(acc, l, padded(whole, l, row, left), x, R);
        else
            dot_large(acc, l, row, x, R);
    }
    for (size_t r = 0; r < R; r++)
        y[(t + r) * stride] = sum_of(acc[r][0], acc[r][1]);
}

static INLINE void dot_codes(float *y, size_t stride, const struct qv_block_layout *l,
                             const uint8_t *row, const struct qv_narrow *q)
{
    size_t t = 0;
    for (; elements(l) == SMALL && t + 4 <= q->T; t += 4) // else registers do not suffice
        dot_rows(y, stride, l, row, q, t, 4);
    for (; t + 2 <= q->T; t += 2)
        dot_rows(y, stride, l, row, q, t, 2);
    if (t < q->T)
        dot_rows(y, stride, l, row, q, t, 1);
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

struct functions {
    void (*dot)(float *y, size_t stride, const uint8_t *row, const struct qv_narrow *q);
    void (*widen)(float *out, const uint8_t *row, size_t n);
};

static struct functions functions_of(const struct qv_block_type *b)
{
    static const struct functions of[] = {
        [QV_BLOCK_Q4_0] = {dot_q4_0, widen_q4_0}, [QV_BLOCK_Q4_1] = {dot_q4_1, widen_q4_1},
        [QV_BLOCK_Q5_0] = {dot_q5_0, widen_q5_0}, [QV_BLOCK_Q5_1] = {dot_q5_1, widen_q5_1},
        [QV_BLOCK_Q8_0] = {dot_q8_0, widen_q8_0}, [QV_BLOCK_Q2_K] = {dot_q2_k, widen_q2_k},
        [QV_BLOCK_Q3_K] = {dot_q3_k, widen_q3_k}, [QV_BLOCK_Q4_K] = {dot_q4_k, widen_q4_k},
        [QV_BLOCK_Q5_K] = {dot_q5_k, widen_q5_k}, [QV_BLOCK_Q6_K] = {dot_q6_k, widen_q6_k},
    };
    qv_check(b->computes && b->layout);
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
    if (b->layout)
        functions_of(b).widen(out, blocks, n);
    else
        qv__widen_numbers_avx2(out, b->id, blocks, n);
}
#else
typedef int qv__no_block_avx2; // a translation unit may not be empty
#endif
