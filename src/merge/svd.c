/* svd.c - the best expert of a given rank: of all products of that rank, the one
 * nearest to sum c B A in the Frobenius norm.
 *
 * c has the scale s once. PEFT's "svd" has it twice, w s^2, which is the same only
 * where s = 1.
 */
#include "merge/methods.h"
#include "merge/stack.h"

static size_t rank(const struct qv_merge_site *in, const struct qv_merge_how *how)
{
    size_t R = how->rank ? how->rank : qv__largest_rank(in, how);
    return qv__min(qv__min(R, qv__stacked_rank(in, how)), qv__min(in->D_in, in->D_out));
}

const struct qv_merge_ops qv__merge_svd = {
    .name = "svd",
    .about = "the mean of the updates, as near as a rank allows (the largest rank)",
    .takes = QV_TAKES_WEIGHTS | QV_TAKES_RANK,
    .counts_loss = true,
    .rank = rank,
    .fill = qv__sum_updates,
};
