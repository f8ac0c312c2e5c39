/* model.c - opening, making and closing a model. */
#include "model/model.h"
#include "base/hash.h"
#include "base/rng.h"
#include "kern/kern.h"
#include "model/weights.h"
#include "op/rope.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const map_name[QV_N_MAPS] = {
    [QV_Q] = "self_attn.q_proj", [QV_K] = "self_attn.k_proj", [QV_V] = "self_attn.v_proj",
    [QV_O] = "self_attn.o_proj", [QV_GATE] = "mlp.gate_proj", [QV_UP] = "mlp.up_proj",
    [QV_DOWN] = "mlp.down_proj",
};

static void shape(struct qv_weight *w, size_t D_out, size_t D_in)
{
    *w = (struct qv_weight){.D_out = D_out, .D_in = D_in};
}

/* Give every weight its dimensions and every site its name. */
static void lay_out(qv_model *m)
{
    const struct qv_config *c = &m->c;
    size_t q = c->H * c->E, kv = c->Hk * c->E;
    m->layer = qv_new_n(&m->arena, struct qv_layer, c->L);
    struct qv_site *site = qv_new_n(&m->arena, struct qv_site, c->L * QV_N_MAPS);
    shape(&m->embed, c->V, c->D);
    shape(&m->head, c->V, c->D);
    shape(&m->norm, 1, c->D);
    for (size_t l = 0; l < c->L; l++) {
        struct qv_layer *y = &m->layer[l];
        shape(&y->norm1, 1, c->D);
        shape(&y->norm2, 1, c->D);
        shape(&y->map[QV_Q], q, c->D);
        shape(&y->map[QV_K], kv, c->D);
        shape(&y->map[QV_V], kv, c->D);
        shape(&y->map[QV_O], c->D, q);
        shape(&y->map[QV_GATE], c->F, c->D);
        shape(&y->map[QV_UP], c->F, c->D);
        shape(&y->map[QV_DOWN], c->D, c->F);
        for (size_t i = 0; i < QV_N_MAPS; i++)
            site[l * QV_N_MAPS + i] = (struct qv_site){
                .path = qv__arena_fmt(&m->arena, "model.layers.%zu.%s", l, map_name[i]),
                .layer = l,
                .D_in = y->map[i].D_in,
                .D_out = y->map[i].D_out,
            };
    }
    m->sites = (struct qv_sites){site, c->L * QV_N_MAPS};
}

qv_status qv__model_each(qv_model *m, qv_weight_fn fn, void *arg, qv_err *err)
{
    char name[96];
    qv_status result = fn(arg, "model.embed_tokens.weight", &m->embed, err);
    for (size_t l = 0; !result && l < m->c.L; l++) {
        struct qv_layer *y = &m->layer[l];
        snprintf(name, sizeof name, "model.layers.%zu.input_layernorm.weight", l);
        result = fn(arg, name, &y->norm1, err);
        for (size_t i = 0; !result && i < QV_N_MAPS; i++) {
            snprintf(name, sizeof name, "model.layers.%zu.%s.weight", l, map_name[i]);
            result = fn(arg, name, &y->map[i], err);
        }
        snprintf(name, sizeof name, "model.layers.%zu.post_attention_layernorm.weight", l);
        if (!result)
            result = fn(arg, name, &y->norm2, err);
    }
    if (!result)
        result = fn(arg, "model.norm.weight", &m->norm, err);
    if (!result && !m->c.is_tied)
        result = fn(arg, "lm_head.weight", &m->head, err);
    return result;
}

static qv_status make_rope(qv_model *m, qv_err *err)
{
    m->rope = calloc(m->c.n_ctx * m->c.E, sizeof *m->rope);
    if (!m->rope)
        return qv_fail(err, QV_ENOMEM, "no memory for the rotations of %zu positions",
                       m->c.n_ctx);
    qv__rope_table(m->rope, m->c.n_ctx, m->c.E, m->c.theta);
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
    for (size_t i = 0; i < qv__min(SAMPLE, w->D_out * w->D_in); i++) {
        uint16_t h;
        if (w->bf16)
            h = w->bf16[i];
        else
            qv__kern_ref.to_bf16(&h, &w->f32[i], 1);
        id->n += (size_t)snprintf(id->text + id->n, id->room - id->n, " %x", (unsigned)h);
    }
    return QV_OK;
}

static qv_status set_identity(qv_model *m, qv_err *err)
{
    size_t n_weights = m->c.L * (QV_N_MAPS + 2) + 3;
    struct identity id = {.room = n_weights * (160 + SAMPLE * 5) + 256};
    id.text = malloc(id.room);
    if (!id.text)
        return qv_fail(err, QV_ENOMEM, "no memory to identify %zu weights", n_weights);
    id.n = (size_t)snprintf(id.text, id.room, "llama %zu %zu %zu %zu %.9g %.9g ", m->c.H,
                            m->c.Hk, m->c.E, m->c.L, (double)m->c.theta, (double)m->c.eps);
    qv_status result = qv__model_each(m, identify, &id, err);
    qv__hash_bytes(m->identity, id.text, id.n);
    free(id.text);
    return result;
}

static qv_status open_tokenizer(qv_model *m, qv_err *err)
{
    const char *const names[] = {"tokenizer.json", "tokenizer.model", "vocab.json"};
    for (size_t i = 0; i < QV_COUNT(names); i++) {
        if (!qv__is_file(qv__arena_fmt(&m->arena, "%s/%s", m->dir, names[i])))
            continue;
        qv_status result = qv_tokenizer_open(&m->tokenizer, m->dir, err);
        if (!result && qv_tokenizer_size(m->tokenizer) > m->c.V)
            result =
                qv_fail(err, QV_EFORMAT, "%s: the tokenizer has %zu tokens, the model %zu",
                        m->dir, qv_tokenizer_size(m->tokenizer), m->c.V);
        return result;
    }
    return QV_OK;
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
    m->wants_bf16 = !o.trainable && (o.compute == QV_COMPUTE_BF16 ||
                                     (o.compute == QV_COMPUTE_AUTO && qv__has_bf16()));
    qv_status result = qv__config_read(&m->c, dir, err);
    if (!result) {
        lay_out(m);
        result = qv__weights_map(m, err);
    }
    if (!result)
        result = make_rope(m, err);
    if (!result)
        result = set_identity(m, err);
    if (!result)
        result = open_tokenizer(m, err);
    if (result)
        qv_model_close(m);
    else
        *out = m;
    return result;
}

struct filling {
    qv_model *m;
    uint64_t seed;
};

static qv_status fill(void *arg, const char *name, struct qv_weight *w, qv_err *err)
{
    (void)err;
    const struct filling *f = arg;
    float *at = f->m->own + f->m->n_own;
    size_t n = w->D_out * w->D_in;
    f->m->n_own += n;
    w->f32 = at;
    bool is_residual = strstr(name, "o_proj") || strstr(name, "down_proj");
    float std = is_residual ? 0.02f / sqrtf(2 * (float)f->m->c.L) : 0.02f;
    uint64_t seed = qv__seed_named(f->seed, name);
    for (size_t i = 0; i < n; i++)
        at[i] = w->D_out == 1 ? 1 : std * qv__normal(seed, i);
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
    m->is_trainable = true;
    lay_out(m);
    qv_status result = qv__weights_own(m, err);
    if (!result)
        result = qv__model_each(m, fill, &(struct filling){m, seed}, err);
    if (c->is_tied)
        m->head = m->embed;
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

size_t qv_model_parameters(const qv_model *m)
{
    size_t n = (m->c.is_tied ? 1 : 2) * m->c.V * m->c.D + m->c.D;
    for (size_t i = 0; i < QV_N_MAPS; i++)
        n += m->c.L * m->layer[0].map[i].D_out * m->layer[0].map[i].D_in;
    return n + 2 * m->c.L * m->c.D;
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
