/* ties.c - TIES (arXiv:2306.01708), tensor by tensor as PEFT does it: trim each
 * factor to its largest entries, elect a sign at every place, and take the mean of
 * the entries that have it. The sign is elected without weights. */
#include "merge/methods.h"
#include "merge/entries.h"

const struct qv_merge_ops qv__merge_ties = {
    .name = "ties",
    .about = "trim each factor, elect signs, mean of those that agree, as PEFT does",
    .takes = QV_TAKES_WEIGHTS | QV_TAKES_DENSITY | QV_TAKES_SIGNS,
    .sums = true,
    .same_ranks = true,
    .rank = qv__largest_rank,
    .prune = qv__prune_trim,
    .combine = qv__combine_elect,
};
