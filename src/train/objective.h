/* objective.h - the loss of some sequences, and its gradient.
 *
 * Loss: the mean over sequences of the mean negative log-likelihood of a
 * sequence's target tokens, each sequence counting the same whatever its length
 * (as the authors train: micro-batches of one, REFERENCE 2.3). Sequences are
 * packed end to end into as few passes as memory allows; they cannot see one
 * another.
 */
#ifndef QV_TRAIN_OBJECTIVE_H
#define QV_TRAIN_OBJECTIVE_H

#include "base/base.h"
#include "data/dataset.h"
#include "model/llama.h"

/* Working memory, reused from call to call. */
struct qv_objective {
    const qv_model *m;
    struct qv_acts acts;
    size_t T_max, n_rows;    // rows and target rows a pass may have
    int *token, *pos;        // [T_max]
    struct qv_seq *seq;      // [T_max]
    int *row, *target;       // [n_rows]
    float *weight, *logprob; // [n_rows]
    void *mem;
};

/* Room for sequences of up to `longest` tokens, `tokens` to a pass (at least the
 * longest). trains and R_max as for qv__acts_init. Fails with QV_ENOMEM. */
qv_status qv__objective_init(struct qv_objective *o, const qv_model *m, size_t longest,
                             size_t tokens, bool trains, size_t R_max,
                             qv_err *err) QV_MUST_CHECK;
void qv__objective_end(struct qv_objective *o);

/* The loss of sequences s[0..n); nll [n], if not NULL, gets each one's own mean
 * negative log-likelihood. With `backward`, the gradient is added to what
 * `train` names. `train` may be NULL when not backward. */
double qv__objective(struct qv_objective *o, const struct qv_sequence *const *s, size_t n,
                     const struct qv_trainee *train, bool backward, float *nll);

#endif
