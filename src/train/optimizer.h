/* optimizer.h - one step of all parameters: AdamW, or Muon on a model's matrices
 * and AdamW on the rest.
 */
#ifndef QV_TRAIN_OPTIMIZER_H
#define QV_TRAIN_OPTIMIZER_H

#include "base/base.h"
#include "model/model.h"
#include "op/adamw.h"
#include "train/checkpoint.h"

struct qv_optimizer {
    struct qv_matrix *matrix; // [n_matrices] Muon's, as they lie in the parameters
    size_t n_matrices, scratch;
    size_t n_mixing; // the last parameters: logits, which have a rate of their own
};

/* AdamW for everything. With `muon`, Muon takes the linear maps of m's layers, whose
 * parameters are m->own: neither embedding nor head. Fails with QV_ENOMEM. */
qv_status qv__optimizer_init(struct qv_optimizer *o, const qv_model *m, bool muon,
                             qv_err *err) QV_MUST_CHECK;
void qv__optimizer_end(struct qv_optimizer *o);

/* Step st->step (from 0) of st->p by the gradient g, multiplied by `scale` first. Muon
 * takes AdamW's rate and decay; logits take AdamW as `mixing` has it (NULL: there are
 * none). The same bits for any number of threads. */
void qv__optimizer_step(const struct qv_optimizer *o, struct qv_state *st, const float *g,
                        const struct qv_adamw *adamw, const struct qv_adamw *mixing,
                        float scale);

#endif
