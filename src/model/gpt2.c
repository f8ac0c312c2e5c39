/* gpt2.c - GPT-2: learned positions, one map for q, k and v, and matrices that its files
 * have the other way round (Conv1D). */
#include "model/families.h"

static qv_status read(struct qv_config *c, const json_t *o, qv_err *err)
{
    static const struct qv_size_keys keys = {
        "n_embd", "n_layer", "n_head", NULL, NULL, "n_inner", "vocab_size", "n_positions"};
    static const char *const off[] = {"scale_attn_by_inverse_layer_idx",
                                      "reorder_and_upcast_attn", "add_cross_attention"};
    bool scaled = true;
    qv_status result;
    c->is_layernorm = c->is_learned = c->is_tied = true;
    c->eps = 1e-5f;
    for (size_t i = 0; i < QV_N_MAPS; i++)
        c->has_bias[i] = true;
    if ((result = qv__refuse_on(o, off, QV_COUNT(off), err)) ||
        (result = qv__read_sizes(c, o, &keys, true, err)) ||
        (result = qv__read_activation(c, o, "activation_function", "gelu_new", err)) ||
        (result = qv__json_bool(o, "scale_attn_weights", &scaled, err)))
        return result;
    if (!scaled)
        c->scale = 1;
    return qv__json_float(o, "layer_norm_epsilon", &c->eps, err);
}

const struct qv_family qv__gpt2 = {"gpt2",
                                   {.embed = "transformer.wte",
                                    .positions = "transformer.wpe",
                                    .norm = "transformer.ln_f",
                                    .head = "lm_head",
                                    .layer = "transformer.h.%zu.",
                                    .norm1 = "ln_1",
                                    .norm2 = "ln_2",
                                    .map = {[QV_QKV] = "attn.c_attn",
                                            [QV_O] = "attn.c_proj",
                                            [QV_UP] = "mlp.c_fc",
                                            [QV_DOWN] = "mlp.c_proj"}},
                                   .is_conv1d = true,
                                   .read = read};
