/* route.h - a router decides the experts' weights.
 *
 * Each router is one file with one qv_router_ops and one line in route.c's list;
 * its name then works wherever a router can be named. There are three kinds:
 *
 *   static    looks at nothing (uniform, oracle): it gives its weights once, which
 *             fold all into one expert before any pass (lora/compose.h)
 *   by token  looks at each site's input, token by token (arrow ...)
 *   by text   looks at a sequence's prompt once (retrieval ...); its tokens then
 *             share what it said, at every site
 */
#ifndef QV_ROUTE_ROUTE_H
#define QV_ROUTE_ROUTE_H

#include <quiver/reuse.h>

#include "base/base.h"
#include "lora/bank.h"
#include "lora/compose.h"
#include "route/top.h"

/* What a router by text knows of the bank's experts, in the bank's order. */
struct qv_text_table {
    float *v;        // [K, F] a vector each
    float *bias;     // [K]
    size_t K, F;     // F: features of a text
    size_t n_layers; // the features are what these layers of the base make of it
};

/* All-zero means default. */
struct qv_router_opts {
    size_t top_k;      // experts a token may use (default: the router's own)
    float temperature; // of the softmax (default: 1)
    size_t filter;     // experts that lag looks at closely (default: 20)
    const struct qv_text_table *texts; // for a router by text; borrowed
    const struct qv_router *before;    // the same over many of these experts; or NULL
};

struct qv_router;

/* Routers that score every expert do so for this many tokens at a time. */
enum { QV_ROUTE_BLOCK = 256 };

/* What a router stands on beyond the experts' weights. */
enum qv_needs {
    QV_NEEDS_NOTHING,
    QV_NEEDS_DATA,     // something was collected from the experts' own tasks
    QV_NEEDS_TRAINING, // or trained on them
};

/* What is done to a vector before it is compared. */
enum qv_scaling {
    QV_AS_IS,
    QV_UNIT,     // length 1
    QV_STANDARD, // mean 0 and deviation 1 over its elements
    QV_ACROSS,   // mean 0 and deviation 1 over the experts, element by element
};

/* How a token x and an expert's vector v give a logit: route/scored.h. */
struct qv_measure {
    enum qv_scaling x, v; // x: not QV_ACROSS
    bool is_signed;       // v.x and not |v.x|
    bool over_root;       // divided by sqrt(D_in)
    bool times_sigma;     // v counts as long as the update's largest singular value
};

/* What a router by text reads. */
enum qv_reading {
    QV_READS_NOTHING,
    QV_READS_HIDDEN, // the mean over tokens of a layer's output in the base: [D]
    QV_READS_NGRAMS, // hashed n-grams of tokens: route/ngrams.h
    QV_READS_SITES,  // each site's input at the prompt's last token
};

struct qv_router_ops {
    const char *name;     // as written after --router
    const char *about;    // one line for help
    enum qv_needs needs;  // if not nothing, it is kept as
    const char *artifact; // this kind, one an expert
    bool is_oracle;       // needs to know the example's own expert
    bool is_centred;      // experts are routed to less their average
    bool rewrites;        // it writes its bank's factors, which must be copies
    bool adds_outputs;    // by default its experts are composed by output
    size_t top_k;         // by default; 0: 4
    struct qv_measure measure;
    enum qv_reading reads;

    /* A static router has only this: the experts' weights w [K], given the index of the
     * example's own (ignored unless is_oracle). The others have the rest, and here NULL. */
    void (*weigh)(float *w, size_t K, size_t own);

    /* Make a router over `bank`, which it borrows and may prepare for itself. */
    qv_status (*open)(struct qv_router **out, const struct qv_router_ops *ops,
                      struct qv_bank *bank, const struct qv_router_opts *opts, qv_err *err);

    /* By token: weights for T tokens with inputs x [T, D_in] of a site that K > 0
     * experts adapt: fills r->k, r->expert and r->weight, which have room for
     * T * min(top_k, K) pairs. The weights of a token are >= 0 and sum to 1.
     * Any number of threads may call it, each with scratch of its own. */
    void (*route)(const struct qv_router *router, size_t site, const float *x, size_t T,
                  float *scratch, struct qv_routing *r);

    /* Floats of scratch for T tokens. NULL: min(T, QV_ROUTE_BLOCK) K. */
    size_t (*room)(const struct qv_router *router, size_t site, size_t T);

    /* By text, of sites: add what site's input x [D_in] at a prompt's last token says to
     * l [K] of the bank's experts; the rest is as for one token of `route`. */
    void (*hear)(const struct qv_router *router, size_t site, const float *x, float *l,
                 float *scratch, struct qv_routing *to);

    /* By text: logits l [K] from its features f [F]; of sites, from what l has gathered. */
    void (*judge)(const struct qv_router *router, float *l, const float *f);

    void (*close)(struct qv_router *router);
};

/* First member of every concrete router. */
struct qv_router {
    const struct qv_router_ops *ops;
    const struct qv_bank *bank;
    size_t top_k;
    float temperature;
    const struct qv_text_table *texts; // borrowed; NULL unless by text
};

/* The router of that name, or NULL; and the list for help, NULL-terminated. */
const struct qv_router_ops *qv__router_find(const char *name);
const struct qv_router_ops *const *qv__routers(void);

/* Make the router of `ops`, which is not a static one, over `bank`. */
qv_status qv__router_open(struct qv_router **out, const struct qv_router_ops *ops,
                          struct qv_bank *bank, const struct qv_router_opts *opts,
                          qv_err *err) QV_MUST_CHECK;

/* Closes any router; NULL is allowed. */
void qv__router_close(struct qv_router *router);

/* How its experts are composed: as asked, or by default. NULL is no router. */
enum qv_compose qv__router_compose(const struct qv_router_ops *ops, qv_composition asked);

/* How many experts a token may use: `asked`, or by default if that is 0. */
size_t qv__router_top_k(const struct qv_router_ops *ops, size_t asked);

/* What every open starts with: fill *r, with defaults for what opts (or NULL)
 * leaves zero. Fails with QV_EFORMAT if the temperature is not positive. */
qv_status qv__router_init(struct qv_router *r, const struct qv_router_ops *ops,
                          const struct qv_bank *bank, const struct qv_router_opts *opts,
                          qv_err *err) QV_MUST_CHECK;

#endif
