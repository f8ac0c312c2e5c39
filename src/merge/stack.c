/* stack.c - see stack.h. */
#include "merge/stack.h"

#include "base/carve.h"
#include "lora/truncate.h"

#include <stdlib.h>

size_t qv__stacked_rank(const struct qv_merge_site *in, const struct qv_merge_how *how)
{
    (void)how;
    size_t R = 0;
    for (size_t k = 0; k < in->n; k++)
        R += in->at[k]->R;
    return R;
}

size_t qv__sum_rank(const struct qv_merge_site *in, const struct qv_merge_how *how)
{
    size_t R = qv__stacked_rank(in, how);
    bool is_cut = how->rank && how->rank < R;
    return is_cut ? qv__min(how->rank, qv__min(in->D_in, in->D_out)) : R;
}

static void stack(const struct qv_expert_site *out, const struct qv_merge_site *in)
{
    size_t row = 0;
    for (size_t k = 0; k < in->n; k++) {
        const struct qv_expert_site *s = in->at[k];
        double c = in->w[k] * (double)s->scale;
        float *A = out->A + row * s->D_in;
        for (size_t i = 0; i < s->R * s->D_in; i++)
            A[i] = (float)(c * (double)s->A[i]);
        for (size_t o = 0; o < s->D_out; o++)
            for (size_t r = 0; r < s->R; r++)
                out->B[o * out->R + row + r] = s->B[o * s->R + r];
        row += s->R;
    }
}

static size_t layout(struct qv_expert_site *sum, void *base)
{
    qv_carve c = {.base = base};
    sum->A = qv__carve_f32(&c, sum->R, sum->D_in);
    sum->B = qv__carve_f32(&c, sum->D_out, sum->R);
    return c.used;
}

qv_status qv__sum_updates(const struct qv_expert_site *out, double energy[2],
                          const struct qv_merge_site *in, const struct qv_merge_how *how,
                          qv_err *err)
{
    struct qv_expert_site sum = *out;
    sum.R = qv__stacked_rank(in, how);
    if (sum.R == out->R) {
        stack(out, in);
        return QV_OK;
    }
    qv_carve need = {.used = layout(&sum, NULL)};
    void *mem = qv__carve_alloc(&need);
    if (!mem)
        return qv_fail(err, QV_ENOMEM, "no memory for a sum of rank %zu", sum.R);
    layout(&sum, mem);
    stack(&sum, in);
    qv_status result = qv__truncate(out, energy, &sum, err);
    free(mem);
    return result;
}
