/* cat.c - the exact sum of updates, sum c B A, by stacking the factors. Its rank is
 * the sum of the ranks. */
#include "merge/methods.h"
#include "merge/stack.h"

const struct qv_merge_ops qv__merge_cat = {
    .name = "cat",
    .about = "the mean of the updates, exactly, at the sum of the ranks",
    .takes = QV_TAKES_WEIGHTS,
    .rank = qv__stacked_rank,
    .fill = qv__sum_updates,
};
