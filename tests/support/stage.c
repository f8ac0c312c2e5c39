/* stage.c - see stage.h. */
#include "support/stage.h"

#include "base/rng.h"
#include "model/reading.h"
#include "support/experts.h"
#include "support/scratch.h"

#include <stdlib.h>
#include <string.h>

enum { K = STAGE_EXPERTS };

qv_model *wide_model(void)
{
    const struct qv_config c = {.D = 256,
                                .L = 2,
                                .H = 4,
                                .Hk = 2,
                                .E = 64,
                                .F = 645, // rows of it end anywhere in a vector
                                .V = 400,
                                .n_ctx = 128,
                                .theta = 1e4f,
                                .eps = 1e-5f};
    qv_model *m;
    qv_err err;
    assert_works(qv__model_new(&m, &c, 3, &err), &err);
    for (size_t i = 0; i < m->n_own; i++)
        m->own[i] *= 4;
    return m;
}

static struct qv_expert *expert_over(const qv_model *m, const char *name, size_t R,
                                     uint64_t seed)
{
    struct qv_expert_shape shape[64];
    size_t n = 0;
    for (size_t i = 0; i < m->sites.n && n < QV_COUNT(shape); i++)
        if (qv__below(seed, i, 4)) // not every site
            shape[n++] = (struct qv_expert_shape){.path = m->sites.at[i].path,
                                                  .D_in = m->sites.at[i].D_in,
                                                  .D_out = m->sites.at[i].D_out,
                                                  .R = R,
                                                  .alpha = 0.02f};
    return expert_drawn(name, shape, n, seed);
}

/* What a router by token may find beside the experts. */
static void make_vectors(struct qv_prototypes p[K], struct qv_expert *const *e)
{
    qv_err err;
    for (size_t k = 0; k < K; k++) {
        assert_works(qv__prototypes_init(&p[k], e[k], &err), &err);
        float *v = normals(p[k].first[p[k].n_sites], 100 + k);
        memcpy(p[k].v, v, p[k].first[p[k].n_sites] * sizeof *v);
        free(v);
    }
}

/* And one by text. */
static void make_texts(struct qv_text_table *t, const qv_model *m, enum qv_reading reads)
{
    *t = (struct qv_text_table){.K = K, .F = qv__features(m, reads), .n_layers = 1};
    t->v = normals(K * t->F, 7);
    t->bias = normals(K, 8);
}

static void bind_one(struct stage *s, struct qv_expert *const *e,
                     const struct qv_reuse_from *as)
{
    struct qv_reuse_from from = *as;
    struct qv_prototypes p[K];
    struct qv_text_table texts = {0};
    const struct qv_router_ops *ops = from.router ? qv__router_find(from.router) : NULL;
    const bool has_vectors = ops && ops->artifact && !ops->reads;
    qv_err err;
    from.experts = e;
    if (has_vectors) {
        make_vectors(p, e);
        from.vectors = p;
    }
    if (ops && ops->reads && ops->artifact) {
        make_texts(&texts, s->m, ops->reads);
        from.texts = &texts;
    }
    assert_true(s->n_who < STAGE_WHO);
    s->as[s->n_who] = from.router;
    assert_works(qv__reuse_new(&s->who[s->n_who++], s->m, &from, &err), &err);
    for (size_t k = 0; has_vectors && k < K; k++)
        qv__prototypes_end(&p[k]);
}

void bind_all(struct stage *s)
{
    static const struct qv_reuse_from as[] = {
        {.n = 1},
        {.n = K, .router = "uniform"},
        {.n = K, .router = "arrow", .top_k = 2},
        {.n = K, .router = "arrow", .top_k = 2, .compose = QV_OUTPUT},
        {.n = K, .router = "arrow", .top_k = 4, .temperature = 0.3f},
    };
    struct qv_expert *e[K];
    for (size_t k = 0; k < K; k++)
        e[k] = expert_over(s->m, (const char *[]){"a", "b", "c", "d", "e"}[k], k + 1, k);
    s->n_who = 1;
    for (size_t i = 0; i < QV_COUNT(as); i++)
        bind_one(s, e, &as[i]);
    for (const struct qv_router_ops *const *r = qv__routers(); *r; r++)
        if (!(*r)->is_oracle)
            bind_one(s, e, &(struct qv_reuse_from){.n = K, .router = (*r)->name});
    for (size_t k = 0; k < K; k++)
        qv__expert_free(e[k]);
}

void end_stage(struct stage *s)
{
    for (size_t i = 1; i < s->n_who; i++)
        qv_reuse_close(s->who[i]);
    qv_model_close(s->m);
}
