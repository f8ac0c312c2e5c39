/* arrow.c - route each token to the experts whose update would move it most.
 *
 * Of all unit inputs, an expert's update B A stretches its top right singular
 * vector v most (lora/spectrum.h). Arrow scores expert e by |v_e . x|: absolute,
 * because a singular vector's sign is arbitrary. The k best share the token by a
 * softmax over their scores. No data and no training are needed (section 4.1 of
 * arXiv:2405.11157).
 */
#include "route/routers.h"
#include "route/scored.h"

const struct qv_router_ops qv__arrow = {
    .name = "arrow",
    .about = "the experts whose update stretches the token most, site by site",
    .open = qv__scored_open,
    .route = qv__scored_route,
    .room = qv__scored_room,
    .close = qv__scored_close,
};
