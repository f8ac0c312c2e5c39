/* cluster.h - which experts belong together, from their weights alone.
 *
 * Model-based clustering (MBC) as the authors compute it: flatten each expert,
 * zero the entries at or below the q-quantile of magnitude, reduce by an
 * uncentred SVD, normalise the rows, take the matrix of cosines, and run
 * k-means on its rows. The SVD goes through the K x K Gram matrix, which is
 * exact (docs/mbc.md).
 *
 * Comparing flattened factors assumes that the experts started from the same A
 * (a LoRA's factors are only defined up to an invertible R x R matrix). The
 * gauge-free similarity compares the updates B*A themselves instead, through
 * traces of R x R products, and holds for adapters from anywhere.
 */
#ifndef QV_CLUSTER_CLUSTER_H
#define QV_CLUSTER_CLUSTER_H

#include "base/base.h"
#include "lora/expert.h"

enum qv_similarity {
    QV_SIM_MBC,   // the authors': sparsify, SVD, cosine; needs equal shapes
    QV_SIM_GAUGE, // cosine of the updates: sum over sites <s B A, s' B' A'>
};

/* All-zero means default. */
struct qv_similarity_opts {
    enum qv_similarity kind;
    float sparsity;    // share of entries zeroed, below 1; negative: none (default 0.5)
    size_t components; // of the SVD (default 64)
};

/* sim [K, K] = cosine similarities, symmetric, diagonal 1. A zero expert has
 * similarity 0 to all others. `opts` may be NULL; sparsity and components belong
 * to QV_SIM_MBC. Fails with QV_EFORMAT if shapes differ where they must not
 * (naming both experts), a weight is not finite or the sparsity is 1 or more;
 * QV_ENOMEM. */
qv_status qv__similarity(float *sim, struct qv_expert *const *experts, size_t K,
                         const struct qv_similarity_opts *opts, qv_err *err) QV_MUST_CHECK;

/* k-means++ with n_init restarts (0: 10, at most 300 rounds each) on the rows of
 * x [n, dim]; label[i] in 0..k-1, numbered by first appearance. No cluster is
 * empty. *inertia, the sum of squared distances to the centres, may be NULL. A
 * function of (x, k, n_init, seed). Fails with QV_EFORMAT unless 0 < k <= n;
 * QV_ENOMEM. */
qv_status qv__kmeans(int *label, double *inertia, const float *x, size_t n, size_t dim,
                     size_t k, size_t n_init, uint64_t seed, qv_err *err) QV_MUST_CHECK;

/* The adjusted Rand index of two labelings: 1 the same partition, 0 on average
 * for partitions drawn by chance. */
double qv__adjusted_rand(const int *a, const int *b, size_t n);

/* xy [n, 2]: points whose distances are close to 1 - sim, by classical
 * multidimensional scaling, for maps. Fails with QV_ENOMEM. */
qv_status qv__map2d(float *xy, const float *sim, size_t n, qv_err *err) QV_MUST_CHECK;

/* theta [n] with the entries of magnitude up to the q-quantile zeroed, 0 < q < 1,
 * is what similarity compares; this is the quantile, with numpy's linear
 * interpolation. Three passes over theta and no copy of it. Fails with
 * QV_ENOMEM. */
qv_status qv__magnitude_quantile(double *threshold, const float *theta, size_t n, double q,
                                 qv_err *err) QV_MUST_CHECK;

/* order [n]: a permutation that puts similar neighbours together within and
 * between clusters, for drawing the matrix. */
void qv__cluster_order(size_t *order, const float *sim, const int *label, size_t n);

#endif
