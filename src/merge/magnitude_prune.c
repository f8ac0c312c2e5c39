/* magnitude_prune.c - trim each factor to its largest entries, then add. */
#include "merge/methods.h"
#include "merge/entries.h"

const struct qv_merge_ops qv__merge_magnitude_prune = {
    .name = "magnitude_prune",
    .about = "linear, of the largest entries alone",
    .takes = QV_TAKES_WEIGHTS | QV_TAKES_DENSITY,
    .same_ranks = true,
    .rank = qv__largest_rank,
    .prune = qv__prune_trim,
    .combine = qv__combine_sum,
};
