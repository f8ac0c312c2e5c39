/* muon.c - see muon.h. */
#include "op/muon.h"
#include "op/adamw.h"
#include "op/gemm.h"

#include <math.h>
#include <string.h>

enum { NEWTON_SCHULZ = 5 };

size_t qv__muon_scratch(size_t rows, size_t cols)
{
    size_t k = qv__min(rows, cols);
    return 2 * rows * cols + 2 * k * k; // U; A, B, Y of qv__msign
}

/* X' = a X + (b A + c A^2) X with A = X X^T on the shorter side: an odd polynomial
 * of the singular values that maps (0, 1] near 1. */
void qv__msign(float *X, size_t rows, size_t cols, float *scratch)
{
    static const float a = 3.4445f, b = -4.7750f, c = 2.0315f;
    size_t n = rows * cols, k = qv__min(rows, cols);
    bool wide = rows <= cols;
    float *A = scratch, *B = A + k * k, *Y = B + k * k;
    float inv = 1 / ((float)qv__norm(X, n) + 1e-7f);
    for (size_t i = 0; i < n; i++)
        X[i] *= inv;
    for (int step = 0; step < NEWTON_SCHULZ; step++) {
        qv__sgemm(!wide, wide, k, k, n / k, 1, X, cols, X, cols, 0, A, k);
        memcpy(B, A, k * k * sizeof *B);
        qv__sgemm(false, false, k, k, k, c, A, k, A, k, b, B, k);
        memcpy(Y, X, n * sizeof *Y);
        if (wide)
            qv__sgemm(false, false, rows, cols, k, 1, B, k, X, cols, a, Y, cols);
        else
            qv__sgemm(false, false, rows, cols, k, 1, X, cols, B, k, a, Y, cols);
        memcpy(X, Y, n * sizeof *X);
    }
}

void qv__muon(float *p, const float *g, float *m, size_t rows, size_t cols,
              const struct qv_muon *o, float scale, float *scratch)
{
    size_t n = rows * cols;
    float *U = scratch, fresh = 1 - o->momentum;
    for (size_t i = 0; i < n; i++) {
        m[i] = o->momentum * m[i] + fresh * scale * g[i];
        U[i] = o->momentum * m[i] + fresh * scale * g[i];
    }
    qv__msign(U, rows, cols, scratch + n);
    float size = o->lr * 0.2f * sqrtf((float)qv__max(rows, cols));
    for (size_t i = 0; i < n; i++)
        p[i] -= o->lr * o->decay * p[i] + size * U[i];
}
