/* options.h - how likely each of several texts is, where some begin alike.
 *
 * The options of an example follow the same prompt. The tokens that all of them begin
 * with are computed once, as a stem, and what each has beyond them as a branch of it
 * (op/batch.h), in one pass with other examples'. A row of the stem stands for the same
 * row of every option, because a row depends only on what is before it: routers decide
 * token by token. So likelihoods are those of each option alone, up to rounding.
 *
 * How much is shared is found in the tokens and not in the texts: where a tokenizer joins
 * a prompt's last letters to an option's first, or where a prompt too long for the context
 * has been cut at another place for each option, less is shared, or nothing.
 */
#ifndef QV_EVAL_OPTIONS_H
#define QV_EVAL_OPTIONS_H

#include <quiver/reuse.h>

#include "base/base.h"
#include "data/dataset.h"

/* Sequences that may begin alike. */
struct qv_group {
    const struct qv_sequence *s; // [n]
    size_t n;
};

/* How many ids all of a group's sequences begin with, but at least one less than the
 * shortest has: the last id of a sequence is never fed. */
size_t qv__group_shares(const struct qv_group *g);

/* logprob [all sequences, group by group]: the sum of the natural logarithms of the
 * probabilities of a sequence's target ids. `reuse` answers, for a text of `task`
 * (model/reuse.h). Packs about pass_tokens rows into a pass; one thread has one pass.
 * Fails with QV_ENOTFOUND (the oracle) or QV_ENOMEM. */
qv_status qv__score_groups(double *logprob, const qv_model *m, const qv_reuse *reuse,
                           const char *task, const struct qv_group *g, size_t n,
                           size_t pass_tokens, qv_err *err) QV_MUST_CHECK;

#endif
