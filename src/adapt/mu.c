/* mu.c - the library's average, factor by factor, trained as one LoRA.
 *
 * The scale of the experts is kept, not folded into B: a step of the optimiser then
 * means to it what it meant to them.
 */
#include "adapt/adapt.h"

static qv_status adapt(struct qv_expert **out, struct qv_adapting *a, qv_err *err)
{
    const struct qv_mixture_opts shared = {.is_shared = true};
    struct qv_mixture *mix = NULL;
    qv_status result = qv__adapt_retrieve(a, NULL, err);
    if (!result)
        result = qv__mixture_new(&mix, a->expert, a->K, &shared, err);
    if (result)
        return result;
    float *w = qv_new_n(&a->arena, float, a->K);
    for (size_t k = 0; k < a->K; k++)
        w[k] = 1 / (float)a->K;
    result = qv__mixture_expert(out, a->name, mix, w, err);
    qv__mixture_free(mix);
    return result ? result : qv__adapt_train(*out, a, "mu", err);
}

const struct qv_adapter_ops qv__adapt_mu = {
    .name = "mu",
    .about = "the average of the library, trained on",
    .takes = QV_TAKES_LIBRARY | QV_TAKES_NEAREST,
    .adapt = adapt,
};
