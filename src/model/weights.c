/* weights.c - see weights.h. */
#include "model/weights.h"
#include "base/json.h"
#include "kern/kern.h"
#include "model/family.h"
#include "model/layout.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The distinct values of the index's weight_map: the shards' names. */
static qv_status shard_names(const json_t *index, const char ***names, size_t *n,
                             qv_arena *a, qv_err *err)
{
    json_t *map = json_object_get(index, "weight_map");
    if (!json_is_object(map))
        return qv_fail(err, QV_EFORMAT, "'weight_map' is missing");
    *names = qv_new_n(a, const char *, json_object_size(map));
    *n = 0;
    const char *key;
    json_t *value;
    json_object_foreach(map, key, value)
    {
        const char *file = json_string_value(value);
        if (!file || strchr(file, '/'))
            return qv_fail(err, QV_EFORMAT, "tensor '%s' is in no file of this directory",
                           key);
        size_t i = 0;
        while (i < *n && strcmp((*names)[i], file) != 0)
            i++;
        if (i == *n)
            (*names)[(*n)++] = qv__arena_str(a, file);
    }
    return QV_OK;
}

static qv_status open_shards(qv_model *m, qv_err *err)
{
    const char **names = qv_new(&m->arena, const char *);
    size_t n = 1;
    names[0] = "model.safetensors";
    char *index_path = qv__arena_fmt(&m->arena, "%s/model.safetensors.index.json", m->dir);
    char *single = qv__arena_fmt(&m->arena, "%s/%s", m->dir, names[0]);
    if (!qv__is_file(single) && qv__is_file(index_path)) {
        json_t *index;
        qv_status result = qv__json_read(&index, index_path, 1 << 28, err);
        if (!result && (result = shard_names(index, &names, &n, &m->arena, err)))
            result = qv_wrap(err, result, "%s: ", index_path);
        json_decref(index);
        if (result)
            return result;
    }
    m->shard = qv_new_n(&m->arena, struct qv_st, n);
    for (; m->n_shards < n; m->n_shards++) {
        char *path = qv__arena_fmt(&m->arena, "%s/%s", m->dir, names[m->n_shards]);
        qv_status result = qv__st_open(&m->shard[m->n_shards], path, err);
        if (result)
            return result;
    }
    return QV_OK;
}

static const struct qv_tensor *find_as(const qv_model *m, const char *name)
{
    for (size_t i = 0; i < m->n_shards; i++) {
        const struct qv_tensor *t = qv__st_find(&m->shard[i], name);
        if (t)
            return t;
    }
    return NULL;
}

/* A file may leave out the model's own name: GPT-2's has wte for transformer.wte. */
static const struct qv_tensor *find(const qv_model *m, const char *name)
{
    const struct qv_tensor *t = find_as(m, name);
    const char *dot = strchr(name, '.');
    return t || !dot ? t : find_as(m, dot + 1);
}

size_t qv__weights_at_most(const qv_model *m)
{
    return m->c.L * 2 * (QV_N_MAPS + 4) + 6;
}

static bool is_aligned(const void *p, size_t size)
{
    return (uintptr_t)p % size == 0;
}

/* Whether a weight is used where it lies, as floats or as half floats. Norms, turned
 * matrices and everything trainable are floats of our own. */
static bool stays(const qv_model *m, const struct qv_tensor *t, const struct qv_weight *w)
{
    if (m->is_trainable || w->D_out == 1 || w->is_turned)
        return false;
    if (t->dtype == QV_F32)
        return is_aligned(t->data, sizeof(float));
    return (t->dtype == QV_BF16 || t->dtype == QV_F16) &&
           is_aligned(t->data, sizeof(uint16_t));
}

/* As GGUF numbers it. */
static const struct qv_block_type *block_type(enum qv_dtype dtype)
{
    return qv__block(dtype == QV_F32    ? QV_BLOCK_F32
                     : dtype == QV_BF16 ? QV_BLOCK_BF16
                                        : QV_BLOCK_F16);
}

struct placing {
    qv_model *m;
    size_t need; // floats of our own
};

static qv_status check(void *arg, const char *name, struct qv_weight *w, qv_err *err)
{
    struct placing *p = arg;
    const struct qv_tensor *t = find(p->m, name);
    if (!t)
        return qv_fail(err, QV_EFORMAT, "%s: tensor '%s' is missing", p->m->dir, name);
    if (t->dtype > QV_F64)
        return qv_fail(err, QV_EUNSUPPORTED, "%s: tensor '%s' is of type %s", p->m->dir,
                       name, t->dtype_name);
    size_t rows = w->is_turned ? w->D_in : w->D_out;
    bool fits = w->D_out == 1 ? t->rank == 1 && t->shape[0] == w->D_in
                              : t->rank == 2 && t->shape[0] == rows &&
                                    t->shape[1] == w->D_out * w->D_in / rows;
    if (!fits)
        return qv_fail(
            err, QV_EFORMAT,
            "%s: tensor '%s' has %zu elements in %d dimensions, config.json says "
            "%zu x %zu",
            p->m->dir, name, t->n, t->rank, rows, w->D_out * w->D_in / rows);
    if (!stays(p->m, t, w))
        p->need += w->D_out * w->D_in;
    return QV_OK;
}

/* to [D_out, D_in] from the file's [D_in, D_out]. */
static void turn(float *to, const struct qv_tensor *t, size_t D_out, size_t D_in)
{
    enum { STRETCH = 256 };
    float from[STRETCH];
    for (size_t i = 0; i < D_in; i++)
        for (size_t o = 0; o < D_out; o += STRETCH) {
            size_t n = qv__min(STRETCH, D_out - o);
            qv__st_f32(from, t, i * D_out + o, n);
            for (size_t j = 0; j < n; j++)
                to[(o + j) * D_in + i] = from[j];
        }
}

static qv_status place(void *arg, const char *name, struct qv_weight *w, qv_err *err)
{
    struct placing *p = arg;
    const struct qv_tensor *t = find(p->m, name);
    if (stays(p->m, t, w)) {
        qv__weight_lies_at(w, t->data, block_type(t->dtype), p->m->wants_bf16);
        p->m->has_blocks |= w->blocks != NULL;
        return QV_OK;
    }
    float *copy = p->m->own + p->m->n_own;
    p->m->n_own += t->n;
    if (w->is_turned)
        turn(copy, t, w->D_out, w->D_in);
    else
        qv__st_f32(copy, t, 0, t->n);
    w->f32 = copy;
    for (size_t i = 0; w->D_out == 1 && i < t->n; i++)
        if (!isfinite(copy[i]))
            return qv_fail(err, QV_EFORMAT, "%s: tensor '%s': element %zu is not finite",
                           p->m->dir, name, i);
    return QV_OK;
}

qv_status qv__weights_allocate(qv_model *m, size_t n, qv_err *err)
{
    size_t bytes = (n * sizeof(float) + 63) & ~(size_t)63;
    m->own = aligned_alloc(64, qv__max(bytes, 64));
    if (!m->own)
        return qv_fail(err, QV_ENOMEM, "no memory for %zu weights", n);
    return QV_OK;
}

qv_status qv__weights_map(qv_model *m, qv_err *err)
{
    struct placing p = {.m = m};
    qv_status result = open_shards(m, err);
    const char *head = qv__arena_fmt(&m->arena, "%s.weight", m->c.family->names.head);
    if (!result && !m->c.is_tied && !find(m, head))
        return qv_fail(err, QV_EFORMAT,
                       "%s: tensor '%s' is missing and tie_word_embeddings is false",
                       m->dir, head);
    if (!result)
        result = qv__model_each(m, check, &p, err);
    if (!result)
        result = qv__weights_allocate(m, p.need, err);
    if (!result)
        result = qv__model_each(m, place, &p, err);
    if (m->c.is_tied)
        m->head.w = m->embed;
    return result;
}

qv_status qv__weights_own(qv_model *m, qv_err *err)
{
    return qv__weights_allocate(m, qv_model_parameters(m), err);
}

struct writing {
    qv_model *m;
    struct qv_tensor_out *out;
    size_t n;
    enum qv_dtype dtype;
    float *own;     // as the file has it: m->own, or a copy with some matrices turned
    uint16_t *half; // the same rounded, or NULL
};

/* Describe one weight; in a copy, turn it the file's way. */
static qv_status describe(void *arg, const char *name, struct qv_weight *w, qv_err *err)
{
    (void)err;
    struct writing *s = arg;
    struct qv_tensor_out *t = &s->out[s->n++];
    size_t at = (size_t)(w->f32 - s->m->own), rows = w->is_turned ? w->D_in : w->D_out;
    size_t cols = w->D_out * w->D_in / rows;
    *t = (struct qv_tensor_out){.name = qv__arena_str(&s->m->arena, name),
                                .dtype = s->dtype,
                                .rank = w->D_out == 1 ? 1 : 2,
                                .shape = {w->D_out == 1 ? w->D_in : rows, cols},
                                .data = s->own + at};
    if (s->half)
        t->data = s->half + at;
    for (size_t i = 0; w->is_turned && i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            s->own[at + i * cols + j] = w->f32[j * rows + i];
    return QV_OK;
}

/* The config.json that the model came with, but for the type of its weights; for a
 * model that came from nowhere, a new one. */
static qv_status write_config(const qv_model *m, const char *dir, const char *dtype,
                              qv_err *err)
{
    if (!m->dir)
        return qv__config_write(&m->c, dir, dtype, err);
    qv_arena a = {0};
    json_t *o = NULL;
    qv_status result =
        qv__json_read(&o, qv__arena_fmt(&a, "%s/config.json", m->dir), 1 << 20, err);
    if (!result) {
        json_object_del(o, "dtype");
        json_object_set_new(o, "torch_dtype", json_string(dtype));
        result = qv__json_write(o, qv__arena_fmt(&a, "%s/config.json", dir), err);
    }
    json_decref(o);
    qv__arena_free(&a);
    return result;
}

qv_status qv__model_write(qv_model *m, const char *dir, enum qv_dtype dtype, qv_err *err)
{
    qv_check(m->is_trainable && (dtype == QV_F32 || dtype == QV_BF16));
    const bool turns = m->c.family->is_conv1d;
    struct writing s = {.m = m, .dtype = dtype, .own = m->own};
    s.out = qv_new_n(&m->arena, struct qv_tensor_out, qv__weights_at_most(m));
    if (turns)
        s.own = malloc(m->n_own * sizeof *s.own);
    if (dtype == QV_BF16)
        s.half = malloc(m->n_own * sizeof *s.half);
    qv_status result = QV_OK;
    if (!s.own || (dtype == QV_BF16 && !s.half))
        result = qv_fail(err, QV_ENOMEM, "no memory to write %zu weights", m->n_own);
    if (!result && turns)
        memcpy(s.own, m->own, m->n_own * sizeof *s.own);
    if (!result)
        result = qv__model_each(m, describe, &s, err);
    if (!result && s.half)
        qv__kern()->to_bf16(s.half, s.own, m->n_own);
    const char *const meta[][2] = {{"format", "pt"}};
    if (!result)
        result = qv__st_write(qv__arena_fmt(&m->arena, "%s/model.safetensors", dir), s.out,
                              s.n, meta, 1, err);
    if (!result)
        result = write_config(m, dir, s.half ? "bfloat16" : "float32", err);
    if (turns)
        free(s.own);
    free(s.half);
    return result;
}
