/* update.h - what a forward pass adds to the base's linear maps.
 *
 * The model calls qv__update_apply after each of its linear maps and knows
 * nothing of experts. An update is one expert (dense, two products) or a bank
 * with a router (by token or by text). It owns the scratch it needs, so one update serves
 * one forward pass at a time; bank and router may be shared.
 */
#ifndef QV_ROUTE_UPDATE_H
#define QV_ROUTE_UPDATE_H

#include "base/base.h"
#include "lora/bank.h"
#include "lora/compose.h"
#include "op/batch.h"
#include "route/route.h"

/* Sees each routing as it is made: for reports and `quiver route`. */
typedef void (*qv_routing_fn)(void *arg, size_t site, size_t T, const struct qv_routing *r);

/* Sees each site's input before it is mapped: for what is collected from data. */
typedef void (*qv_input_fn)(void *arg, size_t site, size_t T, const float *x);

/* What a router by text is told of, and where it is remembered. */
struct qv_texts {
    float *logit;       // [T_max, K] of each sequence or cache
    size_t *slot;       // [T_max] whose logits a row of the pass follows
    float *f;           // [F] the features of one text
    int *token, *pos;   // [T_max] the prompts of a pass alone
    struct qv_seq *seq; // [T_max]
    size_t *of;         // [T_max] the slot of each of those
    bool is_one;        // all rows follow one text, which is read before their passes
};

struct qv_update {
    const struct qv_bank *bank;     // borrowed
    const struct qv_router *router; // borrowed; NULL: the bank's only expert, dense
    enum qv_compose compose;
    qv_routing_fn watch; // may be NULL
    qv_input_fn see;     // may be NULL
    void *watch_arg;     // of both
    bool only_sees;      // adds nothing
    struct qv_texts texts;
    struct qv_routing routing;   // scratch
    float *z;                    // scratch: [T_max, R] dense, the router's otherwise
    struct qv_compose_room room; // scratch, with a router
    size_t T_max;
    void *mem; // owns the scratch
};

/* Room for batches of up to T_max tokens. `router`, over the same bank, may be
 * NULL only if that holds one expert. Fails with QV_ENOMEM. */
qv_status qv__update_init(struct qv_update *u, const struct qv_bank *bank,
                          const struct qv_router *router, enum qv_compose compose,
                          size_t T_max, qv_err *err) QV_MUST_CHECK;
void qv__update_end(struct qv_update *u);

/* y [T, D_out] += the update of x [T, D_in] at `site`. A NULL or
 * all-zero update adds nothing. T <= T_max. */
void qv__update_apply(struct qv_update *u, size_t site, float *y, const float *x, size_t T);

/* Whether prompts must be read before a pass. The reader (model/reading.h) then fills
 * u->texts.slot for the rows, and for each new text has it judged by its features. */
bool qv__update_reads(const struct qv_update *u);
void qv__update_judge(struct qv_update *u, size_t slot, const float *f);

#endif
