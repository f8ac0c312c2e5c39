/* cache.c - the keys and values of one sequence. */
#include "model/decoder.h"
#include "base/carve.h"

#include <stdlib.h>

static size_t lay_out(struct qv_cache *c, void *base, const struct qv_config *d)
{
    qv_carve carve = {.base = base};
    c->k = qv__carve(&carve, d->L, c->n_ctx, d->Hk * d->E, sizeof *c->k);
    c->v = qv__carve(&carve, d->L, c->n_ctx, d->Hk * d->E, sizeof *c->v);
    return carve.used;
}

qv_status qv__cache_init(struct qv_cache *c, const qv_model *m, size_t n_ctx, qv_err *err)
{
    *c = (struct qv_cache){.n_ctx = n_ctx};
    qv_carve need = {.used = lay_out(c, NULL, &m->c)};
    c->mem = qv__carve_alloc(&need);
    if (!c->mem)
        return qv_fail(err, QV_ENOMEM, "no memory for a cache of %zu positions", n_ctx);
    lay_out(c, c->mem, &m->c);
    return QV_OK;
}

void qv__cache_end(struct qv_cache *c)
{
    free(c->mem);
    *c = (struct qv_cache){0};
}
