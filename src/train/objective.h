/* objective.h - the loss of some sequences, and its gradient.
 *
 * Loss: the mean over sequences of the mean negative log-likelihood of a
 * sequence's target tokens, each sequence counting the same whatever its length
 * (as the authors train, in micro-batches of one).
 *
 * Sequences are packed end to end into passes, in which they cannot see one
 * another, and passes are dealt to lanes. A lane is one thread with its own
 * activations and its own gradient; the lanes meet once, when their gradients
 * are added up in lane order. So the result depends on the number of lanes, in
 * its last bits, but never on how the threads happen to run.
 *
 * What is trained is an expert, a whole model, or a mixture of experts: then a pass
 * holds sequences of one task, whose own expert is mixed before it, and the gradient
 * of that expert goes back to what it was mixed from.
 */
#ifndef QV_TRAIN_OBJECTIVE_H
#define QV_TRAIN_OBJECTIVE_H

#include "base/base.h"
#include "data/dataset.h"
#include "lora/expert.h"
#include "lora/mixture.h"
#include "lora/prototypes.h"
#include "model/decoder.h"

/* What the loss is a function of. */
struct qv_objective_of {
    const qv_model *m;
    struct qv_expert *expert;          // trained, or NULL
    struct qv_mixture *mixture;        // or this is; NULL
    const struct qv_prototypes *gates; // one a site of the expert: trained in its place
    bool full;                         // the model's own weights are trained
    struct qv_update *updates;         // [lanes] reused experts, or NULL; not with training
    size_t memory; // bytes for activations, all lanes (0: half the machine's)
};

struct qv_lane;

struct qv_objective {
    struct qv_objective_of of;
    struct qv_lane *lane; // [n_lanes]
    size_t n_lanes;
    size_t T_max, n_rows; // rows and target rows a pass may have
    size_t pass_tokens;   // rows a pass should have
    size_t *first;        // scratch: [max_passes + 1] sequences of each pass
    size_t max_passes;
    float *g; // [n] the gradient, as expert->w, the mixture's trained, gates->v or
              // model->own lies
    size_t n; // trained numbers; 0: no backward pass
    void *mem;
};

/* Room for sequences of up to `longest` tokens, about pass_tokens to a pass, and
 * `lanes` threads (0: as many as OpenMP gives). Fails with QV_ENOMEM. */
qv_status qv__objective_init(struct qv_objective *o, const struct qv_objective_of *of,
                             size_t longest, size_t pass_tokens, size_t lanes,
                             qv_err *err) QV_MUST_CHECK;
void qv__objective_end(struct qv_objective *o);

/* The loss of sequences s[0..n). nll [n], if not NULL, gets each one's own mean
 * negative log-likelihood. Fails with QV_ENOMEM. */
qv_status qv__loss(double *loss, struct qv_objective *o, const struct qv_sequence *const *s,
                   size_t n, float *nll, qv_err *err) QV_MUST_CHECK;

/* The same with the gradient into o->g (not added). */
qv_status qv__loss_gradient(double *loss, struct qv_objective *o,
                            const struct qv_sequence *const *s, size_t n,
                            struct qv_dropout drop, qv_err *err) QV_MUST_CHECK;

#endif
