/* update.c - see update.h. */
#include "route/update.h"

#include "base/carve.h"
#include "op/dora.h"
#include "op/gemm.h"

#include <stdlib.h>

static size_t layout(struct qv_update *u, void *base, size_t T, size_t k, size_t z_rows,
                     size_t z_width)
{
    qv_carve c = {.base = base};
    u->routing.expert = qv__carve(&c, T, k, 1, sizeof *u->routing.expert);
    u->routing.weight = qv__carve_f32(&c, T, k);
    u->z = qv__carve_f32(&c, z_rows, z_width);
    return c.used;
}

qv_status qv__update_init(struct qv_update *u, const struct qv_bank *bank,
                          const struct qv_router *router, enum qv_compose compose,
                          size_t T_max, qv_err *err)
{
    qv_check(router ? router->bank == bank : bank->K == 1);
    *u = (struct qv_update){
        .bank = bank, .router = router, .compose = compose, .T_max = T_max};
    size_t K = 0, R = 0;
    for (size_t m = 0; m < bank->n_sites; m++) {
        K = qv__max(K, bank->site[m].K);
        R = qv__max(R, bank->site[m].R_max);
    }
    size_t k = router ? qv__min(router->top_k, K) : 0;
    size_t z_rows = router ? qv__min(T_max, QV_ROUTE_BLOCK) : T_max;
    size_t z_width = router ? K : R;
    qv_carve need = {.used = layout(u, NULL, T_max, k, z_rows, z_width)};
    u->mem = qv__carve_alloc(&need);
    if (!u->mem)
        return qv_fail(err, QV_ENOMEM, "no memory to route %zu tokens", T_max);
    layout(u, u->mem, T_max, k, z_rows, z_width);
    return QV_OK;
}

void qv__update_end(struct qv_update *u)
{
    if (!u)
        return;
    free(u->mem);
    *u = (struct qv_update){0};
}

/* y += s (x A') B': two products, as narrow as the expert's rank; and DoRA's gain. */
static void apply_dense(const struct qv_update *u, const struct qv_bank_site *s, float *y,
                        const float *x, size_t T)
{
    size_t R = s->R_max;
    qv__sgemm(false, true, T, R, s->D_in, 1, x, s->D_in, s->A, s->D_in, 0, u->z, R);
    qv__sgemm(false, false, T, s->D_out, R, s->scale[0], u->z, R, s->Bt, s->D_out, 1, y,
              s->D_out);
    if (s->gain)
        qv__rescale(y, s->gain, s->gain + s->D_out, T, s->D_out);
}

void qv__update_apply(struct qv_update *u, size_t site, float *y, const float *x, size_t T)
{
    if (!u || !u->bank)
        return;
    qv_check(T <= u->T_max && site < u->bank->n_sites);
    const struct qv_bank_site *s = &u->bank->site[site];
    if (s->K == 0 || T == 0)
        return;
    if (!u->router) {
        apply_dense(u, s, y, x, T);
        return;
    }
    u->router->ops->route(u->router, site, x, T, u->z, &u->routing);
    if (u->watch)
        u->watch(u->watch_arg, site, T, &u->routing);
    qv__compose(y, x, T, s, &u->routing, u->compose);
}
