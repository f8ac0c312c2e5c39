/* arrow_variants.c - Arrow with one thing changed in each: how the token and the
 * prototypes are scaled before they are compared, or what is taken from the experts
 * first.
 *
 * The authors' code has the scalings as options; their paper uses none. arrow_mean is
 * the mean normalisation that arXiv:2505.10939 compares with: experts that grew from
 * one base share much, and what all of them do says nothing about which to choose. So
 * the average expert is taken from each (model/reuse.c), which changes both the
 * prototypes and what the chosen experts do.
 *
 * arrow_wide is ours: twice as many experts a token, and their outputs are added. What
 * an expert does has weight w^2 where factors are averaged, so that the more experts
 * take part, the less each does, and the rest is cross terms; where outputs are added
 * there may be many (docs/decisions/0029-arrow-wide.md).
 */
#include "route/routers.h"
#include "route/scored.h"

#define SCORED                                                                             \
    .open = qv__scored_open, .route = qv__scored_route, .room = qv__scored_room,           \
    .close = qv__scored_close

const struct qv_router_ops qv__arrow_unit = {
    .name = "arrow_unit",
    .about = "arrow by the cosine: the token's length does not count",
    .measure = {.x = QV_UNIT},
    SCORED,
};

const struct qv_router_ops qv__arrow_norm = {
    .name = "arrow_norm",
    .about = "arrow after a layer norm of token and prototypes",
    .measure = {.x = QV_STANDARD, .v = QV_STANDARD},
    SCORED,
};

const struct qv_router_ops qv__arrow_across = {
    .name = "arrow_across",
    .about = "arrow by what sets a prototype apart from the other experts'",
    .measure = {.v = QV_ACROSS},
    SCORED,
};

const struct qv_router_ops qv__arrow_root = {
    .name = "arrow_root",
    .about = "arrow with logits divided by the root of the width",
    .measure = {.over_root = true},
    SCORED,
};

const struct qv_router_ops qv__arrow_sigma = {
    .name = "arrow_sigma",
    .about = "arrow with each prototype as long as its update is strong",
    .measure = {.times_sigma = true},
    SCORED,
};

const struct qv_router_ops qv__arrow_signed = {
    .name = "arrow_signed",
    .about = "arrow with the sign that the prototype's file gives it",
    .measure = {.is_signed = true},
    SCORED,
};

const struct qv_router_ops qv__arrow_mean = {
    .name = "arrow_mean",
    .about = "arrow among the experts less their average",
    .is_centred = true,
    SCORED,
};

const struct qv_router_ops qv__arrow_wide = {
    .name = "arrow_wide",
    .about = "arrow with eight experts a token, whose outputs are added",
    .adds_outputs = true,
    .top_k = 8,
    SCORED,
};
