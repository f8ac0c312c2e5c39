/* update.c - see update.h. */
#include "route/update.h"

#include "base/carve.h"
#include "lora/thin.h"
#include "op/dora.h"
#include "op/gemm.h"
#include "route/text.h"

#include <stdlib.h>

/* The largest of each over the bank's sites. */
struct most {
    size_t k, z, K, R;
};

static void lay_out_texts(struct qv_texts *x, qv_carve *c, const struct qv_update *u)
{
    size_t T = u->T_max;
    x->logit = qv__carve_f32(c, T, u->bank->K);
    x->slot = qv__carve(c, T, 1, 1, sizeof *x->slot);
    x->f = qv__carve_f32(c, u->router->texts ? u->router->texts->F : 0, 1);
    x->token = qv__carve(c, T, 1, 1, sizeof *x->token);
    x->pos = qv__carve(c, T, 1, 1, sizeof *x->pos);
    x->seq = qv__carve(c, T, 1, 1, sizeof *x->seq);
    x->of = qv__carve(c, T, 1, 1, sizeof *x->of);
}

static size_t layout(struct qv_update *u, void *base, const struct most *most)
{
    qv_carve c = {.base = base};
    u->routing.expert = qv__carve(&c, u->T_max, most->k, 1, sizeof *u->routing.expert);
    u->routing.weight = qv__carve_f32(&c, u->T_max, most->k);
    u->z = qv__carve_f32(&c, most->z, 1);
    if (u->router)
        qv__compose_carve(&u->room, &c, u->T_max, most->k, most->K, most->R);
    if (qv__update_reads(u))
        lay_out_texts(&u->texts, &c, u);
    return c.used;
}

/* Floats of scratch that a pass needs at a site. */
static size_t scratch_at(const struct qv_update *u, size_t site)
{
    const struct qv_bank_site *s = &u->bank->site[site];
    if (!u->router)
        return u->T_max * s->R_max;
    if (u->router->ops->room)
        return u->router->ops->room(u->router, site, u->T_max);
    return qv__min(u->T_max, QV_ROUTE_BLOCK) * s->K;
}

qv_status qv__update_init(struct qv_update *u, const struct qv_bank *bank,
                          const struct qv_router *router, enum qv_compose compose,
                          size_t T_max, qv_err *err)
{
    qv_check(router ? router->bank == bank : bank->K == 1);
    *u = (struct qv_update){
        .bank = bank, .router = router, .compose = compose, .T_max = T_max};
    struct most most = {0};
    for (size_t m = 0; m < bank->n_sites; m++) {
        const struct qv_bank_site *s = &bank->site[m];
        most.z = qv__max(most.z, scratch_at(u, m));
        most.k = router ? qv__max(most.k, qv__min(router->top_k, s->K)) : 0;
        most.K = qv__max(most.K, s->K);
        most.R = qv__max(most.R, s->R_max);
    }
    qv_carve need = {.used = layout(u, NULL, &most)};
    u->mem = qv__carve_alloc(&need);
    if (!u->mem)
        return qv_fail(err, QV_ENOMEM, "no memory to route %zu tokens", T_max);
    layout(u, u->mem, &most);
    return QV_OK;
}

void qv__update_end(struct qv_update *u)
{
    if (!u)
        return;
    free(u->mem);
    *u = (struct qv_update){0};
}

bool qv__update_reads(const struct qv_update *u)
{
    return u && u->router && u->router->ops->reads;
}

void qv__update_judge(struct qv_update *u, size_t slot, const float *f)
{
    u->router->ops->judge(u->router, u->texts.logit + slot * u->bank->K, f);
}

/* y += s (x A') B': two products, as narrow as the expert's rank; and DoRA's gain. */
static void apply_dense(const struct qv_update *u, const struct qv_bank_site *s, float *y,
                        const float *x, size_t T)
{
    size_t R = s->R_max;
    qv__bank_touch(s, 0);
    if (s->thin && T == 1) {
        qv__thin_apply(y, x, s, u->z);
    } else {
        qv__sgemm(false, true, T, R, s->D_in, 1, x, s->D_in, s->A[0], s->D_in, 0, u->z, R);
        qv__sgemm(false, false, T, s->D_out, R, s->scale[0], u->z, R, s->Bt[0], s->D_out, 1,
                  y, s->D_out);
    }
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
    if (u->see)
        u->see(u->watch_arg, site, T, x);
    if (u->only_sees)
        return;
    if (!u->router) {
        apply_dense(u, s, y, x, T);
        return;
    }
    if (qv__update_reads(u))
        qv__text_route(u->router, site, u->texts.logit, u->texts.slot, T, u->z,
                       &u->routing);
    else
        u->router->ops->route(u->router, site, x, T, u->z, &u->routing);
    if (u->watch)
        u->watch(u->watch_arg, site, T, &u->routing);
    qv__compose(y, x, T, s, &u->routing, u->compose, &u->room);
}
