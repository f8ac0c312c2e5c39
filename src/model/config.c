/* config.c - see config.h. */
#include "model/config.h"
#include "base/arena.h"
#include "base/json.h"

#include <math.h>
#include <string.h>

/* Models are refused beyond these, before any product of sizes is formed. */
enum { MAX_WIDTH = 1 << 17, MAX_LAYERS = 1 << 10, MAX_VOCABULARY = 1 << 22 };

static qv_status sizes(struct qv_config *c, const json_t *o, qv_err *err)
{
    const struct {
        const char *key;
        size_t *to, max;
    } all[] = {
        {"hidden_size", &c->D, MAX_WIDTH},
        {"num_hidden_layers", &c->L, MAX_LAYERS},
        {"num_attention_heads", &c->H, MAX_WIDTH},
        {"num_key_value_heads", &c->Hk, MAX_WIDTH},
        {"head_dim", &c->E, MAX_WIDTH},
        {"intermediate_size", &c->F, MAX_WIDTH},
        {"vocab_size", &c->V, MAX_VOCABULARY},
        {"max_position_embeddings", &c->n_ctx, 1 << 24},
    };
    for (size_t i = 0; i < QV_COUNT(all); i++) {
        qv_status result = qv__json_size(o, all[i].key, all[i].to, err);
        if (result)
            return result;
        if (*all[i].to > all[i].max)
            return qv_fail(err, QV_EFORMAT, "'%s' is %zu, more than %zu", all[i].key,
                           *all[i].to, all[i].max);
    }
    if (!c->Hk)
        c->Hk = c->H;
    if (!c->E && c->H)
        c->E = c->D / c->H;
    for (size_t i = 0; i < QV_COUNT(all); i++)
        if (*all[i].to == 0)
            return qv_fail(err, QV_EFORMAT, "'%s' is missing or 0", all[i].key);
    if (c->H % c->Hk)
        return qv_fail(err, QV_EFORMAT, "%zu heads cannot share %zu key/value heads", c->H,
                       c->Hk);
    if (c->E % 2)
        return qv_fail(err, QV_EFORMAT, "heads of odd width %zu cannot be rotated", c->E);
    return QV_OK;
}

static qv_status rotation(struct qv_config *c, const json_t *o, qv_err *err)
{
    c->theta = 10000;
    qv_status result = qv__json_float(o, "rope_theta", &c->theta, err);
    if (result)
        return result;
    const char *const places[] = {"rope_scaling", "rope_parameters"};
    for (size_t i = 0; i < QV_COUNT(places); i++) {
        const json_t *rope = json_object_get(o, places[i]);
        if (!rope || json_is_null(rope))
            continue;
        if (!json_is_object(rope))
            return qv_fail(err, QV_EFORMAT, "'%s' is not an object", places[i]);
        const char *type = "default";
        if ((result = qv__json_str(rope, "type", &type, err)) ||
            (result = qv__json_str(rope, "rope_type", &type, err)) ||
            (result = qv__json_float(rope, "rope_theta", &c->theta, err)))
            return result;
        if (strcmp(type, "default") != 0)
            return qv_fail(err, QV_EUNSUPPORTED, "%s of type '%s' is not supported",
                           places[i], type);
    }
    if (!(c->theta > 0) || !isfinite(c->theta))
        return qv_fail(err, QV_EFORMAT, "'rope_theta' is not a positive number");
    return QV_OK;
}

/* Switches that must be off, and words that must be these. */
static qv_status refuse(const json_t *o, qv_err *err)
{
    const char *type = "", *act = "silu";
    qv_status result;
    if ((result = qv__json_str(o, "model_type", &type, err)) ||
        (result = qv__json_str(o, "hidden_act", &act, err)))
        return result;
    if (strcmp(type, "llama") != 0)
        return qv_fail(err, QV_EUNSUPPORTED, "model_type '%s' is not supported (llama is)",
                       type);
    if (strcmp(act, "silu") != 0)
        return qv_fail(err, QV_EUNSUPPORTED, "hidden_act '%s' is not supported", act);
    const char *const off[] = {"attention_bias", "mlp_bias"};
    for (size_t i = 0; i < QV_COUNT(off); i++) {
        bool on = false;
        if ((result = qv__json_bool(o, off[i], &on, err)))
            return result;
        if (on)
            return qv_fail(err, QV_EUNSUPPORTED, "'%s' is not supported", off[i]);
    }
    const json_t *quantized = json_object_get(o, "quantization_config");
    if (quantized && !json_is_null(quantized))
        return qv_fail(err, QV_EUNSUPPORTED, "'quantization_config' is not supported");
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

static qv_status parse(struct qv_config *c, const json_t *o, qv_err *err)
{
    *c = (struct qv_config){.eps = 1e-6f};
    if (!json_is_object(o))
        return qv_fail(err, QV_EFORMAT, "not a JSON object");
    qv_status result;
    if ((result = refuse(o, err)) || (result = sizes(c, o, err)) ||
        (result = rotation(c, o, err)) ||
        (result = qv__json_float(o, "rms_norm_eps", &c->eps, err)) ||
        (result = qv__json_bool(o, "tie_word_embeddings", &c->is_tied, err)))
        return result;
    if (!(c->eps >= 0) || !isfinite(c->eps))
        return qv_fail(err, QV_EFORMAT, "'rms_norm_eps' is not a number from 0 on");
    c->bos = token_id(o, "bos_token_id", c->V);
    c->eos = token_id(o, "eos_token_id", c->V);
    return QV_OK;
}

qv_status qv__config_parse(struct qv_config *c, const char *json, size_t size, qv_err *err)
{
    json_t *o;
    qv_status result = qv__json_parse(&o, json, size, err);
    if (!result)
        result = parse(c, o, err);
    json_decref(o);
    return result ? qv_wrap(err, result, "config.json: ") : QV_OK;
}

qv_status qv__config_read(struct qv_config *c, const char *dir, qv_err *err)
{
    qv_arena a = {0};
    json_t *o = NULL;
    char *path = qv__arena_fmt(&a, "%s/config.json", dir);
    qv_status result = qv__json_read(&o, path, 1 << 20, err);
    if (!result && (result = parse(c, o, err)))
        result = qv_wrap(err, result, "%s: ", path);
    json_decref(o);
    qv__arena_free(&a);
    return result;
}

qv_status qv__config_write(const struct qv_config *c, const char *dir, const char *dtype,
                           qv_err *err)
{
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
