/* gguf_arch.c - see gguf_arch.h. A file's values become the config.json that the model
 * had, so that each family reads and checks them as it always does. */
#include "model/gguf_arch.h"
#include "lora/gguf_lora.h"

#include <stdio.h>
#include <string.h>

const struct qv_names qv__gguf_names = {
    .embed = "token_embd",
    .positions = "position_embd",
    .norm = "output_norm",
    .head = "output",
    .layer = "blk.%zu.",
    .norm1 = "attn_norm",
    .norm2 = "ffn_norm",
    .q_norm = "attn_q_norm",
    .k_norm = "attn_k_norm",
    .map = {[QV_QKV] = "attn_qkv",
            [QV_Q] = "attn_q",
            [QV_K] = "attn_k",
            [QV_V] = "attn_v",
            [QV_O] = "attn_output",
            [QV_GATE] = "ffn_gate",
            [QV_UP] = "ffn_up",
            [QV_DOWN] = "ffn_down"},
};

/* Where two families share an architecture, choose() tells a file's by what it holds. */
static const struct qv_gguf_arch archs[] = {
    {"gpt2", "gpt2", true, QV_ROWS_AS_THEY_ARE},
    {"gptneox", "gpt_neox", false, QV_ROWS_IN_THREE},
    {"llama", "llama", false, QV_ROWS_PAIRED},
    {"llama", "mistral", false, QV_ROWS_PAIRED},
    {"phi2", "phi", false, QV_ROWS_AS_THEY_ARE},
    {"phi2", "phi-msft", true, QV_ROWS_AS_THEY_ARE},
    {"qwen2", "qwen2", false, QV_ROWS_AS_THEY_ARE},
    {"qwen3", "qwen3", false, QV_ROWS_AS_THEY_ARE},
    {"stablelm", "stablelm", false, QV_ROWS_AS_THEY_ARE},
};

const struct qv_gguf_arch *qv__gguf_arch_of(const struct qv_family *family)
{
    for (size_t i = 0; i < QV_COUNT(archs); i++)
        if (strcmp(archs[i].model_type, family->model_type) == 0)
            return &archs[i];
    return NULL;
}

enum qv_gguf_order qv__gguf_order(const struct qv_gguf_arch *arch, const char *tensor)
{
    bool moves = arch->order == QV_ROWS_PAIRED
                     ? strstr(tensor, ".attn_q.") || strstr(tensor, ".attn_k.")
                     : strstr(tensor, ".attn_qkv.") != NULL;
    return moves ? arch->order : QV_ROWS_AS_THEY_ARE;
}

size_t qv__gguf_row(enum qv_gguf_order order, const struct qv_config *c, size_t row)
{
    const size_t i = row % c->E, third = c->H * c->E;
    switch (order) {
    case QV_ROWS_PAIRED:
        return row - i + i % 2 * (c->E / 2) + i / 2;
    case QV_ROWS_IN_THREE:
        return (row % third / c->E * 3 + row / third) * c->E + i;
    default:
        return row;
    }
}

/* ---- from values to a config.json ---- */

struct source {
    const struct qv_gguf *g;
    const struct qv_gguf_arch *arch;
    json_t *config;
};

enum { NAME_ROOM = 96 };

static const char *key_of(char room[NAME_ROOM], const struct source *s, const char *suffix)
{
    snprintf(room, NAME_ROOM, "%s.%s", s->arch->name, suffix);
    return room;
}

static bool has_value(const struct source *s, const char *suffix)
{
    char room[NAME_ROOM];
    return qv__gguf_get(s->g, key_of(room, s, suffix)) != NULL;
}

/* "blk.0.attn_q.bias" */
static bool has_in_layer(const struct qv_gguf *g, const char *name, const char *part)
{
    char room[NAME_ROOM];
    snprintf(room, sizeof room, "blk.0.%s.%s", name, part);
    return qv__gguf_find(g, room) != NULL;
}

static qv_status choose(struct source *s, qv_err *err)
{
    const char *name = NULL;
    qv_status result = qv__gguf_str(s->g, "general.architecture", &name, err);
    if (result)
        return result;
    if (!name)
        return qv_fail(err, QV_EFORMAT, "'general.architecture' is missing");
    for (size_t i = 0; i < QV_COUNT(archs); i++) {
        s->arch = &archs[i];
        bool fits = strcmp(archs[i].model_type, "mistral") == 0
                        ? has_value(s, "attention.sliding_window")
                    : strcmp(archs[i].model_type, "llama") == 0
                        ? !has_value(s, "attention.sliding_window")
                    : strcmp(archs[i].name, "phi2") == 0
                        ? archs[i].has_gpt_keys == has_in_layer(s->g, "attn_qkv", "weight")
                        : true;
        if (fits && strcmp(archs[i].name, name) == 0)
            return QV_OK;
    }
    return qv_fail(err, QV_EUNSUPPORTED,
                   "architecture '%s' is not supported (gpt2, gptneox, llama, phi2, qwen2, "
                   "qwen3 and stablelm are)",
                   name);
}

/* Numbers by their names: in the file, in config.json, and in one of GPT's. */
static const struct number {
    const char *gguf, *usual, *gpt;
    bool is_whole;
} numbers[] = {
    {"block_count", "num_hidden_layers", "n_layer", true},
    {"context_length", "max_position_embeddings", "n_positions", true},
    {"embedding_length", "hidden_size", "n_embd", true},
    {"feed_forward_length", "intermediate_size", "n_inner", true},
    {"attention.head_count", "num_attention_heads", "n_head", true},
    {"attention.head_count_kv", "num_key_value_heads", "n_head_kv", true},
    {"attention.key_length", "head_dim", "head_dim", true},
    {"attention.sliding_window", "sliding_window", "sliding_window", true},
    {"attention.layer_norm_rms_epsilon", "rms_norm_eps", "rms_norm_eps", false},
    {"attention.layer_norm_epsilon", "layer_norm_eps", "layer_norm_epsilon", false},
    {"rope.freq_base", "rope_theta", "rope_theta", false},
};

/* A number under its name in config.json. */
static qv_status copy_number(struct source *s, const struct number *n, qv_err *err)
{
    char room[NAME_ROOM];
    size_t whole = 0;
    float x = 0;
    if (!has_value(s, n->gguf))
        return QV_OK;
    const char *key = key_of(room, s, n->gguf);
    qv_status result = n->is_whole ? qv__gguf_size(s->g, key, &whole, err)
                                   : qv__gguf_float(s->g, key, &x, err);
    if (!result)
        json_object_set_new(s->config, s->arch->has_gpt_keys ? n->gpt : n->usual,
                            n->is_whole ? json_integer((json_int_t)whole)
                                        : json_real((double)x));
    return result;
}

static qv_status copy_numbers(struct source *s, qv_err *err)
{
    for (size_t i = 0; i < QV_COUNT(numbers); i++) {
        qv_status result = copy_number(s, &numbers[i], err);
        if (result)
            return result;
    }
    const struct qv_gguf_tensor *embed = qv__gguf_find(s->g, "token_embd.weight");
    if (!embed || embed->rank != 2)
        return qv_fail(err, QV_EFORMAT,
                       "tensor 'token_embd.weight' is missing or no matrix");
    json_object_set_new(s->config, "vocab_size", json_integer((json_int_t)embed->shape[0]));
    return QV_OK;
}

/* "linear" and its factor; other types by their names, which are then refused. */
static qv_status copy_scaling(struct source *s, qv_err *err)
{
    char room[NAME_ROOM];
    const char *type = "none";
    float factor = 0;
    qv_status result = qv__gguf_str(s->g, key_of(room, s, "rope.scaling.type"), &type, err);
    if (!result)
        result = qv__gguf_float(s->g, key_of(room, s, "rope.scaling.factor"), &factor, err);
    if (!result && strcmp(type, "none") != 0)
        json_object_set_new(
            s->config, "rope_scaling",
            json_pack("{s:s, s:f}", "type", type, "factor", (double)factor));
    return result;
}

/* StableLM's converter says of every model that its block is parallel; llama.cpp looks
 * whether there is a second norm. */
static qv_status copy_switches(struct source *s, qv_err *err)
{
    char room[NAME_ROOM];
    bool parallel = true;
    qv_status result =
        qv__gguf_bool(s->g, key_of(room, s, "use_parallel_residual"), &parallel, err);
    if (strcmp(s->arch->name, "stablelm") == 0)
        parallel = !has_in_layer(s->g, "ffn_norm", "weight");
    json_object_set_new(s->config, "use_parallel_residual", json_boolean(parallel));
    const char *const ends[][2] = {
        {"tokenizer.ggml.bos_token_id", "bos_token_id"},
        {"tokenizer.ggml.eos_token_id", "eos_token_id"},
    };
    for (size_t i = 0; i < QV_COUNT(ends) && !result; i++) {
        int64_t id = -1;
        result = qv__gguf_int(s->g, ends[i][0], &id, err);
        json_object_set_new(s->config, ends[i][1], json_integer((json_int_t)id));
    }
    return result;
}

/* ---- what a config.json has no place for ---- */

static qv_status read_rotation(struct qv_config *c, const struct source *s, qv_err *err)
{
    char room[NAME_ROOM];
    size_t value_width = c->E;
    c->R = c->E;
    qv_status result =
        qv__gguf_size(s->g, key_of(room, s, "rope.dimension_count"), &c->R, err);
    if (!result)
        result = qv__gguf_size(s->g, key_of(room, s, "attention.value_length"),
                               &value_width, err);
    if (result)
        return result;
    if (value_width != c->E)
        return qv_fail(err, QV_EUNSUPPORTED,
                       "keys of width %zu with values of width %zu are not supported", c->E,
                       value_width);
    if (!c->is_learned && (c->R == 0 || c->R % 2 || c->R > c->E))
        return qv_fail(err, QV_EFORMAT, "%zu of a head's %zu numbers cannot be rotated",
                       c->R, c->E);
    if (s->arch->order == QV_ROWS_PAIRED && c->R != c->E)
        return qv_fail(err, QV_EUNSUPPORTED,
                       "architecture '%s' that rotates %zu of a head's %zu numbers is not "
                       "supported",
                       s->arch->name, c->R, c->E);
    const struct qv_gguf_tensor *f = qv__gguf_find(s->g, "rope_freqs.weight");
    if (!f)
        return QV_OK;
    if (f->type->id != QV_BLOCK_F32 || f->n != c->R / 2 || c->is_learned)
        return qv_fail(err, QV_EFORMAT, "tensor 'rope_freqs.weight' is not %zu of F32",
                       c->R / 2);
    c->scaling = (struct qv_rope_scaling){.kind = QV_ROPE_DIVIDED, .divisor = f->data};
    for (size_t i = 0; i < f->n; i++)
        if (!(c->scaling.divisor[i] > 0))
            return qv_fail(err, QV_EFORMAT,
                           "tensor 'rope_freqs.weight': element %zu is not positive", i);
    return QV_OK;
}

qv_status qv__gguf_config(struct qv_config *c, const struct qv_gguf *g, qv_err *err)
{
    struct source s = {.g = g};
    if (qv__gguf_is_adapter(g))
        return qv_fail(err, QV_EFORMAT, "an adapter, not a model");
    qv_status result = choose(&s, err);
    if (result)
        return result;
    // How much of a head rotates is read below, as a whole number.
    s.config = json_pack("{s:s, s:i, s:i}", "model_type", s.arch->model_type,
                         "partial_rotary_factor", 1, "rotary_pct", 1);
    if (!(result = copy_numbers(&s, err)) && !(result = copy_scaling(&s, err)) &&
        !(result = copy_switches(&s, err)) && (result = qv__config_of(c, s.config, err)))
        result = qv_wrap(err, result, "as a config.json: ");
    json_decref(s.config);
    if (result)
        return result;
    for (size_t i = 0; i < QV_N_MAPS; i++)
        c->has_bias[i] = has_in_layer(g, qv__gguf_names.map[i], "bias");
    c->has_head_bias = qv__gguf_find(g, "output.bias");
    c->is_tied = !qv__gguf_find(g, "output.weight");
    return read_rotation(c, &s, err);
}
