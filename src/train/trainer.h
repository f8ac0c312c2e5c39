/* trainer.h - gradient steps until the schedule ends, safe against a kill at any
 * moment.
 *
 * The trainer sees one flat block of parameters, whether a LoRA's or a whole
 * model's. Everything random is a function of (seed, step), and the checkpoint
 * holds parameters, moments and the best parameters so far, so a resumed run
 * ends with the same bits as one that was never interrupted.
 */
#ifndef QV_TRAIN_TRAINER_H
#define QV_TRAIN_TRAINER_H

#include <quiver/train.h>

#include "base/base.h"
#include "lora/expert.h"
#include "train/objective.h"
#include "train/source.h"

/* The multiplier of the learning rate at optimiser step i of N (from 0): linear
 * warm-up over w steps from 0, then linear decay to 0, as the authors train. */
double qv__schedule(size_t i, size_t w, size_t N);

/* The defaults of rates, of LoRA or of full training, in place of the zeros that
 * ask for them, and zeros in place of negative numbers. Not to be done twice. */
void qv__train_defaults(struct qv_train_opts *o, bool full);

/* What training did. */
struct qv_train_log {
    size_t steps, tokens; // tokens processed, prompts included
    float *loss;          // [steps] of each step
    float (*valid)[2];    // [n_valid] (after step, loss)
    size_t n_valid;
    float best;     // the lowest validation loss, or the last step's loss
    double seconds; // of this process
};
void qv__train_log_end(struct qv_train_log *log);

/* Train e's weights on a frozen model. valid [n_valid] may be empty; otherwise
 * the weights with the lowest validation loss are kept. `checkpoint`, if not
 * NULL, is a file saved to now and then, resumed from if it is there and belongs
 * to the same data and options, and left for the caller to remove. Fails with
 * QV_ECANCEL when progress asks to stop (the checkpoint is then current),
 * QV_EFORMAT if the loss is not finite or the checkpoint belongs to another run,
 * QV_ENOMEM, QV_EIO. */
qv_status qv__train_expert(struct qv_expert *e, const qv_model *m, struct qv_source *src,
                           const struct qv_sequence *const *valid, size_t n_valid,
                           const struct qv_train_opts *opts, const char *checkpoint,
                           struct qv_train_log *log, qv_err *err) QV_MUST_CHECK;

/* The same for what a mixture trains: its skills and logits, or the logits alone. A
 * sequence's `task` says by whose logits the skills are mixed for it. */
qv_status qv__train_mixture(struct qv_mixture *mix, const qv_model *m,
                            struct qv_source *src, const struct qv_sequence *const *valid,
                            size_t n_valid, const struct qv_train_opts *opts,
                            const char *checkpoint, struct qv_train_log *log,
                            qv_err *err) QV_MUST_CHECK;

/* The same for the gates of a frozen expert, one vector a site (op/gate.h), which come as
 * they are to start. There is no validation. */
qv_status qv__train_gates(struct qv_prototypes *gates, struct qv_expert *e,
                          const qv_model *m, struct qv_source *src,
                          const struct qv_train_opts *opts, struct qv_train_log *log,
                          qv_err *err) QV_MUST_CHECK;

/* The same for all weights of a trainable model. */
qv_status qv__train_full(qv_model *m, struct qv_source *src,
                         const struct qv_sequence *const *valid, size_t n_valid,
                         const struct qv_train_opts *opts, const char *checkpoint,
                         struct qv_train_log *log, qv_err *err) QV_MUST_CHECK;

#endif
