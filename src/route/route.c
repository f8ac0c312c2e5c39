/* route.c - the list of routers, and what they share. */
#include "route/route.h"

#include "route/routers.h"

#include <math.h>
#include <string.h>

static const struct qv_router_ops *const list[] = {
    &qv__arrow,        &qv__arrow_unit,
    &qv__arrow_norm,   &qv__arrow_across,
    &qv__arrow_root,   &qv__arrow_sigma,
    &qv__arrow_signed, &qv__arrow_mean,
    &qv__arrow_wide,   &qv__arrow_vote,
    &qv__spectr,       &qv__spectr_sigma,
    &qv__lag,          &qv__centroid,
    &qv__avg_act,      &qv__phatgoose,
    &qv__retrieval,    &qv__tp,
    &qv__tp_ngrams,    &qv__uniform,
    &qv__oracle,       NULL,
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

qv_status qv__router_open(struct qv_router **out, const struct qv_router_ops *ops,
                          struct qv_bank *bank, const struct qv_router_opts *opts,
                          qv_err *err)
{
    static const struct qv_router_opts none;
    *out = NULL;
    return ops->open(out, ops, bank, opts ? opts : &none, err);
}

void qv__router_close(struct qv_router *router)
{
    if (router)
        router->ops->close(router);
}

enum qv_compose qv__router_compose(const struct qv_router_ops *ops, qv_composition asked)
{
    if (asked == QV_COMPOSE_DEFAULT)
        return ops && ops->adds_outputs ? QV_OUTPUT : QV_FACTOR;
    return asked == QV_COMPOSE_OUTPUT ? QV_OUTPUT : QV_FACTOR;
}

size_t qv__router_top_k(const struct qv_router_ops *ops, size_t asked)
{
    return asked ? asked : ops->top_k ? ops->top_k : 4;
}

qv_status qv__router_init(struct qv_router *r, const struct qv_router_ops *ops,
                          const struct qv_bank *bank, const struct qv_router_opts *opts,
                          qv_err *err)
{
    const float t = opts->temperature;
    if (t != 0 && !(t > 0 && isfinite(t)))
        return qv_fail(err, QV_EFORMAT, "%s: a temperature of %g is not positive",
                       ops->name, (double)t);
    *r = (struct qv_router){
        .ops = ops,
        .bank = bank,
        .top_k = qv__router_top_k(ops, opts->top_k),
        .temperature = t != 0 ? t : 1,
        .texts = opts->texts,
    };
    return QV_OK;
}
