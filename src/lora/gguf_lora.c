/* gguf_lora.c - see gguf_lora.h. */
#include "lora/gguf_lora.h"
#include "base/file.h"

#include <math.h>
#include <string.h>

bool qv__gguf_is_adapter(const struct qv_gguf *g)
{
    const struct qv_gguf_value *v = qv__gguf_get(g, "general.type");
    return v && v->text && strcmp(v->text, "adapter") == 0;
}

float qv__gguf_lora_scale(float alpha, size_t R)
{
    return alpha == 0 ? 1 : alpha / (float)R;
}

/* ---- values ---- */

static bool has_prefix(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* Keys of adapters that are not known may change what the adapter computes. */
static qv_status refuse_unknown(const struct qv_gguf *g, qv_err *err)
{
    static const char *const known[] = {
        "adapter.type",
        "adapter.lora.alpha",
        "adapter.lora.task_name",
        "adapter.lora.prompt_prefix",
        "adapter.alora.invocation_tokens",
    };
    for (size_t i = 0; i < g->n_values; i++) {
        size_t k = 0;
        while (k < QV_COUNT(known) && strcmp(known[k], g->value[i].key) != 0)
            k++;
        if (k == QV_COUNT(known) && has_prefix(g->value[i].key, "adapter."))
            return qv_fail(err, QV_EUNSUPPORTED, "unknown key '%.200s' is set",
                           g->value[i].key);
    }
    return QV_OK;
}

/* What makes an adapter more than a sum, or its prompts other prompts. */
static qv_status refuse_set(const struct qv_gguf *g, qv_err *err)
{
    const struct qv_gguf_value *tokens = qv__gguf_get(g, "adapter.alora.invocation_tokens");
    const char *prefix = NULL;
    if (tokens && !(tokens->is_list && tokens->n == 0))
        return qv_fail(err, QV_EUNSUPPORTED,
                       "'adapter.alora.invocation_tokens' is set, and an adapter that acts "
                       "only after some tokens is not supported");
    qv_status result = qv__gguf_str(g, "adapter.lora.prompt_prefix", &prefix, err);
    if (!result && prefix && *prefix)
        result =
            qv_fail(err, QV_EUNSUPPORTED,
                    "'adapter.lora.prompt_prefix' is set, and an adapter whose prompts "
                    "begin with a text of its own is not supported");
    return result;
}

static qv_status read_str(const char **out, const struct qv_gguf *g, const char *key,
                          qv_err *err)
{
    *out = NULL;
    qv_status result = qv__gguf_str(g, key, out, err);
    if (!result && !*out)
        result = qv_fail(err, QV_EFORMAT, "'%s' is missing", key);
    return result;
}

/* The base by the name that PEFT has for it, if the file says. */
static qv_status read_base(struct qv_gguf_lora *l, qv_err *err)
{
    static const char hub[] = "https://huggingface.co/";
    const char *url = NULL;
    qv_status result = qv__gguf_str(&l->g, QV_GGUF_BASE, &l->base, err);
    if (!result)
        result = qv__gguf_str(&l->g, "general.base_model.0.repo_url", &url, err);
    if (!result && !l->base && url && has_prefix(url, hub))
        l->base = url + strlen(hub);
    return result;
}

static qv_status read_values(struct qv_gguf_lora *l, qv_err *err)
{
    const struct qv_gguf *g = &l->g;
    const char *type;
    qv_status result = read_str(&type, g, "general.type", err);
    if (!result && strcmp(type, "adapter") != 0)
        result = qv_fail(err, QV_EFORMAT, "'general.type' is '%.60s', not 'adapter'", type);
    if (!result)
        result = read_str(&l->arch, g, "general.architecture", err);
    if (!result)
        result = read_str(&type, g, "adapter.type", err);
    if (!result && strcmp(type, "lora") != 0)
        result =
            qv_fail(err, QV_EUNSUPPORTED,
                    "'adapter.type' is '%.60s', which is not supported, lora is", type);
    if (!result)
        result = refuse_unknown(g, err);
    if (!result)
        result = refuse_set(g, err);
    if (!result)
        result = qv__gguf_float(g, "adapter.lora.alpha", &l->alpha, err);
    if (!result && !isfinite(l->alpha))
        result = qv_fail(err, QV_EFORMAT, "'adapter.lora.alpha' is not finite");
    if (!result)
        result = qv__gguf_str(g, "adapter.lora.task_name", &l->task, err);
    return result ? result : read_base(l, err);
}

/* ---- tensors ---- */

static qv_status check_matrix(const struct qv_gguf_tensor *t, qv_err *err)
{
    if (!t->type->computes)
        return qv_fail(err, QV_EUNSUPPORTED, "type %s is not supported", t->type->name);
    if (t->rank != 2)
        return qv_fail(err, QV_EUNSUPPORTED,
                       "%d dimensions, and only matrices are supported", t->rank);
    if (t->n == 0)
        return qv_fail(err, QV_EFORMAT, "an empty matrix");
    return QV_OK;
}

/* The pair that tensor t is the A of; of a B only whether it has an A. */
static qv_status read_pair(struct qv_gguf_lora *l, const struct qv_gguf_tensor *t,
                           qv_err *err)
{
    bool is_A = qv__ends_with(t->name, ".lora_a");
    if (qv__ends_with(t->name, "_norm.weight"))
        return qv_fail(err, QV_EUNSUPPORTED, "a trained norm is not supported");
    if (!is_A && !qv__ends_with(t->name, ".lora_b"))
        return qv_fail(err, QV_EFORMAT, "not a LoRA's A or B");
    qv_status result = check_matrix(t, err);
    if (result)
        return result;
    size_t n = strlen(t->name) - strlen(".lora_a");
    char *name = qv__arena_strn(&l->g.arena, t->name, n);
    const char *other = qv__arena_fmt(&l->g.arena, "%s.lora_%c", name, is_A ? 'b' : 'a');
    const struct qv_gguf_tensor *B = qv__gguf_find(&l->g, other);
    if (!B)
        return qv_fail(err, QV_EFORMAT, "its lora_%c is missing", is_A ? 'b' : 'a');
    if (!is_A || B->rank != 2) // then B has its own sentence
        return QV_OK;
    if (B->shape[1] != t->shape[0])
        return qv_fail(err, QV_EFORMAT, "rank %zu, but its lora_b has %zu", t->shape[0],
                       B->shape[1]);
    l->pair[l->n++] = (struct qv_gguf_pair){
        .name = name,
        .A = t,
        .B = B,
        .R = t->shape[0],
        .D_in = t->shape[1],
        .D_out = B->shape[0],
        .scale = qv__gguf_lora_scale(l->alpha, t->shape[0]),
    };
    return QV_OK;
}

static qv_status read_all(struct qv_gguf_lora *l, qv_err *err)
{
    struct qv_gguf *g = &l->g;
    qv_status result = read_values(l, err);
    if (!result && g->n == 0)
        result = qv_fail(err, QV_EFORMAT, "no tensors");
    l->pair = qv_new_n(&g->arena, struct qv_gguf_pair, g->n);
    for (size_t i = 0; i < g->n && !result; i++) {
        result = read_pair(l, g->by_name[i], err);
        if (result)
            result = qv_wrap(err, result, "tensor '%s': ", g->by_name[i]->name);
    }
    if (result)
        qv__gguf_lora_close(l);
    return result;
}

qv_status qv__gguf_lora_open(struct qv_gguf_lora *l, const char *path, qv_err *err)
{
    *l = (struct qv_gguf_lora){0};
    qv_status result = qv__gguf_open(&l->g, path, err);
    if (result)
        return result;
    result = read_all(l, err);
    return result ? qv_wrap(err, result, "%s: ", path) : QV_OK;
}

qv_status qv__gguf_lora_parse(struct qv_gguf_lora *l, const void *bytes, size_t size,
                              qv_err *err)
{
    *l = (struct qv_gguf_lora){0};
    qv_status result = qv__gguf_parse(&l->g, bytes, size, err);
    return result ? result : read_all(l, err);
}

void qv__gguf_lora_close(struct qv_gguf_lora *l)
{
    qv__gguf_close(&l->g);
    *l = (struct qv_gguf_lora){0};
}

qv_status qv__gguf_lora_f32(float *out, const struct qv_gguf_tensor *t, qv_err *err)
{
    qv__block_decode(out, t->type, t->data, t->n);
    for (size_t i = 0; i < t->n; i++)
        if (!isfinite(out[i]))
            return qv_fail(err, QV_EFORMAT, "tensor '%s': element %zu is not finite",
                           t->name, i);
    return QV_OK;
}

/* ---- one alpha for many scales ---- */

/* How well an alpha does: sites that get their scale, and sites a power of two off. */
struct fit {
    size_t exact, shifted;
};

static struct fit fit_of(float alpha, const float *scale, const size_t *R, size_t n)
{
    struct fit f = {0};
    for (size_t i = 0; i < n; i++) {
        int exponent;
        float has = qv__gguf_lora_scale(alpha, R[i]);
        double ratio = (double)scale[i] / (double)has;
        f.exact += has == scale[i];
        f.shifted += has != scale[i] && fabs(frexp(ratio, &exponent)) == 0.5;
    }
    return f;
}

/* Rounding makes scale * R / R another number than scale at times; one of the floats
 * beside scale * R may then give it back. */
float qv__gguf_lora_alpha(const float *alpha, const float *scale, const size_t *R, size_t n)
{
    float best = 1;
    struct fit most = {0};
    for (size_t i = 0; i < n; i++) {
        bool is_new = scale[i] != 0;
        for (size_t k = 0; k < i && is_new; k++)
            is_new = alpha[k] != alpha[i] || scale[k] != scale[i] || R[k] != R[i];
        float all = scale[i] * (float)R[i];
        const float tries[] = {alpha[i], all, nextafterf(all, 0),
                               nextafterf(all, INFINITY)};
        for (size_t k = 0; k < QV_COUNT(tries) && is_new; k++) {
            if (tries[k] == 0 || !isfinite(tries[k]))
                continue;
            struct fit f = fit_of(tries[k], scale, R, n);
            if (f.exact > most.exact ||
                (f.exact == most.exact && f.shifted > most.shifted)) {
                most = f;
                best = tries[k];
            }
        }
    }
    return best;
}
