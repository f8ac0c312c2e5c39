/* cat.c - the exact sum of updates, sum c B A, by stacking the factors. Its rank is
 * the sum of the ranks. */
#include "merge/methods.h"
#include "merge/stack.h"

static size_t rank(const struct qv_merge_site *in, const struct qv_merge_how *how)
{
    (void)how;
    return qv__stacked_rank(in);
}

static qv_status fill(const struct qv_expert_site *out, double energy[2],
                      const struct qv_merge_site *in, const struct qv_merge_how *how,
                      qv_err *err)
{
    (void)energy;
    (void)how;
    (void)err;
    qv__stack(out, in);
    return QV_OK;
}

const struct qv_merge_ops qv__merge_cat = {
    .name = "cat",
    .about = "the mean of the updates, exactly, at the sum of the ranks",
    .takes = QV_TAKES_WEIGHTS,
    .rank = rank,
    .fill = fill,
};
