/* peft_write.c - an expert as a PEFT adapter, for every version of PEFT.
 *
 * The config holds the keys that PEFT had from the start, and newer ones only
 * where the adapter needs them. Modules are named by their whole path, so that
 * PEFT adapts these and no others. Most sites share a rank and an alpha: those
 * become `r` and `lora_alpha`, and the exceptions patterns. What was written is
 * parsed again before it is used, since a path can match another's pattern.
 */
#include "lora/peft.h"
#include "base/json.h"
#include "lora/peft_config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A whole number as one; else the shortest decimal that is this float. */
static json_t *number(float x)
{
    if (x == truncf(x) && fabsf(x) < 0x1p24f)
        return json_integer((json_int_t)x);
    char text[32];
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)x);
        if (strtof(text, NULL) == x)
            break;
    }
    return json_real(strtod(text, NULL));
}

static float rank_of(const struct qv_expert_site *s)
{
    return (float)s->R;
}

static float alpha_of(const struct qv_expert_site *s)
{
    return s->alpha;
}

/* `key` = the value that most sites have, `exceptions` = the others by path. */
static void add_values(json_t *config, const char *key, const char *exceptions,
                       const struct qv_expert *e,
                       float (*value)(const struct qv_expert_site *))
{
    size_t most = 0;
    float usual = 0;
    for (size_t i = 0; i < e->n_sites; i++) {
        size_t n = 0;
        for (size_t k = 0; k < e->n_sites; k++)
            n += value(&e->site[k]) == value(&e->site[i]);
        if (n > most) {
            most = n;
            usual = value(&e->site[i]);
        }
    }
    json_object_set_new(config, key, number(usual));
    if (most == e->n_sites)
        return;
    json_t *others = json_object();
    for (size_t i = 0; i < e->n_sites; i++)
        if (value(&e->site[i]) != usual)
            json_object_set_new(others, e->site[i].path, number(value(&e->site[i])));
    json_object_set_new(config, exceptions, others);
}

static json_t *make_config(const struct qv_expert *e)
{
    json_t *config = json_pack("{s:s, s:s, s:s, s:b, s:b, s:s?}", "peft_type", "LORA",
                               "task_type", "CAUSAL_LM", "bias", "none", "fan_in_fan_out",
                               0, "inference_mode", 1, "base_model_name_or_path", e->base);
    json_t *targets = json_array();
    for (size_t i = 0; i < e->n_sites; i++)
        json_array_append_new(targets, json_string(e->site[i].path));
    json_object_set_new(config, "target_modules", targets);
    json_object_set_new(config, "lora_dropout", number(e->dropout));
    if (e->is_rslora)
        json_object_set_new(config, "use_rslora", json_true());
    add_values(config, "r", "rank_pattern", e, rank_of);
    add_values(config, "lora_alpha", "alpha_pattern", e, alpha_of);
    return config;
}

/* Whether PEFT will read from `config` what `e` is. */
static qv_status check_config(const json_t *config, const struct qv_expert *e, qv_err *err)
{
    struct qv_peft_config parsed;
    char *text = json_dumps(config, JSON_SORT_KEYS | JSON_REAL_PRECISION(9));
    if (!text)
        return qv_fail(err, QV_EFORMAT, "its base's name is not UTF-8");
    qv_status result = qv__peft_config_parse(&parsed, text, strlen(text), false, err);
    free(text);
    if (result)
        return result;
    for (size_t i = 0; i < e->n_sites && !result; i++) {
        const struct qv_expert_site *s = &e->site[i];
        size_t R;
        float alpha;
        result = qv__peft_config_module(&R, &alpha, &parsed, s->path, err);
        if (!result && (R != s->R || alpha != s->alpha))
            result = qv_fail(err, QV_EUNSUPPORTED,
                             "site '%.200s': PEFT would give it rank %zu and alpha %g",
                             s->path, R, (double)alpha);
    }
    qv__peft_config_end(&parsed);
    return result;
}

static qv_status check_weights(const struct qv_expert *e, qv_err *err)
{
    if (e->n_sites == 0)
        return qv_fail(err, QV_EFORMAT, "adapts no site");
    qv_status result = QV_OK;
    for (size_t i = 0; !result && i < e->n_sites; i++)
        result = qv__expert_site_check(&e->site[i], err);
    return result;
}

static qv_status write_weights(const struct qv_expert *e, const char *path, qv_arena *a,
                               qv_err *err)
{
    struct qv_tensor_out *t = qv_new_n(a, struct qv_tensor_out, 2 * e->n_sites);
    for (size_t i = 0; i < e->n_sites; i++) {
        const struct qv_expert_site *s = &e->site[i];
        t[2 * i] = (struct qv_tensor_out){
            qv__arena_fmt(a, "base_model.model.%s.lora_A.weight", s->path),
            QV_F32,
            2,
            {s->R, s->D_in},
            s->A};
        t[2 * i + 1] = (struct qv_tensor_out){
            qv__arena_fmt(a, "base_model.model.%s.lora_B.weight", s->path),
            QV_F32,
            2,
            {s->D_out, s->R},
            s->B};
    }
    const char *const meta[][2] = {{"format", "pt"}};
    return qv__st_write(path, t, 2 * e->n_sites, meta, 1, err);
}

qv_status qv__peft_write(const struct qv_expert *e, const char *dir, qv_err *err)
{
    qv_arena a = {0};
    json_t *config = make_config(e);
    qv_status result = check_weights(e, err);
    if (!result)
        result = check_config(config, e, err);
    if (result) {
        result = qv_wrap(err, result, "expert '%s': ", e->name);
        goto out;
    }
    result =
        write_weights(e, qv__arena_fmt(&a, "%s/adapter_model.safetensors", dir), &a, err);
    if (!result)
        result =
            qv__json_write(config, qv__arena_fmt(&a, "%s/adapter_config.json", dir), err);

out:
    json_decref(config);
    qv__arena_free(&a);
    return result;
}
