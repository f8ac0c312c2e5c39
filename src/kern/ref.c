/* ref.c - the kernels as plain loops: what all others must compute. */
#include "kern/half.h"
#include "kern/kern.h"

#include <math.h>
#include <string.h>

static float dot(const float *a, const float *b, size_t n)
{
    float sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

void qv__dots(float *y, uint32_t type, const void *w, const float *x, struct qv_dots d)
{
    enum { RUN = QV_BLOCK_MAX };
    const struct qv_block_type *b = qv__block(type);
    float value[RUN];
    qv_check(b && b->computes && !b->layout);
    for (size_t r = 0; r < d.rows; r++) {
        const char *row = (const char *)w + r * d.stride * b->bytes;
        for (size_t t = 0; t < d.T; t++)
            y[t * d.y_stride + r] = 0;
        for (size_t i = 0; i < d.n; i += RUN) {
            const size_t n = qv__min(RUN, d.n - i);
            qv__block_decode(value, b, row + i * b->bytes, n);
            for (size_t t = 0; t < d.T; t++)
                for (size_t k = 0; k < n; k++)
                    y[t * d.y_stride + r] += value[k] * x[t * d.n + i + k];
        }
    }
}

static void axpy(float *y, float a, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += a * x[i];
}

static void axpy_rows(float *y, const float *c, const float *B, size_t rows, size_t stride,
                      size_t n)
{
    for (size_t r = 0; r < rows; r++)
        axpy(y, c[r], B + r * stride, n);
}

static void dot_rows_i16(float *z, const int16_t *A, size_t rows, const float *x, size_t n)
{
    for (size_t r = 0; r < rows; r++) {
        z[r] = 0;
        for (size_t i = 0; i < n; i++)
            z[r] += (float)A[r * n + i] * x[i];
    }
}

static void axpy_rows_i16(float *y, const float *c, const int16_t *B, size_t rows,
                          size_t stride, size_t n)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < n; i++)
            y[i] += c[r] * (float)B[r * stride + i];
}

static void scale_mul(float *y, float a, const float *x, const float *w, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = a * x[i] * w[i];
}

static float exp_sum(float *x, float scale, float shift, size_t n)
{
    float sum = 0;
    for (size_t i = 0; i < n; i++) {
        x[i] = expf(scale * x[i] - shift);
        sum += x[i];
    }
    return sum;
}

static float largest(const float *x, size_t n)
{
    float m = x[0];
    for (size_t i = 1; i < n; i++)
        m = x[i] > m ? x[i] : m;
    return m;
}

static void swiglu(float *y, const float *gate, const float *up, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = gate[i] / (1 + expf(-gate[i])) * up[i];
}

static void gelu_tanh(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = 0.5f * x[i] *
               (1 + tanhf(0.79788456f * (x[i] + 0.044715f * x[i] * x[i] * x[i])));
}

static void swiglu_back(float *dgate, float *dup, const float *dy, const float *gate,
                        const float *up, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float s = 1 / (1 + expf(-gate[i]));
        dup[i] += dy[i] * gate[i] * s;
        dgate[i] += dy[i] * up[i] * s * (1 + gate[i] * (1 - s));
    }
}

static void to_bf16(uint16_t *h, const float *x, size_t n)
{
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
    for (size_t i = 0; i < n; i++) {
        float kept =
            qv__drop_bits(seed, (uint32_t)(from + i)) < threshold ? 0 : x[i] * keep;
        y[i] = add ? y[i] + kept : kept;
    }
}

static void adamw(float *p, const float *g, float *m, float *v, size_t n,
                  const struct qv_adamw_step *s)
{
    for (size_t i = 0; i < n; i++) {
        float gi = g[i] * s->scale;
        m[i] = s->beta1 * m[i] + (1 - s->beta1) * gi;
        v[i] = s->beta2 * v[i] + (1 - s->beta2) * gi * gi;
        p[i] -= s->lr * s->decay * p[i];
        p[i] -= s->lr * (m[i] / s->fix1) / (sqrtf(v[i] / s->fix2) + s->eps);
    }
}

const struct qv_kern qv__kern_ref = {
    .name = "ref",
    .dot = dot,
    .dots = qv__dots,
    .axpy = axpy,
    .axpy_rows = axpy_rows,
    .dot_rows_i16 = dot_rows_i16,
    .axpy_rows_i16 = axpy_rows_i16,
    .scale_mul = scale_mul,
    .exp_sum = exp_sum,
    .max = largest,
    .swiglu = swiglu,
    .swiglu_back = swiglu_back,
    .gelu_tanh = gelu_tanh,
    .to_bf16 = to_bf16,
    .drop = drop,
    .adamw = adamw,
    .narrow = qv__narrow,
    .dot_blocks = qv__dot_blocks,
    .widen = qv__block_decode,
    .fit_codes = qv__fit_codes,
    .fit_sums = qv__fit_sums,
    .fit_errors = qv__fit_errors,
};
