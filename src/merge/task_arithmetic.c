/* task_arithmetic.c - add what each expert learned: the updates are task vectors,
 * and sum c B A is kept exactly, or by --rank compressed. A negative weight takes
 * a task away. */
#include "merge/methods.h"
#include "merge/stack.h"

const struct qv_merge_ops qv__merge_task_arithmetic = {
    .name = "task_arithmetic",
    .about = "the sum of the updates, exactly, or cut to a rank",
    .takes = QV_TAKES_WEIGHTS | QV_TAKES_RANK,
    .sums = true,
    .counts_loss = true,
    .rank = qv__sum_rank,
    .fill = qv__sum_updates,
};
