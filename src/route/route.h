/* route.h - a router decides the experts' weights.
 *
 * Each router is one file with one qv_router_ops and one line in route.c's list;
 * its name then works wherever a router can be named. A router that does not
 * look at tokens (uniform, a single expert) gives its weights once; they are
 * folded into one expert before the run (lora/compose.h), and it never reaches
 * the forward pass.
 */
#ifndef QV_ROUTE_ROUTE_H
#define QV_ROUTE_ROUTE_H

#include "base/base.h"
#include "lora/bank.h"
#include "lora/compose.h"

/* All-zero means default. */
struct qv_router_opts {
    size_t top_k;      // experts a token may use (default: 4)
    float temperature; // of the softmax (default: 1)
};

struct qv_router;

/* Routers that score every expert do so for this many tokens at a time. */
enum { QV_ROUTE_BLOCK = 256 };

struct qv_router_ops {
    const char *name;  // as written after --router
    const char *about; // one line for help
    bool is_oracle;    // needs to know the example's own expert

    /* A static router, one that does not look at tokens, has only this: the
     * weights w [K] of the experts, given the index of the example's own expert
     * (ignored unless is_oracle). NULL for the others, which have the rest. */
    void (*weigh)(float *w, size_t K, size_t own);

    /* Make a router over `bank`, which it borrows. */
    qv_status (*open)(struct qv_router **out, struct qv_bank *bank,
                      const struct qv_router_opts *opts, qv_err *err);

    /* Weights for T tokens with inputs x [T, D_in] of a site that K > 0 experts
     * adapt: fills r->k, r->expert and r->weight, which have room for
     * T * min(top_k, K) pairs. The weights of a token are >= 0 and sum to 1.
     * scratch [min(T, QV_ROUTE_BLOCK), K]. Any number of threads may call it. */
    void (*route)(const struct qv_router *router, size_t site, const float *x, size_t T,
                  float *scratch, struct qv_routing *r);

    void (*close)(struct qv_router *router);
};

/* First member of every concrete router. */
struct qv_router {
    const struct qv_router_ops *ops;
    const struct qv_bank *bank;
    size_t top_k;
    float temperature;
};

/* The router of that name, or NULL; and the list for help, NULL-terminated. */
const struct qv_router_ops *qv__router_find(const char *name);
const struct qv_router_ops *const *qv__routers(void);

/* Closes any router; NULL is allowed. */
void qv__router_close(struct qv_router *router);

/* What every open starts with: fill *r, with defaults for what opts (or NULL)
 * leaves zero. Fails with QV_EFORMAT if the temperature is not positive. */
qv_status qv__router_init(struct qv_router *r, const struct qv_router_ops *ops,
                          const struct qv_bank *bank, const struct qv_router_opts *opts,
                          qv_err *err) QV_MUST_CHECK;

/* From logits l [K], the k largest (ties: the lower index first) and their
 * softmax at the given temperature, by decreasing weight. 0 < k <= K. */
void qv__top_softmax(int *expert, float *weight, const float *l, size_t K, size_t k,
                     float temperature);

#endif
