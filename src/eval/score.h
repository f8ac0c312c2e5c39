/* score.h - how likely a text is, token by token. */
#ifndef QV_EVAL_SCORE_H
#define QV_EVAL_SCORE_H

#include <quiver/reuse.h>

#include "base/base.h"

/* All-zero means default. */
struct qv_score_opts {
    size_t window;      // tokens that are seen at once (the model's context)
    size_t stride;      // tokens from a window's start to the next one's (half)
    size_t pass_tokens; // packed into one thread's pass (1024)
    size_t lanes;       // threads with a pass each (all)
    qv_progress progress;
};

/* logprob[i], i in 1 .. n - 1, is the natural logarithm of the probability of
 * ids[i] after what is before it; logprob[0] is 0, for nothing predicts it.
 *
 * A text longer than the window is seen through overlapping ones. The first
 * scores all its tokens, every other one those that the one before it did not
 * see, so that each has at least window - stride tokens of context, or all there
 * are. Fails with QV_ELIMIT if the window is more than the model's context, is
 * less than 2 or the stride leaves gaps, QV_EFORMAT for an id out of the
 * vocabulary, QV_ENOTFOUND (the oracle), QV_ENOMEM, QV_ECANCEL. */
qv_status qv__score(float *logprob, const qv_model *m, const qv_reuse *reuse,
                    const int *ids, size_t n, const struct qv_score_opts *opts,
                    qv_err *err) QV_MUST_CHECK;

#endif
