/* gpt_neo.c - GPT-Neo: learned positions, scores that are not scaled, and layers that
 * see a window by turns. */
#include "model/families.h"

#include <string.h>

/* "attention_types": [[["global", "local"], 12]]: the kinds of 24 layers. */
static qv_status read_turns(struct qv_config *c, const json_t *o, qv_err *err)
{
    const json_t *types = json_object_get(o, "attention_types"), *part, *kind;
    size_t i, j, l = 0;
    c->window = 256;
    qv_status result = qv__json_size(o, "window_size", &c->window, err);
    if (result)
        return result;
    json_array_foreach(types, i, part)
    {
        json_int_t times = json_integer_value(json_array_get(part, 1));
        for (json_int_t n = 0; n < times && l < c->L; n++)
            json_array_foreach(json_array_get(part, 0), j, kind)
            {
                const char *name = json_string_value(kind);
                if (!name || (strcmp(name, "global") != 0 && strcmp(name, "local") != 0))
                    return qv_fail(err, QV_EUNSUPPORTED,
                                   "'attention_types': '%s' is not supported",
                                   name ? name : "(not a string)");
                if (l < c->L && strcmp(name, "local") == 0)
                    qv__set_local(c, l);
                l++;
            }
    }
    if (l != c->L)
        return qv_fail(err, QV_EFORMAT, "'attention_types' names %zu of %zu layers", l,
                       c->L);
    return QV_OK;
}

static qv_status read(struct qv_config *c, const json_t *o, qv_err *err)
{
    static const struct qv_size_keys keys = {
        "hidden_size", "num_layers",        "num_heads",  NULL,
        NULL,          "intermediate_size", "vocab_size", "max_position_embeddings"};
    qv_status result;
    c->is_layernorm = c->is_learned = c->is_tied = true;
    c->eps = 1e-5f;
    c->scale = 1;
    c->has_bias[QV_O] = c->has_bias[QV_UP] = c->has_bias[QV_DOWN] = true;
    if ((result = qv__read_sizes(c, o, &keys, true, err)) ||
        (result = qv__read_activation(c, o, "activation_function", "gelu_new", err)) ||
        (result = qv__json_float(o, "layer_norm_epsilon", &c->eps, err)))
        return result;
    return read_turns(c, o, err);
}

const struct qv_family qv__gpt_neo = {"gpt_neo",
                                      {.embed = "transformer.wte",
                                       .positions = "transformer.wpe",
                                       .norm = "transformer.ln_f",
                                       .head = "lm_head",
                                       .layer = "transformer.h.%zu.",
                                       .norm1 = "ln_1",
                                       .norm2 = "ln_2",
                                       .map = {[QV_Q] = "attn.attention.q_proj",
                                               [QV_K] = "attn.attention.k_proj",
                                               [QV_V] = "attn.attention.v_proj",
                                               [QV_O] = "attn.attention.out_proj",
                                               [QV_UP] = "mlp.c_fc",
                                               [QV_DOWN] = "mlp.c_proj"}},
                                      .read = read};
