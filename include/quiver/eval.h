/* eval.h - how well a model, with what is reused, does on tasks. */
#ifndef QUIVER_EVAL_H
#define QUIVER_EVAL_H

#include <quiver/base.h>
#include <quiver/model.h>
#include <quiver/reuse.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The scores of one task: natural logarithms a token, at most 0, for "loglik"; 0 to 1
 * for all others (docs/evaluation.md). */
typedef struct qv_task_result {
    const char *name, *metric;
    size_t n;            // examples; a split of a small task may have none
    double mean;         // NaN of none
    const double *score; // [n] of each example, in file order
    const char *const
        *answer; // [n] what the model said; NULL if it was asked for likelihoods
} qv_task_result;

typedef struct qv_eval_result qv_eval_result;

/* All-zero means default. */
typedef struct qv_eval_opts {
    const char *metric; // where no suite names one ("rougeL")
    const char *data;   // where a suite's files are (the suite's own directory)
    const char *split;  // test, valid, train or all, whatever a suite says ("test"
                        // of what a build trained on is unseen; else: all)
    size_t limit;       // examples a task, whatever a suite says (else: all)
    size_t max_tokens;  // of an answer, where no suite says (32)
    size_t pass_tokens; // tokens in one pass (1024)
    qv_progress progress;
} qv_eval_opts;

/* Score the suite file, or the task files and directories, paths[0..n), with
 * `reuse` (NULL: the base alone). Deterministic: greedy, in a fixed order. The
 * caller owns *out. Fails as reading does, with QV_ENOTFOUND if the oracle knows
 * no expert of a task, QV_EUNSUPPORTED if programs are to be run and there is no
 * sandbox to run them in, and QV_ECANCEL. */
qv_status qv_eval(qv_eval_result **out, const qv_model *model, const qv_reuse *reuse,
                  const char *const *paths, size_t n, const qv_eval_opts *opts,
                  qv_err *err) QV_MUST_CHECK;
void qv_eval_free(qv_eval_result *r);

size_t qv_eval_tasks(const qv_eval_result *r);
const qv_task_result *qv_eval_task(const qv_eval_result *r, size_t i); // borrowed

/* The mean, over the tasks that have examples in the split, of their means; NaN if
 * none has. */
double qv_eval_mean(const qv_eval_result *r);

#ifdef __cplusplus
}
#endif
#endif
