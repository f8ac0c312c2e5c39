/* text.c - see text.h. */
#include "route/text.h"

#include <stdlib.h>
#include <string.h>

qv_status qv__text_open(struct qv_router **out, const struct qv_router_ops *ops,
                        struct qv_bank *bank, const struct qv_router_opts *opts,
                        qv_err *err)
{
    struct qv_router r;
    qv_status result = qv__router_init(&r, ops, bank, opts, err);
    if (result)
        return result;
    if (!opts->texts || opts->texts->K != bank->K)
        return qv_fail(err, QV_ENOTFOUND, "%s: knows %zu of %zu experts", ops->name,
                       opts->texts ? opts->texts->K : 0, bank->K);
    *out = malloc(sizeof **out);
    if (!*out)
        return qv_fail(err, QV_ENOMEM, "no memory for a router");
    **out = r;
    return QV_OK;
}

void qv__text_close(struct qv_router *r)
{
    free(r);
}

void qv__text_route(const struct qv_router *r, size_t site, const float *logit,
                    const size_t *slot, size_t T, float *scratch, struct qv_routing *to)
{
    const struct qv_bank_site *s = &r->bank->site[site];
    const size_t k = qv__min(r->top_k, s->K);
    to->k = k;
    for (size_t t = 0; t < T; t++) {
        int *expert = to->expert + t * k;
        float *weight = to->weight + t * k;
        if (t > 0 && slot[t] == slot[t - 1]) {
            memcpy(expert, expert - k, k * sizeof *expert);
            memcpy(weight, weight - k, k * sizeof *weight);
            continue;
        }
        for (size_t e = 0; e < s->K; e++)
            scratch[e] = logit[slot[t] * r->bank->K + (size_t)s->expert[e]];
        qv__top_softmax(expert, weight, scratch, s->K, k, r->temperature);
    }
}
