/* poly.c - the experts of the library as the skills of a mixture (lora/mixture.h) with
 * one set of logits a site, all trained; polyz trains the logits alone; mhr has logits
 * for each head. Logits start near 0, so that all begin as the library's average.
 */
#include "adapt/adapt.h"

/* What one site's heads weigh: [w, ...], or with several heads [[w, ...], ...]. */
static json_t *weights_of(const float *w, size_t Q, size_t S)
{
    json_t *heads = json_array();
    for (size_t q = 0; q < Q; q++) {
        json_t *list = json_array();
        for (size_t s = 0; s < S; s++)
            json_array_append_new(list, json_real((double)w[q * S + s]));
        json_array_append_new(heads, list);
    }
    json_t *value = Q == 1 ? json_incref(json_array_get(heads, 0)) : json_incref(heads);
    json_decref(heads);
    return value;
}

static qv_status mix(struct qv_expert **out, struct qv_adapting *a,
                     const struct qv_mixture_opts *o, qv_err *err)
{
    struct qv_mixture *m = NULL;
    qv_status result = qv__adapt_retrieve(a, NULL, err);
    if (!result)
        result = qv__mixture_new(&m, a->expert, a->K, o, err);
    if (!result)
        result = qv__adapt_mix(m, a, err);
    if (!result) {
        float *w = qv_new_n(&a->arena, float, qv__mixture_n_weights(m));
        json_t *sites = json_object();
        qv__mixture_weights(w, m, 0);
        for (size_t i = 0; i < m->n_groups; i++)
            json_object_set_new(sites, m->like->site[i].path,
                                weights_of(w + i * m->Q * m->S, m->Q, m->S));
        json_object_set_new(a->learnt, "weights", sites);
        result = qv__mixture_expert(out, a->name, m, w, err);
    }
    qv__mixture_free(m);
    return result;
}

static qv_status adapt_poly(struct qv_expert **out, struct qv_adapting *a, qv_err *err)
{
    return mix(out, a, NULL, err);
}

static qv_status adapt_polyz(struct qv_expert **out, struct qv_adapting *a, qv_err *err)
{
    return mix(out, a, &(struct qv_mixture_opts){.is_frozen = true}, err);
}

static qv_status adapt_mhr(struct qv_expert **out, struct qv_adapting *a, qv_err *err)
{
    const struct qv_mixture_opts o = {.heads = a->o->heads ? a->o->heads : 8};
    return mix(out, a, &o, err);
}

const struct qv_adapter_ops qv__adapt_poly = {
    .name = "poly",
    .about = "the experts and how each site mixes them, trained together",
    .takes = QV_TAKES_LIBRARY | QV_TAKES_NEAREST,
    .adapt = adapt_poly,
};
const struct qv_adapter_ops qv__adapt_polyz = {
    .name = "polyz",
    .about = "how each site mixes the experts, which stay",
    .takes = QV_TAKES_LIBRARY | QV_TAKES_NEAREST,
    .adapt = adapt_polyz,
};
const struct qv_adapter_ops qv__adapt_mhr = {
    .name = "mhr",
    .about = "poly, each head of inputs and outputs for itself",
    .takes = QV_TAKES_LIBRARY | QV_TAKES_NEAREST | QV_TAKES_HEADS,
    .adapt = adapt_mhr,
};
