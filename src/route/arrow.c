/* arrow.c - route each token to the experts whose update would move it most.
 *
 * Of all unit inputs, an expert's update B A stretches its top right singular
 * vector v most (lora/spectrum.h). Arrow scores expert e by |v_e . x|: absolute,
 * because a singular vector's sign is arbitrary. The k best share the token by a
 * softmax over their scores. No data and no training are needed (section 4.1 of
 * arXiv:2405.11157).
 */
#include "route/routers.h"

#include "op/gemm.h"

#include <math.h>
#include <stdlib.h>

static qv_status arrow_open(struct qv_router **out, struct qv_bank *bank,
                            const struct qv_router_opts *opts, qv_err *err)
{
    *out = NULL;
    struct qv_router r;
    qv_status result = qv__router_init(&r, &qv__arrow, bank, opts, err);
    if (!result)
        result = qv__bank_prototypes(bank, err);
    if (result)
        return result;
    *out = malloc(sizeof **out);
    if (!*out)
        return qv_fail(err, QV_ENOMEM, "no memory for a router");
    **out = r;
    return QV_OK;
}

static void arrow_route(const struct qv_router *r, size_t site, const float *x, size_t T,
                        float *scratch, struct qv_routing *to)
{
    const struct qv_bank_site *s = &r->bank->site[site];
    size_t K = s->K, k = qv__min(r->top_k, K);
    to->k = k;
    for (size_t t0 = 0; t0 < T; t0 += QV_ROUTE_BLOCK) {
        size_t n = qv__min(T - t0, QV_ROUTE_BLOCK);
        qv__sgemm(false, true, n, K, s->D_in, 1, x + t0 * s->D_in, s->D_in, s->proto,
                  s->D_in, 0, scratch, K);
#pragma omp parallel for schedule(static) if (n > 1)
        for (size_t t = 0; t < n; t++) {
            float *l = scratch + t * K;
            for (size_t e = 0; e < K; e++)
                l[e] = fabsf(l[e]);
            qv__top_softmax(to->expert + (t0 + t) * k, to->weight + (t0 + t) * k, l, K, k,
                            r->temperature);
        }
    }
}

static void arrow_close(struct qv_router *r)
{
    free(r);
}

const struct qv_router_ops qv__arrow = {
    .name = "arrow",
    .about = "the experts whose update stretches the token most, site by site",
    .open = arrow_open,
    .route = arrow_route,
    .close = arrow_close,
};
