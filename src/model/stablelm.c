/* stablelm.c - StableLM 3B-4e1t and 2: Llama's maps with layer norms, a part of each head
 * rotated, and in some sizes biases or a parallel block. */
#include "model/families.h"

static qv_status read(struct qv_config *c, const json_t *o, qv_err *err)
{
    static const char *const off[] = {"qk_layernorm"};
    bool biased = false, parallel = false;
    qv_status result;
    c->is_layernorm = true;
    c->eps = 1e-5f;
    if ((result = qv__refuse_on(o, off, 1, err)) ||
        (result = qv__read_silu(c, o, "hidden_act", err)) ||
        (result = qv__read_sizes(c, o, &qv__usual_sizes, false, err)) ||
        (result = qv__read_rotation(c, o, 0.25f, err)) ||
        (result = qv__json_float(o, "layer_norm_eps", &c->eps, err)) ||
        (result = qv__json_bool(o, "use_qkv_bias", &biased, err)) ||
        (result = qv__json_bool(o, "use_parallel_residual", &parallel, err)))
        return result;
    c->has_bias[QV_Q] = c->has_bias[QV_K] = c->has_bias[QV_V] = biased;
    c->block = parallel ? QV_PARALLEL_SHARED : QV_SEQUENTIAL;
    return QV_OK;
}

const struct qv_family qv__stablelm = {"stablelm", {QV_LLAMA_NAMES}, .read = read};
