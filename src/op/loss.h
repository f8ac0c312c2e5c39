/* loss.h - cross-entropy of the next token, forward and backward. */
#ifndef QV_OP_LOSS_H
#define QV_OP_LOSS_H

#include "base/base.h"

/* logprob [n] = log softmax(logits [n, V])[target]. */
void qv__logprob(float *logprob, const float *logits, const int *target, size_t n,
                 size_t V);

/* lse [n] = log sum exp of logits [n, V]'s rows: a logit less it is a log-probability. */
void qv__log_sum_exp(double *lse, const float *logits, size_t n, size_t V);

/* As logprob, and logits become the gradient of sum_i weight[i] * -logprob[i]:
 * weight[i] * (softmax - onehot). */
void qv__cross_entropy(float *logprob, float *logits, const int *target,
                       const float *weight, size_t n, size_t V);

#endif
