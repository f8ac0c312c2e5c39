/* route.c - the list of routers, and what they share. */
#include "route/route.h"

#include "route/routers.h"

#include <math.h>
#include <string.h>

static const struct qv_router_ops *const list[] = {
    &qv__arrow,
    &qv__uniform,
    &qv__oracle,
    NULL,
};

const struct qv_router_ops *const *qv__routers(void)
{
    return list;
}

const struct qv_router_ops *qv__router_find(const char *name)
{
    for (size_t i = 0; list[i]; i++)
        if (strcmp(list[i]->name, name) == 0)
            return list[i];
    return NULL;
}

void qv__router_close(struct qv_router *router)
{
    if (router)
        router->ops->close(router);
}

qv_status qv__router_init(struct qv_router *r, const struct qv_router_ops *ops,
                          const struct qv_bank *bank, const struct qv_router_opts *opts,
                          qv_err *err)
{
    struct qv_router_opts o = opts ? *opts : (struct qv_router_opts){0};
    if (o.temperature != 0 && !(o.temperature > 0 && isfinite(o.temperature)))
        return qv_fail(err, QV_EFORMAT, "%s: a temperature of %g is not positive",
                       ops->name, (double)o.temperature);
    *r = (struct qv_router){
        .ops = ops,
        .bank = bank,
        .top_k = o.top_k ? o.top_k : 4,
        .temperature = o.temperature != 0 ? o.temperature : 1,
    };
    return QV_OK;
}

void qv__top_softmax(int *expert, float *weight, const float *l, size_t K, size_t k,
                     float temperature)
{
    // The best so far, sorted; only a strictly larger logit passes an earlier one.
    size_t n = 0;
    for (size_t e = 0; e < K; e++) {
        if (n == k && !(l[e] > weight[k - 1]))
            continue;
        size_t i = n < k ? n++ : k - 1;
        for (; i > 0 && l[e] > weight[i - 1]; i--) {
            weight[i] = weight[i - 1];
            expert[i] = expert[i - 1];
        }
        weight[i] = l[e];
        expert[i] = (int)e;
    }
    float max = weight[0], sum = 0;
    for (size_t i = 0; i < k; i++) {
        weight[i] = expf((weight[i] - max) / temperature);
        sum += weight[i];
    }
    for (size_t i = 0; i < k; i++)
        weight[i] /= sum;
}
