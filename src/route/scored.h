/* scored.h - what the routers share that compare a token with one vector an expert.
 *
 *     x' = scaled x,  v' = scaled v,  l_e = v'_e . x'  (or its absolute value)
 *
 * Arrow's vector is the direction that an expert's update stretches most, a
 * centroid's the mean of what its expert was trained on, a gate was trained. The
 * measure of the router's ops says how the two are scaled; the k largest logits
 * share the token by a softmax. With QV_STANDARD the variance has 1e-5 added to it,
 * as a layer norm's; a vector of zeros stays one, and gives the logit 0. Only standard
 * vectors are compared with standard tokens.
 */
#ifndef QV_ROUTE_SCORED_H
#define QV_ROUTE_SCORED_H

#include "route/route.h"
#include "route/screen.h"

struct qv_scored {
    struct qv_router router;
    const float *const **v;   // [n_sites] [K] of each [D_in], as the measure wants them
    struct qv_screen *screen; // [n_sites] of those, for a few tokens at a time
    void *mem; // owns the tables, screens, and the vectors unless they are the bank's
};

/* `open` for a router whose vectors are the bank's prototypes. */
qv_status qv__scored_open(struct qv_router **out, const struct qv_router_ops *ops,
                          struct qv_bank *bank, const struct qv_router_opts *opts,
                          qv_err *err) QV_MUST_CHECK;

/* `open` where they come from an artifact and have been given to the bank. Fails
 * with QV_ENOTFOUND if an expert has none. */
qv_status qv__scored_open_kept(struct qv_router **out, const struct qv_router_ops *ops,
                               struct qv_bank *bank, const struct qv_router_opts *opts,
                               qv_err *err) QV_MUST_CHECK;

void qv__scored_route(const struct qv_router *r, size_t site, const float *x, size_t T,
                      float *scratch, struct qv_routing *to);
size_t qv__scored_room(const struct qv_router *r, size_t site, size_t T);
void qv__scored_close(struct qv_router *r);

#endif
