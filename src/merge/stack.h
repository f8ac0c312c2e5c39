/* stack.h - the exact sum of updates, sum c B A, as one pair of factors; and the
 * best pair of a smaller rank. */
#ifndef QV_MERGE_STACK_H
#define QV_MERGE_STACK_H

#include "merge/merge.h"

/* The ranks at the site, added up. */
size_t qv__stacked_rank(const struct qv_merge_site *in);

/* out->A = the rows c A, out->B = the columns B, in the order of the experts:
 * their product is sum c B A. out->R is the stacked rank. */
void qv__stack(const struct qv_expert_site *out, const struct qv_merge_site *in);

/* The product of rank out->R that is nearest to sum c B A in the Frobenius norm:
 * out->B = U diag(sigma), out->A = the rows V', largest sigma first, the largest
 * entry of a row of A positive. out->R <= min(stacked rank, D_in, D_out); what the
 * sum does not need of it stays zero. Adds to energy as fill does. Fails with
 * QV_ENOMEM. */
qv_status qv__compress(const struct qv_expert_site *out, double energy[2],
                       const struct qv_merge_site *in, qv_err *err) QV_MUST_CHECK;

/* The rank of a sum that is kept whole unless the caller names a smaller one; and
 * its fill: stacked, or compressed to that rank. */
size_t qv__sum_rank(const struct qv_merge_site *in, const struct qv_merge_how *how);
qv_status qv__sum_updates(const struct qv_expert_site *out, double energy[2],
                          const struct qv_merge_site *in, const struct qv_merge_how *how,
                          qv_err *err) QV_MUST_CHECK;

#endif
