/* whole_rows.h - products with rows of whole numbers of 16 bits, as loops a compiler can
 * turn into vector code: part of vector.h. */
#ifndef QV_KERN_WHOLE_ROWS_H
#define QV_KERN_WHOLE_ROWS_H

#include <stddef.h>
#include <stdint.h>

static float dot_i16(const int16_t *a, const float *x, size_t n)
{
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++)
        sum += (float)a[i] * x[i];
    return sum;
}

static void axpy_i16(float *y, float c, const int16_t *b, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        y[i] += c * (float)b[i];
}

static void dot_rows_i16(float *z, const int16_t *A, size_t rows, const float *x, size_t n)
{
    size_t r = 0;
    for (; r + 4 <= rows; r += 4) {
        const int16_t *a = A + r * n, *b = a + n, *c = b + n, *d = c + n;
        float za = 0, zb = 0, zc = 0, zd = 0;
#pragma omp simd reduction(+ : za, zb, zc, zd)
        for (size_t i = 0; i < n; i++) {
            za += (float)a[i] * x[i];
            zb += (float)b[i] * x[i];
            zc += (float)c[i] * x[i];
            zd += (float)d[i] * x[i];
        }
        z[r] = za, z[r + 1] = zb, z[r + 2] = zc, z[r + 3] = zd;
    }
    for (; r < rows; r++)
        z[r] = dot_i16(A + r * n, x, n);
}

static void axpy_rows_i16(float *y, const float *c, const int16_t *B, size_t rows,
                          size_t stride, size_t n)
{
    size_t r = 0;
    for (; r + 4 <= rows; r += 4) {
        const int16_t *b = B + r * stride;
        const float c0 = c[r], c1 = c[r + 1], c2 = c[r + 2], c3 = c[r + 3];
#pragma omp simd
        for (size_t i = 0; i < n; i++) {
            float sum = y[i] + c0 * (float)b[i];
            sum += c1 * (float)b[i + stride];
            sum += c2 * (float)b[i + 2 * stride];
            y[i] = sum + c3 * (float)b[i + 3 * stride];
        }
    }
    for (; r < rows; r++)
        axpy_i16(y, c[r], B + r * stride, n);
}

#endif
