/* run.h - one task being evaluated: what its parts in this directory share. */
#ifndef QV_EVAL_RUN_H
#define QV_EVAL_RUN_H

#include <quiver/eval.h>

#include "base/arena.h"
#include "data/dataset.h"
#include "eval/suite.h"

struct qv_run {
    const qv_model *m;
    const qv_reuse *reuse;
    const qv_eval_opts *o; // with defaults filled in
    const struct qv_suite_task *task;
    struct qv_dataset *data;
    const struct qv_example **at; // [n] those to score
    size_t n;
    // In the result's arena:
    double *score;       // [n]
    const char **answer; // [n], or NULL
    qv_arena *keep;
    qv_arena arena;
};

/* Fill score from the likelihoods of options or targets. */
qv_status qv__run_likelihood(struct qv_run *r, qv_err *err) QV_MUST_CHECK;

/* Fill answer with what the model says, and score from that. */
qv_status qv__run_answers(struct qv_run *r, qv_err *err) QV_MUST_CHECK;

/* A prompt after its shots, of which the last are dropped until the whole has at most
 * `room` tokens or one is left. In r->arena. */
qv_status qv__run_prompt(const char **out, struct qv_run *r, const struct qv_shots *shots,
                         const char *prompt, size_t room, qv_err *err) QV_MUST_CHECK;

#endif
