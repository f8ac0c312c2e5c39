/* spectral.c - see spectral.h. */
#include "route/spectral.h"

#include "base/carve.h"

#include <math.h>
#include <stdlib.h>

static size_t layout(struct qv_spectral *r, void *base)
{
    const struct qv_bank *b = r->router.bank;
    qv_carve c = {.base = base};
    r->sigma = qv__carve(&c, b->n_sites, 1, 1, sizeof *r->sigma);
    for (size_t m = 0; m < b->n_sites; m++) {
        float *sigma = qv__carve_f32(&c, b->site[m].first[b->site[m].K], 1);
        if (base)
            r->sigma[m] = sigma;
    }
    return c.used;
}

/* The columns of U S are orthogonal, and as long as the singular values. */
static void fill_sigma(float *sigma, const struct qv_bank_site *s)
{
    for (size_t e = 0; e < s->K; e++)
        for (size_t i = s->first[e]; i < s->first[e + 1]; i++) {
            const float *column = s->Bt[0] + i * s->D_out;
            double sum = 0;
            for (size_t o = 0; o < s->D_out; o++)
                sum += (double)column[o] * (double)column[o];
            sigma[i] = s->scale[e] * (float)sqrt(sum);
        }
}

qv_status qv__spectral_open(struct qv_router **out, const struct qv_router_ops *ops,
                            struct qv_bank *bank, const struct qv_router_opts *opts,
                            qv_err *err)
{
    struct qv_spectral r = {.filter = opts->filter ? opts->filter : 20}, *kept;
    qv_status result = qv__router_init(&r.router, ops, bank, opts, err);
    if (!result)
        result = qv__bank_prototypes(bank, err);
    if (!result)
        result = qv__bank_spectral(bank, err);
    if (result)
        return result;
    qv_carve need = {.used = layout(&r, NULL)};
    r.mem = qv__carve_alloc(&need);
    kept = malloc(sizeof *kept);
    if (!r.mem || !kept) {
        free(r.mem);
        free(kept);
        return qv_fail(err, QV_ENOMEM, "no memory for a router");
    }
    layout(&r, r.mem);
    for (size_t m = 0; m < bank->n_sites; m++)
        fill_sigma(r.sigma[m], &bank->site[m]);
    *kept = r;
    *out = &kept->router;
    return QV_OK;
}

void qv__spectral_close(struct qv_router *router)
{
    struct qv_spectral *r = (struct qv_spectral *)router;
    free(r->mem);
    free(r);
}
