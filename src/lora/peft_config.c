/* peft_config.c - see peft_config.h. */
#include "lora/peft_config.h"
#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What a key that is set asks of us. */
enum need {
    HONOURED,
    FEATURE, // honoured, and worth telling of: it changes what A and B compute
    ALONE,   // a feature of an adapter used alone; an expert cannot have it
    IGNORED, // training, bookkeeping, merging: no difference when applied
    REFUSED, // changes what the adapter computes in a way we do not know
};

static const struct key {
    const char *name;
    enum need need;
} keys[] = {
    {"alora_invocation_tokens", REFUSED},
    {"alpha_pattern", FEATURE},
    {"arrow_config", REFUSED},
    {"auto_mapping", IGNORED},
    {"base_model_name_or_path", HONOURED},
    {"bias", FEATURE},
    {"corda_config", IGNORED},
    {"ensure_weight_tying", HONOURED},
    {"eva_config", IGNORED},
    {"exclude_modules", HONOURED},
    {"fan_in_fan_out", IGNORED},
    {"inference_mode", IGNORED},
    {"init_lora_weights", HONOURED},
    {"kasa_config", REFUSED},
    {"layer_replication", REFUSED},
    {"layers_pattern", HONOURED},
    {"layers_to_transform", HONOURED},
    {"loftq_config", IGNORED},
    {"lora_alpha", HONOURED},
    {"lora_bias", ALONE},
    {"lora_dropout", HONOURED},
    {"lora_ga_config", IGNORED},
    {"megatron_config", REFUSED},
    {"megatron_core", IGNORED},
    {"modules_to_save", ALONE},
    {"monteclora_config", REFUSED},
    {"peft_type", HONOURED},
    {"peft_version", IGNORED},
    {"qalora_group_size", IGNORED},
    {"r", HONOURED},
    {"rank_pattern", FEATURE},
    {"revision", IGNORED},
    {"runtime_config", IGNORED},
    {"target_modules", HONOURED},
    {"target_parameters", REFUSED},
    {"task_type", IGNORED},
    {"trainable_token_indices", ALONE},
    {"use_bdlora", REFUSED},
    {"use_dora", ALONE},
    {"use_qalora", REFUSED},
    {"use_rslora", FEATURE},
    {"velora_config", IGNORED},
};

static bool is_unset(const json_t *v)
{
    return json_is_null(v) || json_is_false(v) ||
           (json_is_string(v) && json_string_length(v) == 0) ||
           (json_is_array(v) && json_array_size(v) == 0) ||
           (json_is_object(v) && json_object_size(v) == 0);
}

static bool is_none(const json_t *v)
{
    return json_is_string(v) && strcmp(json_string_value(v), "none") == 0;
}

static qv_status check_keys(struct qv_peft_config *c, json_t *root, bool alone, qv_err *err)
{
    const char *name;
    json_t *v;
    c->feature = qv_new_n(&c->arena, const char *, QV_COUNT(keys));
    json_object_foreach(root, name, v)
    {
        const struct key *key = NULL;
        for (size_t i = 0; i < QV_COUNT(keys) && !key; i++)
            if (strcmp(keys[i].name, name) == 0)
                key = &keys[i];
        if (is_unset(v))
            continue;
        if (!key)
            return qv_fail(err, QV_EUNSUPPORTED, "unknown key '%.100s' is set", name);
        if (key->need == REFUSED)
            return qv_fail(err, QV_EUNSUPPORTED, "'%s' is set, which is not supported",
                           name);
        if (key->need == ALONE && !alone)
            return qv_fail(err, QV_EUNSUPPORTED,
                           "'%s' is set, which only an adapter used alone may have", name);
        if (key->need == ALONE || (key->need == FEATURE && !is_none(v)))
            c->feature[c->n_features++] = key->name;
    }
    return QV_OK;
}

/* How A and B were filled before training. Some ways take what they put there out of
 * the base, and the adapter is one of that changed base alone. */
static qv_status check_init(const json_t *root, qv_err *err)
{
    static const char *const changing[] = {"pissa", "corda", "olora", "loftq", "lora_ga"};
    static const char *const harmless[] = {"gaussian", "eva", "orthogonal", "mica"};
    const json_t *v = json_object_get(root, "init_lora_weights");
    const char *init = json_string_value(v);
    if (v && !init && !json_is_boolean(v) && !json_is_null(v))
        return qv_fail(err, QV_EFORMAT,
                       "'init_lora_weights' is neither a name nor a switch");
    for (size_t i = 0; init && i < QV_COUNT(changing); i++)
        if (strncasecmp(init, changing[i], strlen(changing[i])) == 0)
            return qv_fail(
                err, QV_EUNSUPPORTED,
                "'init_lora_weights' is '%.40s': the adapter needs the base model "
                "that it changed",
                init);
    for (size_t i = 0; init && i < QV_COUNT(harmless); i++)
        if (strcasecmp(init, harmless[i]) == 0)
            return QV_OK;
    return init ? qv_fail(err, QV_EUNSUPPORTED,
                          "'init_lora_weights' is '%.40s', which is not known", init)
                : QV_OK;
}

/* The kind of adapter, and whether its base is the plain model. */
static qv_status check_kind(const json_t *root, qv_err *err)
{
    const char *type = NULL;
    qv_status result = qv__json_str(root, "peft_type", &type, err);
    if (result)
        return result;
    if (!type && json_object_get(root, "lora_parameters"))
        return qv_fail(err, QV_EUNSUPPORTED, "an adapter of MLX, not of PEFT");
    if (!type)
        return qv_fail(err, QV_EFORMAT, "'peft_type' is missing");
    if (strcmp(type, "LORA") != 0)
        return qv_fail(err, QV_EUNSUPPORTED, "peft_type '%.40s' is not supported, LORA is",
                       type);
    return check_init(root, err);
}

/* What only an adapter used alone may have. */
static qv_status read_switches(struct qv_peft_config *c, const json_t *root, qv_err *err)
{
    static const char *const biases[] = {
        [QV_BIAS_NONE] = "none", [QV_BIAS_LORA_ONLY] = "lora_only", [QV_BIAS_ALL] = "all"};
    const char *bias = biases[QV_BIAS_NONE];
    qv_status result = qv__json_bool(root, "use_dora", &c->is_dora, err);
    if (!result)
        result = qv__json_bool(root, "lora_bias", &c->has_lora_bias, err);
    if (!result)
        result = qv__json_bool(root, "ensure_weight_tying", &c->ties, err);
    if (!result)
        result = qv__json_str(root, "bias", &bias, err);
    if (result)
        return result;
    if (c->is_dora && c->has_lora_bias)
        return qv_fail(err, QV_EFORMAT, "'lora_bias' with 'use_dora'");
    for (size_t i = 0; i < QV_COUNT(biases); i++)
        if (strcmp(bias, biases[i]) == 0) {
            c->bias = (enum qv_peft_bias)i;
            return QV_OK;
        }
    return qv_fail(err, QV_EFORMAT, "'bias' is '%.40s', not none, lora_only or all", bias);
}

/* One table's rows that were trained again; no name is the model's embedding. */
static qv_status read_rows(struct qv_peft_config *c, const char *name, const json_t *list,
                           qv_err *err)
{
    struct qv_peft_rows *rows = &c->rows[c->n_rows++];
    rows->table = name ? qv__arena_str(&c->arena, name) : NULL;
    rows->row = qv_new_n(&c->arena, size_t, json_array_size(list));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        if (!json_is_integer(v) || json_integer_value(v) < 0)
            return qv_fail(err, QV_EFORMAT,
                           "'trainable_token_indices': entry %zu is not a token", i);
        rows->row[rows->n++] = (size_t)json_integer_value(v);
    }
    return QV_OK;
}

static qv_status read_tokens(struct qv_peft_config *c, json_t *root, qv_err *err)
{
    json_t *all = json_object_get(root, "trainable_token_indices"), *list;
    const char *name;
    if (!all || is_unset(all))
        return QV_OK;
    c->rows = qv_new_n(&c->arena, struct qv_peft_rows, qv__max(json_object_size(all), 1));
    if (json_is_array(all))
        return read_rows(c, NULL, all, err);
    if (!json_is_object(all))
        return qv_fail(err, QV_EFORMAT,
                       "'trainable_token_indices' is neither a list nor an object");
    json_object_foreach(all, name, list)
    {
        if (!json_is_array(list))
            return qv_fail(err, QV_EFORMAT,
                           "'trainable_token_indices': '%.100s' is not a list", name);
        qv_status result = read_rows(c, name, list, err);
        if (result)
            return result;
    }
    return QV_OK;
}

static qv_status compile(struct qv_regex **out, const char *pattern, qv_err *err)
{
    return qv__regex_new(out, pattern, strlen(pattern), err);
}

static qv_status read_modules(struct qv_peft_modules *m, struct qv_peft_config *c,
                              const json_t *root, const char *key, qv_err *err)
{
    const json_t *v = json_object_get(root, key);
    if (!v || json_is_null(v))
        return QV_OK;
    m->is_given = true;
    if (json_is_string(v)) {
        qv_status result = compile(&m->re, json_string_value(v), err);
        return result ? qv_wrap(err, result, "'%s': ", key) : QV_OK;
    }
    if (!json_is_array(v))
        return qv_fail(err, QV_EFORMAT, "'%s' is neither a list of names nor a string",
                       key);
    m->name = qv_new_n(&c->arena, const char *, json_array_size(v));
    for (size_t i = 0; i < json_array_size(v); i++) {
        const char *name = json_string_value(json_array_get(v, i));
        if (!name)
            return qv_fail(err, QV_EFORMAT, "'%s': entry %zu is not a string", key, i);
        m->name[m->n++] = qv__arena_str(&c->arena, name);
    }
    return QV_OK;
}

static qv_status read_saved(struct qv_peft_config *c, const json_t *root, qv_err *err)
{
    const json_t *v = json_object_get(root, "modules_to_save");
    if (v && !json_is_null(v) && !json_is_array(v))
        return qv_fail(err, QV_EFORMAT, "'modules_to_save' is not a list of names");
    qv_status result = read_modules(&c->saved, c, root, "modules_to_save", err);
    if (!result && c->saved.n && c->ties)
        result = qv_fail(err, QV_EUNSUPPORTED,
                         "'ensure_weight_tying' with 'modules_to_save' is not supported");
    return result;
}

static qv_status read_patterns(struct qv_peft_pattern **out, size_t *n,
                               struct qv_peft_config *c, const json_t *root,
                               const char *key, bool is_rank, qv_err *err)
{
    json_t *v = json_object_get(root, key);
    if (!v || json_is_null(v))
        return QV_OK;
    if (!json_is_object(v))
        return qv_fail(err, QV_EFORMAT, "'%s' is not an object", key);
    *out = qv_new_n(&c->arena, struct qv_peft_pattern, json_object_size(v));
    const char *text;
    json_t *value;
    json_object_foreach(v, text, value)
    {
        if (is_rank && !(json_is_integer(value) && json_integer_value(value) > 0))
            return qv_fail(err, QV_EFORMAT, "'%s': '%.100s' is not a positive whole number",
                           key, text);
        if (!json_is_number(value) || !isfinite((float)json_number_value(value)))
            return qv_fail(err, QV_EFORMAT,
                           "'%s': '%.100s' is not a number a float can hold", key, text);
        struct qv_peft_pattern *p = &(*out)[*n];
        p->text = qv__arena_str(&c->arena, text);
        p->value = json_number_value(value);
        qv_status result =
            compile(&p->re, qv__arena_fmt(&c->arena, "(.*\\.)?(%s)", text), err);
        if (result)
            return qv_wrap(err, result, "'%s': ", key);
        ++*n;
    }
    return QV_OK;
}

/* A layer's number is what \K leaves of the match. Without layers_pattern it is
 * the first number that is a segment and has two segments before it. */
static qv_status read_layer_patterns(struct qv_peft_config *c, const json_t *v, qv_err *err)
{
    size_t n = json_is_array(v) ? json_array_size(v) : 1;
    c->layer_re = qv_new_n(&c->arena, struct qv_regex *, n);
    if (!v || is_unset(v)) {
        c->layer_re = qv_new_n(&c->arena, struct qv_regex *, 1);
        c->n_layer_re = 1;
        return compile(&c->layer_re[0], "\\A.*?\\.[^.]*\\.\\K\\d+(?=\\.)", err);
    }
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_is_array(v) ? json_array_get(v, i) : v);
        if (!text)
            return qv_fail(err, QV_EFORMAT,
                           "'layers_pattern' is neither a string nor a list "
                           "of strings");
        text = qv__arena_fmt(&c->arena, "\\A(?:(?:^|.*?\\.)%s\\.\\K\\d+(?=\\.))", text);
        qv_status result = compile(&c->layer_re[i], text, err);
        if (result)
            return qv_wrap(err, result, "'layers_pattern': ");
        c->n_layer_re++;
    }
    return QV_OK;
}

static qv_status read_layers(struct qv_peft_config *c, const json_t *root, qv_err *err)
{
    const json_t *layers = json_object_get(root, "layers_to_transform");
    const json_t *pattern = json_object_get(root, "layers_pattern");
    bool has_layers = layers && !json_is_null(layers);
    if (c->targets.re && (has_layers || (pattern && !json_is_null(pattern))))
        return qv_fail(err, QV_EFORMAT, "'%s' needs 'target_modules' to be a list",
                       has_layers ? "layers_to_transform" : "layers_pattern");
    if (pattern && !is_unset(pattern) && !has_layers)
        return qv_fail(err, QV_EFORMAT, "'layers_pattern' without 'layers_to_transform'");
    if (!has_layers)
        return QV_OK;
    size_t n = json_is_array(layers) ? json_array_size(layers) : 1;
    c->layer = qv_new_n(&c->arena, long long, n);
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_is_array(layers) ? json_array_get(layers, i) : layers;
        if (!json_is_integer(v))
            return qv_fail(err, QV_EFORMAT,
                           "'layers_to_transform' is neither a whole number "
                           "nor a list of them");
        c->layer[c->n_layers++] = json_integer_value(v);
    }
    return read_layer_patterns(c, pattern, err);
}

static qv_status read_numbers(struct qv_peft_config *c, const json_t *root, qv_err *err)
{
    float alpha = 8;
    const char *base = NULL;
    c->r = 8;
    qv_status result = qv__json_size(root, "r", &c->r, err);
    if (!result)
        result = qv__json_float(root, "lora_alpha", &alpha, err);
    if (!result)
        result = qv__json_float(root, "lora_dropout", &c->dropout, err);
    if (!result)
        result = qv__json_bool(root, "use_rslora", &c->is_rslora, err);
    if (!result)
        result = qv__json_str(root, "base_model_name_or_path", &base, err);
    if (result)
        return result;
    if (c->r == 0)
        return qv_fail(err, QV_EFORMAT, "'r' is 0");
    if (!isfinite(alpha))
        return qv_fail(err, QV_EFORMAT, "'lora_alpha' is not a number a float can hold");
    if (!(c->dropout >= 0 && c->dropout < 1))
        return qv_fail(err, QV_EFORMAT, "'lora_dropout' is %g, not in [0, 1)",
                       (double)c->dropout);
    c->alpha = (double)alpha;
    c->base = base ? qv__arena_str(&c->arena, base) : NULL;
    return QV_OK;
}

static qv_status read_config(struct qv_peft_config *c, json_t *root, bool alone,
                             qv_err *err)
{
    if (!json_is_object(root))
        return qv_fail(err, QV_EFORMAT, "not an object");
    qv_status result = check_kind(root, err);
    if (!result)
        result = check_keys(c, root, alone, err);
    if (!result)
        result = read_switches(c, root, err);
    if (!result)
        result = read_tokens(c, root, err);
    if (!result)
        result = read_saved(c, root, err);
    if (!result)
        result = read_numbers(c, root, err);
    if (!result)
        result = read_patterns(&c->rank_pattern, &c->n_rank_pattern, c, root,
                               "rank_pattern", true, err);
    if (!result)
        result = read_patterns(&c->alpha_pattern, &c->n_alpha_pattern, c, root,
                               "alpha_pattern", false, err);
    // For these two PEFT looks into the model; here the tensors tell.
    const char *targets = json_string_value(json_object_get(root, "target_modules"));
    if (!result && !(targets && strcasecmp(targets, "all-linear") == 0))
        result = read_modules(&c->targets, c, root, "target_modules", err);
    if (!result)
        result = read_modules(&c->excluded, c, root, "exclude_modules", err);
    return result ? result : read_layers(c, root, err);
}

qv_status qv__peft_config_parse(struct qv_peft_config *config, const char *text,
                                size_t size, bool alone, qv_err *err)
{
    *config = (struct qv_peft_config){0};
    json_t *root;
    qv_status result = qv__json_parse(&root, text, size, err);
    if (result)
        return result;
    result = read_config(config, root, alone, err);
    json_decref(root);
    if (result)
        qv__peft_config_end(config);
    return result;
}

void qv__peft_config_end(struct qv_peft_config *config)
{
    for (size_t i = 0; i < config->n_rank_pattern; i++)
        qv__regex_free(config->rank_pattern[i].re);
    for (size_t i = 0; i < config->n_alpha_pattern; i++)
        qv__regex_free(config->alpha_pattern[i].re);
    for (size_t i = 0; i < config->n_layer_re; i++)
        qv__regex_free(config->layer_re[i]);
    qv__regex_free(config->targets.re);
    qv__regex_free(config->excluded.re);
    qv__arena_free(&config->arena);
    *config = (struct qv_peft_config){0};
}

/* Whether a list names the module: *exactly, or by its end after a dot. */
static bool is_listed(bool *exactly, const struct qv_peft_modules *m, const char *path)
{
    size_t size = strlen(path);
    bool ends = *exactly = false;
    for (size_t i = 0; i < m->n && !*exactly; i++) {
        size_t n = strlen(m->name[i]);
        *exactly = strcmp(m->name[i], path) == 0;
        ends |= n < size && path[size - n - 1] == '.' &&
                strcmp(m->name[i], path + size - n) == 0;
    }
    return *exactly || ends;
}

/* Whether path[0..size) ends in `name`. PEFT asks no more of modules_to_save and
 * trainable_token_indices: "head" is lm_head, too. */
static bool ends_in(const char *path, size_t size, const char *name)
{
    size_t n = strlen(name);
    return n <= size && memcmp(path + size - n, name, n) == 0;
}

bool qv__peft_saves(const char *const *name, size_t n, const char *path)
{
    for (size_t i = 0; i < n; i++)
        for (size_t at = 1; path[at - 1]; at++) // the module, or one that it is part of
            if ((path[at] == '.' || path[at] == '\0') && ends_in(path, at, name[i]))
                return true;
    return false;
}

/* Whether a saved module is `path` or holds it, in which case it has no LoRA. */
static bool is_saved(const struct qv_peft_config *c, const char *path)
{
    for (size_t i = 0; i < c->saved.n; i++) {
        const char *name = c->saved.name[i];
        size_t n = strlen(name);
        for (const char *at = path; n && (at = strstr(at, name)); at++)
            if ((at == path || at[-1] == '.') && (at[n] == '\0' || at[n] == '.'))
                return true;
    }
    return false;
}

const struct qv_peft_rows *qv__peft_config_rows(const struct qv_peft_config *c,
                                                const char *path)
{
    for (size_t i = 0; i < c->n_rows; i++)
        if (!c->rows[i].table || ends_in(path, strlen(path), c->rows[i].table))
            return &c->rows[i];
    return NULL;
}

static qv_status is_in_layers(bool *yes, const struct qv_peft_config *c, const char *path,
                              qv_err *err)
{
    bool found = false;
    size_t begin = 0, end = 0;
    *yes = false;
    for (size_t i = 0; i < c->n_layer_re && !found; i++) {
        qv_status result = qv__regex_find(&found, &begin, &end, c->layer_re[i], path,
                                          strlen(path), 0, err);
        if (result)
            return result;
    }
    if (!found || path[begin] < '0' || path[begin] > '9')
        return QV_OK;
    long long layer = strtoll(path + begin, NULL, 10);
    for (size_t i = 0; i < c->n_layers && !*yes; i++)
        *yes = c->layer[i] == layer;
    return QV_OK;
}

static qv_status check_module(const struct qv_peft_config *c, const char *path, qv_err *err)
{
    bool yes = false, exactly = false;
    qv_status result = QV_OK;
    if (c->excluded.re)
        result = qv__regex_full(&yes, c->excluded.re, path, strlen(path), err);
    else
        yes = is_listed(&exactly, &c->excluded, path);
    if (result)
        return qv_wrap(err, result, "'exclude_modules': ");
    if (yes)
        return qv_fail(err, QV_EFORMAT, "the config's 'exclude_modules' leaves it out");
    if (is_saved(c, path))
        return qv_fail(err, QV_EFORMAT, "the config's 'modules_to_save' leaves it out");
    if (!c->targets.is_given)
        return QV_OK;

    if (c->targets.re)
        result = qv__regex_full(&yes, c->targets.re, path, strlen(path), err);
    else
        yes = is_listed(&exactly, &c->targets, path);
    if (result)
        return qv_wrap(err, result, "'target_modules': ");
    if (!yes)
        return qv_fail(err, QV_EFORMAT, "the config's 'target_modules' does not name it");
    if (!exactly && c->n_layers) { // PEFT asks only where a name matched by its end
        result = is_in_layers(&yes, c, path, err);
        if (result)
            return qv_wrap(err, result, "'layers_pattern': ");
        if (!yes)
            return qv_fail(err, QV_EFORMAT,
                           "the config's 'layers_to_transform' leaves it out");
    }
    return QV_OK;
}

/* The value of the first pattern that matches `path`; else *value stays. */
static qv_status look_up(double *value, const struct qv_peft_pattern *p, size_t n,
                         const char *path, qv_err *err)
{
    for (size_t i = 0; i < n; i++) {
        bool matches;
        qv_status result = qv__regex_full(&matches, p[i].re, path, strlen(path), err);
        if (result)
            return qv_wrap(err, result, "'%.100s': ", p[i].text);
        if (matches) {
            *value = p[i].value;
            return QV_OK;
        }
    }
    // A name that is not a pattern for itself still names itself.
    for (size_t i = 0; i < n; i++)
        if (strcmp(p[i].text, path) == 0)
            *value = p[i].value;
    return QV_OK;
}

qv_status qv__peft_config_module(size_t *R, float *alpha,
                                 const struct qv_peft_config *config, const char *path,
                                 qv_err *err)
{
    double rank = (double)config->r, a = config->alpha;
    qv_status result = check_module(config, path, err);
    if (!result)
        result = look_up(&rank, config->rank_pattern, config->n_rank_pattern, path, err);
    if (!result)
        result = look_up(&a, config->alpha_pattern, config->n_alpha_pattern, path, err);
    *R = rank < 0x1p53 ? (size_t)rank : SIZE_MAX;
    *alpha = (float)a;
    return result;
}
