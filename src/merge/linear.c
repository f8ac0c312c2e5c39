/* linear.c - weighted sums of the factors, as PEFT's "linear":
 *     A = sum sign(c) sqrt(|c|) A_k,   B = sum sqrt(|c|) B_k.
 *
 * Their product has the cross terms B_i A_j besides sum c B A, so it is that sum
 * only for one expert, or for experts whose factors are alike. Cheap, of unchanged
 * rank, and an approximation: cat and svd are not.
 */
#include "merge/methods.h"
#include "merge/entries.h"

const struct qv_merge_ops qv__merge_linear = {
    .name = "linear",
    .about = "weighted sums of the factors, as PEFT does; has cross terms",
    .takes = QV_TAKES_WEIGHTS,
    .same_ranks = true,
    .rank = qv__largest_rank,
    .combine = qv__combine_sum,
};
