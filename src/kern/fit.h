/* fit.h - how well whole numbers on a line stand for a group of numbers.
 *
 * Number x has the code c, the whole number from low to high that is nearest to
 * (x + min) / scale, and is read as scale * c - min. Whoever looks for the best line asks
 * for several at once, and gets the sums that a regression of x on c needs, or the errors.
 *
 * Each table computes the same bits: codes in floats, sums in doubles, numbers i, i + 4,
 * i + 8 ... in one sum, and the four sums at the end two by two. What is weighted counts
 * by its magnitude.
 */
#ifndef QV_KERN_FIT_H
#define QV_KERN_FIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct qv_line {
    float scale, min;
};

struct qv_fit {
    int low, high; // of codes
    bool is_weighted;
};

/* Sums of c, c c and x c, each weighted. */
struct qv_fit_sums {
    double c, cc, xc;
};

/* 1 / x, but 0 of 0. */
static inline float qv__inverse(float x)
{
    return x != 0 ? 1 / x : 0;
}

/* The whole number nearest to x in low to high; low for NaN. */
static inline int qv__nearest(float x, int low, int high)
{
    if (!(x > (float)low))
        return low;
    return x >= (float)high ? high : low + (int)(x - (float)low + 0.5f);
}

/* Entries of tables of kernels: see kern.h. n is a multiple of 8. */
void qv__fit_codes(uint8_t *code, const float *x, size_t n, struct qv_line l,
                   struct qv_fit f);
void qv__fit_sums(struct qv_fit_sums *s, const struct qv_line *l, size_t n_lines,
                  const float *x, size_t n, struct qv_fit f);
void qv__fit_errors(double *e, const struct qv_line *l, size_t n_lines, const float *x,
                    size_t n, struct qv_fit f);
#if defined(__x86_64__)
void qv__fit_codes_avx2(uint8_t *code, const float *x, size_t n, struct qv_line l,
                        struct qv_fit f);
void qv__fit_sums_avx2(struct qv_fit_sums *s, const struct qv_line *l, size_t n_lines,
                       const float *x, size_t n, struct qv_fit f);
void qv__fit_errors_avx2(double *e, const struct qv_line *l, size_t n_lines, const float *x,
                         size_t n, struct qv_fit f);
#endif

#endif
