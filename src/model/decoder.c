/* decoder.c - the decoder that all families are, as a list of operators, forward and
 * backward.
 *
 *     for each layer:
 *         n1  = norm1(x)
 *         q, k, v = Wq n1, Wk n1, Wv n1;  rotate q and k
 *         mid = x + Wo attention(q, k, v)
 *         n2  = norm2(mid); in a parallel block norm2(x), or n1
 *         x   = mid + Wdown f(Wup n2), or mid + Wdown (silu(Wgate n2) * Wup n2)
 *     logits = Whead norm(x)
 *
 * Each W is a site: whatever the pass adds to it, LoRA in training or routed
 * experts in use, is added right after the base's product. The backward pass is
 * the forward pass read upwards.
 */
#include "model/decoder.h"
#include "base/rng.h"
#include "op/attention.h"
#include "op/embed.h"
#include "op/gelu.h"
#include "op/layernorm.h"
#include "op/rmsnorm.h"
#include "op/rope.h"
#include "op/swiglu.h"

#include <string.h>

static struct qv_dropout drop_of(const struct qv_trainee *t, size_t site)
{
    return (struct qv_dropout){t->drop.rate, qv__seed_of(t->drop.seed, site)};
}

static void zero(float *x, size_t n)
{
    memset(x, 0, n * sizeof *x);
}

static bool has(const struct qv_affine *a)
{
    return a->w.D_in > 0;
}

/* The gradient of a weight of the base. */
static float *dw_of(const struct qv_pass *p, const struct qv_weight *w)
{
    return p->train->dw + (w->f32 - p->m->own);
}

/* A site of a layer, and where its output goes. */
struct applied {
    enum qv_linear_map map;
    float *y;
};

/* What is added to y = W x at one site: b, and updates. */
static void add(const struct qv_pass *p, size_t l, struct applied s, const float *x)
{
    const struct qv_affine *w = &p->m->layer[l].map[s.map];
    size_t T = p->b->T, site = l * p->m->n_maps + p->m->slot[s.map];
    if (w->b.D_in)
        qv__bias(s.y, w->b.f32, T, w->w.D_out);
    if (p->parts)
        qv__parts_update(p->parts, site, s.y, x, &w->w);
    else
        qv__update_apply(p->update, site, s.y, x, T);
    const struct qv_trainee *t = p->train;
    if (t && t->map && t->map[site].R)
        qv__lora(s.y, t->z[site], x, &t->map[site], T, drop_of(t, site), p->a->drop);
    if (t && t->gate && t->gate[site].R)
        qv__gate(s.y, t->z[site], x, &t->gate[site], T, p->a->drop);
}

/* y = W x + b and what is added to it, at n sites that share x. */
static void apply_all(const struct qv_pass *p, size_t l, const struct applied *s, size_t n,
                      const float *x)
{
    struct qv_product product[QV_MAPS_OF_X];
    for (size_t i = 0; i < n; i++)
        product[i] = (struct qv_product){s[i].y, &p->m->layer[l].map[s[i].map].w};
    if (p->parts)
        qv__parts_linear(p->parts, product, n, x, p->a->room);
    else
        qv__linear_all(product, n, x, p->b->T, p->a->room);
    for (size_t i = 0; i < n; i++)
        add(p, l, s[i], x);
}

static void apply(const struct qv_pass *p, size_t l, enum qv_linear_map map, float *y,
                  const float *x)
{
    apply_all(p, l, &(struct applied){map, y}, 1, x);
}

/* dx += the gradient through one site (unless dx is NULL), and the gradients of
 * what is trained there. */
static void apply_back(const struct qv_pass *p, size_t l, enum qv_linear_map which,
                       float *dx, const float *dy, const float *x)
{
    const struct qv_affine *w = &p->m->layer[l].map[which];
    size_t T = p->b->T, site = l * p->m->n_maps + p->m->slot[which];
    const struct qv_trainee *t = p->train;
    if (dx)
        qv__linear_back(dx, dy, &w->w, T, p->a->room);
    if (t->map && t->map[site].R)
        qv__lora_back(dx, dy, x, t->z[site], &t->map[site], T, drop_of(t, site),
                      p->a->drop);
    if (t->gate && t->gate[site].R)
        qv__gate_back(dx, dy, x, t->z[site], &t->gate[site], T, p->a->drop);
    if (t->dw)
        qv__linear_back_weight(dw_of(p, &w->w), dy, x, w->w.D_out, w->w.D_in, T);
    if (t->dw && w->b.D_in)
        qv__bias_back(dw_of(p, &w->b), dy, T, w->w.D_out);
}

/* y = norm(x), rows of x as wide as the norm. stat [rows, 2] is kept for the backward
 * pass. */
static void norm(const struct qv_pass *p, const struct qv_affine *w, float *y, float *stat,
                 const float *x, size_t rows)
{
    const struct qv_config *c = &p->m->c;
    if (c->is_layernorm)
        qv__layernorm(y, stat, x, w->w.f32, w->b.f32, c->eps, rows, w->w.D_in);
    else
        qv__rmsnorm(y, stat, x, w->w.f32, c->eps, rows, w->w.D_in);
}

/* dx += the gradient of x from dy, that of norm(x). */
static void norm_back(const struct qv_pass *p, const struct qv_affine *w, float *dx,
                      const float *dy, const float *x, const float *stat, size_t rows)
{
    const size_t D = w->w.D_in;
    const bool trains = p->train->dw;
    if (p->m->c.is_layernorm) {
        qv__layernorm_back(dx, dy, x, w->w.f32, stat, rows, D);
        if (trains)
            qv__layernorm_back_weight(dw_of(p, &w->w), dw_of(p, &w->b), dy, x, stat, rows,
                                      D);
    } else {
        qv__rmsnorm_back(dx, dy, x, w->w.f32, stat, rows, D);
        if (trains)
            qv__rmsnorm_back_weight(dw_of(p, &w->w), dy, x, stat, rows, D);
    }
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

/* Row t of qkv [T, (H + 2 Hk) E] is q, k, v; or, head by head, each head's q, k, v.
 * `joins` says which way the numbers go. */
static void split(const struct qv_config *c, float *qkv, float *q, float *k, float *v,
                  size_t T, bool joins)
{
    const size_t E = c->E, width = (c->H + 2 * c->Hk) * E;
    for (size_t t = 0; t < T; t++)
        for (size_t i = 0; i < c->H + 2 * c->Hk; i++) {
            size_t kind = i < c->H ? 0 : i < c->H + c->Hk ? 1 : 2;
            size_t head = i - (kind == 0 ? 0 : kind == 1 ? c->H : c->H + c->Hk);
            size_t at = c->is_interleaved ? 3 * head + kind : i;
            float *part = kind == 0   ? q + (t * c->H + head) * E
                          : kind == 1 ? k + (t * c->Hk + head) * E
                                      : v + (t * c->Hk + head) * E;
            float *whole = qkv + t * width + at * E;
            memcpy(joins ? whole : part, joins ? part : whole, E * sizeof *part);
        }
}

static struct qv_heads heads_of(const struct qv_config *c, size_t l)
{
    return (struct qv_heads){c->H, c->Hk, c->E, c->scale, qv__config_window(c, l)};
}

/* y->q, y->k, y->v from the layer's input. */
static void queries_and_keys(const struct qv_pass *p, size_t l)
{
    const struct qv_config *c = &p->m->c;
    const struct qv_layer *w = &p->m->layer[l];
    struct qv_acts *a = p->a;
    struct qv_layer_acts *y = &a->layer[l];
    const size_t T = p->b->T;

    norm(p, &w->norm1, y->n1, y->stat1, y->x, T);
    if (has(&w->map[QV_QKV])) {
        apply(p, l, QV_QKV, a->qkv, y->n1);
        split(c, a->qkv, y->q, y->k, y->v, T, false);
    } else {
        const struct applied all[] = {{QV_Q, c->has_qk_norm ? y->q_raw : y->q},
                                      {QV_K, c->has_qk_norm ? y->k_raw : y->k},
                                      {QV_V, y->v}};
        apply_all(p, l, all, 3, y->n1);
    }
    if (c->has_qk_norm) {
        norm(p, &w->q_norm, y->q, y->q_stat, y->q_raw, T * c->H);
        norm(p, &w->k_norm, y->k, y->k_stat, y->k_raw, T * c->Hk);
    }
    if (!c->is_learned) {
        qv__rope(y->q, p->b->pos, p->m->rope, T, c->H, c->E, c->R, false);
        qv__rope(y->k, p->b->pos, p->m->rope, T, c->Hk, c->E, c->R, false);
    }
    place_keys(p, l);
}

/* Whether the rest of the layer goes without some rows: the last one, where they are not
 * read. */
static bool leaves_out(const struct qv_pass *p, size_t l)
{
    return l + 1 == p->m->c.L && p->a->leaves_out;
}

/* The layer's input, of the rows that the rest of it has. */
static const float *input(const struct qv_pass *p, size_t l)
{
    return leaves_out(p, l) ? p->a->read_x : p->a->layer[l].x;
}

/* What goes into its feed-forward. */
static const float *normed(const struct qv_pass *p, size_t l)
{
    const bool is_shared = p->m->c.block == QV_PARALLEL_SHARED;
    return is_shared && leaves_out(p, l) ? p->a->read_n1 : p->a->layer[l].n2;
}

/* y->h = the feed-forward of n2, before its last map */
static void feed_forward(const struct qv_pass *p, size_t l)
{
    const struct qv_config *c = &p->m->c;
    struct qv_layer_acts *y = &p->a->layer[l];
    const struct applied all[] = {{QV_UP, y->up}, {QV_GATE, y->gate}};
    apply_all(p, l, all, c->is_gated ? 2 : 1, normed(p, l));
    if (c->is_gated)
        qv__swiglu(y->h, y->gate, y->up, p->b->T * c->F);
    else
        qv__activate(y->h, y->up, p->b->T * c->F, c->activation);
}

/* From queries and keys to y->h. */
static void attention_and_up(const struct qv_pass *p, size_t l)
{
    const struct qv_config *c = &p->m->c;
    const struct qv_layer *w = &p->m->layer[l];
    struct qv_acts *a = p->a;
    struct qv_layer_acts *y = &a->layer[l];
    const size_t T = p->b->T;

    qv__attention(y->att, y->lse, y->q, a->keys, a->values, p->b, heads_of(c, l),
                  a->scratch, a->n_max);
    apply(p, l, QV_O, a->proj, y->att);
    qv__sum(y->mid, input(p, l), a->proj, T * c->D);
    if (c->block == QV_SEQUENTIAL)
        norm(p, &w->norm2, y->n2, y->stat2, y->mid, T);
    else if (c->block == QV_PARALLEL)
        norm(p, &w->norm2, y->n2, y->stat2, input(p, l), T);
    feed_forward(p, l);
}

/* The rest of a layer. */
static void down(const struct qv_pass *p, size_t l, float *x_next)
{
    const struct qv_layer_acts *y = &p->a->layer[l];
    apply(p, l, QV_DOWN, p->a->proj, y->h);
    qv__sum(x_next, y->mid, p->a->proj, p->b->T * p->m->c.D);
}

/* Whether an update must meet all rows of a pass: routers by text may know rows by their
 * number, and whoever watches wants to see all. */
static bool meets_all(const struct qv_update *u)
{
    return u && (u->watch || u->see || (qv__update_reads(u) && !u->texts.is_one));
}

/* p->a->read become the sequences without those rows that the last layer may leave out; to
 * attention what is left out of a sequence is its past. */
static void choose_read(const struct qv_pass *p)
{
    size_t T = 0;
    for (size_t i = 0; i < p->b->n_seq; i++) {
        struct qv_seq *s = &p->a->read[i];
        *s = p->b->seq[i];
        if (meets_all(p->parts ? p->parts->at[i].update : p->update))
            s->n_unread = 0;
        s->begin = T;
        s->n -= s->n_unread;
        s->n_past += s->n_unread;
        T += s->n;
    }
    p->a->n_read = T;
    p->a->leaves_out = T < p->b->T;
}

/* The parts of those sequences. */
static struct qv_parts read_parts(const struct qv_pass *p)
{
    struct qv_parts parts = {.at = p->a->read_part};
    for (size_t i = 0; i < p->b->n_seq; i++) {
        const struct qv_seq *s = &p->a->read[i];
        if (s->n > 0)
            p->a->read_part[parts.n++] =
                (struct qv_pass_part){s->begin, s->n, p->parts->at[i].update};
    }
    return parts;
}

/* A pass of those rows. */
struct reading {
    struct qv_pass pass;
    struct qv_batch b;
    struct qv_parts parts;
};

static const struct qv_pass *reading(struct reading *r, const struct qv_pass *p)
{
    r->b = (struct qv_batch){.T = p->a->n_read, .seq = p->a->read, .n_seq = p->b->n_seq};
    r->pass = *p;
    r->pass.b = &r->b;
    if (p->parts) {
        r->parts = read_parts(p);
        r->pass.parts = &r->parts;
    }
    return &r->pass;
}

/* The rows of x [T, width] that are read, to the front of `to`, which may be x. */
static void gather_read(const struct qv_pass *p, float *to, const float *x, size_t width)
{
    for (size_t i = 0; i < p->b->n_seq; i++) {
        const struct qv_seq *read = &p->a->read[i];
        memmove(to + read->begin * width, x + (p->b->seq[i].begin + read->n_unread) * width,
                read->n * width * sizeof *x);
    }
}

/* And back to where they were; the others become 0. */
static void spread_read(const struct qv_pass *p, float *x, size_t width)
{
    for (size_t i = p->b->n_seq; i-- > 0;) {
        const struct qv_seq *read = &p->a->read[i];
        float *first = x + p->b->seq[i].begin * width;
        memmove(first + read->n_unread * width, x + read->begin * width,
                read->n * width * sizeof *x);
        zero(first, read->n_unread * width);
    }
}

/* All that the backward pass needs of a layer, from its input. Returns the pass of the rows
 * that the rest of the layer has. */
static const struct qv_pass *layer_inside(struct reading *r, const struct qv_pass *p,
                                          size_t l)
{
    const struct qv_config *c = &p->m->c;
    const struct qv_layer_acts *y = &p->a->layer[l];
    queries_and_keys(p, l);
    if (leaves_out(p, l)) {
        gather_read(p, p->a->read_x, y->x, c->D);
        gather_read(p, y->q, y->q, c->H * c->E);
        if (c->block == QV_PARALLEL_SHARED)
            gather_read(p, p->a->read_n1, y->n1, c->D);
        p = reading(r, p);
    }
    if (p->b->T)
        attention_and_up(p, l);
    return p;
}

static void layer_forward(const struct qv_pass *p, size_t l, float *x_next)
{
    struct reading r;
    const struct qv_pass *rest = layer_inside(&r, p, l);
    if (rest->b->T)
        down(rest, l, x_next);
    if (leaves_out(p, l))
        spread_read(p, x_next, p->m->c.D);
}

/* What the first n layers make of the batch. */
static const float *layers_forward(const struct qv_pass *p, size_t n)
{
    struct qv_acts *a = p->a;
    const size_t T = p->b->T, L = p->m->c.L;
    qv__embed(a->layer[0].x, p->b->token, &p->m->embed, T);
    if (p->m->c.is_learned) {
        qv__embed(a->proj, p->b->pos, &p->m->positions, T);
        qv__sum(a->layer[0].x, a->layer[0].x, a->proj, T * p->m->c.D);
    }
    for (size_t l = 0; l < n; l++)
        layer_forward(p, l, l + 1 < L ? a->layer[l + 1].x : a->x);
    return n < L ? a->layer[n].x : a->x;
}

const float *qv__decoder_hidden(const struct qv_pass *p, size_t n)
{
    p->a->leaves_out = false;
    return layers_forward(p, n);
}

void qv__decoder_forward(const struct qv_pass *p)
{
    choose_read(p);
    layers_forward(p, p->m->c.L);
}

void qv__decoder_normed(const struct qv_pass *p, const int *row, size_t n)
{
    struct qv_acts *a = p->a;
    qv__gather(a->rows, a->x, row, n, p->m->c.D);
    norm(p, &p->m->norm, a->row_normed, a->row_stat, a->rows, n);
}

void qv__decoder_logits(const struct qv_pass *p, const int *row, size_t n)
{
    const struct qv_config *c = &p->m->c;
    struct qv_acts *a = p->a;
    qv__decoder_normed(p, row, n);
    if (p->parts)
        qv__linear_rows(a->logits, a->row_normed, &p->m->head.w, n, a->room);
    else
        qv__linear(a->logits, a->row_normed, &p->m->head.w, n, a->room);
    if (c->has_head_bias)
        qv__bias(a->logits, p->m->head.b.f32, n, c->V);
}

/* a->dx becomes the gradient of a->x, from that of the logits. */
static void head_backward(const struct qv_pass *p, const int *row, size_t n)
{
    const struct qv_config *c = &p->m->c;
    const struct qv_affine *head = &p->m->head;
    struct qv_acts *a = p->a;
    zero(a->dn, n * c->D);
    qv__linear_back(a->dn, a->logits, &head->w, n, a->room);
    zero(a->proj, n * c->D);
    norm_back(p, &p->m->norm, a->proj, a->dn, a->rows, a->row_stat, n);
    zero(a->dx, p->b->T * c->D);
    qv__gather_back(a->dx, a->proj, row, n, c->D);
    if (p->train->dw)
        qv__linear_back_weight(dw_of(p, &head->w), a->logits, a->row_normed, c->V, c->D, n);
    if (p->train->dw && head->b.D_in)
        qv__bias_back(dw_of(p, &head->b), a->logits, n, c->V);
}

/* dn += the gradient of n2, from a->dx, that of the feed-forward's output. */
static void feed_forward_back(const struct qv_pass *p, size_t l, float *dn)
{
    const struct qv_config *c = &p->m->c;
    struct qv_acts *a = p->a;
    const struct qv_layer_acts *y = &a->layer[l];
    const size_t n = p->b->T * c->F;
    zero(a->dh, n);
    zero(a->dup, n);
    apply_back(p, l, QV_DOWN, a->dh, a->dx, y->h);
    if (c->is_gated) {
        zero(a->dgate, n);
        qv__swiglu_back(a->dgate, a->dup, a->dh, y->gate, y->up, n);
    } else {
        qv__activate_back(a->dup, a->dh, y->up, n, c->activation);
    }
    apply_back(p, l, QV_UP, dn, a->dup, normed(p, l));
    if (c->is_gated)
        apply_back(p, l, QV_GATE, dn, a->dgate, normed(p, l));
}

/* a->dq and a->dk go from normed queries and keys to what the maps gave. */
static void qk_norm_back(const struct qv_pass *p, size_t l)
{
    const struct qv_config *c = &p->m->c;
    const struct qv_layer *w = &p->m->layer[l];
    struct qv_acts *a = p->a;
    const struct qv_layer_acts *y = &a->layer[l];
    const size_t q = p->b->T * c->H, kv = p->b->T * c->Hk;
    zero(a->dq_raw, q * c->E);
    zero(a->dk_raw, kv * c->E);
    norm_back(p, &w->q_norm, a->dq_raw, a->dq, y->q_raw, y->q_stat, q);
    norm_back(p, &w->k_norm, a->dk_raw, a->dk, y->k_raw, y->k_stat, kv);
    memcpy(a->dq, a->dq_raw, q * c->E * sizeof *a->dq);
    memcpy(a->dk, a->dk_raw, kv * c->E * sizeof *a->dk);
}

/* a->dq, a->dk and a->dv from a->dx, the gradient of attention's output in `rest`, the rows
 * that the layer's rest has; keys and values are of all rows. */
static void attention_back(const struct qv_pass *rest, const struct qv_pass *p, size_t l)
{
    const struct qv_config *c = &p->m->c;
    struct qv_acts *a = p->a;
    const struct qv_layer_acts *y = &a->layer[l];
    const size_t q = rest->b->T * c->H * c->E, kv = p->b->T * c->Hk * c->E;
    zero(a->datt, q);
    zero(a->dq, q);
    zero(a->dk, kv);
    zero(a->dv, kv);
    apply_back(rest, l, QV_O, a->datt, a->dx, y->att);
    qv__attention_back(&(struct qv_attention_back){.dq = a->dq,
                                                   .dk = a->dk,
                                                   .dv = a->dv,
                                                   .dout = a->datt,
                                                   .out = y->att,
                                                   .lse = y->lse,
                                                   .q = y->q,
                                                   .k = y->k,
                                                   .v = y->v,
                                                   .of_keys = p->b->seq},
                       rest->b, heads_of(c, l), a->scratch, a->n_max);
}

/* dn += the gradient of n1, unless dn is NULL, from those of queries, keys and values. */
static void queries_and_keys_back(const struct qv_pass *p, size_t l, float *dn)
{
    const struct qv_config *c = &p->m->c;
    struct qv_acts *a = p->a;
    const struct qv_layer_acts *y = &a->layer[l];
    const size_t T = p->b->T;
    if (!c->is_learned) {
        qv__rope(a->dk, p->b->pos, p->m->rope, T, c->Hk, c->E, c->R, true);
        qv__rope(a->dq, p->b->pos, p->m->rope, T, c->H, c->E, c->R, true);
    }
    if (c->has_qk_norm)
        qk_norm_back(p, l);
    if (has(&p->m->layer[l].map[QV_QKV])) {
        split(c, a->qkv, a->dq, a->dk, a->dv, T, true);
        apply_back(p, l, QV_QKV, dn, a->qkv, y->n1);
        return;
    }
    apply_back(p, l, QV_V, dn, a->dv, y->n1);
    apply_back(p, l, QV_K, dn, a->dk, y->n1);
    apply_back(p, l, QV_Q, dn, a->dq, y->n1);
}

/* a->dx goes from the gradient of a layer's output to that of its input. At the
 * lowest layer that trains anything, the input's is not wanted. */
static void layer_backward(const struct qv_pass *p, size_t l, bool wants_dx)
{
    const struct qv_config *c = &p->m->c;
    const struct qv_layer *w = &p->m->layer[l];
    struct qv_acts *a = p->a;
    const struct qv_layer_acts *y = &a->layer[l];
    struct reading r;
    const struct qv_pass *rest = leaves_out(p, l) ? reading(&r, p) : p;
    const size_t T = p->b->T, T_rest = rest->b->T;
    float *dn2 = c->block == QV_PARALLEL ? a->dn2 : a->dn;

    if (leaves_out(p, l))
        gather_read(p, a->dx, a->dx, c->D);
    zero(dn2, T_rest * c->D);
    feed_forward_back(rest, l, dn2);
    if (c->block == QV_SEQUENTIAL)
        norm_back(p, &w->norm2, a->dx, dn2, y->mid, y->stat2, T_rest);
    attention_back(rest, p, l);
    if (wants_dx && c->block == QV_PARALLEL)
        norm_back(p, &w->norm2, a->dx, dn2, input(p, l), y->stat2, T_rest);
    if (leaves_out(p, l)) {
        spread_read(p, a->dx, c->D);
        spread_read(p, a->dq, c->H * c->E);
        if (c->block == QV_PARALLEL_SHARED)
            spread_read(p, a->dn, c->D);
    }
    if (c->block != QV_PARALLEL_SHARED)
        zero(a->dn, T * c->D);
    queries_and_keys_back(p, l, wants_dx ? a->dn : NULL);
    if (wants_dx)
        norm_back(p, &w->norm1, a->dx, a->dn, y->x, y->stat1, T);
}

void qv__decoder_backward(const struct qv_pass *p, const int *row, size_t n)
{
    const struct qv_trainee *t = p->train;
    const qv_model *m = p->m;
    struct reading r;
    if (n == 0) // nothing was said of any row
        return;
    head_backward(p, row, n);
    size_t lowest = t->dw ? 0 : t->lowest;
    for (size_t l = m->c.L; l-- > lowest;) {
        if (l < p->a->n_again)
            layer_inside(&r, p, l);
        layer_backward(p, l, t->dw || l > lowest);
    }
    if (t->dw)
        qv__embed_back(dw_of(p, &m->embed), p->a->dx, p->b->token, p->b->T, m->c.D);
    if (t->dw && m->c.is_learned)
        qv__embed_back(dw_of(p, &m->positions), p->a->dx, p->b->pos, p->b->T, m->c.D);
}
