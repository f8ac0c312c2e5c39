/* subtract_exact.c - take general knowledge from an expert, as updates: s B A less
 * the mean of s_g B_g A_g over the general experts, exactly, by stacking; or by
 * --rank compressed. */
#include "merge/methods.h"
#include "merge/stack.h"

const struct qv_merge_ops qv__merge_subtract_exact = {
    .name = "subtract_exact",
    .about = "one expert less the mean update of general ones, exactly, or cut to a rank",
    .takes = QV_TAKES_GENERAL | QV_TAKES_RANK,
    .counts_loss = true,
    .rank = qv__sum_rank,
    .fill = qv__sum_updates,
};
