/* ties_whole.c - TIES as the authors of Arrow run it: an expert is trimmed as one
 * vector, by a quantile of all its weights, so that a site with little to say may
 * lose everything. Where the entries' sum is 0, no sign is elected.
 */
#include "merge/methods.h"
#include "merge/entries.h"

#include <math.h>

static void prune(float *x, const struct qv_factor *f, size_t k,
                  const struct qv_merge_how *how)
{
    (void)how;
    for (size_t i = 0; i < f->n; i++)
        x[i] = fabsf(x[i]) >= f->in->threshold[k] ? x[i] : 0;
}

const struct qv_merge_ops qv__merge_ties_whole = {
    .name = "ties_whole",
    .about = "the same, each expert trimmed as one vector, as Arrow's authors do",
    .takes = QV_TAKES_WEIGHTS | QV_TAKES_DENSITY | QV_TAKES_SIGNS,
    .sums = true,
    .same_ranks = true,
    .trims_whole = true,
    .rank = qv__largest_rank,
    .prune = prune,
    .combine = qv__combine_elect_strictly,
};
