/* truncate.h - an update of large rank, as near as a small rank allows. */
#ifndef QV_LORA_TRUNCATE_H
#define QV_LORA_TRUNCATE_H

#include "lora/expert.h"

/* The product of rank out->R that is nearest to in's B A in the Frobenius norm:
 * out->B = U diag(sigma), out->A = the rows V', largest sigma first, the largest
 * entry of a row of A positive. out->R <= min(in->R, D_in, D_out); what B A does not
 * need of it becomes zero. Scales are left out of it.
 *
 * energy[0] += the squared norm of B A, energy[1] += of what is cut off. Where in->R,
 * D_in and D_out are all above 11 (out->R + 8), the small part of it that lies beyond
 * as many singular values is an estimate. Fails with QV_ENOMEM. */
qv_status qv__truncate(const struct qv_expert_site *out, double energy[2],
                       const struct qv_expert_site *in, qv_err *err) QV_MUST_CHECK;

#endif
