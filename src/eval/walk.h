/* walk.h - the unseen examples of tasks, one after another through the model, for what
 * there is to see on the way.
 *
 * What is seen counts at the rows that predict a target: at the prompt's earlier tokens
 * nothing is asked of the model.
 */
#ifndef QV_EVAL_WALK_H
#define QV_EVAL_WALK_H

#include "base/base.h"
#include "model/model.h"
#include "route/update.h"

/* The example in the pass. */
struct qv_walk_at {
    const char *task;
    size_t first, last; // rows first .. last - 1 predict a target
};

struct qv_walk {
    const qv_model *m;
    const char *const *paths; // [n] task files and directories of them
    size_t n;
    size_t limit;             // examples a task (0: all); of its validation part
    struct qv_update *update; // of every pass; it may watch and see
    struct qv_walk_at *at;    // filled in before each pass
    void (*ends)(void *arg);  // called after each pass; or NULL
    void *arg;
    qv_progress progress;
};

/* Fails as reading tasks does, with QV_ENOTFOUND if the model has no tokenizer, and with
 * QV_ECANCEL. w->update has room for the model's context. */
qv_status qv__walk(const struct qv_walk *w, qv_err *err) QV_MUST_CHECK;

#endif
