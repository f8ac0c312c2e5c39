/* phi.c - Phi-1, 1.5 and 2: attention and feed-forward side by side behind one norm, a
 * part of each head rotated, biases everywhere. Two layouts: transformers' own, and the
 * one that its files had when they came out (phi-msft), with one map for q, k and v. */
#include "model/families.h"

static void switches(struct qv_config *c)
{
    c->is_layernorm = true;
    c->block = QV_PARALLEL_SHARED;
    c->has_head_bias = true;
    for (size_t i = 0; i < QV_N_MAPS; i++)
        c->has_bias[i] = true;
}

static qv_status read_phi(struct qv_config *c, const json_t *o, qv_err *err)
{
    static const char *const off[] = {"qk_layernorm"};
    qv_status result;
    switches(c);
    c->eps = 1e-5f;
    if ((result = qv__refuse_on(o, off, 1, err)) ||
        (result = qv__read_sizes(c, o, &qv__usual_sizes, true, err)) ||
        (result = qv__read_rotation(c, o, 0.5f, err)) ||
        (result = qv__read_activation(c, o, "hidden_act", "gelu_new", err)))
        return result;
    return qv__json_float(o, "layer_norm_eps", &c->eps, err);
}

static qv_status read_phi_msft(struct qv_config *c, const json_t *o, qv_err *err)
{
    static const struct qv_size_keys keys = {"n_embd",     "n_layer",    "n_head",
                                             "n_head_kv",  NULL,         "n_inner",
                                             "vocab_size", "n_positions"};
    qv_status result;
    switches(c);
    c->eps = 1e-5f;
    if ((result = qv__read_sizes(c, o, &keys, true, err)) ||
        (result = qv__json_size(o, "rotary_dim", &c->R, err)) ||
        (result = qv__read_activation(c, o, "activation_function", "gelu_new", err)) ||
        (result = qv__json_float(o, "layer_norm_epsilon", &c->eps, err)))
        return result;
    c->theta = 10000;
    c->R = qv__min(c->R ? c->R : 32, c->E);
    if (c->R % 2)
        return qv_fail(err, QV_EFORMAT, "%zu of a head's %zu numbers cannot be rotated",
                       c->R, c->E);
    return QV_OK;
}

const struct qv_family qv__phi = {"phi",
                                  {.embed = "model.embed_tokens",
                                   .norm = "model.final_layernorm",
                                   .head = "lm_head",
                                   .layer = "model.layers.%zu.",
                                   .norm1 = "input_layernorm",
                                   .map = {[QV_Q] = "self_attn.q_proj",
                                           [QV_K] = "self_attn.k_proj",
                                           [QV_V] = "self_attn.v_proj",
                                           [QV_O] = "self_attn.dense",
                                           [QV_UP] = "mlp.fc1",
                                           [QV_DOWN] = "mlp.fc2"}},
                                  .read = read_phi};
const struct qv_family qv__phi_msft = {"phi-msft",
                                       {.embed = "transformer.embd.wte",
                                        .norm = "lm_head.ln",
                                        .head = "lm_head.linear",
                                        .layer = "transformer.h.%zu.",
                                        .norm1 = "ln",
                                        .map = {[QV_QKV] = "mixer.Wqkv",
                                                [QV_O] = "mixer.out_proj",
                                                [QV_UP] = "mlp.fc1",
                                                [QV_DOWN] = "mlp.fc2"}},
                                       .read = read_phi_msft};
