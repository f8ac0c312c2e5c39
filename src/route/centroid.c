/* centroid.c - route each token to the experts whose training inputs it resembles.
 *
 * An expert's centroid at a site is the mean input there over its own training
 * sequences, with the expert at work (build/states.c collects it). The paper's
 * router, centroid, takes the cosine of token and centroid; the authors' code, here
 * avg_act, the product with the centroid at length 1, over the root of the width.
 */
#include "route/routers.h"
#include "route/scored.h"

const struct qv_router_ops qv__centroid = {
    .name = "centroid",
    .about = "the experts whose training inputs the token is like, site by site",
    .needs = QV_NEEDS_DATA,
    .artifact = "centroid",
    .measure = {.x = QV_UNIT, .v = QV_UNIT, .is_signed = true},
    .open = qv__scored_open_kept,
    .route = qv__scored_route,
    .room = qv__scored_room,
    .close = qv__scored_close,
};

const struct qv_router_ops qv__avg_act = {
    .name = "avg_act",
    .about = "centroid by the authors' code: the token's length counts",
    .needs = QV_NEEDS_DATA,
    .artifact = "centroid",
    .measure = {.v = QV_UNIT, .is_signed = true, .over_root = true},
    .open = qv__scored_open_kept,
    .route = qv__scored_route,
    .room = qv__scored_room,
    .close = qv__scored_close,
};
