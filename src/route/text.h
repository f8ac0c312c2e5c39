/* text.h - what the routers share that read a sequence's prompt once. */
#ifndef QV_ROUTE_TEXT_H
#define QV_ROUTE_TEXT_H

#include "route/route.h"

/* `open`: the router keeps nothing but what opts->texts knows of the experts. Fails with
 * QV_ENOTFOUND if that is missing. */
qv_status qv__text_open(struct qv_router **out, const struct qv_router_ops *ops,
                        struct qv_bank *bank, const struct qv_router_opts *opts,
                        qv_err *err) QV_MUST_CHECK;
void qv__text_close(struct qv_router *r);

/* `route` in place of a router's own: T rows, of which row t follows the logits
 * logit[slot[t]] [K of the bank]. scratch [K of the site]. */
void qv__text_route(const struct qv_router *r, size_t site, const float *logit,
                    const size_t *slot, size_t T, float *scratch, struct qv_routing *to);

#endif
