/* similarity.c - cosines between experts, from their weights.
 *
 * Each kind of similarity is a K x K Gram matrix of inner products, made in its
 * own file; what they share is here.
 */
#include "cluster/cluster.h"

#include "base/carve.h"
#include "cluster/gram.h"
#include "lora/spectrum.h"

#include <math.h>
#include <stdlib.h>

static qv_status check_finite(struct qv_expert *const *experts, size_t K, qv_err *err)
{
    for (size_t k = 0; k < K; k++)
        if (!qv__all_finite(experts[k]->w, experts[k]->n_w))
            return qv_fail(err, QV_EFORMAT, "expert '%s': a weight is not finite",
                           experts[k]->name);
    return QV_OK;
}

/* From inner products to cosines, exactly symmetric and 1 on the diagonal. */
static void cosines(float *sim, const double *G, size_t K)
{
    for (size_t i = 0; i < K; i++)
        for (size_t j = 0; j <= i; j++) {
            double norms = sqrt(G[i * K + i]) * sqrt(G[j * K + j]);
            double c = i == j ? 1 : norms > 0 ? G[i * K + j] / norms : 0;
            sim[i * K + j] = sim[j * K + i] = (float)fmin(fmax(c, -1), 1);
        }
}

qv_status qv__similarity(float *sim, struct qv_expert *const *experts, size_t K,
                         const struct qv_similarity_opts *opts, qv_err *err)
{
    struct qv_similarity_opts o = opts ? *opts : (struct qv_similarity_opts){0};
    if (K == 0)
        return qv_fail(err, QV_EFORMAT, "there are no experts to compare");
    if (!(o.sparsity < 1))
        return qv_fail(err, QV_EFORMAT, "a sparsity of %g leaves nothing to compare",
                       (double)o.sparsity);
    qv_status result = check_finite(experts, K, err);
    if (result)
        return result;

    qv_carve need = {0};
    qv__carve(&need, K, K, 1, sizeof(double));
    double *G = qv__carve_alloc(&need);
    if (!G)
        return qv_fail(err, QV_ENOMEM, "no memory to compare %zu experts", K);
    if (o.kind == QV_SIM_MBC) {
        double q = o.sparsity != 0 ? (double)o.sparsity : 0.5;
        result = qv__gram_mbc(G, experts, K, q, o.components ? o.components : 64, err);
    } else
        result = qv__gram_gauge(G, experts, K, err);
    if (!result)
        cosines(sim, G, K);
    free(G);
    return result;
}
