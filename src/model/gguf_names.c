/* gguf_names.c - see gguf_names.h. */
#include "model/gguf_names.h"

#include <stdio.h>
#include <string.h>

struct pair {
    const char *gguf, *hf;
};

static const struct pair whole[] = {
    {"token_embd.weight", "model.embed_tokens.weight"},
    {"output_norm.weight", "model.norm.weight"},
    {"output.weight", "lm_head.weight"},
};

/* After "blk.N." and "model.layers.N.". */
static const struct pair in_layer[] = {
    {"attn_norm.weight", "input_layernorm.weight"},
    {"attn_q.weight", "self_attn.q_proj.weight"},
    {"attn_k.weight", "self_attn.k_proj.weight"},
    {"attn_v.weight", "self_attn.v_proj.weight"},
    {"attn_output.weight", "self_attn.o_proj.weight"},
    {"ffn_norm.weight", "post_attention_layernorm.weight"},
    {"ffn_gate.weight", "mlp.gate_proj.weight"},
    {"ffn_up.weight", "mlp.up_proj.weight"},
    {"ffn_down.weight", "mlp.down_proj.weight"},
};

static const struct pair layer = {"blk.", "model.layers."};

static const char *side(const struct pair *p, bool hf)
{
    return hf ? p->hf : p->gguf;
}

/* What follows `prefix` and a number in `name`; NULL if it does not begin so. */
static const char *after_number(const char *name, const char *prefix, size_t *n_digits)
{
    size_t n = strlen(prefix);
    if (strncmp(name, prefix, n) != 0)
        return NULL;
    *n_digits = strspn(name + n, "0123456789");
    const char *rest = name + n + *n_digits;
    return *n_digits && *n_digits < 8 && *rest == '.' ? rest + 1 : NULL;
}

static bool translate(char out[QV_GGUF_NAME], const char *name, bool to_hf)
{
    for (size_t i = 0; i < QV_COUNT(whole); i++)
        if (strcmp(name, side(&whole[i], !to_hf)) == 0) {
            snprintf(out, QV_GGUF_NAME, "%s", side(&whole[i], to_hf));
            return true;
        }
    size_t n_digits;
    const char *rest = after_number(name, side(&layer, !to_hf), &n_digits);
    for (size_t i = 0; rest && i < QV_COUNT(in_layer); i++)
        if (strcmp(rest, side(&in_layer[i], !to_hf)) == 0) {
            snprintf(out, QV_GGUF_NAME, "%s%.*s.%s", side(&layer, to_hf), (int)n_digits,
                     name + strlen(side(&layer, !to_hf)), side(&in_layer[i], to_hf));
            return true;
        }
    return false;
}

bool qv__gguf_from_hf(char out[QV_GGUF_NAME], const char *name)
{
    return translate(out, name, false);
}

bool qv__gguf_to_hf(char out[QV_GGUF_NAME], const char *name)
{
    return translate(out, name, true);
}

bool qv__gguf_is_reordered(const char *name)
{
    size_t n_digits;
    const char *rest = after_number(name, layer.gguf, &n_digits);
    return rest && (!strcmp(rest, "attn_q.weight") || !strcmp(rest, "attn_k.weight"));
}
