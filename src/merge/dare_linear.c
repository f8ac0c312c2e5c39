/* dare_linear.c - DARE (arXiv:2311.03099): drop entries of each factor at random,
 * make up for them by dividing the others by the share that stays, then add. On
 * average over seeds each factor is that of linear. */
#include "merge/methods.h"
#include "merge/prune.h"

static qv_status fill(const struct qv_expert_site *out, double energy[2],
                      const struct qv_merge_site *in, const struct qv_merge_how *how,
                      qv_err *err)
{
    (void)energy;
    return qv__merge_factors(out, in, how, qv__prune_drop, qv__combine_sum, err);
}

const struct qv_merge_ops qv__merge_dare_linear = {
    .name = "dare_linear",
    .about = "linear, of entries drawn at random and scaled up",
    .takes = QV_TAKES_WEIGHTS | QV_TAKES_DENSITY | QV_TAKES_SEED,
    .same_ranks = true,
    .rank = qv__largest_rank,
    .fill = fill,
};
