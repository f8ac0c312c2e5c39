/* peft_config.h - what adapter_config.json says of a module: is it adapted, at
 * which rank, with which alpha.
 *
 * Patterns mean what they mean to PEFT. Every key is honoured, known to make
 * no difference when an adapter is applied, or refused by name.
 */
#ifndef QV_LORA_PEFT_CONFIG_H
#define QV_LORA_PEFT_CONFIG_H

#include "base/arena.h"
#include "base/base.h"
#include "base/regex.h"

/* One entry of rank_pattern or alpha_pattern. */
struct qv_peft_pattern {
    const char *text;
    struct qv_regex *re; // matches the module, whatever comes before it
    double value;
};

/* target_modules or exclude_modules: a list of names, or a pattern. */
struct qv_peft_modules {
    const char **name; // [n]
    size_t n;
    struct qv_regex *re; // NULL when it is a list
    bool is_given;
};

struct qv_peft_config {
    size_t r;
    double alpha;
    bool is_rslora;
    float dropout;
    const char *base; // base_model_name_or_path, or NULL
    struct qv_peft_pattern *rank_pattern, *alpha_pattern;
    size_t n_rank_pattern, n_alpha_pattern;
    struct qv_peft_modules targets, excluded;
    long long *layer; // [n_layers] layers_to_transform; all if none
    size_t n_layers;
    struct qv_regex **layer_re; // [n_layer_re] each matches a layer's number
    size_t n_layer_re;
    qv_arena arena; // owns the strings and tables
};

/* Parse the JSON in text[0..size). *config owns patterns until
 * qv__peft_config_end. Fails with QV_EFORMAT or QV_EUNSUPPORTED, naming the key. */
qv_status qv__peft_config_parse(struct qv_peft_config *config, const char *text,
                                size_t size, qv_err *err) QV_MUST_CHECK;
void qv__peft_config_end(struct qv_peft_config *config);

/* The rank and alpha of the module at `path`. Fails with QV_EFORMAT if the
 * config does not let PEFT adapt it. */
qv_status qv__peft_config_module(size_t *R, float *alpha,
                                 const struct qv_peft_config *config, const char *path,
                                 qv_err *err) QV_MUST_CHECK;

#endif
