/* peft.c - see peft.h. */
#include "lora/peft.h"
#include "base/file.h"
#include "base/json.h"
#include "lora/peft_config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const size_t MAX_CONFIG = 16 << 20;

/* One tensor, and what its name says. */
struct part {
    const struct qv_tensor *t;
    const char *path;    // of the module
    const char *adapter; // its name inside the tensor's, "" if none
    size_t site;         // of the model, 0 without one
    bool is_B;
};

/* Tensors that are no LoRA's A or B, told by what their name contains. */
static const struct stranger {
    const char *has, *says;
} strangers[] = {
    {".lora_embedding_", "adapted embeddings are not supported"},
    {".lora_magnitude_vector", "DoRA is not supported"},
    {".lora_diag", "KaSA is not supported"},
    {".lora_monteclora_sampler", "MonteCLoRA's sampler is not supported"},
    {".trainable_tokens_delta", "retrained tokens are not supported"},
    {".lora_down.", "Kohya's names are not supported, PEFT's are"},
    {".lora_up.", "Kohya's names are not supported, PEFT's are"},
    {".lora.down.", "diffusers' names are not supported, PEFT's are"},
    {".lora.up.", "diffusers' names are not supported, PEFT's are"},
    {".lora_a", "MLX's transposed matrices are not supported"},
    {".lora_b", "MLX's transposed matrices are not supported"},
    {".lora_A.bias", "a bias beside A is not supported"},
    {".lora_B.bias", "a bias beside B is not supported"},
    {".lora_A.", "a name that PEFT does not give"},
    {".lora_B.", "a name that PEFT does not give"},
    {".weight", "a module trained whole is not supported"},
    {".bias", "a trained bias is not supported"},
};

static qv_status refuse_stranger(const char *name, qv_err *err)
{
    for (size_t i = 0; i < QV_COUNT(strangers); i++)
        if (strstr(name, strangers[i].has))
            return qv_fail(err, QV_EUNSUPPORTED, "%s", strangers[i].says);
    return qv_fail(err, QV_EFORMAT, "not a LoRA's A or B");
}

/* `name` without every segment `gone` ("x."). */
static char *without(qv_arena *a, const char *name, const char *gone)
{
    char *copy = qv__arena_str(a, name), *to = copy;
    size_t n = strlen(gone);
    for (const char *from = name; *from;) {
        if ((from == name || from[-1] == '.') && strncmp(from, gone, n) == 0)
            from += n;
        else
            *to++ = *from++;
    }
    *to = '\0';
    return copy;
}

static const char *after(const char *s, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(s, prefix, n) == 0 ? s + n : s;
}

/* The last place in `s` where `what` starts, or NULL. */
static char *last_of(char *s, const char *what)
{
    char *last = NULL;
    for (char *at = s; (at = strstr(at, what)); at++)
        last = at;
    return last;
}

/* [module.][base_model.[model.]] path .lora_A|B [.adapter] .weight */
static qv_status read_name(struct part *p, qv_arena *a, qv_err *err)
{
    char *name = without(a, p->t->name, "_orig_mod.");
    const char *path = after(name, "module.");
    const char *inner = after(path, "base_model.model.");
    path = inner == path ? after(path, "base_model.") : inner;

    char *A = last_of(name, ".lora_A."), *B = last_of(name, ".lora_B.");
    p->is_B = B && (!A || B > A);
    char *at = p->is_B ? B : A;
    if (!at || at < path)
        return refuse_stranger(name, err);
    char *tail = at + strlen(".lora_A."), *weight = last_of(tail, ".weight");
    if (strcmp(tail, "weight") == 0)
        p->adapter = "";
    else if (weight && strcmp(weight, ".weight") == 0 &&
             !memchr(tail, '.', (size_t)(weight - tail)))
        p->adapter = qv__arena_strn(a, tail, (size_t)(weight - tail));
    else
        return refuse_stranger(name, err);
    *at = '\0';
    if (strstr(path, ".base_layer") || strstr(path, ".lora_"))
        return qv_fail(err, QV_EUNSUPPORTED,
                       "adapted parameters of a module are not supported");
    if (*path == '\0')
        return qv_fail(err, QV_EFORMAT, "names no module");
    p->path = path;
    return QV_OK;
}

/* Find the model's site: the path itself, or with the "model." that adapters of
 * a bare or of a wrapped model lack or have in excess. */
static qv_status find_site(struct part *p, const struct qv_sites *sites, qv_arena *a,
                           qv_err *err)
{
    const char *path = p->path;
    p->site = qv__site_find(sites, path);
    if (p->site == sites->n)
        p->site = qv__site_find(sites, qv__arena_fmt(a, "model.%s", path));
    if (p->site == sites->n)
        p->site = qv__site_find(sites, after(path, "model."));
    if (p->site == sites->n)
        return qv_fail(err, QV_EFORMAT, "the model has no site '%.200s'", path);
    return QV_OK;
}

static int by_site_and_path(const void *x, const void *y)
{
    const struct part *a = x, *b = y;
    if (a->site != b->site)
        return a->site < b->site ? -1 : 1;
    int order = strcmp(a->path, b->path);
    return order ? order : (int)a->is_B - (int)b->is_B;
}

/* Every tensor's name understood, and A before B, site by site. */
static qv_status read_names(struct part *part, const struct qv_st *st,
                            const struct qv_sites *sites, qv_arena *a, qv_err *err)
{
    for (size_t i = 0; i < st->n; i++) {
        struct part *p = &part[i];
        p->t = &st->tensor[i];
        qv_status result = read_name(p, a, err);
        if (!result && sites)
            result = find_site(p, sites, a, err);
        if (!result && strcmp(p->adapter, part[0].adapter) != 0)
            result = qv_fail(err, QV_EFORMAT, "adapter '%.60s' in the file of '%.60s'",
                             p->adapter, part[0].adapter);
        if (result)
            return qv_wrap(err, result, "tensor '%.200s': ", p->t->name);
    }
    qsort(part, st->n, sizeof *part, by_site_and_path);
    return QV_OK;
}

static bool is_same_site(const struct part *a, const struct part *b)
{
    return a->site == b->site && strcmp(a->path, b->path) == 0;
}

/* Every A has its B and neither is there twice. With a model, two spellings of
 * one site's path are two experts' tensors. */
static qv_status check_pairs(const struct part *part, size_t n, bool has_sites, qv_err *err)
{
    for (size_t i = 0; i < n; i++) {
        const struct part *p = &part[i], *next = i + 1 < n ? p + 1 : NULL;
        if (next && next->is_B == p->is_B && is_same_site(p, next))
            return qv_fail(err, QV_EFORMAT,
                           "tensor '%.200s': stands for the same as '%.200s'",
                           next->t->name, p->t->name);
        if (i % 2) // the B of the pair just checked
            continue;
        if (p->is_B || !next || !next->is_B || !is_same_site(p, next))
            return qv_fail(err, QV_EFORMAT, "tensor '%.200s': its lora_%c is missing",
                           p->t->name, p->is_B ? 'A' : 'B');
        if (has_sites && i && p->site == p[-1].site)
            return qv_fail(err, QV_EFORMAT,
                           "tensor '%.200s': adapts the same site as '%.200s'", p->t->name,
                           p[-1].t->name);
    }
    return QV_OK;
}

static qv_status check_matrix(const struct qv_tensor *t, qv_err *err)
{
    if (t->dtype != QV_F32 && t->dtype != QV_F16 && t->dtype != QV_BF16)
        return qv_fail(err, QV_EUNSUPPORTED,
                       "dtype %s is not supported, F32, F16 and BF16 are", t->dtype_name);
    if (t->rank != 2)
        return qv_fail(err, QV_EUNSUPPORTED,
                       "%d dimensions, and only matrices are supported", t->rank);
    if (t->n == 0)
        return qv_fail(err, QV_EFORMAT, "an empty matrix");
    return QV_OK;
}

/* The shape of one site from its A and B, checked against each other, the
 * config and the model. Errors are about A's tensor unless *about says B's. */
static qv_status read_shape(struct qv_expert_shape *shape, const struct part **about,
                            const struct part *A, const struct qv_peft_config *config,
                            const struct qv_sites *sites, qv_err *err)
{
    const struct part *B = A + 1;
    size_t R;
    qv_status result = check_matrix((*about = A)->t, err);
    if (!result)
        result = qv__peft_config_module(&R, &shape->alpha, config, A->path, err);
    if (!result)
        result = check_matrix((*about = B)->t, err);
    if (result)
        return result;
    shape->path = sites ? sites->at[A->site].path : A->path;
    shape->R = A->t->shape[0];
    shape->D_in = A->t->shape[1];
    shape->D_out = B->t->shape[0];
    if (B->t->shape[1] != shape->R)
        return qv_fail(err, QV_EFORMAT, "rank %zu, but its A has %zu", B->t->shape[1],
                       shape->R);
    if (sites && shape->D_out != sites->at[A->site].D_out)
        return qv_fail(err, QV_EFORMAT, "%zu outputs, but the model's site has %zu",
                       shape->D_out, sites->at[A->site].D_out);
    *about = A;
    if (sites && shape->D_in != sites->at[A->site].D_in)
        return qv_fail(err, QV_EFORMAT, "%zu inputs, but the model's site has %zu",
                       shape->D_in, sites->at[A->site].D_in);
    if (R != shape->R)
        return qv_fail(err, QV_EFORMAT, "rank %zu, but the config says %zu", shape->R, R);
    return QV_OK;
}

static qv_status copy_weights(float *to, const struct qv_tensor *t, qv_err *err)
{
    qv__st_f32(to, t, 0, t->n);
    for (size_t i = 0; i < t->n; i++)
        if (!isfinite(to[i]))
            return qv_fail(err, QV_EFORMAT, "tensor '%.200s': element %zu is not finite",
                           t->name, i);
    return QV_OK;
}

static qv_status read_expert(struct qv_expert **out, const char *name,
                             const struct qv_peft_config *config, const struct qv_st *st,
                             const struct qv_sites *sites, qv_arena *a, qv_err *err)
{
    if (st->n == 0)
        return qv_fail(err, QV_EFORMAT, "no tensors");
    struct part *part = qv_new_n(a, struct part, st->n);
    struct qv_expert_shape *shape = qv_new_n(a, struct qv_expert_shape, st->n);
    qv_status result = read_names(part, st, sites, a, err);
    if (!result)
        result = check_pairs(part, st->n, sites != NULL, err);
    if (result)
        return result;
    for (size_t i = 0; i < st->n; i += 2) {
        const struct part *about;
        result = read_shape(&shape[i / 2], &about, &part[i], config, sites, err);
        if (result)
            return qv_wrap(err, result, "tensor '%.200s': ", about->t->name);
    }
    struct qv_expert *e;
    result = qv__expert_new(&e, name, shape, st->n / 2, config->is_rslora, err);
    if (result)
        return result;
    for (size_t i = 0; i < e->n_sites && !result; i++) {
        result = copy_weights(e->site[i].A, part[2 * i].t, err);
        if (!result)
            result = copy_weights(e->site[i].B, part[2 * i + 1].t, err);
    }
    if (result) {
        qv__expert_free(e);
        return result;
    }
    e->base = config->base ? qv__arena_str(&e->arena, config->base) : NULL;
    e->dropout = config->dropout;
    *out = e;
    return QV_OK;
}

qv_status qv__peft_parse(struct qv_expert **out, const char *name, const char *config,
                         size_t config_size, const struct qv_st *st,
                         const struct qv_sites *sites, qv_err *err)
{
    *out = NULL;
    qv_arena a = {0};
    struct qv_peft_config c;
    qv_status result = qv__peft_config_parse(&c, config, config_size, err);
    if (result)
        return qv_wrap(err, result, "adapter_config.json: ");
    result = read_expert(out, name, &c, st, sites, &a, err);
    if (result)
        result = qv_wrap(err, result, "adapter_model.safetensors: ");
    qv__peft_config_end(&c);
    qv__arena_free(&a);
    return result;
}

qv_status qv__peft_read(struct qv_expert **out, const char *dir,
                        const struct qv_sites *sites, qv_err *err)
{
    *out = NULL;
    qv_arena a = {0};
    struct qv_st st = {0};
    char *config;
    size_t size;
    const char *weights = qv__arena_fmt(&a, "%s/adapter_model.safetensors", dir);
    qv_status result =
        qv__read_file(&config, &size, &a, qv__arena_fmt(&a, "%s/adapter_config.json", dir),
                      MAX_CONFIG, err);
    if (result)
        goto out;
    if (!qv__is_file(weights) &&
        qv__is_file(qv__arena_fmt(&a, "%s/adapter_model.bin", dir))) {
        result = qv_fail(err, QV_EUNSUPPORTED,
                         "%s/adapter_model.bin: a Python pickle, which "
                         "is not read; have PEFT save it as safetensors",
                         dir);
        goto out;
    }
    result = qv__st_open(&st, weights, err);
    if (result)
        goto out;
    result = qv__peft_parse(out, qv__dir_name(&a, dir), config, size, &st, sites, err);
    if (result)
        result = qv_wrap(err, result, "%s/", dir);

out:
    qv__st_close(&st);
    qv__arena_free(&a);
    return result;
}
