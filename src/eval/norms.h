/* norms.h - how much each expert would add to what the base computes.
 *
 * At each site and row that predicts a target, with x the base's own input there and W x
 * its output without the bias, the update of expert e has the norm |s B A x|. Of an
 * example:
 *
 *     ratio   mean over sites of  own / others
 *     own     mean over sites of  own / |W x|,  others likewise
 *
 * where `own` is the mean over rows of the norm of the expert that learnt the example's
 * task, and `others` the mean over all other experts of theirs. A ratio above 1 is the
 * evidence that Arrow stands on (section 8.1 and figure 5 of arXiv:2405.11157).
 */
#ifndef QV_EVAL_NORMS_H
#define QV_EVAL_NORMS_H

#include "base/arena.h"
#include "model/model.h"

struct qv_norms_task {
    const char *name;
    size_t n;                  // examples
    double own, others, ratio; // means over them; NaN of none
};

struct qv_norms {
    struct qv_norms_task *task; // [n_tasks] of those that an expert learnt
    size_t n_tasks;
    double *ratio; // [n] of all examples, task by task
    size_t n;
    qv_arena arena; // owns everything
};

struct qv_norms_opts {
    size_t limit; // validation examples a task (0: all)
    qv_progress progress;
};

/* The caller ends *out with qv__norms_end, whether or not this succeeds. Fails as reading
 * a library and walking (eval/walk.h) do, and with QV_ENOTFOUND if no expert learnt a task
 * of `paths`, or the library has fewer than two experts. */
qv_status qv__norms(struct qv_norms *out, const qv_model *m, const char *library,
                    const char *const *paths, size_t n, const struct qv_norms_opts *opts,
                    qv_err *err) QV_MUST_CHECK;
void qv__norms_end(struct qv_norms *s);

#endif
