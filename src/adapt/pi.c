/* pi.c - pi-tuning: a fresh LoRA for the task, the library's experts nearest to it by
 * Fisher information, and then all of them trained together with how they are mixed.
 *
 * The mixture (lora/mixture.h) has one weight an expert, the same at all sites, a
 * softmax of its logits. The fresh LoRA is the first of its skills.
 */
#include "adapt/adapt.h"

static qv_status adapt(struct qv_expert **out, struct qv_adapting *a, qv_err *err)
{
    const struct qv_mixture_opts o = {.is_shared = true, .weights = QV_MIX_SOFTMAX};
    struct qv_mixture *m = NULL;
    struct qv_expert *own = NULL;
    qv_status result = qv__adapt_retrieve(a, "fisher", err);
    if (!result)
        result = qv__adapt_fresh(&own, a, err);
    struct qv_expert **all = qv_new_n(&a->arena, struct qv_expert *, a->K + 1);
    all[0] = own;
    for (size_t k = 0; k < a->K; k++)
        all[k + 1] = a->expert[k];
    if (!result)
        result = qv__mixture_new(&m, all, a->K + 1, &o, err);
    if (!result)
        result = qv__adapt_mix(m, a, err);
    if (!result) {
        float *w = qv_new_n(&a->arena, float, a->K + 1);
        json_t *list = json_array();
        qv__mixture_weights(w, m, 0);
        for (size_t k = 0; k <= a->K; k++)
            json_array_append_new(list, json_real((double)w[k]));
        json_object_set_new(a->learnt, "weights", list);
        result = qv__mixture_expert(out, a->name, m, w, err);
    }
    qv__mixture_free(m);
    qv__expert_free(own);
    return result;
}

const struct qv_adapter_ops qv__adapt_pi = {
    .name = "pi",
    .about = "a fresh LoRA mixed with the experts nearest by Fisher information",
    .takes = QV_TAKES_LIBRARY | QV_TAKES_NEAREST,
    .adapt = adapt,
};
