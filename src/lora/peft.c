/* peft.c - see peft.h. */
#include "lora/peft.h"
#include "base/file.h"
#include "lora/peft_config.h"
#include "lora/peft_extra.h"

#include <stdlib.h>
#include <string.h>

static const size_t MAX_CONFIG = 16 << 20;

/* What is read together: the tensors in the order in which they are used. */
struct reading {
    const struct qv_peft_config *config;
    const struct qv_sites *sites; // or NULL
    struct qv_peft_tensor *at;    // [n] of sites, of tables, then the rest
    size_t n, n_at_sites, n_pairs;
    bool alone; // more than an expert is wanted
};

/* The model's site: the path itself, or with the "model." that adapters of a bare or of
 * a wrapped model lack or have in excess; else sites->n. */
static size_t find_site(const char *path, const struct qv_sites *sites, qv_arena *a)
{
    const char *model = "model.";
    size_t site = qv__site_find(sites, path);
    if (site == sites->n)
        site = qv__site_find(sites, qv__arena_fmt(a, "%s%s", model, path));
    if (site == sites->n && strncmp(path, model, strlen(model)) == 0)
        site = qv__site_find(sites, path + strlen(model));
    return site;
}

static bool is_pair(const struct qv_peft_tensor *x)
{
    return x->name.part <= QV_PEFT_EMBEDDING_B;
}

static qv_status read_name(struct qv_peft_tensor *x, const struct reading *r, qv_arena *a,
                           qv_err *err)
{
    qv_status result = qv__peft_name(&x->name, x->t->name, a, err);
    if (result)
        return result;
    const char *says = qv__peft_extra_says(x->name.part);
    if (says && !r->alone)
        return qv_fail(err, QV_EUNSUPPORTED,
                       "%s, which only an adapter used alone may have", says);
    if (r->sites)
        x->site = find_site(x->name.path, r->sites, a);
    bool is_site = !r->sites || x->site < r->sites->n;
    if (is_pair(x) && !is_site && !r->alone)
        return qv_fail(err, QV_EFORMAT, "the model has no site '%.200s'", x->name.path);
    x->is_table = is_pair(x) && (x->name.part >= QV_PEFT_EMBEDDING_A || !is_site);
    return QV_OK;
}

static int group_of(const struct qv_peft_tensor *x)
{
    return is_pair(x) ? x->is_table : 2;
}

static int by_place(const void *x, const void *y)
{
    const struct qv_peft_tensor *a = x, *b = y;
    if (group_of(a) != group_of(b))
        return group_of(a) - group_of(b);
    if (a->site != b->site)
        return a->site < b->site ? -1 : 1;
    int order = strcmp(a->name.path, b->name.path);
    return order ? order : (int)a->name.part - (int)b->name.part;
}

/* Every tensor's name understood, and A before B, site by site. */
static qv_status read_names(struct reading *r, const struct qv_st *st, qv_arena *a,
                            qv_err *err)
{
    r->at = qv_new_n(a, struct qv_peft_tensor, st->n);
    r->n = st->n;
    const char *adapter = NULL; // only a LoRA's tensors can have one
    for (size_t i = 0; i < st->n; i++) {
        struct qv_peft_tensor *x = &r->at[i];
        x->t = &st->tensor[i];
        qv_status result = read_name(x, r, a, err);
        if (!result && x->name.part < QV_PEFT_WEIGHT) {
            adapter = adapter ? adapter : x->name.adapter;
            if (strcmp(x->name.adapter, adapter) != 0)
                result = qv_fail(err, QV_EFORMAT, "adapter '%.60s' in the file of '%.60s'",
                                 x->name.adapter, adapter);
        }
        if (result)
            return qv_wrap(err, result, "tensor '%.200s': ", x->t->name);
        r->n_at_sites += group_of(x) == 0;
        r->n_pairs += is_pair(x);
    }
    qsort(r->at, r->n, sizeof *r->at, by_place);
    return QV_OK;
}

/* Every A has its B and nothing is there twice. With a model, two spellings of one
 * site's path are two experts' tensors. */
static qv_status check_pairs(const struct reading *r, qv_err *err)
{
    static const char *const missing[] = {"lora_B", "lora_A", "lora_embedding_B",
                                          "lora_embedding_A"};
    for (size_t i = 0; i < r->n; i++) {
        const struct qv_peft_tensor *x = &r->at[i], *next = i + 1 < r->n ? x + 1 : NULL;
        if (next && next->name.part == x->name.part && qv__peft_is_same_module(x, next))
            return qv_fail(err, QV_EFORMAT,
                           "tensor '%.200s': stands for the same as '%.200s'",
                           next->t->name, x->t->name);
        if (i >= r->n_pairs || i % 2) // the B of the pair just checked
            continue;
        if (x->name.part % 2 || !next || next->name.part != x->name.part + 1 ||
            !qv__peft_is_same_module(x, next))
            return qv_fail(err, QV_EFORMAT, "tensor '%.200s': its %s is missing",
                           x->t->name, missing[x->name.part]);
        if (r->sites && i && i < r->n_at_sites && x->site == x[-1].site)
            return qv_fail(err, QV_EFORMAT,
                           "tensor '%.200s': adapts the same site as '%.200s'", x->t->name,
                           x[-1].t->name);
    }
    return QV_OK;
}

/* The shape of one site from its A and B, checked against each other, the
 * config and the model. Errors are about A's tensor unless *about says B's. */
static qv_status read_shape(struct qv_expert_shape *shape,
                            const struct qv_peft_tensor **about,
                            const struct qv_peft_tensor *A, const struct reading *r,
                            qv_err *err)
{
    const struct qv_peft_tensor *B = A + 1;
    const struct qv_site *site = NULL;
    size_t R;
    qv_status result = qv__peft_check_tensor((*about = A)->t, 2, err);
    if (!result)
        result = qv__peft_config_module(&R, &shape->alpha, r->config, A->name.path, err);
    if (!result)
        result = qv__peft_check_tensor((*about = B)->t, 2, err);
    if (result)
        return result;
    if (r->sites && !A->is_table)
        site = &r->sites->at[A->site];
    shape->path = site ? site->path : A->name.path;
    shape->R = A->t->shape[0];
    shape->D_in = A->t->shape[1];
    shape->D_out = B->t->shape[0];
    if (B->t->shape[1] != shape->R)
        return qv_fail(err, QV_EFORMAT, "rank %zu, but its A has %zu", B->t->shape[1],
                       shape->R);
    if (site && shape->D_out != site->D_out)
        return qv_fail(err, QV_EFORMAT, "%zu outputs, but the model's site has %zu",
                       shape->D_out, site->D_out);
    *about = A;
    if (site && shape->D_in != site->D_in)
        return qv_fail(err, QV_EFORMAT, "%zu inputs, but the model's site has %zu",
                       shape->D_in, site->D_in);
    if (R != shape->R)
        return qv_fail(err, QV_EFORMAT, "rank %zu, but the config says %zu", shape->R, R);
    return QV_OK;
}

/* The expert of the pairs from `first` on, n tensors. */
static qv_status read_expert(struct qv_expert **out, const char *name, size_t first,
                             size_t n, const struct reading *r, qv_arena *a, qv_err *err)
{
    const struct qv_peft_tensor *pair = r->at + first, *about;
    struct qv_expert_shape *shape = qv_new_n(a, struct qv_expert_shape, n);
    for (size_t i = 0; i < n; i += 2) {
        qv_status result = read_shape(&shape[i / 2], &about, &pair[i], r, err);
        if (result)
            return qv_wrap(err, result, "tensor '%.200s': ", about->t->name);
    }
    struct qv_expert *e;
    qv_status result = qv__expert_new(&e, name, shape, n / 2, r->config->is_rslora, err);
    if (result)
        return result;
    for (size_t i = 0; i < e->n_sites && !result; i++) {
        result = qv__peft_copy(e->site[i].A, pair[2 * i].t, err);
        if (!result)
            result = qv__peft_copy(e->site[i].B, pair[2 * i + 1].t, err);
    }
    if (result) {
        qv__expert_free(e);
        return result;
    }
    e->base = r->config->base ? qv__arena_str(&e->arena, r->config->base) : NULL;
    e->dropout = r->config->dropout;
    *out = e;
    return QV_OK;
}

/* The tables of an adapter used alone, and what it holds besides. */
static qv_status read_more(struct qv_adapter *to, const char *name, const struct reading *r,
                           qv_arena *a, qv_err *err)
{
    const struct qv_peft_config *c = r->config;
    size_t n_tables = r->n_pairs - r->n_at_sites;
    qv_status result = read_expert(&to->tables, name, r->n_at_sites, n_tables, r, a, err);
    if (!result)
        result = qv__peft_extras(to, r->at, r->n_pairs, r->n, c, err);
    if (result)
        return result;
    to->is_embedding = qv_new_n(&to->arena, bool, to->tables->n_sites);
    to->table = qv_new_n(&to->arena, const char *, to->tables->n_sites);
    for (size_t i = 0; i < to->tables->n_sites; i++) {
        const struct qv_peft_tensor *A = &r->at[r->n_at_sites + 2 * i];
        to->is_embedding[i] = A->name.part == QV_PEFT_EMBEDDING_A;
        to->table[i] = qv__arena_str(&to->arena, A->t->name);
    }
    to->feature = qv_new_n(&to->arena, const char *, c->n_features);
    for (; to->n_features < c->n_features; to->n_features++)
        to->feature[to->n_features] = qv__arena_str(&to->arena, c->feature[to->n_features]);
    to->dtype = qv__arena_str(&to->arena, r->at[0].t->dtype_name);
    for (size_t i = 0; i < r->n; i++)
        to->bytes += r->at[i].t->bytes;
    return QV_OK;
}

static qv_status read_weights(struct qv_expert **out, struct qv_adapter *more,
                              const char *name, struct reading *r, const struct qv_st *st,
                              qv_err *err)
{
    qv_arena a = {0};
    qv_status result = st->n ? QV_OK : qv_fail(err, QV_EFORMAT, "no tensors");
    if (!result)
        result = read_names(r, st, &a, err);
    if (!result)
        result = check_pairs(r, err);
    if (!result)
        result = read_expert(out, name, 0, r->n_at_sites, r, &a, err);
    if (!result && more)
        result = read_more(more, name, r, &a, err);
    qv__arena_free(&a);
    return result;
}

/* With `more`, *out and *more are what the caller ends whether or not this fails. */
static qv_status parse(struct qv_expert **out, struct qv_adapter *more, const char *name,
                       struct qv_peft_files f, const struct qv_sites *sites, qv_err *err)
{
    struct qv_peft_config c;
    struct reading r = {.config = &c, .sites = sites, .alone = more != NULL};
    qv_status result = qv__peft_config_parse(&c, f.config, f.config_size, r.alone, err);
    if (result)
        return qv_wrap(err, result, "adapter_config.json: ");
    result = read_weights(out, more, name, &r, f.weights, err);
    if (result)
        result = qv_wrap(err, result, "adapter_model.safetensors: ");
    qv__peft_config_end(&c);
    return result;
}

qv_status qv__peft_parse(struct qv_expert **out, const char *name, struct qv_peft_files f,
                         const struct qv_sites *sites, qv_err *err)
{
    *out = NULL;
    return parse(out, NULL, name, f, sites, err);
}

qv_status qv__peft_parse_adapter(struct qv_adapter **out, const char *name,
                                 struct qv_peft_files f, const struct qv_sites *sites,
                                 qv_err *err)
{
    *out = NULL;
    struct qv_adapter *a = calloc(1, sizeof *a);
    if (!a)
        return qv_fail(err, QV_ENOMEM, "no memory for an adapter");
    qv_status result = parse(&a->expert, a, name, f, sites, err);
    if (result)
        qv__adapter_free(a);
    else
        *out = a;
    return result;
}

static qv_status open_files(struct qv_st *st, char **config, size_t *size, qv_arena *a,
                            const char *dir, qv_err *err)
{
    const char *weights = qv__arena_fmt(a, "%s/adapter_model.safetensors", dir);
    const char *pickle = qv__arena_fmt(a, "%s/adapter_model.bin", dir);
    qv_status result = qv__read_file(
        config, size, a, qv__arena_fmt(a, "%s/adapter_config.json", dir), MAX_CONFIG, err);
    if (result)
        return result;
    if (!qv__is_file(weights) && qv__is_file(pickle))
        return qv_fail(err, QV_EUNSUPPORTED,
                       "%s: a Python pickle, which is not read; have PEFT save it as "
                       "safetensors",
                       pickle);
    return qv__st_open(st, weights, err);
}

/* Read what the directory holds as an expert, or where `adapter` is given as one that is
 * used alone. */
static qv_status read(struct qv_expert **expert, struct qv_adapter **adapter,
                      const char *dir, const struct qv_sites *sites, qv_err *err)
{
    struct qv_st st = {0};
    char *text;
    size_t size;
    qv_arena a = {0};
    qv_status result = open_files(&st, &text, &size, &a, dir, err);
    if (!result) {
        const struct qv_peft_files f = {text, size, &st};
        const char *name = qv__dir_name(&a, dir);
        result = adapter ? qv__peft_parse_adapter(adapter, name, f, sites, err)
                         : qv__peft_parse(expert, name, f, sites, err);
        if (result)
            result = qv_wrap(err, result, "%s/", dir);
    }
    qv__st_close(&st);
    qv__arena_free(&a);
    return result;
}

qv_status qv__peft_read(struct qv_expert **out, const char *dir,
                        const struct qv_sites *sites, qv_err *err)
{
    *out = NULL;
    return read(out, NULL, dir, sites, err);
}

qv_status qv__peft_read_adapter(struct qv_adapter **out, const char *dir,
                                const struct qv_sites *sites, qv_err *err)
{
    *out = NULL;
    return read(NULL, out, dir, sites, err);
}
