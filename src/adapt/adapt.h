/* adapt.h - what the ways to adapt to a new task share.
 *
 * Each way is one file with one qv_adapter_ops and one line in adapt.c's list; its name
 * then works wherever a method can be named. It is given the task's examples and the
 * experts it may use, and makes one expert.
 */
#ifndef QV_ADAPT_ADAPT_H
#define QV_ADAPT_ADAPT_H

#include <quiver/adapt.h>

#include "base/arena.h"
#include "base/base.h"
#include "base/json.h"
#include "data/task.h"
#include "library/library.h"
#include "lora/mixture.h"
#include "train/trainer.h"

/* What a method may be told; it refuses what it has no use for. */
enum {
    QV_TAKES_LIBRARY = 1, // and needs it
    QV_TAKES_ONE = 2,     // the name of an expert to start from
    QV_TAKES_NEAREST = 4, // can do with some of the experts
    QV_TAKES_HEADS = 8,
    QV_TAKES_EVALUATIONS = 16,
};

/* An adaptation in progress. */
struct qv_adapting {
    const qv_model *m;
    const qv_adapt_opts *o;
    const char *name;                 // of the new expert
    const char *work;                 // a directory for what is needed to go on
    struct qv_task **task;            // [n_tasks] owned
    size_t n_tasks;                   //
    struct qv_sequence *train;        // [n_train] in the order that fractions are cut from
    const struct qv_sequence **valid; // [n_valid]
    size_t n_train, n_valid;          //
    qv_library *lib;                  // or NULL
    qv_snapshot *snap;                //
    const qv_expert_info **info;      // [K] of the experts to use
    struct qv_expert **expert;        // [K] owned
    size_t K;                         //
    json_t *learnt;                   // the object in adaptation.json
    qv_arena arena;
};

struct qv_adapter_ops {
    const char *name;  // as written after --method
    const char *about; // one line for help
    unsigned takes;    // QV_TAKES_...

    /* Make the expert. The caller owns *out. */
    qv_status (*adapt)(struct qv_expert **out, struct qv_adapting *a, qv_err *err);
};

/* The method of that name, or NULL; and the list for help, NULL-terminated. */
const struct qv_adapter_ops *qv__adapter_find(const char *name);
const struct qv_adapter_ops *const *qv__adapters(void);
extern const struct qv_adapter_ops qv__adapt_lora, qv__adapt_shared, qv__adapt_mu,
    qv__adapt_poly, qv__adapt_polyz, qv__adapt_mhr, qv__adapt_lorahub, qv__adapt_pi,
    qv__adapt_known;

/* ---- train.c ---- */

/* Train e on the task, last of all, `stage` naming the checkpoint; or a new mixture from
 * its start. */
qv_status qv__adapt_train(struct qv_expert *e, struct qv_adapting *a, const char *stage,
                          qv_err *err) QV_MUST_CHECK;
qv_status qv__adapt_mix(struct qv_mixture *mix, struct qv_adapting *a,
                        qv_err *err) QV_MUST_CHECK;

/* A fresh LoRA trained on the task alone, from the start that a library built with the
 * same seed has; kept, so that it is trained once. The caller owns *out. */
qv_status qv__adapt_fresh(struct qv_expert **out, struct qv_adapting *a,
                          qv_err *err) QV_MUST_CHECK;

/* ---- retrieve.c ---- */

/* Keep the experts that are nearest to the task by a->o->retrieve, or by `otherwise`
 * (NULL: all) if that is not given, nearest first. Fails with QV_ENOTFOUND if there is
 * no such way. */
qv_status qv__adapt_retrieve(struct qv_adapting *a, const char *otherwise,
                             qv_err *err) QV_MUST_CHECK;

/* ---- fisher.c ---- */

/* F [e->n_w] = the diagonal of the empirical Fisher information of e: the mean over s [n]
 * of the squared gradient of one sequence's loss. Fails with QV_ENOMEM. */
qv_status qv__fisher(float *F, struct qv_expert *e, const qv_model *m,
                     const struct qv_sequence *s, size_t n, qv_err *err) QV_MUST_CHECK;

/* near [K] = the cosines between the Fisher information of `own`, on the task's first
 * examples, and that of each expert of the library, on its own. The latter is kept as
 * the artifact "fisher"; where it is not there, the files that the expert was trained
 * on are read. Fails with QV_ENOTFOUND if they are gone or others, and with QV_EFORMAT
 * if an expert is not of the shape of `own`. */
qv_status qv__fisher_near(float *near, struct qv_expert *own, struct qv_adapting *a,
                          qv_err *err) QV_MUST_CHECK;

#endif
