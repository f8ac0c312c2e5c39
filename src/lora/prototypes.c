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

qv_status qv__prototypes_init(struct qv_prototypes *p, const struct qv_expert *e,
                              qv_err *err)
{
    *p = (struct qv_prototypes){.n_sites = e->n_sites};
    size_t n_v = 0;
    for (size_t i = 0; i < e->n_sites; i++)
        n_v += e->site[i].D_in;
    qv_carve need = {.used = layout(p, NULL, e->n_sites, n_v)};
    p->mem = qv__carve_alloc(&need);
    if (!p->mem)
        return qv_fail(err, QV_ENOMEM, "no memory for the prototypes of expert '%s'",
                       e->name);
    layout(p, p->mem, e->n_sites, n_v);
    for (size_t i = 0; i < e->n_sites; i++)
        p->first[i + 1] = p->first[i] + e->site[i].D_in;
    return QV_OK;
}

void qv__prototypes_end(struct qv_prototypes *p)
{
    if (!p)
        return;
    free(p->mem);
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
