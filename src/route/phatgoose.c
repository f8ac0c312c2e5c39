/* phatgoose.c - route each token by gates that were trained, one an expert and site.
 *
 * With base and expert frozen, a gate v at each site is trained on the expert's own
 * task: the site computes W x + sigma(v . x) s B A x (op/gate.h). To route, gates and
 * tokens are made standard, mean 0 and deviation 1, and compared by their product over
 * the root of the width; the sigmoid is gone. Two experts a token, whose
 * outputs are added. arXiv:2402.05859.
 */
#include "route/routers.h"
#include "route/scored.h"

const struct qv_router_ops qv__phatgoose = {
    .name = "phatgoose",
    .about = "the experts whose trained gates open most for the token",
    .needs = QV_NEEDS_TRAINING,
    .artifact = "gate",
    .adds_outputs = true,
    .top_k = 2,
    .measure = {.x = QV_STANDARD, .v = QV_STANDARD, .is_signed = true, .over_root = true},
    .open = qv__scored_open_kept,
    .route = qv__scored_route,
    .room = qv__scored_room,
    .close = qv__scored_close,
};
