/* reuse.h - the inside of qv_reuse: one bank and a router, or, for the oracle, a
 * bank of one expert for each task. */
#ifndef QV_MODEL_REUSE_H
#define QV_MODEL_REUSE_H

#include <quiver/library.h>
#include <quiver/reuse.h>

#include "base/base.h"
#include "lora/expert.h"
#include "lora/prototypes.h"
#include "model/kept.h"
#include "route/update.h"

struct qv_reuse {
    const qv_model *model;
    struct qv_bank *bank;     // NULL: the base alone, or the oracle
    bool borrows_bank;        // another qv_reuse owns it
    struct qv_router *router; // NULL: the bank's only expert
    enum qv_compose compose;
    const char **name; // [n] the experts
    size_t n;
    struct qv_bank **of;        // [n] for the oracle: each expert's own bank
    const char *const **tasks;  // [n] for the oracle: what each was trained on
    size_t *n_tasks;            // [n]
    struct qv_adapter *adapter; // that holds more than an expert may; or NULL
    struct qv_adapted *adapted; // the model as it leaves it; or NULL
    struct qv_text_table texts; // for a router by text; owns v and bias
    qv_arena arena;
};

/* The same from experts in memory (borrowed during the call). `router` NULL
 * stands for the only expert. tasks [n][n_tasks[n]] is for the oracle and may be
 * NULL otherwise. `vectors` are a router's own, from an artifact, or Arrow's
 * prototypes; those that Arrow needs and it lacks are computed. `texts` is taken: it is
 * all-zero afterwards. The mean of general experts, if there are any, is taken from each
 * of the others first (model/subtract.h). */
struct qv_reuse_from {
    struct qv_expert *const *experts;
    size_t n;
    struct qv_prototypes *vectors; // [n] all-zero where there are none; or NULL
    struct qv_pack *const *packs;  // [n] of the experts, which then have no weights; or
                                  // NULL. They outlive *out. Not for a router that folds or
                                  // rewrites its experts
    const struct qv_reuse *before; // the same router over many of the same experts, from
                                   // which work may be copied; or NULL
    bool gives; // weights and vectors may be given up as soon as they are bound
    struct qv_text_table *texts;      // or NULL
    struct qv_expert *const *general; // [n_general]
    size_t n_general;
    bool subtracts_exactly;
    const char *const *const *tasks;
    const size_t *n_tasks;
    const char *router;
    size_t top_k, filter;
    float temperature;
    enum qv_compose compose;
};
qv_status qv__reuse_new(qv_reuse **out, const qv_model *model,
                        const struct qv_reuse_from *from, qv_err *err) QV_MUST_CHECK;

/* What passes run: the model, or if r is of an adapter that changes it, what it made of
 * the model. r may be NULL. */
const qv_model *qv__reuse_model(const qv_reuse *r, const qv_model *model);

/* The experts of `r`, which outlives *out, under another setting of its router. Not from
 * two threads at once over one bank. Fails with QV_EFORMAT or QV_ENOMEM. */
qv_status qv__reuse_like(qv_reuse **out, const qv_reuse *r, size_t top_k, float temperature,
                         enum qv_compose compose, qv_err *err) QV_MUST_CHECK;

/* What is read from a library before it is bound. */
struct qv_library_reading {
    struct qv_expert **experts; // [n]
    struct qv_expert **general; // [n_general]
    const char *const **tasks;  // [n] borrowed from the snapshot
    size_t *n_tasks;            // [n]
    size_t n, n_general;
    struct qv_kept kept; // what o's router needs beside them
    qv_snapshot *snap;
};

/* Read the experts of the library at `path`, which must fit the model, that o names: all,
 * or one and the general ones. The caller ends *d, also after a failure. Fails as reading
 * does. */
qv_status qv__library_reading_init(struct qv_library_reading *d, const qv_model *m,
                                   const char *path, const qv_reuse_opts *o,
                                   qv_err *err) QV_MUST_CHECK;
void qv__library_reading_end(struct qv_library_reading *d);

/* Room for passes of T_max tokens of a text of `task` (for the oracle; else
 * ignored). *u is NULL-like (adds nothing) when r is NULL or the base alone.
 * Fails with QV_ENOTFOUND if the oracle has no expert for the task. */
qv_status qv__reuse_update(struct qv_update *u, const qv_reuse *r, const char *task,
                           size_t T_max, qv_err *err) QV_MUST_CHECK;

#endif
