/* bind.h - somebody who answers, made of experts that are held: a router over some of
 * them, as over a library of no others, or a mixture by hand.
 *
 * Most routers share the factors that are held (lora/pack.h). Those that add experts up or
 * rewrite them get copies to do it with.
 */
#ifndef QV_SERVER_BIND_H
#define QV_SERVER_BIND_H

#include "server/held.h"
#include "server/select.h"

struct qv_binding {
    const qv_model *model;
    struct qv_held *const *held;       // all there are
    const struct qv_selection *chosen; // those of them that answer
    const struct qv_router_ops *ops;   // NULL: they have the weights that were chosen
    const struct qv_kept *kept;        // what lies beside all there are, for a router that
                                       // needs it; or NULL
    const qv_reuse *before; // the same router over many of the same experts, from
                            // which work may be copied; or NULL
    enum qv_compose compose;
};

/* With the router's default settings. The experts held outlive *out, which the caller owns.
 * Fails with QV_ENOMEM, and as routers do when they are made. */
qv_status qv__bind(qv_reuse **out, const struct qv_binding *b, qv_err *err) QV_MUST_CHECK;

#endif
