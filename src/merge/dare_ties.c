/* dare_ties.c - DARE's random pruning in place of TIES' trimming; then TIES. */
#include "merge/methods.h"
#include "merge/prune.h"

static qv_status fill(const struct qv_expert_site *out, double energy[2],
                      const struct qv_merge_site *in, const struct qv_merge_how *how,
                      qv_err *err)
{
    (void)energy;
    return qv__merge_factors(out, in, how, qv__prune_drop, qv__combine_elect, err);
}

const struct qv_merge_ops qv__merge_dare_ties = {
    .name = "dare_ties",
    .about = "ties, of entries drawn at random and scaled up",
    .takes = QV_TAKES_WEIGHTS | QV_TAKES_DENSITY | QV_TAKES_SEED | QV_TAKES_SIGNS,
    .sums = true,
    .same_ranks = true,
    .rank = qv__largest_rank,
    .fill = fill,
};
