/* generate.h - the continuations of many prompts at once, for evaluation. */
#ifndef QV_MODEL_GENERATE_H
#define QV_MODEL_GENERATE_H

#include <quiver/session.h>

#include "model/decoder.h"

struct qv_request {
    const int *prompt; // [n_prompt] > 0
    size_t n_prompt;
    size_t max_new;
    int *out; // [max_new] filled; the EOS that ended it is left out
    size_t n_out;
    /* Asked after each token whether it was the last; may be NULL. */
    bool (*is_done)(void *arg, const struct qv_request *r);
    void *arg;
};

/* Continue each request greedily, or as `sample` says, until EOS (-1: never), it
 * is done, max_new tokens, or the model's context is full. Requests are decoded side by
 * side, sharing every read of the weights; what one says does not depend on its
 * neighbours beyond rounding. `update` (NULL: none) has room for pass_tokens
 * rows. Fails with QV_ELIMIT if a prompt is longer than the context or than
 * pass_tokens, or QV_ENOMEM. */
qv_status qv__generate(const qv_model *m, struct qv_update *update, size_t pass_tokens,
                       struct qv_request *r, size_t n, int eos,
                       const qv_sample_opts *sample, qv_err *err) QV_MUST_CHECK;

#endif
