/* gram.h - inner products between experts: one K x K matrix a kind of
 * similarity. See cluster.h. */
#ifndef QV_CLUSTER_GRAM_H
#define QV_CLUSTER_GRAM_H

#include "base/base.h"
#include "lora/expert.h"

/* G [K, K] = inner products of the experts' embeddings: flattened weights with
 * those up to the q-quantile of magnitude zeroed (q < 0: none), cut to
 * `components` dimensions by SVD. Only the part on and below the diagonal
 * matters to the caller. Fails with QV_EFORMAT if shapes differ, QV_ENOMEM. */
qv_status qv__gram_mbc(double *G, struct qv_expert *const *experts, size_t K, double q,
                       size_t components, qv_err *err) QV_MUST_CHECK;

/* G [K, K], on and below the diagonal = the sum over shared sites of
 * <s B A, s' B' A'>; the rest is left alone. G comes zeroed. Fails with
 * QV_EFORMAT if two experts give a site different dimensions, QV_ENOMEM. */
qv_status qv__gram_gauge(double *G, struct qv_expert *const *experts, size_t K,
                         qv_err *err) QV_MUST_CHECK;

#endif
