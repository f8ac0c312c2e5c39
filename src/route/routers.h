/* routers.h - one line a router: a new one adds its line here and in route.c. */
#ifndef QV_ROUTE_ROUTERS_H
#define QV_ROUTE_ROUTERS_H

#include "route/route.h"

extern const struct qv_router_ops qv__arrow, qv__oracle, qv__uniform;
extern const struct qv_router_ops qv__arrow_unit, qv__arrow_norm, qv__arrow_across;
extern const struct qv_router_ops qv__arrow_root, qv__arrow_sigma, qv__arrow_signed;
extern const struct qv_router_ops qv__arrow_mean, qv__arrow_wide, qv__arrow_vote;
extern const struct qv_router_ops qv__spectr, qv__spectr_sigma, qv__lag;
extern const struct qv_router_ops qv__centroid, qv__avg_act, qv__phatgoose;
extern const struct qv_router_ops qv__retrieval, qv__tp, qv__tp_ngrams;

#endif
