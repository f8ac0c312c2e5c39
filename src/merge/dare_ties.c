/* dare_ties.c - DARE's random pruning in place of TIES' trimming; then TIES. */
#include "merge/methods.h"
#include "merge/entries.h"

const struct qv_merge_ops qv__merge_dare_ties = {
    .name = "dare_ties",
    .about = "ties, of entries drawn at random and scaled up",
    .takes = QV_TAKES_WEIGHTS | QV_TAKES_DENSITY | QV_TAKES_SEED | QV_TAKES_SIGNS,
    .sums = true,
    .same_ranks = true,
    .rank = qv__largest_rank,
    .prune = qv__prune_drop,
    .combine = qv__combine_elect,
};
