/* subtract_factor.c - take general knowledge from an expert, factor by factor:
 * A - mean A_g and B - mean B_g over the general experts (GenKnowSub,
 * arXiv:2505.10939, as PEFT does it).
 *
 * The update becomes s (B - mean B_g)(A - mean A_g), which is no difference of
 * updates: subtract_exact is. Scales of the general experts stay out of it; one
 * that does not adapt a site counts as zero there.
 */
#include "merge/methods.h"

static qv_status fill(const struct qv_expert_site *out, double energy[2],
                      const struct qv_merge_site *in, const struct qv_merge_how *how,
                      qv_err *err)
{
    (void)energy;
    (void)how;
    (void)err;
    double scale = (double)in->at[0]->scale;
    for (size_t i = 0; i < out->R * out->D_in; i++) {
        double sum = 0;
        for (size_t k = 0; k < in->n; k++)
            sum += in->w[k] * (double)in->at[k]->A[i];
        out->A[i] = (float)sum;
    }
    for (size_t i = 0; i < out->R * out->D_out; i++) {
        double sum = 0;
        for (size_t k = 0; k < in->n; k++)
            sum += in->w[k] * (double)in->at[k]->B[i];
        out->B[i] = (float)(scale * sum);
    }
    return QV_OK;
}

const struct qv_merge_ops qv__merge_subtract_factor = {
    .name = "subtract_factor",
    .about = "one expert less the mean factors of general ones, as PEFT does",
    .takes = QV_TAKES_GENERAL,
    .same_ranks = true,
    .first_sites = true,
    .rank = qv__largest_rank,
    .fill = fill,
};
