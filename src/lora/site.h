/* site.h - a site is one adapted linear map of the model: (layer, module).
 *
 * A model lists its sites once; everything about experts refers to them by
 * index in that list, or by path where no model is at hand. The path is the
 * module's dotted name in the Hugging Face model, as PEFT writes it after
 * "base_model.model.".
 */
#ifndef QV_LORA_SITE_H
#define QV_LORA_SITE_H

#include "base/base.h"

struct qv_site {
    const char *path; // "model.layers.0.self_attn.q_proj"
    size_t layer;
    size_t D_in, D_out;
};

/* Borrowed from the model, in the order the forward pass meets them. */
struct qv_sites {
    const struct qv_site *at; // [n]
    size_t n;
};

/* The index of the site with that path, or sites->n. */
size_t qv__site_find(const struct qv_sites *sites, const char *path);

/* chosen[i] = site i is named by `pattern`, a regular expression that must
 * match the whole path or all of it after some '.' (so "q_proj|v_proj" and
 * ".*self_attn\..*" both work). *n_chosen counts them. Fails with QV_EFORMAT if
 * the pattern does not compile, and with QV_ENOTFOUND if nothing matches. */
qv_status qv__sites_match(bool *chosen, size_t *n_chosen, const struct qv_sites *sites,
                          const char *pattern, qv_err *err) QV_MUST_CHECK;

#endif
