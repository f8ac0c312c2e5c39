/* pack.c - see pack.h. */
#include "lora/pack.h"
#include "base/carve.h"
#include "lora/bank.h"
#include "lora/spectrum.h"

#include <stdlib.h>
#include <string.h>

/* Where everything lies in the block; returns its size. */
static size_t lay_out(struct qv_pack *p, void *base)
{
    const struct qv_expert *e = p->shape;
    qv_carve c = {.base = base};
    for (size_t i = 0; i < e->n_sites; i++) {
        p->A[i] = qv__carve_f32(&c, e->site[i].R, e->site[i].D_in);
        p->Bt[i] = qv__carve_f32(&c, e->site[i].R, e->site[i].D_out);
    }
    p->p.v = qv__carve_f32(&c, p->p.first[e->n_sites], 1);
    p->p.sigma = qv__carve_f32(&c, e->n_sites, 2);
    p->p.mem = base; // that they are there; the pack owns them
    return c.used;
}

static void fill(struct qv_pack *p, const struct qv_prototypes *given)
{
    const struct qv_expert *e = p->shape;
    for (size_t i = 0; i < e->n_sites; i++) {
        const struct qv_expert_site *s = &e->site[i];
        memcpy(p->A[i], s->A, s->R * s->D_in * sizeof *s->A);
        for (size_t r = 0; r < s->R; r++)
            for (size_t o = 0; o < s->D_out; o++)
                p->Bt[i][r * s->D_out + o] = s->B[o * s->R + r];
    }
    memcpy(p->p.v, given->v, given->first[e->n_sites] * sizeof *given->v);
    memcpy(p->p.sigma, given->sigma, 2 * e->n_sites * sizeof *given->sigma);
}

/* From memory into a file. */
static qv_status spill(struct qv_pack *p, const char *dir, qv_err *err)
{
    qv_status result = qv__spill(&p->spill, dir, p->mem, p->bytes, err);
    if (result)
        return result;
    free(p->mem);
    p->mem = NULL;
    lay_out(p, p->spill.bytes);
    return QV_OK;
}

static qv_status pack(struct qv_pack *p, const struct qv_prototypes *given,
                      const char *spill_dir, qv_err *err)
{
    struct qv_expert *e = p->shape;
    p->p.n_sites = e->n_sites;
    p->p.first = qv_new_n(&p->arena, size_t, e->n_sites + 1);
    memcpy(p->p.first, given->first, (e->n_sites + 1) * sizeof *p->p.first);
    p->A = qv_new_n(&p->arena, float *, e->n_sites);
    p->Bt = qv_new_n(&p->arena, float *, e->n_sites);
    qv_carve need = {.used = lay_out(p, NULL)};
    p->bytes = need.used;
    p->mem = qv__carve_alloc(&need);
    if (!p->mem)
        return qv_fail(err, QV_ENOMEM, "expert '%s': no memory for its %zu bytes", e->name,
                       p->bytes);
    lay_out(p, p->mem);
    fill(p, given);
    return spill_dir && p->bytes ? spill(p, spill_dir, err) : QV_OK;
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

qv_status qv__pack_new(struct qv_pack **out, struct qv_expert *e,
                       const struct qv_prototypes *given, const struct qv_sites *sites,
                       const char *spill_dir, qv_err *err)
{
    *out = NULL;
    struct qv_prototypes made = {0};
    struct qv_pack *p = calloc(1, sizeof *p);
    if (!p) {
        qv__expert_free(e);
        return qv_fail(err, QV_ENOMEM, "no memory for an expert");
    }
    p->shape = e;
    atomic_init(&p->used, false);
    p->where = qv_new_n(&p->arena, size_t, e->n_sites);
    qv_status result = qv__bank_place(p->where, e, sites, err);
    if (!result)
        result = given ? check_given(given, e, err) : qv__prototypes_of(&made, e, err);
    if (!result)
        result = pack(p, given ? given : &made, spill_dir, err);
    qv__prototypes_end(&made);
    qv__expert_give_up(e);
    if (result)
        qv__pack_free(p);
    else
        *out = p;
    return result;
}

void qv__pack_free(struct qv_pack *p)
{
    if (!p)
        return;
    qv__expert_free(p->shape);
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
