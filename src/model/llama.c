/* llama.c - Llama and the families that differ from it by a switch or two: Mistral (a
 * window), Qwen 2 (biases), Qwen 3 (normed queries and keys). */
#include "model/families.h"

static qv_status read_llama(struct qv_config *c, const json_t *o, qv_err *err)
{
    bool attention = false, mlp = false;
    qv_status result;
    if ((result = qv__read_silu(c, o, "hidden_act", err)) ||
        (result = qv__read_sizes(c, o, &qv__usual_sizes, false, err)) ||
        (result = qv__read_rotation(c, o, 1, err)) ||
        (result = qv__json_float(o, "rms_norm_eps", &c->eps, err)) ||
        (result = qv__json_bool(o, "attention_bias", &attention, err)) ||
        (result = qv__json_bool(o, "mlp_bias", &mlp, err)))
        return result;
    for (enum qv_linear_map i = QV_Q; i <= QV_DOWN; i++)
        c->has_bias[i] = i <= QV_O ? attention : mlp;
    return QV_OK;
}

static qv_status read_mistral(struct qv_config *c, const json_t *o, qv_err *err)
{
    qv_status result = read_llama(c, o, err);
    return result ? result : qv__read_window(c, o, true, err);
}

/* The last layers alone have a window, and only if it is asked for. */
static qv_status read_qwen_window(struct qv_config *c, const json_t *o, qv_err *err)
{
    bool on = false;
    size_t first = c->L;
    qv_status result;
    if ((result = qv__json_bool(o, "use_sliding_window", &on, err)) || !on ||
        (result = qv__json_size(o, "max_window_layers", &first, err)) ||
        (result = qv__read_window(c, o, false, err)))
        return result;
    for (size_t l = first; !json_object_get(o, "layer_types") && l < c->L; l++)
        qv__set_local(c, l);
    return QV_OK;
}

static qv_status read_qwen2(struct qv_config *c, const json_t *o, qv_err *err)
{
    qv_status result = read_llama(c, o, err);
    c->has_bias[QV_Q] = c->has_bias[QV_K] = c->has_bias[QV_V] = true;
    return result ? result : read_qwen_window(c, o, err);
}

static qv_status read_qwen3(struct qv_config *c, const json_t *o, qv_err *err)
{
    qv_status result = read_llama(c, o, err);
    c->has_qk_norm = true;
    return result ? result : read_qwen_window(c, o, err);
}

const struct qv_family qv__llama = {"llama", {QV_LLAMA_NAMES}, .read = read_llama};
const struct qv_family qv__mistral = {"mistral", {QV_LLAMA_NAMES}, .read = read_mistral};
const struct qv_family qv__qwen2 = {"qwen2", {QV_LLAMA_NAMES}, .read = read_qwen2};
const struct qv_family qv__qwen3 = {
    "qwen3",
    {QV_LLAMA_NAMES, .q_norm = "self_attn.q_norm", .k_norm = "self_attn.k_norm"},
    .read = read_qwen3};
