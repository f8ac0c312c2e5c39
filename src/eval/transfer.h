/* transfer.h - what every expert of a library does on every task, beside how alike the
 * experts are.
 *
 * The gain of expert a on task t is its score less the base's. Over all pairs of an expert
 * a and a task t that another expert b learnt, the correlation of the cosine of a and b
 * with that gain says whether likeness of weights predicts transfer. The paper's figure 2
 * asks it of training two tasks together, which is dearer: joint.h.
 */
#ifndef QV_EVAL_TRANSFER_H
#define QV_EVAL_TRANSFER_H

#include <quiver/eval.h>

#include "base/arena.h"
#include "eval/correlation.h"

struct qv_transfer {
    const char *metric;
    const char **expert, **task; // [K], [T]
    int *own;                    // [T] the expert that learnt the task, or -1
    double *base;                // [T] scores
    double *score;               // [K, T]
    float *similarity;           // [K, K] cosines, as mbc compares, else of the updates
    bool is_gauge;               // they are of the updates
    size_t K, T;
    qv_arena arena; // owns everything
};

/* Score the base and each expert of `library`, alone, on the tasks of `paths` (as qv_eval
 * takes them). The caller ends *out with qv__transfer_end, whether or not this succeeds.
 * Fails as qv_reuse_open and qv_eval do. */
qv_status qv__transfer(struct qv_transfer *out, const qv_model *m, const char *library,
                       const char *const *paths, size_t n, const qv_eval_opts *opts,
                       qv_err *err) QV_MUST_CHECK;
void qv__transfer_end(struct qv_transfer *t);

/* The correlation over all pairs of an expert a and a task of another one, with its 95%
 * bootstrap interval over tasks: resamples draw tasks, and take the pairs of an expert and
 * a task that are both of tasks drawn. */
struct qv_correlation qv__transfer_correlation(const struct qv_transfer *t);

#endif
