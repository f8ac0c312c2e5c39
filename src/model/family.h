/* family.h - what a model family is: names, and how its config.json is read.
 *
 * To add one: a file like the others with a struct qv_family, and a line in family.c.
 * If its block is not yet one that decoder.c knows, a switch in struct qv_config and
 * its branch there, forward and backward; then a case in
 * tests/golden/recipes/families.py.
 */
#ifndef QV_MODEL_FAMILY_H
#define QV_MODEL_FAMILY_H

#include "base/json.h"
#include "model/config.h"

/* Names of modules in the Hugging Face model; ".weight" and ".bias" follow. NULL: the
 * family has no such thing. */
struct qv_names {
    const char *embed, *positions, *norm, *head;
    const char *layer; // what comes before those of layer 7, with %zu for 7
    const char *norm1, *norm2, *q_norm, *k_norm;
    const char *map[QV_N_MAPS];
};

/* Llama's, which others took over. */
#define QV_LLAMA_NAMES                                                                     \
    .embed = "model.embed_tokens", .norm = "model.norm", .head = "lm_head",                \
    .layer = "model.layers.%zu.", .norm1 = "input_layernorm",                              \
    .norm2 = "post_attention_layernorm",                                                   \
    .map = {[QV_Q] = "self_attn.q_proj", [QV_K] = "self_attn.k_proj",                      \
            [QV_V] = "self_attn.v_proj", [QV_O] = "self_attn.o_proj",                      \
            [QV_GATE] = "mlp.gate_proj", [QV_UP] = "mlp.up_proj",                          \
            [QV_DOWN] = "mlp.down_proj"}

struct qv_family {
    const char *model_type; // in config.json
    struct qv_names names;
    bool is_conv1d; // files have the maps of the layers as [D_in, D_out]
    qv_status (*read)(struct qv_config *c, const json_t *o, qv_err *err);
};

/* The family of that model_type, or NULL. */
const struct qv_family *qv__family(const char *model_type);

/* All names, "gpt2, gpt_neo, ...", for messages. */
const char *qv__family_list(void);

/* Fill *c from an object that says what a config.json does; as qv__config_parse. */
qv_status qv__config_of(struct qv_config *c, const json_t *o, qv_err *err) QV_MUST_CHECK;

/* ---- for `read`: what families' files have in common ---- */

/* The keys of sizes. NULL: not in this family's files. */
struct qv_size_keys {
    const char *D, *L, *H, *Hk, *E, *F, *V, *n_ctx;
};

/* hidden_size, num_hidden_layers ...: most families'. Keys that a file lacks are its
 * family's defaults. */
extern const struct qv_size_keys qv__usual_sizes;

/* Read and check sizes. Hk left out is H, E is D / H, F is 4 D where the family says
 * so by may_lack_F. */
qv_status qv__read_sizes(struct qv_config *c, const json_t *o,
                         const struct qv_size_keys *keys, bool may_lack_F,
                         qv_err *err) QV_MUST_CHECK;

/* theta, R and scaling: from rope_theta, partial_rotary_factor, rope_scaling, or what
 * transformers 5 writes, rope_parameters. `share` is the part of a head that rotates
 * unless the file says so. */
qv_status qv__read_rotation(struct qv_config *c, const json_t *o, float share,
                            qv_err *err) QV_MUST_CHECK;

/* A feed-forward without gate: its activation by the name under `key`. */
qv_status qv__read_activation(struct qv_config *c, const json_t *o, const char *key,
                              const char *otherwise, qv_err *err) QV_MUST_CHECK;

/* A gated one: the name under `key` must be silu. */
qv_status qv__read_silu(struct qv_config *c, const json_t *o, const char *key,
                        qv_err *err) QV_MUST_CHECK;

/* The window and the layers that have one: sliding_window, layer_types. `local` is
 * whether a layer is local where layer_types is not there. */
qv_status qv__read_window(struct qv_config *c, const json_t *o, bool local,
                          qv_err *err) QV_MUST_CHECK;

void qv__set_local(struct qv_config *c, size_t l);

/* Fail with QV_EUNSUPPORTED if one of these switches is on. */
qv_status qv__refuse_on(const json_t *o, const char *const *keys, size_t n,
                        qv_err *err) QV_MUST_CHECK;

#endif
