/* joint.h - do two tasks gain from being learnt together, and does likeness of their
 * experts' weights predict it? The paper's figure 2.
 *
 * For a pair of tasks a, b whose private experts are in the library, x is the cosine of the
 * two experts and y the gain: the mean over a and b of the score of one expert that learnt
 * both, less the mean of the scores of a's expert on a and b's on b. The expert of both is
 * trained as the library's were, for as many steps as the two together.
 *
 * Pairs are chosen as the authors' script does: the range of the cosines of all pairs is
 * cut into equal bins, and of each bin one pair is drawn. So pairs that are unusually alike
 * count as much as the many that are not.
 */
#ifndef QV_EVAL_JOINT_H
#define QV_EVAL_JOINT_H

#include <quiver/eval.h>

#include "base/arena.h"
#include "eval/correlation.h"

struct qv_joint_pair {
    const char *task[2];
    double similarity;      // cosine of their experts, as mbc compares
    double apart, together; // mean scores over the two tasks
};

struct qv_joint {
    const char *metric;
    struct qv_joint_pair *pair; // [n]
    size_t n;
    struct qv_correlation correlation; // of similarity and gain, over pairs
    qv_arena arena;                    // owns everything
};

struct qv_joint_opts {
    size_t bins;   // pairs at most (50)
    uint64_t seed; // draws them
    const char
        *work; // directory where experts of pairs are kept, a library each (required)
    qv_eval_opts eval;
    qv_progress progress;
};

/* Pairs of K experts with cosines sim [K, K], at most one a bin: pair [at most bins], in
 * order of their bins, which are of equal width from the least cosine of a pair to the
 * largest. Returns how many. */
struct qv_pair {
    size_t i, j; // i < j
};
size_t qv__pairs_by_bins(struct qv_pair *pair, size_t bins, const float *sim, size_t K,
                         uint64_t seed);

/* Train and score pairs of tasks among the task files (or directories) paths[0..n). Experts
 * of pairs that are in `work` stay, so that what was stopped goes on. The caller ends *out
 * with qv__joint_end, whether or not this succeeds. Fails with QV_ENOTFOUND if fewer than
 * two tasks have an expert of their own that says how it was trained, and as building and
 * qv_eval do. */
qv_status qv__joint(struct qv_joint *out, const qv_model *m, const char *library,
                    const char *const *paths, size_t n, const struct qv_joint_opts *opts,
                    qv_err *err) QV_MUST_CHECK;
void qv__joint_end(struct qv_joint *j);

#endif
