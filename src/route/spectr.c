/* spectr.c - route each token to the experts that see most of it.
 *
 * SpectR scores expert e by |V_e' x|, the length of the token's part in the space
 * that the expert's update reads, and gives the k best even weights 1/k
 * (arXiv:2504.03454). How strongly the update answers does not count there;
 * spectr_sigma counts it, and scores by |s_e S_e V_e' x| = |s_e B_e A_e x|, the length of
 * what the expert would add.
 */
#include "op/gemm.h"
#include "route/routers.h"
#include "route/spectral.h"

#include <math.h>

static qv_status spectr_open(struct qv_router **out, const struct qv_router_ops *ops,
                             struct qv_bank *bank, const struct qv_router_opts *opts,
                             qv_err *err)
{
    if (opts->temperature != 0)
        return qv_fail(err, QV_EFORMAT,
                       "%s: its experts share evenly, and a temperature has no use",
                       ops->name);
    return qv__spectral_open(out, ops, bank, opts, err);
}

static size_t spectr_room(const struct qv_router *router, size_t site, size_t T)
{
    const struct qv_bank_site *s = &router->bank->site[site];
    return qv__min(T, QV_ROUTE_BLOCK) * (s->first[s->K] + s->K);
}

/* l [K] from z = V' x [first[K]]; sigma is NULL or weighs z. */
static void lengths(float *l, const float *z, const float *sigma,
                    const struct qv_bank_site *s)
{
    for (size_t e = 0; e < s->K; e++) {
        double sum = 0;
        for (size_t i = s->first[e]; i < s->first[e + 1]; i++) {
            double part = (double)z[i] * (sigma ? (double)sigma[i] : 1);
            sum += part * part;
        }
        l[e] = (float)sqrt(sum);
    }
}

static void spectr_route(const struct qv_router *router, size_t site, const float *x,
                         size_t T, float *scratch, struct qv_routing *to)
{
    const struct qv_spectral *r = (const struct qv_spectral *)router;
    const struct qv_bank_site *s = &router->bank->site[site];
    const float *sigma = router->ops->measure.times_sigma ? r->sigma[site] : NULL;
    const size_t D = s->D_in, rows = s->first[s->K], k = qv__min(router->top_k, s->K);
    to->k = k;
    for (size_t t0 = 0; t0 < T; t0 += QV_ROUTE_BLOCK) {
        size_t n = qv__min(T - t0, QV_ROUTE_BLOCK);
        qv__sgemm(false, true, n, rows, D, 1, x + t0 * D, D, s->A[0], D, 0, scratch, rows);
#pragma omp parallel for schedule(static) if (n > 1)
        for (size_t t = 0; t < n; t++) {
            float *l = scratch + n * rows + t * s->K, *w = to->weight + (t0 + t) * k;
            lengths(l, scratch + t * rows, sigma, s);
            qv__top(to->expert + (t0 + t) * k, w, l, s->K, k);
            for (size_t i = 0; i < k; i++)
                w[i] = 1 / (float)k;
        }
    }
}

const struct qv_router_ops qv__spectr = {
    .name = "spectr",
    .about = "the experts that see most of the token, with even weights",
    .rewrites = true,
    .open = spectr_open,
    .route = spectr_route,
    .room = spectr_room,
    .close = qv__spectral_close,
};

const struct qv_router_ops qv__spectr_sigma = {
    .name = "spectr_sigma",
    .about = "the experts that would add most to the token, with even weights",
    .measure = {.times_sigma = true},
    .rewrites = true,
    .open = spectr_open,
    .route = spectr_route,
    .room = spectr_room,
    .close = qv__spectral_close,
};
