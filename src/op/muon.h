/* muon.h - Muon: momentum, made orthogonal, for the matrices inside a model.
 *
 * K. Jordan, "Muon: an optimizer for hidden layers in neural networks", 2024; the
 * size of a step is that of J. Liu et al., arXiv:2502.16982, eq. 4, so that AdamW's
 * learning rates serve.
 */
#ifndef QV_OP_MUON_H
#define QV_OP_MUON_H

#include "base/base.h"

struct qv_muon {
    float lr, momentum, decay;
};

/* Floats of scratch that qv__muon needs for a [rows, cols] matrix. */
size_t qv__muon_scratch(size_t rows, size_t cols);

/* One step of p [rows, cols] by its gradient g, multiplied by `scale` first:
 *
 *     m = momentum * m + (1 - momentum) * g      U = (1 - momentum) * g + momentum * m
 *     p = (1 - lr decay) p - lr 0.2 sqrt(max(rows, cols)) msign(U)
 *
 * where msign(U) is U with its singular values brought to about 1, by five steps
 * of Newton-Schulz. One thread's work. */
void qv__muon(float *p, const float *g, float *m, size_t rows, size_t cols,
              const struct qv_muon *o, float scale, float *scratch);

/* X [rows, cols] with its singular values brought into about [0.7, 1.2]; zero
 * stays zero. Scratch: rows * cols floats less than above. */
void qv__msign(float *X, size_t rows, size_t cols, float *scratch);

#endif
