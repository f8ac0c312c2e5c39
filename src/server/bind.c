/* bind.c - see bind.h. */
#include "server/bind.h"

#include <stdlib.h>
#include <string.h>

/* Whether it needs experts with weights of their own. */
static bool is_whole(const struct qv_router_ops *ops)
{
    return !ops || ops->weigh || ops->is_centred || ops->rewrites;
}

/* What it is made from. */
struct sources {
    struct qv_expert **experts; // [n] owned if they are whole
    struct qv_pack **packs;     // [n]
    struct qv_prototypes *v;    // [n] borrowed: the packs', or a router's own
    struct qv_text_table texts; // of a router by text: copies
};

static void end_sources(struct sources *s, const struct qv_binding *b)
{
    for (size_t i = 0; s->experts && is_whole(b->ops) && i < b->chosen->n; i++)
        qv__expert_free(s->experts[i]);
    free(s->experts);
    free(s->packs);
    free(s->v);
    free(s->texts.v);
    free(s->texts.bias);
}

/* What a router by text knows of the chosen ones. */
static qv_status copy_texts(struct qv_text_table *to, const struct qv_text_table *from,
                            const struct qv_selection *chosen, qv_err *err)
{
    const size_t n = chosen->n, F = from->F;
    if (!from->v)
        return QV_OK;
    to->v = malloc(n * F * sizeof *to->v);
    to->bias = malloc(n * sizeof *to->bias);
    if (!to->v || !to->bias)
        return qv_fail(err, QV_ENOMEM, "no memory for what is known of %zu experts", n);
    to->K = n;
    to->F = F;
    to->n_layers = from->n_layers;
    for (size_t i = 0; i < n; i++) {
        memcpy(to->v + i * F, from->v + chosen->at[i] * F, F * sizeof *to->v);
        to->bias[i] = from->bias[chosen->at[i]];
    }
    return QV_OK;
}

static qv_status gather(struct sources *s, const struct qv_binding *b, qv_err *err)
{
    const size_t n = b->chosen->n;
    qv_status result = QV_OK;
    s->experts = calloc(n, sizeof *s->experts);
    s->packs = calloc(n, sizeof *s->packs);
    s->v = calloc(n, sizeof *s->v);
    if (!s->experts || !s->packs || !s->v)
        return qv_fail(err, QV_ENOMEM, "no memory for %zu experts", n);
    for (size_t i = 0; !result && i < n; i++) {
        const size_t at = b->chosen->at[i];
        s->packs[i] = b->held[at]->pack;
        s->v[i] = b->kept ? b->kept->vectors[at] : s->packs[i]->p;
        if (is_whole(b->ops)) {
            atomic_store(&s->packs[i]->used, true);
            result = qv__pack_expert(&s->experts[i], s->packs[i], err);
        } else {
            s->experts[i] = s->packs[i]->shape;
        }
    }
    if (!result && b->kept)
        result = copy_texts(&s->texts, &b->kept->texts, b->chosen, err);
    return result;
}

/* Fixed weights, composed into one expert. */
static qv_status mix(qv_reuse **out, const struct qv_binding *b, const struct sources *s,
                     qv_err *err)
{
    struct qv_expert *one;
    qv_status result = qv__fold(&one, "weights", s->experts, b->chosen->weight,
                                b->chosen->n, b->compose, err);
    if (result)
        return result;
    result =
        qv__reuse_new(out, b->model, &(struct qv_reuse_from){.experts = &one, .n = 1}, err);
    qv__expert_free(one);
    return result;
}

static qv_status route(qv_reuse **out, const struct qv_binding *b, struct sources *s,
                       qv_err *err)
{
    const struct qv_reuse_from from = {.experts = s->experts,
                                       .n = b->chosen->n,
                                       .vectors = s->v,
                                       .packs = is_whole(b->ops) ? NULL : s->packs,
                                       .texts = s->texts.v ? &s->texts : NULL,
                                       .router = b->ops->name,
                                       .before = b->before,
                                       .compose = b->compose};
    return qv__reuse_new(out, b->model, &from, err);
}

qv_status qv__bind(qv_reuse **out, const struct qv_binding *b, qv_err *err)
{
    struct sources s = {0};
    *out = NULL;
    qv_status result = gather(&s, b, err);
    if (!result)
        result = b->ops ? route(out, b, &s, err) : mix(out, b, &s, err);
    end_sources(&s, b);
    return result;
}
