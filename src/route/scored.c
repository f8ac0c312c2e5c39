/* scored.c - see scored.h. */
#include "route/scored.h"

#include "base/carve.h"
#include "route/rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* x is scaled to (x - mean) / by. */
struct scaling {
    float mean, by;
};

static struct scaling scaling_of(const float *x, size_t n, size_t stride,
                                 enum qv_scaling how)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; how == QV_STANDARD && i < n; i++)
        sum += (double)x[i * stride];
    const double mean = sum / (double)n;
    for (size_t i = 0; how != QV_AS_IS && i < n; i++) {
        double apart = (double)x[i * stride] - mean;
        squares += apart * apart;
    }
    if (how == QV_AS_IS)
        return (struct scaling){0, 1};
    return how == QV_UNIT
               ? (struct scaling){0, (float)fmax(sqrt(squares), 1e-8)}
               : (struct scaling){(float)mean, (float)sqrt(squares / (double)n + 1e-5)};
}

static void scale(float *x, size_t n, size_t stride, enum qv_scaling how)
{
    const struct scaling s = scaling_of(x, n, stride, how);
    for (size_t i = 0; i < n; i++)
        x[i * stride] = (x[i * stride] - s.mean) / s.by;
}

/* v [K, D_in] of a site, from its prototypes. */
static void scale_vectors(float *v, const struct qv_bank_site *s,
                          const struct qv_measure *m)
{
    for (size_t e = 0; e < s->K; e++)
        memcpy(v + e * s->D_in, s->proto[e], s->D_in * sizeof *v);
    if (m->v == QV_ACROSS)
        for (size_t d = 0; d < s->D_in; d++)
            scale(v + d, s->K, s->D_in, QV_STANDARD);
    for (size_t e = 0; e < s->K; e++) {
        float *one = v + e * s->D_in;
        if (m->v == QV_UNIT || m->v == QV_STANDARD)
            scale(one, s->D_in, 1, m->v);
        for (size_t d = 0; m->times_sigma && d < s->D_in; d++)
            one[d] *= s->scale[e] * s->sigma[e][0];
    }
}

/* With `copies` each site has vectors of its own, [K, D_in] in copy[m]. */
static size_t layout(struct qv_scored *r, float **copy, void *base, bool copies)
{
    const struct qv_bank *b = r->router.bank;
    qv_carve c = {.base = base};
    struct qv_screen none;
    r->v = qv__carve(&c, b->n_sites, 1, 1, sizeof *r->v);
    r->screen = qv__carve(&c, b->n_sites, 1, 1, sizeof *r->screen);
    for (size_t m = 0; m < b->n_sites; m++) {
        const struct qv_bank_site *s = &b->site[m];
        const float **rows = qv__carve(&c, copies ? s->K : 0, 1, 1, sizeof *rows);
        float *own = qv__carve_f32(&c, copies ? s->K : 0, s->D_in);
        qv__screen_carve(base ? &r->screen[m] : &none, &c, s->K, s->D_in);
        if (!base)
            continue;
        for (size_t e = 0; copies && e < s->K; e++)
            rows[e] = own + e * s->D_in;
        r->v[m] = copies ? rows : s->proto;
        copy[m] = own;
    }
    return c.used;
}

qv_status qv__scored_open(struct qv_router **out, const struct qv_router_ops *ops,
                          struct qv_bank *bank, const struct qv_router_opts *opts,
                          qv_err *err)
{
    struct qv_scored r = {.mem = NULL}, *kept;
    qv_status result = qv__router_init(&r.router, ops, bank, opts, err);
    if (!result)
        result = qv__bank_prototypes(bank, err);
    if (result)
        return result;
    const bool copies = ops->measure.v != QV_AS_IS || ops->measure.times_sigma;
    qv_carve need = {.used = layout(&r, NULL, NULL, copies)};
    r.mem = qv__carve_alloc(&need);
    kept = malloc(sizeof *kept);
    float **copy = calloc(qv__max(bank->n_sites, 1), sizeof *copy);
    if (!r.mem || !kept || !copy) {
        free(r.mem);
        free(kept);
        free(copy);
        return qv_fail(err, QV_ENOMEM, "no memory for a router");
    }
    layout(&r, copy, r.mem, copies);
    const struct qv_scored *before = (const struct qv_scored *)opts->before;
    qv_check(!before || before->router.ops == ops);
#pragma omp parallel for schedule(dynamic)
    for (size_t m = 0; m < bank->n_sites; m++) {
        if (copies)
            scale_vectors(copy[m], &bank->site[m], &ops->measure);
        if (r.screen[m].K && before && before->screen[m].K)
            qv__screen_refill(&r.screen[m], r.v[m], &before->screen[m]);
        else if (r.screen[m].K)
            qv__screen_fill(&r.screen[m], r.v[m]);
    }
    free(copy);
    *kept = r;
    *out = &kept->router;
    return QV_OK;
}

qv_status qv__scored_open_kept(struct qv_router **out, const struct qv_router_ops *ops,
                               struct qv_bank *bank, const struct qv_router_opts *opts,
                               qv_err *err)
{
    for (size_t k = 0; k < bank->K; k++)
        if (!bank->has_prototypes[k])
            return qv_fail(err, QV_ENOTFOUND, "%s: expert '%s' has no '%s'", ops->name,
                           bank->name[k], ops->artifact);
    return qv__scored_open(out, ops, bank, opts, err);
}

size_t qv__scored_room(const struct qv_router *router, size_t site, size_t T)
{
    const struct qv_scored *r = (const struct qv_scored *)router;
    const struct qv_bank_site *s = &router->bank->site[site];
    return qv__max(qv__min(T, QV_ROUTE_BLOCK) * s->K + qv__rows_slab(s->K, s->D_in),
                   qv__screen_room(&r->screen[site], qv__min(T, QV_SCREEN_TOKENS)));
}

/* The k largest of a block of n tokens' products, from all of them: l [n, K]. */
static void score_all(int *expert, float *value, const float *x, size_t n,
                      const struct qv_scored *r, size_t site, size_t k, float *l)
{
    const struct qv_bank_site *s = &r->router.bank->site[site];
    const bool is_signed = r->router.ops->measure.is_signed;
    const size_t D = s->D_in, K = s->K;
    qv__rows_times(l, x, n, r->v[site], K, D, l + n * K);
#pragma omp parallel for schedule(static) if (n > 1)
    for (size_t t = 0; t < n; t++) {
        for (size_t e = 0; !is_signed && e < K; e++)
            l[t * K + e] = fabsf(l[t * K + e]);
        qv__top(expert + t * k, value + t * k, l + t * K, K, k);
    }
}

void qv__scored_route(const struct qv_router *router, size_t site, const float *x, size_t T,
                      float *scratch, struct qv_routing *to)
{
    const struct qv_scored *r = (const struct qv_scored *)router;
    const struct qv_bank_site *s = &router->bank->site[site];
    const struct qv_measure *m = &router->ops->measure;
    const struct qv_screen *screen = &r->screen[site];
    const size_t D = s->D_in, k = qv__min(router->top_k, s->K);
    const float temperature = router->temperature * (m->over_root ? sqrtf((float)D) : 1);
    to->k = k;
    for (size_t t0 = 0; t0 < T; t0 += QV_ROUTE_BLOCK) {
        const size_t n = qv__min(T - t0, QV_ROUTE_BLOCK);
        int *expert = to->expert + t0 * k;
        float *weight = to->weight + t0 * k;
        if (screen->K && n <= QV_SCREEN_TOKENS)
            qv__screen_top(expert, weight, screen, x + t0 * D, n, k, m->is_signed, scratch);
        else
            score_all(expert, weight, x + t0 * D, n, r, site, k, scratch);
#pragma omp parallel for schedule(static) if (n > QV_SCREEN_TOKENS)
        for (size_t t = 0; t < n; t++) {
            // Standard vectors add up to 0, so that the token's mean does not count.
            const float by = scaling_of(x + (t0 + t) * D, D, 1, m->x).by;
            for (size_t i = 0; i < k; i++)
                weight[t * k + i] /= by;
            qv__share(weight + t * k, k, temperature);
        }
    }
}

void qv__scored_close(struct qv_router *router)
{
    struct qv_scored *r = (struct qv_scored *)router;
    free(r->mem);
    free(r);
}
