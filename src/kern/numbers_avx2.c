/* numbers_avx2.c - see numbers.h: products in tiles whose sums stay in registers, built
 * for AVX2, FMA and F16C.
 *
 * Lane j of a sum adds the products j, j + 8, ... in turn, and the lanes are added in one
 * order at the end, whatever tile the sum is in: a product alone is to the bit the product
 * among others.
 */
#if defined(__x86_64__)
#include "kern/numbers.h"

#include <immintrin.h>
#include <string.h>

#define INLINE inline __attribute__((always_inline)) // what is constant in a call stays so

enum {
    LANES = 8,
    TILE_T = 4,
    TILE_ROWS = 3,  // twelve sums, three times eight of W and eight of x are all registers
    ROWS_ALONE = 4, // of W, where x has but one row left
    LINE = 64       // bytes of memory that come together
};

static INLINE size_t bytes_of(uint32_t id)
{
    return id == QV_BLOCK_F32 ? sizeof(float) : sizeof(uint16_t);
}

/* Eight numbers from number i on. */
static INLINE __m256 numbers(uint32_t id, const char *row, size_t i)
{
    const void *at = row + i * bytes_of(id);
    if (id == QV_BLOCK_F32)
        return _mm256_loadu_ps(at);
    const __m128i h = _mm_loadu_si128(at);
    if (id == QV_BLOCK_F16)
        return _mm256_cvtph_ps(h);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}

/* n < 8 numbers from number i on, and zeros. */
static INLINE __m256 last_numbers(uint32_t id, const char *row, size_t i, size_t n)
{
    char some[LANES * sizeof(float)] = {0};
    memcpy(some, row + i * bytes_of(id), n * bytes_of(id));
    return numbers(id, some, 0);
}

static INLINE float sum_of(__m256 v)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
}

/* Asks memory for what lies so many rows on: the processor foresees no further than the
 * end of a page, which a row of W may be. */
static INLINE void ask_ahead(const char *w, size_t rows, size_t w_bytes)
{
    for (size_t r = 0; r < rows; r++)
        _mm_prefetch(w + (rows + r) * w_bytes, _MM_HINT_T0);
}

/* Rows of W from w on, and of x from x on, times one another: so many of each. */
static INLINE void tile(float *y, uint32_t id, const char *w, size_t rows, const float *x,
                        size_t T, const struct qv_dots *d)
{
    const size_t w_bytes = d->stride * bytes_of(id), whole = d->n - d->n % LANES;
    __m256 sum[TILE_T][ROWS_ALONE], a[ROWS_ALONE], b;
    for (size_t t = 0; t < T; t++)
        for (size_t r = 0; r < rows; r++)
            sum[t][r] = _mm256_setzero_ps();
    for (size_t i = 0; i < whole; i += LANES) {
        if (i * bytes_of(id) % LINE == 0)
            ask_ahead(w + i * bytes_of(id), rows, w_bytes);
        for (size_t r = 0; r < rows; r++)
            a[r] = numbers(id, w + r * w_bytes, i);
        for (size_t t = 0; t < T; t++) {
            b = _mm256_loadu_ps(x + t * d->n + i);
            for (size_t r = 0; r < rows; r++)
                sum[t][r] = _mm256_fmadd_ps(a[r], b, sum[t][r]);
        }
    }
    if (whole < d->n) {
        for (size_t r = 0; r < rows; r++)
            a[r] = last_numbers(id, w + r * w_bytes, whole, d->n - whole);
        for (size_t t = 0; t < T; t++) {
            b = last_numbers(QV_BLOCK_F32, (const char *)(x + t * d->n), whole,
                             d->n - whole);
            for (size_t r = 0; r < rows; r++)
                sum[t][r] = _mm256_fmadd_ps(a[r], b, sum[t][r]);
        }
    }
    for (size_t t = 0; t < T; t++)
        for (size_t r = 0; r < rows; r++)
            y[t * d->y_stride + r] = sum_of(sum[t][r]);
}

static INLINE void tiles(float *y, uint32_t id, const char *w, const float *x,
                         const struct qv_dots *d)
{
    const size_t w_bytes = d->stride * bytes_of(id);
    size_t t = 0, r;
    for (; t + TILE_T <= d->T; t += TILE_T, x += TILE_T * d->n, y += TILE_T * d->y_stride) {
        for (r = 0; r + TILE_ROWS <= d->rows; r += TILE_ROWS)
            tile(y + r, id, w + r * w_bytes, TILE_ROWS, x, TILE_T, d);
        for (; r < d->rows; r++)
            tile(y + r, id, w + r * w_bytes, 1, x, TILE_T, d);
    }
    for (; t < d->T; t++, x += d->n, y += d->y_stride) {
        for (r = 0; r + ROWS_ALONE <= d->rows; r += ROWS_ALONE)
            tile(y + r, id, w + r * w_bytes, ROWS_ALONE, x, 1, d);
        for (; r < d->rows; r++)
            tile(y + r, id, w + r * w_bytes, 1, x, 1, d);
    }
}

void qv__dots_avx2(float *y, uint32_t type, const void *w, const float *x, struct qv_dots d)
{
    qv_check(type == QV_BLOCK_F32 || type == QV_BLOCK_F16 || type == QV_BLOCK_BF16);
    if (type == QV_BLOCK_F32)
        tiles(y, QV_BLOCK_F32, w, x, &d);
    else if (type == QV_BLOCK_F16)
        tiles(y, QV_BLOCK_F16, w, x, &d);
    else
        tiles(y, QV_BLOCK_BF16, w, x, &d);
}

static INLINE void widen(float *out, uint32_t id, const char *row, size_t n)
{
    const size_t whole = n - n % LANES;
    for (size_t i = 0; i < whole; i += LANES)
        _mm256_storeu_ps(out + i, numbers(id, row, i));
    if (whole < n) {
        float some[LANES];
        _mm256_storeu_ps(some, last_numbers(id, row, whole, n - whole));
        memcpy(out + whole, some, (n - whole) * sizeof *out);
    }
}

void qv__widen_numbers_avx2(float *out, uint32_t type, const void *row, size_t n)
{
    if (type == QV_BLOCK_F32)
        widen(out, QV_BLOCK_F32, row, n);
    else if (type == QV_BLOCK_F16)
        widen(out, QV_BLOCK_F16, row, n);
    else
        widen(out, QV_BLOCK_BF16, row, n);
}
#else
typedef int qv__no_numbers_avx2; // a translation unit may not be empty
#endif
