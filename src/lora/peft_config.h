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

/* Of trainable_token_indices: rows of one table that the adapter holds. */
struct qv_peft_rows {
    const char *table; // the end of its path, or NULL: the model's embedding
    size_t *row;       // [n]
    size_t n;
};

/* Whose biases the adapter holds. */
enum qv_peft_bias { QV_BIAS_NONE, QV_BIAS_LORA_ONLY, QV_BIAS_ALL };

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
    /* of an adapter used alone */
    bool is_dora, has_lora_bias, ties; // use_dora, lora_bias, ensure_weight_tying
    enum qv_peft_bias bias;
    struct qv_peft_modules saved; // modules_to_save
    struct qv_peft_rows *rows;    // [n_rows]
    size_t n_rows;
    const char **feature; // [n_features] keys that are set and make a difference
    size_t n_features;
    qv_arena arena; // owns the strings and tables
};

/* Parse the JSON in text[0..size). `alone`: the adapter is used by itself, and may have
 * what an expert of a library may not. *config owns patterns until
 * qv__peft_config_end. Fails with QV_EFORMAT or QV_EUNSUPPORTED, naming the key. */
qv_status qv__peft_config_parse(struct qv_peft_config *config, const char *text,
                                size_t size, bool alone, qv_err *err) QV_MUST_CHECK;
void qv__peft_config_end(struct qv_peft_config *config);

/* The rank and alpha of the module at `path`. Fails with QV_EFORMAT if the
 * config does not let PEFT adapt it. */
qv_status qv__peft_config_module(size_t *R, float *alpha,
                                 const struct qv_peft_config *config, const char *path,
                                 qv_err *err) QV_MUST_CHECK;

/* Whether names of modules_to_save are those of the module at `path`, or of one that it
 * is part of. */
bool qv__peft_saves(const char *const *name, size_t n, const char *path);

/* The rows of the table at `path` that were trained again, or NULL. */
const struct qv_peft_rows *qv__peft_config_rows(const struct qv_peft_config *config,
                                                const char *path);

#endif
