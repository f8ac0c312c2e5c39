/* model.c - opening, making and closing a model. */
#include "model/model.h"
#include "base/hash.h"
#include "base/rng.h"
#include "kern/kern.h"
#include "model/family.h"
#include "model/gguf_arch.h"
#include "model/gguf_weights.h"
#include "model/layout.h"
#include "model/weights.h"
#include "op/rope.h"
#include "text/gguf_tokenizer.h"
#include "text/tokenizer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static qv_status make_rope(qv_model *m, qv_err *err)
{
    const struct qv_config *c = &m->c;
    if (c->is_learned)
        return QV_OK;
    m->rope = malloc(c->n_ctx * c->R * sizeof *m->rope);
    if (!m->rope)
        return qv_fail(err, QV_ENOMEM, "no memory for %zu rotary positions", c->n_ctx);
    qv__rope_table(m->rope, c->n_ctx, c->R, c->theta, &c->scaling);
    return QV_OK;
}

/* The first numbers of each matrix are a sample that no two trainings share. */
enum { SAMPLE = 64 };

struct identity {
    char *text;
    size_t n, room;
};

static qv_status identify(void *arg, const char *name, struct qv_weight *w, qv_err *err)
{
    (void)err;
    struct identity *id = arg;
    id->n += (size_t)snprintf(id->text + id->n, id->room - id->n, "%s %zu %zu", name,
                              w->D_out, w->D_in);
    float value[SAMPLE + QV_BLOCK_MAX];
    size_t n = qv__min(SAMPLE, w->D_out * w->D_in);
    if (w->blocks)
        qv__block_decode(value, w->type, w->blocks,
                         (n + w->type->n - 1) / w->type->n * w->type->n);
    for (size_t i = 0; i < n; i++) {
        uint16_t h;
        if (w->bf16)
            h = w->bf16[i];
        else
            qv__kern_ref.to_bf16(&h, w->blocks ? &value[i] : &w->f32[i], 1);
        id->n += (size_t)snprintf(id->text + id->n, id->room - id->n, " %x", (unsigned)h);
    }
    return QV_OK;
}

static qv_status set_identity(qv_model *m, qv_err *err)
{
    size_t n_weights = qv__weights_at_most(m);
    struct identity id = {.room = n_weights * (160 + SAMPLE * 5) + 256};
    id.text = malloc(id.room);
    if (!id.text)
        return qv_fail(err, QV_ENOMEM, "no memory to identify %zu weights", n_weights);
    id.n = (size_t)snprintf(id.text, id.room, "%s %zu %zu %zu %zu %.9g %.9g ",
                            m->c.family->model_type, m->c.H, m->c.Hk, m->c.E, m->c.L,
                            (double)m->c.theta, (double)m->c.eps);
    qv_status result = qv__model_each(m, identify, &id, err);
    qv__hash_bytes(m->identity, id.text, id.n);
    free(id.text);
    const char *origin = m->identity;
    if (!result && m->gguf)
        result = qv__gguf_str(m->gguf, QV_GGUF_ORIGIN, &origin, err);
    snprintf(m->origin, sizeof m->origin, "%s", origin);
    return result;
}

static qv_status fit_tokenizer(qv_model *m, qv_err *err)
{
    size_t n = m->tokenizer ? qv_tokenizer_size(m->tokenizer) : 0;
    if (n > m->c.V)
        return qv_fail(err, QV_EFORMAT, "%s: the tokenizer has %zu tokens, the model %zu",
                       m->dir, n, m->c.V);
    if (m->tokenizer)
        qv__tokenizer_pad(m->tokenizer, m->c.V);
    return QV_OK;
}

static qv_status open_tokenizer(qv_model *m, qv_err *err)
{
    const char *const names[] = {"tokenizer.json", "tokenizer.model", "vocab.json"};
    for (size_t i = 0; i < QV_COUNT(names); i++) {
        if (!qv__is_file(qv__arena_fmt(&m->arena, "%s/%s", m->dir, names[i])))
            continue;
        qv_status result = qv_tokenizer_open(&m->tokenizer, m->dir, err);
        return result ? result : fit_tokenizer(m, err);
    }
    return QV_OK;
}

static qv_status open_dir(qv_model *m, qv_err *err)
{
    qv_status result = qv__config_read(&m->c, m->dir, err);
    if (result)
        return result;
    qv__layout(m);
    result = qv__weights_map(m, err);
    return result ? result : open_tokenizer(m, err);
}

static qv_status read_gguf(qv_model *m, qv_err *err)
{
    if (m->is_trainable)
        return qv_fail(err, QV_EUNSUPPORTED,
                       "a GGUF file cannot be trained whole; a directory can");
    qv_status result = qv__gguf_config(&m->c, m->gguf, err);
    if (result)
        return result;
    qv__layout(m);
    result = qv__gguf_weights(m, err);
    return result ? result : qv__tokenizer_from_gguf(&m->tokenizer, m->gguf, err);
}

static qv_status open_file(qv_model *m, qv_err *err)
{
    struct qv_gguf *g = qv_new(&m->arena, struct qv_gguf);
    qv_status result = qv__gguf_open(g, m->dir, err);
    if (result)
        return result;
    m->gguf = g;
    if ((result = read_gguf(m, err)))
        return qv_wrap(err, result, "%s: ", m->dir);
    return fit_tokenizer(m, err);
}

qv_status qv_model_open(qv_model **out, const char *dir, const qv_model_opts *opts,
                        qv_err *err)
{
    *out = NULL;
    qv_model_opts o = opts ? *opts : (qv_model_opts){0};
    qv_model *m = calloc(1, sizeof *m);
    if (!m)
        return qv_fail(err, QV_ENOMEM, "no memory for a model");
    m->dir = qv__arena_str(&m->arena, dir);
    m->is_trainable = o.trainable;
    m->wants_f32 = o.compute == QV_COMPUTE_F32;
    m->wants_bf16 = !o.trainable && (o.compute == QV_COMPUTE_BF16 ||
                                     (o.compute == QV_COMPUTE_AUTO && qv__has_bf16()));
    qv_status result = qv__is_file(dir) ? open_file(m, err) : open_dir(m, err);
    if (!result)
        result = make_rope(m, err);
    if (!result)
        result = set_identity(m, err);
    if (result)
        qv_model_close(m);
    else
        *out = m;
    return result;
}

static qv_status outline_file(qv_model *m, qv_err *err)
{
    struct qv_gguf *g = qv_new(&m->arena, struct qv_gguf);
    qv_status result = qv__gguf_open(g, m->dir, err);
    if (result)
        return result;
    m->gguf = g;
    result = qv__gguf_config(&m->c, g, err);
    return result ? qv_wrap(err, result, "%s: ", m->dir) : QV_OK;
}

qv_status qv__model_outline(qv_model **out, const char *path, qv_err *err)
{
    *out = NULL;
    qv_model *m = calloc(1, sizeof *m);
    if (!m)
        return qv_fail(err, QV_ENOMEM, "no memory for a model");
    m->dir = qv__arena_str(&m->arena, path);
    qv_status result =
        qv__is_file(path) ? outline_file(m, err) : qv__config_read(&m->c, m->dir, err);
    if (result) {
        qv_model_close(m);
        return result;
    }
    qv__layout(m);
    *out = m;
    return QV_OK;
}

struct filling {
    qv_model *m;
    uint64_t seed;
};

static qv_status fill(void *arg, const char *name, struct qv_weight *w, qv_err *err)
{
    (void)err;
    const struct filling *f = arg;
    const struct qv_names *names = &f->m->c.family->names;
    float *at = f->m->own + f->m->n_own;
    size_t n = w->D_out * w->D_in;
    f->m->n_own += n;
    w->f32 = at;
    bool is_residual = strstr(name, names->map[QV_O]) || strstr(name, names->map[QV_DOWN]);
    bool is_bias = strcmp(name + strlen(name) - strlen(".bias"), ".bias") == 0;
    float std = is_residual ? 0.02f / sqrtf(2 * (float)f->m->c.L) : 0.02f;
    uint64_t seed = qv__seed_named(f->seed, name);
    for (size_t i = 0; i < n; i++)
        at[i] = is_bias ? 0 : w->D_out == 1 ? 1 : std * qv__normal(seed, i);
    return QV_OK;
}

qv_status qv__model_new(qv_model **out, const struct qv_config *c, uint64_t seed,
                        qv_err *err)
{
    *out = NULL;
    qv_model *m = calloc(1, sizeof *m);
    if (!m)
        return qv_fail(err, QV_ENOMEM, "no memory for a model");
    m->c = *c;
    if (!c->family) {
        m->c.family = qv__family("llama");
        m->c.is_gated = true;
        m->c.R = c->E;
    }
    m->is_trainable = true;
    qv__layout(m);
    qv_status result = qv__weights_own(m, err);
    if (!result)
        result = qv__model_each(m, fill, &(struct filling){m, seed}, err);
    if (c->is_tied)
        m->head.w = m->embed;
    if (!result)
        result = make_rope(m, err);
    if (!result)
        result = set_identity(m, err);
    if (result)
        qv_model_close(m);
    else
        *out = m;
    return result;
}

void qv_model_close(qv_model *m)
{
    if (!m)
        return;
    qv_tokenizer_close(m->tokenizer);
    for (size_t i = 0; i < m->n_shards; i++)
        qv__st_close(&m->shard[i]);
    qv__gguf_close(m->gguf);
    free(m->rope);
    free(m->own);
    qv__arena_free(&m->arena);
    free(m);
}

const qv_tokenizer *qv_model_tokenizer(const qv_model *m)
{
    return m->tokenizer;
}

size_t qv_model_vocabulary(const qv_model *m)
{
    return m->c.V;
}

size_t qv_model_context(const qv_model *m)
{
    return m->c.n_ctx;
}

size_t qv_model_width(const qv_model *m)
{
    return m->c.D;
}

size_t qv_model_layers(const qv_model *m)
{
    return m->c.L;
}

const char *qv_model_identity(const qv_model *m)
{
    return m->identity;
}

size_t qv_model_sites(const qv_model *m)
{
    return m->sites.n;
}

const char *qv_model_site(const qv_model *m, size_t site)
{
    return site < m->sites.n ? m->sites.at[site].path : NULL;
}
