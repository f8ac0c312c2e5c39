/* subtract.h - experts less what they have in common with others. */
#ifndef QV_MODEL_SUBTRACT_H
#define QV_MODEL_SUBTRACT_H

#include "base/base.h"
#include "lora/expert.h"

/* out[i] = experts[i] less the mean of the general ones (GenKnowSub, arXiv:2505.10939):
 * factor by factor as its authors and PEFT do (merge/subtract_factor.c), or exactly,
 * update by update. Fails as qv__merge and qv__fold do; out[] is then all NULL. The
 * caller owns what is in out[]. */
qv_status qv__subtract_general(struct qv_expert **out, struct qv_expert *const *experts,
                               size_t n, struct qv_expert *const *general, size_t n_general,
                               bool exactly, qv_err *err) QV_MUST_CHECK;

/* The same with the average of all of them, (mean s B)(mean A) as the router uniform has
 * it, taken from each exactly.
 *
 * An exact difference has both ranks together, the subtracted rows first, where they meet
 * only one another when `factor` averages: a routed update is then what it is without
 * the subtraction, less the mean. */
qv_status qv__subtract_mean(struct qv_expert **out, struct qv_expert *const *experts,
                            size_t n, qv_err *err) QV_MUST_CHECK;

#endif
