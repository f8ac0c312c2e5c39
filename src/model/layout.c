/* layout.c - see layout.h. */
#include "model/layout.h"
#include "model/family.h"

#include <stdio.h>
#include <string.h>

static struct qv_affine affine(size_t D_out, size_t D_in, size_t D_bias)
{
    return (struct qv_affine){.w = {.D_out = D_out, .D_in = D_in},
                              .b = {.D_out = 1, .D_in = D_bias}};
}

static struct qv_affine norm(const struct qv_config *c, const char *name, size_t D)
{
    return name ? affine(1, D, c->is_layernorm ? D : 0) : affine(0, 0, 0);
}

static struct qv_affine map(const struct qv_config *c, enum qv_linear_map which)
{
    const size_t q = c->H * c->E, kv = c->Hk * c->E;
    const size_t size[QV_N_MAPS][2] = {
        [QV_QKV] = {q + 2 * kv, c->D}, [QV_Q] = {q, c->D},       [QV_K] = {kv, c->D},
        [QV_V] = {kv, c->D},           [QV_O] = {c->D, q},       [QV_GATE] = {c->F, c->D},
        [QV_UP] = {c->F, c->D},        [QV_DOWN] = {c->D, c->F},
    };
    if (!c->family->names.map[which])
        return affine(0, 0, 0);
    struct qv_affine a =
        affine(size[which][0], size[which][1], c->has_bias[which] ? size[which][0] : 0);
    a.w.is_turned = c->family->is_conv1d;
    return a;
}

/* "model.layers.7." */
static void layer_prefix(char *out, size_t room, const struct qv_names *names, size_t l)
{
    const char *number = strstr(names->layer, "%zu");
    snprintf(out, room, "%.*s%zu%s", (int)(number - names->layer), names->layer, l,
             number + strlen("%zu"));
}

void qv__layout(qv_model *m)
{
    const struct qv_config *c = &m->c;
    const struct qv_names *names = &c->family->names;
    m->layer = qv_new_n(&m->arena, struct qv_layer, c->L);
    m->embed = (struct qv_weight){.D_out = c->V, .D_in = c->D};
    if (c->is_learned)
        m->positions = (struct qv_weight){.D_out = c->n_ctx, .D_in = c->D};
    m->norm = norm(c, names->norm, c->D);
    m->head = affine(c->V, c->D, c->has_head_bias ? c->V : 0);
    for (size_t i = 0; i < QV_N_MAPS; i++)
        m->slot[i] = names->map[i] ? m->n_maps++ : SIZE_MAX;
    struct qv_site *site = qv_new_n(&m->arena, struct qv_site, c->L * m->n_maps);
    for (size_t l = 0; l < c->L; l++) {
        struct qv_layer *y = &m->layer[l];
        char prefix[64];
        layer_prefix(prefix, sizeof prefix, names, l);
        y->norm1 = norm(c, names->norm1, c->D);
        y->norm2 = norm(c, c->block == QV_PARALLEL_SHARED ? NULL : names->norm2, c->D);
        y->q_norm = norm(c, c->has_qk_norm ? names->q_norm : NULL, c->E);
        y->k_norm = norm(c, c->has_qk_norm ? names->k_norm : NULL, c->E);
        for (enum qv_linear_map i = 0; i < QV_N_MAPS; i++) {
            y->map[i] = map(c, i);
            if (names->map[i])
                site[l * m->n_maps + m->slot[i]] = (struct qv_site){
                    .path = qv__arena_fmt(&m->arena, "%s%s", prefix, names->map[i]),
                    .layer = l,
                    .D_in = y->map[i].w.D_in,
                    .D_out = y->map[i].w.D_out,
                };
        }
    }
    m->sites = (struct qv_sites){site, c->L * m->n_maps};
}

/* A walk over the weights. */
struct walk {
    qv_weight_fn fn;
    void *arg;
    qv_err *err;
    qv_status result;
};

static void meet(struct walk *w, const char *layer, const char *name, const char *part,
                 struct qv_weight *weight)
{
    char path[128];
    if (!name || weight->D_in == 0 || w->result)
        return;
    snprintf(path, sizeof path, "%s%s.%s", layer, name, part);
    w->result = w->fn(w->arg, path, weight, w->err);
}

static void meet_both(struct walk *w, const char *layer, const char *name,
                      struct qv_affine *a)
{
    meet(w, layer, name, "weight", &a->w);
    meet(w, layer, name, "bias", &a->b);
}

qv_status qv__model_each(qv_model *m, qv_weight_fn fn, void *arg, qv_err *err)
{
    return qv__model_each_as(m, &m->c.family->names, fn, arg, err);
}

qv_status qv__model_each_as(qv_model *m, const struct qv_names *names, qv_weight_fn fn,
                            void *arg, qv_err *err)
{
    struct walk w = {fn, arg, err, QV_OK};
    meet(&w, "", names->embed, "weight", &m->embed);
    meet(&w, "", names->positions, "weight", &m->positions);
    for (size_t l = 0; !w.result && l < m->c.L; l++) {
        struct qv_layer *y = &m->layer[l];
        char prefix[64];
        layer_prefix(prefix, sizeof prefix, names, l);
        meet_both(&w, prefix, names->norm1, &y->norm1);
        for (size_t i = 0; i < QV_N_MAPS; i++)
            meet_both(&w, prefix, names->map[i], &y->map[i]);
        meet_both(&w, prefix, names->q_norm, &y->q_norm);
        meet_both(&w, prefix, names->k_norm, &y->k_norm);
        meet_both(&w, prefix, names->norm2, &y->norm2);
    }
    meet_both(&w, "", names->norm, &m->norm);
    if (!m->c.is_tied)
        meet(&w, "", names->head, "weight", &m->head.w);
    meet(&w, "", names->head, "bias", &m->head.b);
    return w.result;
}

static qv_status count(void *arg, const char *name, struct qv_weight *w, qv_err *err)
{
    (void)name, (void)err;
    *(size_t *)arg += w->D_out * w->D_in;
    return QV_OK;
}

size_t qv_model_parameters(const qv_model *m)
{
    size_t n = 0;
    qv_status result = qv__model_each((qv_model *)(uintptr_t)m, count, &n, NULL);
    qv_check(!result);
    return n;
}
