/* routers.h - one line a router: a new one adds its line here and in route.c. */
#ifndef QV_ROUTE_ROUTERS_H
#define QV_ROUTE_ROUTERS_H

#include "route/route.h"

extern const struct qv_router_ops qv__arrow, qv__oracle, qv__uniform;

#endif
