/* kern.h - the table of inner loops.
 *
 * A kernel is one thread's work on plain pointers: it allocates nothing, knows
 * no model and starts no thread. ref.c is the specification; every other file
 * is the same table for one instruction set, built with that set's flags, and
 * must agree with ref.c within the bounds that tests/unit/kern_test.c states.
 */
#ifndef QV_KERN_KERN_H
#define QV_KERN_KERN_H

#include "kern/block_dot.h"
#include "kern/fit.h"
#include "kern/numbers.h"

#include <stddef.h>
#include <stdint.h>

/* One step of AdamW, already bias-corrected: see op/adamw.h. */
struct qv_adamw_step {
    float lr, beta1, beta2, eps, decay;
    float fix1, fix2; // 1 - beta^t
    float scale;      // multiplies the gradient first (clipping)
};

/* 32 well-mixed bits of (seed, i): two rounds of MurmurHash3's finaliser, one for
 * each half of the seed. 32 bits wide, so that a vector unit can do it. */
static inline uint32_t qv__drop_bits(uint64_t seed, uint32_t i)
{
    uint32_t h = i * 0x9e3779b1u ^ (uint32_t)seed;
    h = (h ^ h >> 16) * 0x85ebca6bu;
    h = (h ^ h >> 13) * 0xc2b2ae35u;
    h = h ^ h >> 16 ^ (uint32_t)(seed >> 32);
    h = (h ^ h >> 16) * 0x85ebca6bu;
    h = (h ^ h >> 13) * 0xc2b2ae35u;
    return h ^ h >> 16;
}

struct qv_kern {
    const char *name;

    /* sum of a[i] * b[i] */
    float (*dot)(const float *a, const float *b, size_t n);

    /* y[t * y_stride + r] = sum of w[r * stride + i] * x[t * n + i]: rows of W times each
     * row of x. A sum is the same to the bit however many others are asked for. W is of
     * the type F32, F16 or BF16 (QV_BLOCK_...). */
    void (*dots)(float *y, uint32_t type, const void *w, const float *x, struct qv_dots d);

    /* y[i] += a * x[i] */
    void (*axpy)(float *y, float a, const float *x, size_t n);

    /* y[i] += c[0] * B[0, i] + c[1] * B[1, i] + ..., row after row, of the rows of B, each
     * `stride` after the last and n long */
    void (*axpy_rows)(float *y, const float *c, const float *B, size_t rows, size_t stride,
                      size_t n);

    /* Rows of whole numbers, which read half as many bytes: the same, and
     * z[r] = sum of A[r, i] * x[i] for each of the rows of A [rows, n] */
    void (*dot_rows_i16)(float *z, const int16_t *A, size_t rows, const float *x, size_t n);
    void (*axpy_rows_i16)(float *y, const float *c, const int16_t *B, size_t rows,
                          size_t stride, size_t n);

    /* y[i] = a * x[i] * w[i] */
    void (*scale_mul)(float *y, float a, const float *x, const float *w, size_t n);

    /* x[i] = exp(scale * x[i] - shift); returns their sum */
    float (*exp_sum)(float *x, float scale, float shift, size_t n);

    /* the largest x[i]; n > 0 */
    float (*max)(const float *x, size_t n);

    /* y[i] = silu(gate[i]) * up[i], silu(g) = g / (1 + exp(-g)) */
    void (*swiglu)(float *y, const float *gate, const float *up, size_t n);

    /* dgate[i] and dup[i] += what swiglu's gradient dy[i] gives them */
    void (*swiglu_back)(float *dgate, float *dup, const float *dy, const float *gate,
                        const float *up, size_t n);

    /* y[i] = x[i] (1 + tanh(z[i])) / 2 = x[i] / (1 + exp(-2 z[i])),
     * z = sqrt(2 / pi) (x + 0.044715 x^3) */
    void (*gelu_tanh)(float *y, const float *x, size_t n);

    /* h[i] = x[i] rounded to bfloat16, ties to even */
    void (*to_bf16)(uint16_t *h, const float *x, size_t n);

    /* Dropout: y[i] (+= if add) x[i] / (1 - rate), or 0 where element i is dropped,
     * which it is with probability rate = threshold / 2^32 as a function of
     * (seed, i) alone, i counted from `from`. */
    void (*drop)(float *y, const float *x, size_t n, size_t from, uint64_t seed,
                 uint32_t threshold, int add);

    void (*adamw)(float *p, const float *g, float *m, float *v, size_t n,
                  const struct qv_adamw_step *s);

    /* fills q with its x, narrowed; q is laid out */
    void (*narrow)(struct qv_narrow *q);

    /* y[t * stride] = sum of w[i] * x[t, i], w a row of n elements in blocks of type b,
     * which has codes, x as q was made with, narrowed or not: see block_dot.h */
    void (*dot_blocks)(float *y, size_t stride, const struct qv_block_type *b,
                       const void *row, const struct qv_narrow *q);

    /* out[i] = the value of element i of n in blocks: qv__block_decode, to the bit */
    void (*widen)(float *out, const struct qv_block_type *b, const void *blocks, size_t n);

    /* Of a group of numbers x [n]: the codes on a line, less the lowest; the sums under
     * each of several lines, and the weighted squares of what codes are off: see fit.h */
    void (*fit_codes)(uint8_t *code, const float *x, size_t n, struct qv_line l,
                      struct qv_fit f);
    void (*fit_sums)(struct qv_fit_sums *s, const struct qv_line *l, size_t n_lines,
                     const float *x, size_t n, struct qv_fit f);
    void (*fit_errors)(double *e, const struct qv_line *l, size_t n_lines, const float *x,
                       size_t n, struct qv_fit f);
};

extern const struct qv_kern qv__kern_ref;
#if defined(__x86_64__)
extern const struct qv_kern qv__kern_avx2;
extern const struct qv_kern qv__kern_avx512;
#endif

/* The fastest table this machine can run; QV_KERN=ref|avx2|avx512 asks for a
 * lesser one. The environment is asked once. */
const struct qv_kern *qv__kern(void);

/* From now on it is the table of that name, or the fastest if name is NULL; one that there
 * is not, or that this machine cannot run, is the reference. */
const struct qv_kern *qv__kern_use(const char *name);

/* Whether products of bfloat16 numbers are fast here (avx512_bf16 or AMX). */
int qv__has_bf16(void);

#endif
