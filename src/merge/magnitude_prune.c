/* magnitude_prune.c - trim each factor to its largest entries, then add. */
#include "merge/methods.h"
#include "merge/prune.h"

static qv_status fill(const struct qv_expert_site *out, double energy[2],
                      const struct qv_merge_site *in, const struct qv_merge_how *how,
                      qv_err *err)
{
    (void)energy;
    return qv__merge_factors(out, in, how, qv__prune_trim, qv__combine_sum, err);
}

const struct qv_merge_ops qv__merge_magnitude_prune = {
    .name = "magnitude_prune",
    .about = "linear, of the largest entries alone",
    .takes = QV_TAKES_WEIGHTS | QV_TAKES_DENSITY,
    .same_ranks = true,
    .rank = qv__largest_rank,
    .fill = fill,
};
