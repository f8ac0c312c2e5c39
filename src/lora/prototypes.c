/* prototypes.c - see prototypes.h. */
#include "lora/prototypes.h"

#include "base/carve.h"
#include "lora/spectrum.h"

#include <stdlib.h>

static size_t layout(struct qv_prototypes *p, void *base, size_t n_sites, size_t n_v)
{
    qv_carve c = {.base = base};
    p->first = qv__carve(&c, n_sites + 1, 1, 1, sizeof *p->first);
    p->v = qv__carve_f32(&c, n_v, 1);
    p->sigma = qv__carve_f32(&c, n_sites, 2);
    return c.used;
}

static qv_status make(struct qv_prototypes *p, const char *expert, const size_t *width,
                      size_t n_sites, bool has_v, qv_err *err)
{
    *p = (struct qv_prototypes){.n_sites = n_sites};
    size_t n_v = 0;
    for (size_t i = 0; i < n_sites; i++)
        n_v += width[i];
    qv_carve need = {.used = layout(p, NULL, n_sites, has_v ? n_v : 0)};
    p->mem = qv__carve_alloc(&need);
    if (!p->mem)
        return qv_fail(err, QV_ENOMEM, "no memory for the prototypes of expert '%s'",
                       expert);
    layout(p, p->mem, n_sites, has_v ? n_v : 0);
    for (size_t i = 0; i < n_sites; i++)
        p->first[i + 1] = p->first[i] + width[i];
    return QV_OK;
}

qv_status qv__prototypes_sized(struct qv_prototypes *p, const char *expert,
                               const size_t *width, size_t n_sites, qv_err *err)
{
    return make(p, expert, width, n_sites, true, err);
}

static qv_status make_for(struct qv_prototypes *p, const struct qv_expert *e, bool has_v,
                          qv_err *err)
{
    qv_arena a = {0};
    size_t *width = qv_new_n(&a, size_t, e->n_sites);
    for (size_t i = 0; i < e->n_sites; i++)
        width[i] = e->site[i].D_in;
    qv_status result = make(p, e->name, width, e->n_sites, has_v, err);
    qv__arena_free(&a);
    return result;
}

qv_status qv__prototypes_init(struct qv_prototypes *p, const struct qv_expert *e,
                              qv_err *err)
{
    return make_for(p, e, true, err);
}

static bool is_floats(const struct qv_tensor *t, size_t n)
{
    return t && t->dtype == QV_F32 && t->n == n;
}

qv_status qv__prototypes_map(struct qv_prototypes *p, const struct qv_expert *e,
                             struct qv_st *st, bool copies, bool wants_sigma,
                             const char *kind, qv_err *err)
{
    const struct qv_tensor *v = qv__st_find(st, "v"), *sigma = qv__st_find(st, "sigma");
    const bool stays = v && !copies && (uintptr_t)v->data % _Alignof(float) == 0;
    qv_status result = make_for(p, e, !stays, err);
    const size_t n = result ? 0 : p->first[p->n_sites];
    if (!result && !(is_floats(v, n) && (!wants_sigma || is_floats(sigma, 2 * p->n_sites))))
        result = qv_fail(err, QV_EFORMAT, "artifact '%s' is not of its shape", kind);
    if (!result && wants_sigma)
        qv__st_f32(p->sigma, sigma, 0, sigma->n);
    if (!result && stays) {
        p->v = (float *)(uintptr_t)v->data; // written to by nobody
        p->file = st->map;
        st->map = (struct qv_map){0};
    } else if (!result) {
        qv__st_f32(p->v, v, 0, n);
    }
    qv__st_close(st);
    if (result)
        qv__prototypes_end(p);
    return result;
}

void qv__prototypes_end(struct qv_prototypes *p)
{
    if (!p)
        return;
    free(p->mem);
    qv__unmap(&p->file);
    *p = (struct qv_prototypes){0};
}

qv_status qv__prototypes_of(struct qv_prototypes *p, const struct qv_expert *e, qv_err *err)
{
    struct qv_first bad = {0};
    qv_status result = qv__prototypes_init(p, e, err);
    if (result)
        return result;
#pragma omp parallel for schedule(dynamic)
    for (size_t i = 0; i < e->n_sites; i++) {
        const struct qv_expert_site *s = &e->site[i];
        qv_err own;
        qv_status st = qv__prototype(p->v + p->first[i], p->sigma + 2 * i, s->A, s->B, s->R,
                                     s->D_in, s->D_out, &own);
        if (st) {
            qv_wrap(&own, st, "expert '%s': site '%s': ", e->name, s->path);
            qv__first_note(&bad, i, &own);
        }
    }
    result = qv__first_tell(&bad, err);
    if (result)
        qv__prototypes_end(p);
    return result;
}
