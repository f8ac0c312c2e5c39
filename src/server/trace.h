/* trace.h - the routing of a text, written down token by token while it is answered.
 *
 * A token's routing is what the router said when that token went through the model, at
 * every site that experts adapt: what `quiver route` shows of it. Who asks reads of a token
 * only after the engine has told of it (job.h).
 */
#ifndef QV_SERVER_TRACE_H
#define QV_SERVER_TRACE_H

#include "lora/compose.h"
#include "model/reuse.h"

struct qv_trace;

struct qv_share {
    int expert; // of the bank
    float weight;
};

/* (expert, weight) pairs that n tokens would have; 0 where no router looks at tokens or
 * texts: the base, one expert, a mixture folded into one. */
size_t qv__trace_size(const qv_reuse *reuse, size_t n);

/* Room for tokens first .. first + n - 1 of a text; those outside are not written down.
 * *out is NULL if they would have no pairs. `reuse` is borrowed. Fails with QV_ENOMEM. */
qv_status qv__trace_new(struct qv_trace **out, const qv_reuse *reuse, size_t first,
                        size_t n, qv_err *err) QV_MUST_CHECK;
void qv__trace_free(struct qv_trace *t); // NULL is allowed

/* The rows of the text's next pass are tokens first .. first + n - 1. Whether it has to be
 * seen: some of them are to be written down. */
bool qv__trace_begin(struct qv_trace *t, size_t first, size_t n);

/* A qv_routing_fn, of which `t` is the argument. */
void qv__trace_see(void *t, size_t site, size_t T, const struct qv_routing *r);

/* The sites, in the model's order, and the model's index of each. */
size_t qv__trace_sites(const struct qv_trace *t);
size_t qv__trace_site(const struct qv_trace *t, size_t i);

/* The k pairs of a token at the i-th of those sites, by decreasing weight. */
const struct qv_share *qv__trace_at(const struct qv_trace *t, size_t token, size_t i,
                                    size_t *k);

#endif
