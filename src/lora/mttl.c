/* mttl.c - see mttl.h. */
#include "lora/mttl.h"
#include "base/file.h"
#include "base/json.h"
#include "base/regex.h"
#include "lora/peft_extra.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const size_t MAX_JSON = 16 << 20;
static const size_t MAX_TIES = 64;

/* ---- what the JSON says ---- */

/* Of the whole object, and of `expert_config`, or in old files `training_config`. */
struct facts {
    const json_t *root, *config, *training;
    const char *modules, *layers, *tied; // patterns, or NULL
    const char *base;
    size_t R; // 0: not said
    float alpha, dropout;
};

/* An object or nothing. */
static qv_status read_object(const json_t **out, const json_t *root, const char *key,
                             qv_err *err)
{
    *out = json_object_get(root, key);
    if (json_is_null(*out))
        *out = NULL;
    return !*out || json_is_object(*out)
               ? QV_OK
               : qv_fail(err, QV_EFORMAT, "'%s' is not an object", key);
}

/* A plain LoRA is what is known here: mttl.models.modifiers.lora.LoRAConfig, or by the
 * names of earlier versions "lora". */
static qv_status check_kind(const struct facts *f, qv_err *err)
{
    const char *kind = NULL, *dot;
    qv_status result = QV_OK;
    if (f->config != f->training) {
        result = qv__json_str(f->config, "class_name", &kind, err);
        if (!result && !kind)
            result = qv__json_str(f->config, "__model_modifier__", &kind, err);
    }
    if (!result && !kind)
        result = qv__json_str(f->training, "model_modifier", &kind, err);
    if (result || !kind)
        return result;
    dot = strrchr(kind, '.');
    kind = dot ? dot + 1 : kind;
    if (strcmp(kind, "LoRAConfig") != 0 && strcmp(kind, "lora") != 0)
        return qv_fail(err, QV_EUNSUPPORTED,
                       "an expert of kind '%.60s' is not supported, LoRAConfig is", kind);
    return QV_OK;
}

static qv_status read_numbers(struct facts *f, qv_err *err)
{
    f->alpha = NAN;
    qv_status result = qv__json_size(f->config, "lora_rank", &f->R, err);
    if (!result)
        result = qv__json_float(f->config, "lora_alpha", &f->alpha, err);
    if (!result && isnan(f->alpha))
        result = qv_fail(err, QV_EFORMAT,
                         "'lora_alpha' is missing, and what mttl takes it for has changed "
                         "from 1 to 16");
    if (!result)
        result = qv__json_float(f->config, "lora_dropout", &f->dropout, err);
    if (!result && !(f->dropout >= 0 && f->dropout < 1))
        result = qv_fail(err, QV_EFORMAT, "'lora_dropout' is %g, not in [0, 1)",
                         (double)f->dropout);
    return result;
}

static qv_status read_facts(struct facts *f, const json_t *root, qv_err *err)
{
    *f = (struct facts){.root = root};
    qv_status result = read_object(&f->training, root, "training_config", err);
    if (!result)
        result = read_object(&f->config, root, "expert_config", err);
    if (!f->config)
        f->config = f->training;
    if (!result && !f->config)
        result = qv_fail(err, QV_EFORMAT, "'expert_config' is missing");
    if (!result)
        result = check_kind(f, err);
    if (!result)
        result = read_numbers(f, err);
    if (!json_object_get(f->config, "modify_modules"))
        f->modules = ".*"; // mttl's default; null is none
    if (!result)
        result = qv__json_str(f->config, "modify_modules", &f->modules, err);
    if (!result)
        result = qv__json_str(f->config, "modify_layers", &f->layers, err);
    if (!result)
        result = qv__json_str(f->config, "tie_params", &f->tied, err);
    if (!result)
        result = qv__json_str(root, "expert_model", &f->base, err);
    if (!result && !f->base && f->training)
        result = qv__json_str(f->training, "model", &f->base, err);
    return result;
}

/* "a,b": the tasks. */
static qv_status read_tasks(struct qv_mttl *x, const json_t *root, qv_err *err)
{
    const char *list = NULL;
    qv_status result = qv__json_str(root, "expert_task_name", &list, err);
    if (result || !list || !*list)
        return result;
    char *copy = qv__arena_str(&x->arena, list), *save = NULL;
    x->task = qv_new_n(&x->arena, const char *, strlen(list) + 1);
    for (char *t = strtok_r(copy, ",", &save); t; t = strtok_r(NULL, ",", &save))
        x->task[x->n_tasks++] = t;
    return QV_OK;
}

/* What of the training is worth keeping. Not all of it: it holds paths and tokens. */
static void keep_settings(struct qv_mttl *x, const struct facts *f)
{
    static const char *const keys[] = {"dataset", "learning_rate", "num_train_epochs",
                                       "total_steps", "seed"};
    json_t *kept = json_pack("{s:s}", "imported_from", "mttl");
    for (size_t i = 0; i < QV_COUNT(keys); i++) {
        json_t *value = json_object_get(f->training, keys[i]);
        if (json_is_number(value) || json_is_string(value))
            json_object_set(kept, keys[i], value);
    }
    char *text = json_dumps(kept, JSON_COMPACT | JSON_SORT_KEYS);
    x->settings = text ? qv__arena_str(&x->arena, text) : NULL;
    free(text);
    json_decref(kept);
}

/* ---- names ---- */

/* A tensor under one of the names that it stands for. */
struct part {
    const char *path; // of the module
    bool is_B;
    const struct qv_tensor *t;
};

struct parts {
    struct part *at; // [n]
    size_t n, room;
    qv_arena *a;
};

static void add_part(struct parts *p, struct part part)
{
    p->at = qv_more(p->a, struct part, p->at, p->n, &p->room);
    p->at[p->n++] = part;
}

/* <path>.lora_a or .lora_b */
static qv_status split_name(struct part *part, const char *name, qv_arena *a, qv_err *err)
{
    bool is_A = qv__ends_with(name, ".lora_a");
    if (strstr(name, ".lora_A.") || strstr(name, ".lora_B."))
        return qv_fail(err, QV_EUNSUPPORTED, "a name of PEFT's, not of mttl's");
    if (!is_A && !qv__ends_with(name, ".lora_b"))
        return qv_fail(err, QV_EFORMAT, "not a LoRA's lora_a or lora_b");
    part->is_B = !is_A;
    part->path = qv__arena_strn(a, name, strlen(name) - strlen(".lora_a"));
    return *part->path ? QV_OK : qv_fail(err, QV_EFORMAT, "names no module");
}

static qv_status read_names(struct parts *p, const struct qv_st *st, qv_err *err)
{
    for (size_t i = 0; i < st->n; i++) {
        struct part part = {.t = &st->tensor[i]};
        qv_status result = split_name(&part, part.t->name, p->a, err);
        if (result)
            return qv_wrap(err, result, "tensor '%.200s': ", part.t->name);
        add_part(p, part);
    }
    return QV_OK;
}

/* ---- tied tensors ---- */

/* The names that the pattern is written from: "q_proj.*\.lora_a|k_proj.*\.lora_a" is
 * q_proj.lora_a and k_proj.lora_a. mttl reads it so, too. */
static qv_status read_ties(char ***names, size_t *n, const char *pattern, qv_arena *a,
                           qv_err *err)
{
    char *copy = qv__arena_str(a, pattern), *to = copy, *save = NULL;
    for (const char *from = copy; *from;) {
        if (*from == '\\')
            from++;
        else if (from[0] == '.' && from[1] == '*')
            from += 2;
        else
            *to++ = *from++;
    }
    *to = '\0';
    *names = qv_new_n(a, char *, MAX_TIES);
    *n = 0;
    for (char *t = strtok_r(copy, "|", &save); t; t = strtok_r(NULL, "|", &save)) {
        if (*n == MAX_TIES)
            return qv_fail(err, QV_ELIMIT, "'tie_params' ties more than %zu names",
                           MAX_TIES);
        if (strcspn(t, "()[]{}?+*^$") != strlen(t) ||
            (!qv__ends_with(t, ".lora_a") && !qv__ends_with(t, ".lora_b")))
            return qv_fail(err, QV_EUNSUPPORTED,
                           "'tie_params' is '%.200s', which does not spell out names that "
                           "end in .lora_a or .lora_b",
                           pattern);
        (*names)[(*n)++] = t;
    }
    return QV_OK;
}

static bool is_equal(const struct qv_tensor *x, const struct qv_tensor *y)
{
    return x->dtype == y->dtype && x->bytes == y->bytes && x->rank == y->rank &&
           memcmp(x->shape, y->shape, (size_t)x->rank * sizeof *x->shape) == 0 &&
           memcmp(x->data, y->data, x->bytes) == 0;
}

/* Tensor `name` is `source` too: it must be equal if it is there, and is added if not. */
static qv_status tie(struct parts *p, const struct qv_st *st, const char *name,
                     const struct qv_tensor *source, qv_err *err)
{
    const struct qv_tensor *t = qv__st_find(st, name);
    struct part part = {.t = source};
    if (t && !is_equal(t, source))
        return qv_fail(err, QV_EFORMAT,
                       "tensor '%.200s': differs from '%.200s', to which it is tied", name,
                       source->name);
    if (t)
        return QV_OK;
    for (size_t i = 0; i < p->n; i++) // added by another's tie
        if (qv__ends_with(name, p->at[i].is_B ? ".lora_b" : ".lora_a") &&
            strncmp(p->at[i].path, name, strlen(name) - strlen(".lora_a")) == 0 &&
            strlen(p->at[i].path) == strlen(name) - strlen(".lora_a"))
            return QV_OK;
    qv_status result = split_name(&part, name, p->a, err);
    if (!result)
        add_part(p, part);
    return result;
}

/* Every tensor whose name ends in one of the pattern's stands for all of them that have
 * the same parent. */
static qv_status add_tied(struct parts *p, const struct qv_st *st, const char *pattern,
                          qv_err *err)
{
    char **names;
    size_t n;
    if (!pattern || !*pattern)
        return QV_OK;
    qv_status result = read_ties(&names, &n, pattern, p->a, err);
    for (size_t i = 0; i < st->n && !result; i++) {
        const struct qv_tensor *t = &st->tensor[i];
        size_t k = 0;
        while (k < n && !qv__ends_with(t->name, names[k]))
            k++;
        for (size_t j = 0; k < n && j < n && !result; j++) {
            int parent = (int)(strlen(t->name) - strlen(names[k]));
            if (j != k)
                result =
                    tie(p, st, qv__arena_fmt(p->a, "%.*s%s", parent, t->name, names[j]), t,
                        err);
        }
    }
    return result;
}

/* ---- which modules ---- */

/* Whether the patterns, each of all of a name, let mttl adapt the module: parent and
 * child in one, or one of them alone. */
static qv_status check_modules(const struct parts *p, const struct facts *f, qv_err *err)
{
    struct qv_regex *re;
    const char *pattern = f->modules ? f->modules : f->layers;
    if (!pattern)
        return QV_OK;
    if (f->modules && f->layers)
        pattern = qv__arena_fmt(p->a, "(?:%s)\\.(?:%s)", f->modules, f->layers);
    qv_status result = qv__regex_new(&re, pattern, strlen(pattern), err);
    if (result)
        return qv_wrap(err, result, "'modify_modules' and 'modify_layers': ");
    for (size_t i = 0; i < p->n && !result; i++) {
        bool matches;
        const char *path = p->at[i].path;
        result = qv__regex_full(&matches, re, path, strlen(path), err);
        if (!result && !matches)
            result = qv_fail(err, QV_EFORMAT,
                             "tensor '%.200s': 'modify_modules' and 'modify_layers' do not "
                             "name its module",
                             p->at[i].t->name);
    }
    qv__regex_free(re);
    return result;
}

/* The Phi-2 of the paper's runs was a list of layers of which the first, 0, was the
 * embedding: its layers.1.mixer.Wqkv is transformer.h.0.mixer.Wqkv of the files that
 * were then published. */
static qv_status modernise(struct parts *p, qv_err *err)
{
    static const char old[] = "layers.";
    for (size_t i = 0; i < p->n; i++) {
        const char *path = p->at[i].path;
        char *end;
        if (strncmp(path, old, strlen(old)) != 0 || !isdigit((unsigned char)path[7]))
            continue;
        unsigned long long l = strtoull(path + strlen(old), &end, 10);
        if (strncmp(end, ".mixer.", 7) != 0 && strncmp(end, ".mlp.", 5) != 0)
            continue;
        if (l == 0)
            return qv_fail(err, QV_EFORMAT,
                           "tensor '%.200s': layer 0 of a Phi whose layers count from 1",
                           p->at[i].t->name);
        p->at[i].path = qv__arena_fmt(p->a, "transformer.h.%llu%s", l - 1, end);
    }
    return QV_OK;
}

/* ---- the expert ---- */

static int by_path(const void *x, const void *y)
{
    const struct part *a = x, *b = y;
    int order = strcmp(a->path, b->path);
    return order ? order : (int)a->is_B - (int)b->is_B;
}

static qv_status check_matrix(const struct qv_tensor *t, qv_err *err)
{
    if (t->rank == 4)
        return qv_fail(err, QV_EUNSUPPORTED,
                       "4 dimensions: several skills in one expert are not supported");
    return qv__peft_check_tensor(t, 2, err);
}

/* The shape of a site from its two parts; errors are about A's tensor unless *about
 * says B's. */
static qv_status read_shape(struct qv_expert_shape *shape, const struct part **about,
                            const struct part *A, size_t n, const struct facts *f,
                            qv_err *err)
{
    const struct part *B = A + 1;
    *about = A;
    if (A->is_B || n < 2 || !B->is_B || strcmp(A->path, B->path) != 0)
        return qv_fail(err, QV_EFORMAT, "its lora_%c is missing", A->is_B ? 'a' : 'b');
    qv_status result = check_matrix(A->t, err);
    if (!result)
        result = check_matrix((*about = B)->t, err);
    if (result)
        return result;
    *shape = (struct qv_expert_shape){A->path, A->t->shape[0], B->t->shape[1],
                                      A->t->shape[1], f->alpha};
    if (B->t->shape[0] != shape->R)
        return qv_fail(err, QV_EFORMAT, "rank %zu, but its lora_a has %zu", B->t->shape[0],
                       shape->R);
    *about = A;
    if (f->R && shape->R != f->R)
        return qv_fail(err, QV_EFORMAT, "rank %zu, but 'lora_rank' is %zu", shape->R, f->R);
    return QV_OK;
}

/* to [n_cols, n_rows] is t [n_rows, n_cols] transposed. */
static qv_status copy_turned(float *to, const struct qv_tensor *t, qv_err *err)
{
    const size_t n_rows = t->shape[0], n_cols = t->shape[1];
    for (size_t i = 0; i < t->n; i++) {
        float x;
        qv__st_f32(&x, t, i, 1);
        if (!isfinite(x))
            return qv_fail(err, QV_EFORMAT, "tensor '%.200s': element %zu is not finite",
                           t->name, i);
        to[i % n_cols * n_rows + i / n_cols] = x;
    }
    return QV_OK;
}

static qv_status make_expert(struct qv_mttl *x, const struct parts *p,
                             const struct facts *f, qv_err *err)
{
    struct qv_expert_shape *shape = qv_new_n(p->a, struct qv_expert_shape, p->n);
    for (size_t i = 0; i < p->n; i += 2) {
        const struct part *about;
        qv_status result = read_shape(&shape[i / 2], &about, &p->at[i], p->n - i, f, err);
        if (result)
            return qv_wrap(err, result, "tensor '%.200s': ", about->t->name);
    }
    struct qv_expert *e;
    qv_status result = qv__expert_new(&e, x->name, shape, p->n / 2, false, err);
    if (result)
        return result;
    for (size_t i = 0; i < e->n_sites && !result; i++) {
        result = copy_turned(e->site[i].A, p->at[2 * i].t, err);
        if (!result)
            result = copy_turned(e->site[i].B, p->at[2 * i + 1].t, err);
    }
    if (result) {
        qv__expert_free(e);
        return result;
    }
    e->base = f->base ? qv__arena_str(&e->arena, f->base) : NULL;
    e->dropout = f->dropout;
    x->expert = e;
    return QV_OK;
}

static qv_status read_weights(struct qv_mttl *x, const struct facts *f,
                              const struct qv_st *st, qv_err *err)
{
    qv_arena a = {0};
    struct parts p = {.a = &a};
    qv_status result = st->n ? QV_OK : qv_fail(err, QV_EFORMAT, "no tensors");
    if (!result)
        result = read_names(&p, st, err);
    if (!result)
        result = add_tied(&p, st, f->tied, err);
    if (!result)
        result = check_modules(&p, f, err);
    if (!result)
        result = modernise(&p, err);
    if (!result) {
        qsort(p.at, p.n, sizeof *p.at, by_path);
        result = make_expert(x, &p, f, err);
    }
    qv__arena_free(&a);
    return result;
}

static qv_status parse(struct qv_mttl *x, const json_t *root, const struct qv_st *st,
                       qv_err *err)
{
    struct facts f;
    const char *name = NULL;
    if (!json_is_object(root))
        return qv_fail(err, QV_EFORMAT, "not an object");
    qv_status result = qv__json_str(root, "expert_name", &name, err);
    if (!result && !name)
        result = qv_fail(err, QV_EFORMAT, "'expert_name' is missing");
    if (!result)
        result = qv__json_bool(root, "expert_deleted", &x->is_deleted, err);
    if (result)
        return result;
    x->name = qv__arena_str(&x->arena, name);
    if (x->is_deleted)
        return QV_OK;
    result = read_facts(&f, root, err);
    if (!result)
        result = read_tasks(x, root, err);
    if (result)
        return result;
    keep_settings(x, &f);
    return read_weights(x, &f, st, err);
}

qv_status qv__mttl_parse(struct qv_mttl *x, const char *json, size_t size,
                         const struct qv_st *st, qv_err *err)
{
    json_t *root;
    *x = (struct qv_mttl){0};
    qv_status result = qv__json_parse(&root, json, size, err);
    if (result)
        return result;
    result = parse(x, root, st, err);
    json_decref(root);
    if (result)
        qv__mttl_end(x);
    return result;
}

qv_status qv__mttl_read(struct qv_mttl *x, const char *stem, qv_err *err)
{
    qv_arena a = {0};
    struct qv_st st = {0};
    char *json;
    size_t size;
    *x = (struct qv_mttl){0};
    qv_status result =
        qv__read_file(&json, &size, &a, qv__arena_fmt(&a, "%s.json", stem), MAX_JSON, err);
    if (!result)
        result = qv__st_open(&st, qv__arena_fmt(&a, "%s.safetensors", stem), err);
    if (!result) {
        result = qv__mttl_parse(x, json, size, &st, err);
        if (result)
            result = qv_wrap(err, result, "%s: ", stem);
    }
    qv__st_close(&st);
    qv__arena_free(&a);
    return result;
}

void qv__mttl_end(struct qv_mttl *x)
{
    qv__expert_free(x->expert);
    qv__arena_free(&x->arena);
    *x = (struct qv_mttl){0};
}

/* ---- directories ---- */

qv_status qv__mttl_pickle(const char *path, qv_err *err)
{
    return qv_fail(err, QV_EUNSUPPORTED,
                   "%s: a Python pickle, which is not read; the recipe in "
                   "docs/interchange.md makes .safetensors and .json of it",
                   path);
}

static bool is_pickle(const char *name)
{
    return qv__ends_with(name, ".ckpt") || qv__ends_with(name, ".meta") ||
           strcmp(name, "mttl_weights.bin") == 0;
}

/* Whether one of the sorted names is `name` with `end` for the `old` it ends in. */
static bool has_beside(qv_arena *a, const char *dir, const char *name, const char *old,
                       const char *end)
{
    int n = (int)(strlen(name) - strlen(old));
    return qv__is_file(qv__arena_fmt(a, "%s/%.*s%s", dir, n, name, end));
}

/* A pickle that was converted has a JSON of its name beside it. */
static qv_status check_file(qv_arena *a, const char *dir, const char *name, qv_err *err)
{
    const char *dot = strrchr(name, '.');
    if (is_pickle(name) && !has_beside(a, dir, name, dot, ".json"))
        return qv__mttl_pickle(qv__arena_fmt(a, "%s/%s", dir, name), err);
    if (qv__ends_with(name, ".json") && !has_beside(a, dir, name, ".json", ".safetensors"))
        return qv_fail(err, QV_EFORMAT, "%s/%s: its .safetensors is missing", dir, name);
    if (qv__ends_with(name, ".safetensors") &&
        !has_beside(a, dir, name, ".safetensors", ".json"))
        return qv_fail(err, QV_EFORMAT, "%s/%s: its .json is missing", dir, name);
    return QV_OK;
}

qv_status qv__mttl_list(char ***stems, size_t *n, qv_arena *a, const char *dir, qv_err *err)
{
    char **names;
    size_t n_names;
    *n = 0;
    qv_status result = qv__list_dir(&names, &n_names, a, dir, err);
    if (result)
        return result;
    *stems = qv_new_n(a, char *, n_names);
    for (size_t i = 0; i < n_names && !result; i++) {
        result = check_file(a, dir, names[i], err);
        if (!result && qv__ends_with(names[i], ".json"))
            (*stems)[(*n)++] =
                qv__arena_fmt(a, "%s/%.*s", dir, (int)(strlen(names[i]) - 5), names[i]);
    }
    if (!result && *n == 0)
        result = qv_fail(err, QV_ENOTFOUND,
                         "%s: no experts of mttl, which are NAME.json beside "
                         "NAME.safetensors",
                         dir);
    return result;
}

bool qv__mttl_is_dir(const char *dir)
{
    qv_arena a = {0};
    char **names;
    size_t n = 0;
    bool found = false;
    qv_err quiet;
    if (qv__list_dir(&names, &n, &a, dir, &quiet))
        n = 0;
    for (size_t i = 0; i < n && !found; i++)
        found =
            is_pickle(names[i]) || (qv__ends_with(names[i], ".json") &&
                                    has_beside(&a, dir, names[i], ".json", ".safetensors"));
    qv__arena_free(&a);
    return found;
}
