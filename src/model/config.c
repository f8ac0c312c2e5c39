/* config.c - see config.h and family.h. */
#include "model/config.h"
#include "base/arena.h"
#include "base/json.h"
#include "model/family.h"

#include <math.h>
#include <string.h>

/* Models are refused beyond these, before any product of sizes is formed. */
enum { MAX_WIDTH = 1 << 17, MAX_VOCABULARY = 1 << 22, MAX_POSITIONS = 1 << 24 };

size_t qv__config_window(const struct qv_config *c, size_t l)
{
    return c->is_local[l / 8] >> l % 8 & 1 ? c->window : 0;
}

void qv__set_local(struct qv_config *c, size_t l)
{
    c->is_local[l / 8] |= (uint8_t)(1u << l % 8);
}

const struct qv_size_keys qv__usual_sizes = {
    .D = "hidden_size",
    .L = "num_hidden_layers",
    .H = "num_attention_heads",
    .Hk = "num_key_value_heads",
    .E = "head_dim",
    .F = "intermediate_size",
    .V = "vocab_size",
    .n_ctx = "max_position_embeddings",
};

qv_status qv__read_sizes(struct qv_config *c, const json_t *o,
                         const struct qv_size_keys *keys, bool may_lack_F, qv_err *err)
{
    const struct {
        const char *key;
        size_t *to, max;
    } all[] = {
        {keys->D, &c->D, MAX_WIDTH},      {keys->L, &c->L, QV_MAX_LAYERS},
        {keys->H, &c->H, MAX_WIDTH},      {keys->Hk, &c->Hk, MAX_WIDTH},
        {keys->E, &c->E, MAX_WIDTH},      {keys->F, &c->F, MAX_WIDTH},
        {keys->V, &c->V, MAX_VOCABULARY}, {keys->n_ctx, &c->n_ctx, MAX_POSITIONS},
    };
    for (size_t i = 0; i < QV_COUNT(all); i++) {
        qv_status result =
            all[i].key ? qv__json_size(o, all[i].key, all[i].to, err) : QV_OK;
        if (result)
            return result;
        if (*all[i].to > all[i].max)
            return qv_fail(err, QV_EFORMAT, "'%s' is %zu, more than %zu", all[i].key,
                           *all[i].to, all[i].max);
    }
    c->Hk = c->Hk ? c->Hk : c->H;
    c->E = c->E || !c->H ? c->E : c->D / c->H;
    c->F = c->F || !may_lack_F ? c->F : 4 * c->D;
    for (size_t i = 0; i < QV_COUNT(all); i++)
        if (*all[i].to == 0)
            return qv_fail(err, QV_EFORMAT, "'%s' is missing or 0",
                           all[i].key ? all[i].key : keys->D);
    if (c->H % c->Hk)
        return qv_fail(err, QV_EFORMAT, "%zu heads cannot share %zu key/value heads", c->H,
                       c->Hk);
    return QV_OK;
}

static qv_status positive(const json_t *o, const char *key, float *to, qv_err *err)
{
    qv_status result = qv__json_float(o, key, to, err);
    if (!result && (!(*to > 0) || !isfinite(*to)))
        return qv_fail(err, QV_EFORMAT, "'%s' is missing or not a positive number", key);
    return result;
}

/* One of the two places where a file may speak of rotation. */
static qv_status read_scaling(struct qv_config *c, const json_t *rope, const char *place,
                              float *share, qv_err *err)
{
    const char *type = "default";
    struct qv_rope_scaling *s = &c->scaling;
    qv_status result;
    if (!json_is_object(rope))
        return qv_fail(err, QV_EFORMAT, "'%s' is not an object", place);
    if ((result = qv__json_str(rope, "type", &type, err)) ||
        (result = qv__json_str(rope, "rope_type", &type, err)) ||
        (result = qv__json_float(rope, "rope_theta", &c->theta, err)) ||
        (result = qv__json_float(rope, "partial_rotary_factor", share, err)))
        return result;
    if (strcmp(type, "default") == 0)
        return QV_OK;
    if (strcmp(type, "linear") == 0) {
        s->kind = QV_ROPE_LINEAR;
        return positive(rope, "factor", &s->factor, err);
    }
    if (strcmp(type, "llama3") != 0)
        return qv_fail(err, QV_EUNSUPPORTED, "%s of type '%s' is not supported", place,
                       type);
    s->kind = QV_ROPE_LLAMA3;
    if ((result = positive(rope, "factor", &s->factor, err)) ||
        (result = positive(rope, "low_freq_factor", &s->low, err)) ||
        (result = positive(rope, "high_freq_factor", &s->high, err)) ||
        (result =
             qv__json_size(rope, "original_max_position_embeddings", &s->original, err)))
        return result;
    if (s->original == 0 || s->low >= s->high)
        return qv_fail(err, QV_EFORMAT,
                       "%s: original_max_position_embeddings is %zu, low_freq_factor %g, "
                       "high_freq_factor %g",
                       place, s->original, (double)s->low, (double)s->high);
    return QV_OK;
}

qv_status qv__read_rotation(struct qv_config *c, const json_t *o, float share, qv_err *err)
{
    c->theta = 10000;
    qv_status result;
    if ((result = qv__json_float(o, "rope_theta", &c->theta, err)) ||
        (result = qv__json_float(o, "partial_rotary_factor", &share, err)))
        return result;
    const char *const places[] = {"rope_scaling", "rope_parameters"};
    for (size_t i = 0; i < QV_COUNT(places); i++) {
        const json_t *rope = json_object_get(o, places[i]);
        if (rope && !json_is_null(rope) &&
            (result = read_scaling(c, rope, places[i], &share, err)))
            return result;
    }
    if (!(c->theta > 0) || !isfinite(c->theta))
        return qv_fail(err, QV_EFORMAT, "'rope_theta' is not a positive number");
    if (!(share > 0 && share <= 1))
        return qv_fail(err, QV_EFORMAT, "%g of a head cannot be rotated", (double)share);
    c->R = (size_t)((double)share * (double)c->E);
    if (c->R == 0 || c->R % 2)
        return qv_fail(err, QV_EFORMAT, "%zu of a head's %zu numbers cannot be rotated",
                       c->R, c->E);
    return QV_OK;
}

qv_status qv__read_activation(struct qv_config *c, const json_t *o, const char *key,
                              const char *otherwise, qv_err *err)
{
    static const struct {
        const char *name;
        enum qv_activation kind;
    } known[] = {{"gelu", QV_GELU},
                 {"gelu_new", QV_GELU_TANH},
                 {"gelu_fast", QV_GELU_TANH},
                 {"gelu_pytorch_tanh", QV_GELU_TANH},
                 {"relu", QV_RELU}};
    const char *name = otherwise;
    qv_status result = qv__json_str(o, key, &name, err);
    if (result)
        return result;
    for (size_t i = 0; i < QV_COUNT(known); i++)
        if (strcmp(known[i].name, name) == 0) {
            c->activation = known[i].kind;
            return QV_OK;
        }
    return qv_fail(err, QV_EUNSUPPORTED, "%s '%s' is not supported", key, name);
}

qv_status qv__read_silu(struct qv_config *c, const json_t *o, const char *key, qv_err *err)
{
    const char *name = "silu";
    qv_status result = qv__json_str(o, key, &name, err);
    c->is_gated = true;
    if (!result && strcmp(name, "silu") != 0)
        return qv_fail(err, QV_EUNSUPPORTED, "%s '%s' is not supported", key, name);
    return result;
}

qv_status qv__read_window(struct qv_config *c, const json_t *o, bool local, qv_err *err)
{
    const json_t *types = json_object_get(o, "layer_types");
    qv_status result = qv__json_size(o, "sliding_window", &c->window, err);
    if (result)
        return result;
    if (types && !json_is_null(types) && json_array_size(types) != c->L)
        return qv_fail(err, QV_EFORMAT, "'layer_types' has %zu entries for %zu layers",
                       json_array_size(types), c->L);
    for (size_t l = 0; l < c->L; l++) {
        const json_t *type = json_array_get(types, l);
        const char *name = json_string_value(type);
        if (type && (!name || (strcmp(name, "sliding_attention") != 0 &&
                               strcmp(name, "full_attention") != 0)))
            return qv_fail(err, QV_EUNSUPPORTED, "'layer_types': '%s' is not supported",
                           name ? name : "(not a string)");
        if (name ? strcmp(name, "sliding_attention") == 0 : local)
            qv__set_local(c, l);
    }
    return QV_OK;
}

qv_status qv__refuse_on(const json_t *o, const char *const *keys, size_t n, qv_err *err)
{
    for (size_t i = 0; i < n; i++) {
        bool on = false;
        qv_status result = qv__json_bool(o, keys[i], &on, err);
        if (result)
            return result;
        if (on)
            return qv_fail(err, QV_EUNSUPPORTED, "'%s' is not supported", keys[i]);
    }
    return QV_OK;
}

/* A token id, or the first of a list of them (Llama 3 has several EOS). What is not
 * in the vocabulary is no token. */
static int token_id(const json_t *o, const char *key, size_t V)
{
    const json_t *v = json_object_get(o, key);
    if (json_is_array(v))
        v = json_array_get(v, 0);
    json_int_t id = json_is_integer(v) ? json_integer_value(v) : -1;
    return id >= 0 && id < (json_int_t)V ? (int)id : -1;
}

qv_status qv__config_of(struct qv_config *c, const json_t *o, qv_err *err)
{
    const char *type = "";
    *c = (struct qv_config){.eps = 1e-6f};
    if (!json_is_object(o))
        return qv_fail(err, QV_EFORMAT, "not a JSON object");
    qv_status result = qv__json_str(o, "model_type", &type, err);
    if (result)
        return result;
    c->family = qv__family(type);
    if (!c->family)
        return qv_fail(err, QV_EUNSUPPORTED, "model_type '%s' is not supported (%s)", type,
                       qv__family_list());
    const json_t *quantized = json_object_get(o, "quantization_config");
    if (quantized && !json_is_null(quantized))
        return qv_fail(err, QV_EUNSUPPORTED, "'quantization_config' is not supported");
    if ((result = c->family->read(c, o, err)) ||
        (result = qv__json_bool(o, "tie_word_embeddings", &c->is_tied, err)))
        return result;
    if (!(c->eps >= 0) || !isfinite(c->eps))
        return qv_fail(err, QV_EFORMAT, "the norms' epsilon is not a number from 0 on");
    c->bos = token_id(o, "bos_token_id", c->V);
    c->eos = token_id(o, "eos_token_id", c->V);
    return QV_OK;
}

qv_status qv__config_parse(struct qv_config *c, const char *json, size_t size, qv_err *err)
{
    json_t *o;
    qv_status result = qv__json_parse(&o, json, size, err);
    if (!result)
        result = qv__config_of(c, o, err);
    json_decref(o);
    return result ? qv_wrap(err, result, "config.json: ") : QV_OK;
}

qv_status qv__config_read(struct qv_config *c, const char *dir, qv_err *err)
{
    qv_arena a = {0};
    json_t *o = NULL;
    char *path = qv__arena_fmt(&a, "%s/config.json", dir);
    qv_status result = qv__json_read(&o, path, 1 << 20, err);
    if (!result && (result = qv__config_of(c, o, err)))
        result = qv_wrap(err, result, "%s: ", path);
    json_decref(o);
    qv__arena_free(&a);
    return result;
}

qv_status qv__config_write(const struct qv_config *c, const char *dir, const char *dtype,
                           qv_err *err)
{
    qv_check(!c->family || strcmp(c->family->model_type, "llama") == 0);
    json_t *o = json_pack(
        "{s:[s], s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:b, s:b, s:b,"
        " s:s, s:f}",
        "architectures", "LlamaForCausalLM", "model_type", "llama", "hidden_act", "silu",
        "hidden_size", (json_int_t)c->D, "num_hidden_layers", (json_int_t)c->L,
        "num_attention_heads", (json_int_t)c->H, "num_key_value_heads", (json_int_t)c->Hk,
        "head_dim", (json_int_t)c->E, "intermediate_size", (json_int_t)c->F, "vocab_size",
        (json_int_t)c->V, "max_position_embeddings", (json_int_t)c->n_ctx, "rope_theta",
        (double)c->theta, "rms_norm_eps", (double)c->eps, "tie_word_embeddings",
        (int)c->is_tied, "attention_bias", 0, "mlp_bias", 0, "torch_dtype", dtype,
        "initializer_range", 0.02);
    if (c->bos >= 0)
        json_object_set_new(o, "bos_token_id", json_integer(c->bos));
    if (c->eos >= 0)
        json_object_set_new(o, "eos_token_id", json_integer(c->eos));
    qv_arena a = {0};
    qv_status result = qv__json_write(o, qv__arena_fmt(&a, "%s/config.json", dir), err);
    json_decref(o);
    qv__arena_free(&a);
    return result;
}
