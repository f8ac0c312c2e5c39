/* dare_linear.c - DARE (arXiv:2311.03099): drop entries of each factor at random,
 * make up for them by dividing the others by the share that stays, then add. On
 * average over seeds each factor is that of linear. */
#include "merge/methods.h"
#include "merge/entries.h"

const struct qv_merge_ops qv__merge_dare_linear = {
    .name = "dare_linear",
    .about = "linear, of entries drawn at random and scaled up",
    .takes = QV_TAKES_WEIGHTS | QV_TAKES_DENSITY | QV_TAKES_SEED,
    .same_ranks = true,
    .rank = qv__largest_rank,
    .prune = qv__prune_drop,
    .combine = qv__combine_sum,
};
