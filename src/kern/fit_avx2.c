/* fit_avx2.c - see fit.h: eight numbers at a time. Built without contraction; sums of
 * products are fused only where a product is exact in a double, as it is with codes of up
 * to 8 bits and, weighted, of 2. Counts of codes are exact in floats. */
#if defined(__x86_64__)
#include "kern/fit.h"

#include <immintrin.h>

#define INLINE inline __attribute__((always_inline))

/* A line and the range of codes, eight times. */
struct grid {
    __m256 inv, min, low, high;
};

static INLINE struct grid grid_of(struct qv_line l, struct qv_fit f)
{
    return (struct grid){_mm256_set1_ps(l.scale != 0 ? 1 / l.scale : 0),
                         _mm256_set1_ps(l.min), _mm256_set1_ps((float)f.low),
                         _mm256_set1_ps((float)f.high)};
}

/* Codes of eight numbers, less the lowest; as maxps has it, NaN becomes the lowest. */
static INLINE __m256 codes_from_0(__m256 x, const struct grid *g)
{
    __m256 c = _mm256_mul_ps(_mm256_add_ps(x, g->min), g->inv);
    c = _mm256_min_ps(_mm256_max_ps(c, g->low), g->high);
    c = _mm256_add_ps(_mm256_sub_ps(c, g->low), _mm256_set1_ps(0.5f));
    return _mm256_round_ps(c, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
}

static INLINE __m256 codes_of(__m256 x, const struct grid *g)
{
    return _mm256_add_ps(codes_from_0(x, g), g->low);
}

static INLINE __m256d half_of(__m256 v, int h)
{
    return _mm256_cvtps_pd(h ? _mm256_extractf128_ps(v, 1) : _mm256_castps256_ps128(v));
}

static INLINE double sum_of(__m256d v)
{
    __m128d s = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));
    return _mm_cvtsd_f64(_mm_add_sd(s, _mm_unpackhi_pd(s, s)));
}

static INLINE double sum_of_floats(__m256 v)
{
    return sum_of(_mm256_add_pd(half_of(v, 0), half_of(v, 1)));
}

static INLINE __m256d size_of(__m256d x)
{
    return _mm256_andnot_pd(_mm256_set1_pd(-0.0), x);
}

void qv__fit_codes_avx2(uint8_t *code, const float *x, size_t n, struct qv_line l,
                        struct qv_fit f)
{
    const struct grid g = grid_of(l, f);
    for (size_t i = 0; i < n; i += 8) {
        __m256i c = _mm256_cvttps_epi32(codes_from_0(_mm256_loadu_ps(x + i), &g));
        __m128i s =
            _mm_packus_epi32(_mm256_castsi256_si128(c), _mm256_extracti128_si256(c, 1));
        _mm_storel_epi64((__m128i *)(void *)(code + i), _mm_packus_epi16(s, s));
    }
}

/* Under L lines at once, L known when compiled: x is widened for all of them, and one's
 * additions fill the time that another's take. */
static INLINE void plain_sums(struct qv_fit_sums *s, const struct qv_line *l,
                              const size_t L, const float *x, size_t n, struct qv_fit f)
{
    struct grid g[2];
    __m256 c1[2], c2[2];
    __m256d xc[2];
    for (size_t k = 0; k < L; k++) {
        g[k] = grid_of(l[k], f);
        c1[k] = c2[k] = _mm256_setzero_ps();
        xc[k] = _mm256_setzero_pd();
    }
    for (size_t i = 0; i < n; i += 8) {
        const __m256 v = _mm256_loadu_ps(x + i);
        const __m256d z[2] = {half_of(v, 0), half_of(v, 1)};
        for (size_t k = 0; k < L; k++) {
            const __m256 c = codes_of(v, &g[k]);
            c1[k] = _mm256_add_ps(c1[k], c);
            c2[k] = _mm256_fmadd_ps(c, c, c2[k]);
            xc[k] = _mm256_fmadd_pd(z[0], half_of(c, 0), xc[k]);
            xc[k] = _mm256_fmadd_pd(z[1], half_of(c, 1), xc[k]);
        }
    }
    for (size_t k = 0; k < L; k++)
        s[k] =
            (struct qv_fit_sums){sum_of_floats(c1[k]), sum_of_floats(c2[k]), sum_of(xc[k])};
}

static INLINE struct qv_fit_sums weighted_sums(struct qv_line l, const float *x, size_t n,
                                               struct qv_fit f)
{
    const struct grid g = grid_of(l, f);
    __m256d c1 = _mm256_setzero_pd(), c2 = c1, xc = c1;
    for (size_t i = 0; i < n; i += 8) {
        const __m256 v = _mm256_loadu_ps(x + i), codes = codes_of(v, &g);
        for (int h = 0; h < 2; h++) {
            const __m256d z = half_of(v, h), c = half_of(codes, h);
            const __m256d wc = _mm256_mul_pd(size_of(z), c);
            c1 = _mm256_add_pd(c1, wc);
            c2 = _mm256_fmadd_pd(wc, c, c2);
            xc = _mm256_fmadd_pd(wc, z, xc);
        }
    }
    return (struct qv_fit_sums){sum_of(c1), sum_of(c2), sum_of(xc)};
}

void qv__fit_sums_avx2(struct qv_fit_sums *s, const struct qv_line *l, size_t n_lines,
                       const float *x, size_t n, struct qv_fit f)
{
    size_t k = 0;
    for (; !f.is_weighted && k + 2 <= n_lines; k += 2)
        plain_sums(s + k, l + k, 2, x, n, f);
    for (; !f.is_weighted && k < n_lines; k++)
        plain_sums(s + k, l + k, 1, x, n, f);
    for (; k < n_lines; k++)
        s[k] = weighted_sums(l[k], x, n, f);
}

static INLINE double error_of(struct qv_line l, const struct grid *g, const float *x,
                              size_t n, bool is_weighted)
{
    const __m256 scale = _mm256_set1_ps(l.scale);
    __m256d sum = _mm256_setzero_pd();
    for (size_t i = 0; i < n; i += 8) {
        const __m256 v = _mm256_loadu_ps(x + i);
        const __m256 y = _mm256_sub_ps(_mm256_mul_ps(scale, codes_of(v, g)), g->min);
        for (int h = 0; h < 2; h++) {
            const __m256d z = half_of(v, h), e = _mm256_sub_pd(half_of(y, h), z);
            const __m256d we = is_weighted ? _mm256_mul_pd(size_of(z), e) : e;
            sum = _mm256_add_pd(sum, _mm256_mul_pd(we, e));
        }
    }
    return sum_of(sum);
}

void qv__fit_errors_avx2(double *e, const struct qv_line *l, size_t n_lines, const float *x,
                         size_t n, struct qv_fit f)
{
    for (size_t k = 0; k < n_lines; k++) {
        const struct grid g = grid_of(l[k], f);
        e[k] = error_of(l[k], &g, x, n, f.is_weighted);
    }
}
#else
typedef int qv__no_fit_avx2; // a translation unit may not be empty
#endif
