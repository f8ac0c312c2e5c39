/* gpt_neox.c - GPT-NeoX and Pythia: one map for q, k and v, whose rows lie head by head;
 * attention and feed-forward side by side, each behind its own norm. */
#include "model/families.h"

static qv_status read(struct qv_config *c, const json_t *o, qv_err *err)
{
    float share = 0.25f, theta = 0;
    bool parallel = true, biased = true;
    qv_status result;
    c->is_layernorm = c->is_interleaved = true;
    c->eps = 1e-5f;
    if ((result = qv__read_sizes(c, o, &qv__usual_sizes, false, err)) ||
        (result = qv__json_float(o, "rotary_pct", &share, err)) ||
        (result = qv__read_rotation(c, o, share, err)) ||
        (result = qv__json_float(o, "rotary_emb_base", &theta, err)) ||
        (result = qv__read_activation(c, o, "hidden_act", "gelu", err)) ||
        (result = qv__json_float(o, "layer_norm_eps", &c->eps, err)) ||
        (result = qv__json_bool(o, "attention_bias", &biased, err)) ||
        (result = qv__json_bool(o, "use_parallel_residual", &parallel, err)))
        return result;
    if (c->Hk != c->H)
        return qv_fail(err, QV_EUNSUPPORTED,
                       "%zu heads that share %zu key/value heads are not supported", c->H,
                       c->Hk);
    if (theta > 0)
        c->theta = theta;
    c->has_bias[QV_QKV] = c->has_bias[QV_O] = biased;
    c->has_bias[QV_UP] = c->has_bias[QV_DOWN] = true;
    c->block = parallel ? QV_PARALLEL : QV_SEQUENTIAL;
    return QV_OK;
}

const struct qv_family qv__gpt_neox = {"gpt_neox",
                                       {.embed = "gpt_neox.embed_in",
                                        .norm = "gpt_neox.final_layer_norm",
                                        .head = "embed_out",
                                        .layer = "gpt_neox.layers.%zu.",
                                        .norm1 = "input_layernorm",
                                        .norm2 = "post_attention_layernorm",
                                        .map = {[QV_QKV] = "attention.query_key_value",
                                                [QV_O] = "attention.dense",
                                                [QV_UP] = "mlp.dense_h_to_4h",
                                                [QV_DOWN] = "mlp.dense_4h_to_h"}},
                                       .read = read};
