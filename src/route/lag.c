/* lag.c - Arrow chooses who is looked at closely; of those, the expert that sees most of
 * the token has it.
 *
 * Of all K experts the N with the largest |v_e . x| stay; of these the one with the
 * largest |V_e' x| (or the k largest, by a softmax) is used. A token reads N R rows of
 * the spectra in place of SpectR's K R, which counts where memory is slow or the library
 * large. Defaults are N = 20 and k = 1, those of arXiv:2507.05346.
 */
#include "kern/kern.h"
#include "route/rows.h"
#include "route/routers.h"
#include "route/spectral.h"

#include <math.h>

enum { MOST = 256 }; // experts that may pass the filter

static qv_status lag_open(struct qv_router **out, const struct qv_router_ops *ops,
                          struct qv_bank *bank, const struct qv_router_opts *opts,
                          qv_err *err)
{
    if (opts->filter > MOST)
        return qv_fail(err, QV_ELIMIT, "lag: a filter of %zu experts, at most %d",
                       opts->filter, MOST);
    qv_status result = qv__spectral_open(out, ops, bank, opts, err);
    const size_t filter = result ? 0 : ((struct qv_spectral *)*out)->filter;
    if (!result && (*out)->top_k > filter) {
        result = qv_fail(err, QV_EFORMAT,
                         "lag: top %zu of the %zu experts that the filter lets through",
                         (*out)->top_k, filter);
        qv__spectral_close(*out);
        *out = NULL;
    }
    return result;
}

/* |V' x| of a site's expert e. */
static float length(const struct qv_bank_site *s, size_t e, const float *x)
{
    const struct qv_kern *kern = qv__kern();
    double sum = 0;
    for (size_t i = s->first[e]; i < s->first[e + 1]; i++) {
        double z = (double)kern->dot(s->A[0] + i * s->D_in, x, s->D_in);
        sum += z * z;
    }
    return (float)sqrt(sum);
}

/* One token: l [K] are Arrow's logits, and become the lengths of those that pass. */
static void choose(int *expert, float *weight, float *l, const struct qv_bank_site *s,
                   const float *x, const struct qv_spectral *r)
{
    int passed[MOST];
    float value[MOST];
    const size_t N = qv__min(r->filter, s->K), k = qv__min(r->router.top_k, s->K);
    qv__top(passed, value, l, s->K, N);
    for (size_t e = 0; e < s->K; e++)
        l[e] = -1; // less than any length
    for (size_t i = 0; i < N; i++)
        l[passed[i]] = length(s, (size_t)passed[i], x);
    qv__top_softmax(expert, weight, l, s->K, k, r->router.temperature);
}

static void lag_route(const struct qv_router *router, size_t site, const float *x, size_t T,
                      float *scratch, struct qv_routing *to)
{
    const struct qv_spectral *r = (const struct qv_spectral *)router;
    const struct qv_bank_site *s = &router->bank->site[site];
    const size_t D = s->D_in, K = s->K, k = qv__min(router->top_k, K);
    to->k = k;
    for (size_t t0 = 0; t0 < T; t0 += QV_ROUTE_BLOCK) {
        size_t n = qv__min(T - t0, QV_ROUTE_BLOCK);
        qv__rows_times(scratch, x + t0 * D, n, s->proto, K, D, scratch + n * K);
#pragma omp parallel for schedule(static) if (n > 1)
        for (size_t t = 0; t < n; t++) {
            float *l = scratch + t * K;
            for (size_t e = 0; e < K; e++)
                l[e] = fabsf(l[e]);
            choose(to->expert + (t0 + t) * k, to->weight + (t0 + t) * k, l, s,
                   x + (t0 + t) * D, r);
        }
    }
}

static size_t lag_room(const struct qv_router *router, size_t site, size_t T)
{
    const struct qv_bank_site *s = &router->bank->site[site];
    return qv__min(T, QV_ROUTE_BLOCK) * s->K + qv__rows_slab(s->K, s->D_in);
}

const struct qv_router_ops qv__lag = {
    .name = "lag",
    .about = "of those that arrow prefers, the expert that sees most of the token",
    .top_k = 1,
    .rewrites = true,
    .open = lag_open,
    .route = lag_route,
    .room = lag_room,
    .close = qv__spectral_close,
};
