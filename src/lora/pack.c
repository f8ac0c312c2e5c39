/* pack.c - see pack.h. */
#include "lora/pack.h"
#include "base/carve.h"
#include "lora/bank.h"
#include "lora/spectrum.h"

#include <stdlib.h>
#include <string.h>

/* Where the factors lie in their block; returns its size. */
static size_t lay_out(struct qv_pack *p, void *base)
{
    const struct qv_expert *e = p->shape;
    qv_carve c = {.base = base};
    for (size_t i = 0; i < e->n_sites; i++) {
        p->A[i] = qv__carve_f32(&c, e->site[i].R, e->site[i].D_in);
        p->Bt[i] = qv__carve_f32(&c, e->site[i].R, e->site[i].D_out);
    }
    return c.used;
}

static void fill(struct qv_pack *p)
{
    for (size_t i = 0; i < p->shape->n_sites; i++) {
        const struct qv_expert_site *s = &p->shape->site[i];
        memcpy(p->A[i], s->A, s->R * s->D_in * sizeof *s->A);
        for (size_t r = 0; r < s->R; r++)
            for (size_t o = 0; o < s->D_out; o++)
                p->Bt[i][r * s->D_out + o] = s->B[o * s->R + r];
    }
}

/* From memory into a file, unless there is no room for it. */
static void spill(struct qv_pack *p, const char *dir)
{
    if (qv__spill(&p->spill, dir, p->mem, p->bytes, NULL))
        return;
    free(p->mem);
    p->mem = NULL;
    lay_out(p, p->spill.bytes);
}

static qv_status pack(struct qv_pack *p, const char *spill_dir, qv_err *err)
{
    const struct qv_expert *e = p->shape;
    p->A = qv_new_n(&p->arena, float *, e->n_sites);
    p->Bt = qv_new_n(&p->arena, float *, e->n_sites);
    qv_carve need = {.used = lay_out(p, NULL)};
    p->bytes = need.used;
    p->mem = qv__carve_alloc(&need);
    if (!p->mem)
        return qv_fail(err, QV_ENOMEM, "expert '%s': no memory for its %zu bytes", e->name,
                       p->bytes);
    lay_out(p, p->mem);
    fill(p);
    if (spill_dir && p->bytes)
        spill(p, spill_dir);
    return QV_OK;
}

/* That prototypes from elsewhere have one vector of each site's width. */
static qv_status check_given(const struct qv_prototypes *p, const struct qv_expert *e,
                             qv_err *err)
{
    bool fits = p->n_sites == e->n_sites;
    for (size_t i = 0; fits && i < e->n_sites; i++)
        fits = p->first[i + 1] - p->first[i] == e->site[i].D_in;
    if (!fits)
        return qv_fail(err, QV_EFORMAT,
                       "expert '%s': its prototypes have the shape of another expert",
                       e->name);
    return qv__all_finite(p->v, p->first[p->n_sites])
               ? QV_OK
               : qv_fail(err, QV_EFORMAT, "expert '%s': a prototype is not finite",
                         e->name);
}

qv_status qv__pack_new(struct qv_pack **out, struct qv_expert *e, struct qv_prototypes *p,
                       const struct qv_sites *sites, const char *spill_dir, qv_err *err)
{
    *out = NULL;
    struct qv_pack *k = calloc(1, sizeof *k);
    if (!k) {
        qv__expert_free(e);
        qv__prototypes_end(p);
        return qv_fail(err, QV_ENOMEM, "no memory for an expert");
    }
    k->shape = e;
    k->p = *p;
    *p = (struct qv_prototypes){0};
    atomic_init(&k->used, false);
    k->where = qv_new_n(&k->arena, size_t, e->n_sites);
    qv_status result = qv__bank_place(k->where, e, sites, err);
    if (!result)
        result = k->p.mem ? check_given(&k->p, e, err) : qv__prototypes_of(&k->p, e, err);
    if (!result)
        result = pack(k, spill_dir, err);
    qv__expert_give_up(e);
    if (result)
        qv__pack_free(k);
    else
        *out = k;
    return result;
}

void qv__pack_free(struct qv_pack *p)
{
    if (!p)
        return;
    qv__expert_free(p->shape);
    qv__prototypes_end(&p->p);
    qv__spill_end(&p->spill);
    free(p->mem);
    qv__arena_free(&p->arena);
    free(p);
}

qv_status qv__pack_expert(struct qv_expert **out, const struct qv_pack *p, qv_err *err)
{
    const struct qv_expert *from = p->shape;
    qv_arena a = {0};
    struct qv_expert_shape *shape = qv_new_n(&a, struct qv_expert_shape, from->n_sites);
    for (size_t i = 0; i < from->n_sites; i++) {
        const struct qv_expert_site *s = &from->site[i];
        shape[i] = (struct qv_expert_shape){s->path, s->D_in, s->D_out, s->R, s->alpha};
    }
    qv_status result =
        qv__expert_new(out, from->name, shape, from->n_sites, from->is_rslora, err);
    qv__arena_free(&a);
    for (size_t i = 0; !result && i < from->n_sites; i++) {
        struct qv_expert_site *s = &(*out)->site[i];
        s->scale = from->site[i].scale;
        memcpy(s->A, p->A[i], s->R * s->D_in * sizeof *s->A);
        for (size_t r = 0; r < s->R; r++)
            for (size_t o = 0; o < s->D_out; o++)
                s->B[o * s->R + r] = p->Bt[i][r * s->D_out + o];
    }
    if (!result && from->base)
        (*out)->base = qv__arena_str(&(*out)->arena, from->base);
    return result;
}

void qv__pack_rest(const struct qv_pack *p)
{
    qv__spill_rest(&p->spill);
}
