/* ties_whole.c - TIES as the authors of Arrow run it: an expert is trimmed as one
 * vector, by a quantile of all its weights, so that a site with little to say may
 * lose everything. Where the entries' sum is 0, no sign is elected.
 */
#include "merge/methods.h"
#include "merge/prune.h"

#include <math.h>

static void prune(float *x, const struct qv_factor *f, size_t k,
                  const struct qv_merge_how *how)
{
    (void)how;
    for (size_t i = 0; i < f->n; i++)
        x[i] = fabsf(x[i]) >= f->in->threshold[k] ? x[i] : 0;
}

static qv_status fill(const struct qv_expert_site *out, double energy[2],
                      const struct qv_merge_site *in, const struct qv_merge_how *how,
                      qv_err *err)
{
    (void)energy;
    return qv__merge_factors(out, in, how, prune, qv__combine_elect_strictly, err);
}

const struct qv_merge_ops qv__merge_ties_whole = {
    .name = "ties_whole",
    .about = "the same, each expert trimmed as one vector, as Arrow's authors do",
    .takes = QV_TAKES_WEIGHTS | QV_TAKES_DENSITY | QV_TAKES_SIGNS,
    .sums = true,
    .same_ranks = true,
    .trims_whole = true,
    .rank = qv__largest_rank,
    .fill = fill,
};
