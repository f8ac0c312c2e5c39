/* spectral.h - what the routers share that look at an expert's whole spectrum.
 *
 * With an expert's update as (U S) V' (lora/spectrum.h), V' x is the part of a token
 * that the expert sees, and S V' x is as long as its whole update, |B A x|. Opening such
 * a router writes the bank that way: the updates stay what they are, but for the cross
 * terms of `factor`, in which it is now the spectra that are averaged, as SpectR's
 * authors do. The prototype is the first row of V'.
 */
#ifndef QV_ROUTE_SPECTRAL_H
#define QV_ROUTE_SPECTRAL_H

#include "route/route.h"

struct qv_spectral {
    struct qv_router router;
    size_t filter; // of lag
    float **sigma; // [n_sites] [first[K]] singular values, the expert's scale included
    void *mem;     // owns sigma
};

/* The bank gets prototypes too. */
qv_status qv__spectral_open(struct qv_router **out, const struct qv_router_ops *ops,
                            struct qv_bank *bank, const struct qv_router_opts *opts,
                            qv_err *err) QV_MUST_CHECK;
void qv__spectral_close(struct qv_router *r);

#endif
