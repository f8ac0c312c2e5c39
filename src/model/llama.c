/* llama.c - the Llama family as a list of operators, forward and backward.
 *
 *     for each layer:
 *         n1  = rmsnorm(x)
 *         q, k, v = Wq n1, Wk n1, Wv n1;  rotate q and k
 *         mid = x + Wo attention(q, k, v)
 *         n2  = rmsnorm(mid)
 *         x   = mid + Wdown (silu(Wgate n2) * Wup n2)
 *     logits = Whead rmsnorm(x)
 *
 * Each W is a site: whatever the pass adds to it, LoRA in training or routed
 * experts in use, is added right after the base's product. The backward pass is
 * the forward pass read upwards.
 */
#include "model/llama.h"
#include "base/rng.h"
#include "op/attention.h"
#include "op/embed.h"
#include "op/rmsnorm.h"
#include "op/rope.h"
#include "op/swiglu.h"

#include <string.h>

static struct qv_dropout drop_of(const struct qv_trainee *t, size_t site)
{
    return (struct qv_dropout){t->drop.rate, qv__seed_of(t->drop.seed, site)};
}

/* y = W x and what is added to it, at one site. */
static void apply(const struct qv_pass *p, size_t l, enum qv_linear_map which, float *y,
                  const float *x)
{
    size_t T = p->b->T, site = l * QV_N_MAPS + which;
    qv__linear(y, x, &p->m->layer[l].map[which], T, p->a->half);
    qv__update_apply(p->update, site, y, x, T);
    const struct qv_trainee *t = p->train;
    if (t && t->map && t->map[site].R)
        qv__lora(y, t->z[site], x, &t->map[site], T, drop_of(t, site), p->a->drop);
}

/* dx += the gradient through one site (unless dx is NULL), and the gradients of
 * what is trained there. */
static void apply_back(const struct qv_pass *p, size_t l, enum qv_linear_map which,
                       float *dx, const float *dy, const float *x)
{
    size_t T = p->b->T, site = l * QV_N_MAPS + which;
    const struct qv_weight *w = &p->m->layer[l].map[which];
    const struct qv_trainee *t = p->train;
    if (dx)
        qv__linear_back(dx, dy, w, T, p->a->half);
    if (t->map && t->map[site].R)
        qv__lora_back(dx, dy, x, t->z[site], &t->map[site], T, drop_of(t, site),
                      p->a->drop);
    if (t->dw)
        qv__linear_back_weight(t->dw + (w->f32 - p->m->own), dy, x, w->D_out, w->D_in, T);
}

/* Where each sequence's keys and values for this layer are; with caches, after
 * the new ones have been appended. */
static void place_keys(const struct qv_pass *p, size_t l)
{
    const struct qv_layer_acts *y = &p->a->layer[l];
    size_t width = p->m->c.Hk * p->m->c.E;
    for (size_t i = 0; i < p->b->n_seq; i++) {
        const struct qv_seq *s = &p->b->seq[i];
        p->a->keys[i] = y->k + s->begin * width;
        p->a->values[i] = y->v + s->begin * width;
        if (!p->cache)
            continue;
        struct qv_cache *c = p->cache[s->cache];
        float *k = c->k + l * c->n_ctx * width, *v = c->v + l * c->n_ctx * width;
        size_t bytes = s->n * width * sizeof *k;
        memcpy(k + s->n_past * width, p->a->keys[i], bytes);
        memcpy(v + s->n_past * width, p->a->values[i], bytes);
        p->a->keys[i] = k;
        p->a->values[i] = v;
        if (l + 1 == p->m->c.L)
            c->n = s->n_past + s->n;
    }
}

static void layer_forward(const struct qv_pass *p, size_t l, float *x_next)
{
    const struct qv_config *c = &p->m->c;
    const struct qv_layer *w = &p->m->layer[l];
    struct qv_acts *a = p->a;
    struct qv_layer_acts *y = &a->layer[l];
    size_t T = p->b->T;

    qv__rmsnorm(y->n1, y->inv1, y->x, w->norm1.f32, c->eps, T, c->D);
    apply(p, l, QV_Q, y->q, y->n1);
    apply(p, l, QV_K, y->k, y->n1);
    apply(p, l, QV_V, y->v, y->n1);
    qv__rope(y->q, p->b->pos, p->m->rope, T, c->H, c->E, false);
    qv__rope(y->k, p->b->pos, p->m->rope, T, c->Hk, c->E, false);
    place_keys(p, l);
    qv__attention(y->att, y->lse, y->q, a->keys, a->values, p->b,
                  (struct qv_heads){c->H, c->Hk, c->E}, a->scratch, a->n_max);
    apply(p, l, QV_O, a->proj, y->att);
    qv__sum(y->mid, y->x, a->proj, T * c->D);

    qv__rmsnorm(y->n2, y->inv2, y->mid, w->norm2.f32, c->eps, T, c->D);
    apply(p, l, QV_GATE, y->gate, y->n2);
    apply(p, l, QV_UP, y->up, y->n2);
    qv__swiglu(y->h, y->gate, y->up, T * c->F);
    apply(p, l, QV_DOWN, a->proj, y->h);
    qv__sum(x_next, y->mid, a->proj, T * c->D);
}

void qv__llama_forward(const struct qv_pass *p)
{
    struct qv_acts *a = p->a;
    qv__embed(a->layer[0].x, p->b->token, &p->m->embed, p->b->T);
    for (size_t l = 0; l < p->m->c.L; l++)
        layer_forward(p, l, l + 1 < p->m->c.L ? a->layer[l + 1].x : a->x);
}

void qv__llama_logits(const struct qv_pass *p, const int *row, size_t n)
{
    const struct qv_config *c = &p->m->c;
    struct qv_acts *a = p->a;
    qv__gather(a->rows, a->x, row, n, c->D);
    qv__rmsnorm(a->row_normed, a->row_inv, a->rows, p->m->norm.f32, c->eps, n, c->D);
    qv__linear(a->logits, a->row_normed, &p->m->head, n, a->half);
}

static void zero(float *x, size_t n)
{
    memset(x, 0, n * sizeof *x);
}

/* a->dx becomes the gradient of a->x, from that of the logits. */
static void head_backward(const struct qv_pass *p, const int *row, size_t n)
{
    const struct qv_config *c = &p->m->c;
    const qv_model *m = p->m;
    struct qv_acts *a = p->a;
    zero(a->dn, n * c->D);
    qv__linear_back(a->dn, a->logits, &m->head, n, a->half);
    zero(a->proj, n * c->D);
    qv__rmsnorm_back(a->proj, a->dn, a->rows, m->norm.f32, a->row_inv, n, c->D);
    zero(a->dx, p->b->T * c->D);
    qv__gather_back(a->dx, a->proj, row, n, c->D);
    if (p->train->dw) {
        float *dw = p->train->dw;
        qv__linear_back_weight(dw + (m->head.f32 - m->own), a->logits, a->row_normed, c->V,
                               c->D, n);
        qv__rmsnorm_back_weight(dw + (m->norm.f32 - m->own), a->dn, a->rows, a->row_inv, n,
                                c->D);
    }
}

/* dx += the gradient of x from dn, that of rmsnorm(x) * w. */
static void norm_back(const struct qv_pass *p, const struct qv_weight *w, const float *x,
                      const float *inv)
{
    size_t T = p->b->T, D = p->m->c.D;
    qv__rmsnorm_back(p->a->dx, p->a->dn, x, w->f32, inv, T, D);
    if (p->train->dw)
        qv__rmsnorm_back_weight(p->train->dw + (w->f32 - p->m->own), p->a->dn, x, inv, T,
                                D);
}

/* a->dx goes from the gradient of a layer's output to that of its input. At the
 * lowest layer that trains anything, the input's is not wanted. */
static void layer_backward(const struct qv_pass *p, size_t l, bool wants_dx)
{
    const struct qv_config *c = &p->m->c;
    const struct qv_layer *w = &p->m->layer[l];
    struct qv_acts *a = p->a;
    const struct qv_layer_acts *y = &a->layer[l];
    const struct qv_heads heads = {c->H, c->Hk, c->E};
    size_t T = p->b->T, q = T * c->H * c->E, kv = T * c->Hk * c->E;

    zero(a->dh, T * c->F);
    zero(a->dgate, T * c->F);
    zero(a->dup, T * c->F);
    zero(a->dn, T * c->D);
    apply_back(p, l, QV_DOWN, a->dh, a->dx, y->h);
    qv__swiglu_back(a->dgate, a->dup, a->dh, y->gate, y->up, T * c->F);
    apply_back(p, l, QV_UP, a->dn, a->dup, y->n2);
    apply_back(p, l, QV_GATE, a->dn, a->dgate, y->n2);
    norm_back(p, &w->norm2, y->mid, y->inv2);

    zero(a->datt, q);
    zero(a->dq, q);
    zero(a->dk, kv);
    zero(a->dv, kv);
    zero(a->dn, T * c->D);
    apply_back(p, l, QV_O, a->datt, a->dx, y->att);
    qv__attention_back(&(struct qv_attention_back){.dq = a->dq,
                                                   .dk = a->dk,
                                                   .dv = a->dv,
                                                   .dout = a->datt,
                                                   .out = y->att,
                                                   .lse = y->lse,
                                                   .q = y->q,
                                                   .k = y->k,
                                                   .v = y->v},
                       p->b, heads, a->scratch, a->n_max);
    qv__rope(a->dk, p->b->pos, p->m->rope, T, c->Hk, c->E, true);
    qv__rope(a->dq, p->b->pos, p->m->rope, T, c->H, c->E, true);
    float *dn = wants_dx ? a->dn : NULL;
    apply_back(p, l, QV_V, dn, a->dv, y->n1);
    apply_back(p, l, QV_K, dn, a->dk, y->n1);
    apply_back(p, l, QV_Q, dn, a->dq, y->n1);
    if (wants_dx)
        norm_back(p, &w->norm1, y->x, y->inv1);
}

void qv__llama_backward(const struct qv_pass *p, const int *row, size_t n)
{
    const struct qv_trainee *t = p->train;
    const qv_model *m = p->m;
    head_backward(p, row, n);
    size_t lowest = t->dw ? 0 : t->lowest;
    for (size_t l = m->c.L; l-- > lowest;)
        layer_backward(p, l, t->dw || l > lowest);
    if (t->dw)
        qv__embed_back(t->dw + (m->embed.f32 - m->own), p->a->dx, p->b->token, p->b->T,
                       m->c.D);
}
