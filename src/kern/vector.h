/* vector.h - the kernels as loops a compiler can turn into vector code.
 *
 * Included by one file per instruction set, whose flags decide the width. The
 * sums may be added in any order, which `omp simd reduction` grants and plain C
 * does not; exp is a polynomial, since a call cannot be vectorised.
 */
#include "kern/kern.h"
#include "kern/whole_rows.h"

#include <math.h>
#include <string.h>

/* exp(x) to about 1e-7 relative. With n = round(x / ln 2) and r = x - n ln 2,
 * exp(x) = 2^n exp(r), |r| <= 0.35; ln 2 is split in two so that r is exact.
 * Below -87 the result is a number that rounds to nothing beside 1; NaN stays
 * NaN through the polynomial. */
static inline float fast_exp(float x)
{
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    const float magic = 0x1.8p23f; // adding it leaves n in the last bits
    float shifted = x * 1.44269504f + magic, n = shifted - magic;
    float r = x - n * 0.693359375f + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1;
    uint32_t bits; // unsigned: with x = NaN they mean nothing, and may overflow
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits - 0x4b400000 + 127) << 23;
    float two_n;
    memcpy(&two_n, &bits, sizeof two_n);
    return p * two_n;
}

static float dot(const float *a, const float *b, size_t n)
{
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static void axpy(float *y, float a, const float *x, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        y[i] += a * x[i];
}

/* Four rows at a time: each y[i] is loaded and stored once for them. */
static void axpy_rows(float *y, const float *c, const float *B, size_t rows, size_t stride,
                      size_t n)
{
    size_t r = 0;
    for (; r + 4 <= rows; r += 4) {
        const float *b = B + r * stride;
        const float c0 = c[r], c1 = c[r + 1], c2 = c[r + 2], c3 = c[r + 3];
#pragma omp simd
        for (size_t i = 0; i < n; i++) {
            float sum = y[i] + c0 * b[i];
            sum += c1 * b[i + stride];
            sum += c2 * b[i + 2 * stride];
            y[i] = sum + c3 * b[i + 3 * stride];
        }
    }
    for (; r < rows; r++)
        axpy(y, c[r], B + r * stride, n);
}

static void scale_mul(float *y, float a, const float *x, const float *w, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        y[i] = a * x[i] * w[i];
}

static float exp_sum(float *x, float scale, float shift, size_t n)
{
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++) {
        x[i] = fast_exp(scale * x[i] - shift);
        sum += x[i];
    }
    return sum;
}

/* Sixteen maxima side by side, then the largest of them: `omp simd reduction(max)`
 * would start from the least finite float, which hides a row of -infinity. */
static float largest(const float *x, size_t n)
{
    float m[16], best = x[0];
    for (size_t j = 0; j < 16; j++)
        m[j] = x[0];
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
#pragma omp simd
        for (size_t j = 0; j < 16; j++)
            m[j] = x[i + j] > m[j] ? x[i + j] : m[j];
    for (; i < n; i++)
        best = x[i] > best ? x[i] : best;
    for (size_t j = 0; j < 16; j++)
        best = m[j] > best ? m[j] : best;
    return best;
}

static void swiglu(float *y, const float *gate, const float *up, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        y[i] = gate[i] / (1 + fast_exp(-gate[i])) * up[i];
}

static void gelu_tanh(float *y, const float *x, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        const float twice = 1.59576912f * (x[i] + 0.044715f * x[i] * x[i] * x[i]);
        y[i] = x[i] / (1 + fast_exp(-twice));
    }
}

static void swiglu_back(float *dgate, float *dup, const float *dy, const float *gate,
                        const float *up, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        float s = 1 / (1 + fast_exp(-gate[i]));
        dup[i] += dy[i] * gate[i] * s;
        dgate[i] += dy[i] * up[i] * s * (1 + gate[i] * (1 - s));
    }
}

static void to_bf16(uint16_t *h, const float *x, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        h[i] = (bits & 0x7fffffff) > 0x7f800000
                   ? (uint16_t)(bits >> 16 | 0x40)
                   : (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
    }
}

static void drop(float *y, const float *x, size_t n, size_t from, uint64_t seed,
                 uint32_t threshold, int add)
{
    const float keep = 1 / (1 - (float)threshold * 0x1p-32f);
    if (add) {
#pragma omp simd
        for (size_t i = 0; i < n; i++) {
            uint32_t h = qv__drop_bits(seed, (uint32_t)(from + i));
            y[i] += h < threshold ? 0 : x[i] * keep;
        }
    } else {
#pragma omp simd
        for (size_t i = 0; i < n; i++) {
            uint32_t h = qv__drop_bits(seed, (uint32_t)(from + i));
            y[i] = h < threshold ? 0 : x[i] * keep;
        }
    }
}

static void adamw(float *p, const float *g, float *m, float *v, size_t n,
                  const struct qv_adamw_step *s)
{
    const struct qv_adamw_step c = *s;
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        float gi = g[i] * c.scale;
        m[i] = c.beta1 * m[i] + (1 - c.beta1) * gi;
        v[i] = c.beta2 * v[i] + (1 - c.beta2) * gi * gi;
        p[i] -= c.lr * c.decay * p[i];
        p[i] -= c.lr * (m[i] / c.fix1) / (sqrtf(v[i] / c.fix2) + c.eps);
    }
}

#define QV_VECTOR_TABLE(isa)                                                               \
    {                                                                                      \
        .name = isa, .dot = dot, .dots = qv__dots_avx2, .axpy = axpy,                      \
        .axpy_rows = axpy_rows, .dot_rows_i16 = dot_rows_i16,                              \
        .axpy_rows_i16 = axpy_rows_i16, .scale_mul = scale_mul, .exp_sum = exp_sum,        \
        .max = largest, .swiglu = swiglu, .swiglu_back = swiglu_back,                      \
        .gelu_tanh = gelu_tanh, .to_bf16 = to_bf16, .drop = drop, .adamw = adamw,          \
        .narrow = qv__narrow_avx2, .dot_blocks = qv__dot_blocks_avx2,                      \
        .widen = qv__widen_avx2, .fit_codes = qv__fit_codes_avx2,                          \
        .fit_sums = qv__fit_sums_avx2, .fit_errors = qv__fit_errors_avx2                   \
    }
