/* stack.h - a sum of updates, sum c B A, as one pair of factors. */
#ifndef QV_MERGE_STACK_H
#define QV_MERGE_STACK_H

#include "merge/merge.h"

/* The ranks at the site, added up: at that rank the sum is exact. */
size_t qv__stacked_rank(const struct qv_merge_site *in, const struct qv_merge_how *how);

/* The same, unless the caller names a smaller one. */
size_t qv__sum_rank(const struct qv_merge_site *in, const struct qv_merge_how *how);

/* out->A and out->B = the sum, at the stacked rank exactly: the rows c A, the columns
 * B, in the order of the experts; at a smaller one the nearest product of that
 * rank (lora/truncate.h). */
qv_status qv__sum_updates(const struct qv_expert_site *out, double energy[2],
                          const struct qv_merge_site *in, const struct qv_merge_how *how,
                          qv_err *err) QV_MUST_CHECK;

#endif
