/* average.c - the paper's uniform expert: A = sum w A_k, B = sum w s B_k.
 *
 * It is what the router "uniform" computes when experts are composed by factor
 * (lora/compose.h), made once. Shorter factors count as padded with zeros.
 */
#include "merge/methods.h"

static qv_status fill(const struct qv_expert_site *out, double energy[2],
                      const struct qv_merge_site *in, const struct qv_merge_how *how,
                      qv_err *err)
{
    (void)energy;
    (void)how;
    (void)err;
    for (size_t k = 0; k < in->n; k++) {
        const struct qv_expert_site *s = in->at[k];
        float a = (float)in->w[k], b = (float)(in->w[k] * (double)s->scale);
        for (size_t i = 0; i < s->R * s->D_in; i++)
            out->A[i] += a * s->A[i];
        for (size_t o = 0; o < s->D_out; o++)
            for (size_t r = 0; r < s->R; r++)
                out->B[o * out->R + r] += b * s->B[o * s->R + r];
    }
    return QV_OK;
}

const struct qv_merge_ops qv__merge_average = {
    .name = "average",
    .about = "means of the factors: what the router uniform computes",
    .takes = QV_TAKES_WEIGHTS,
    .rank = qv__largest_rank,
    .fill = fill,
};
