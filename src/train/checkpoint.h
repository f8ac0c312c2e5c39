/* checkpoint.h - the state of a training, and its one file. */
#ifndef QV_TRAIN_CHECKPOINT_H
#define QV_TRAIN_CHECKPOINT_H

#include "base/base.h"

struct qv_state {
    size_t n;     // parameters
    float *p;     // [n] borrowed from the trainee
    float *m, *v; // [n] AdamW's moments
    float *best;  // [n] parameters of the lowest validation loss
    float best_loss;
    size_t step, max_steps;
    size_t tokens, tokens_before; // seen in all, and before this process
    float *loss;                  // [max_steps]
    float (*valid)[2];            // [max_valid] (step, loss)
    size_t n_valid, max_valid;
};

/* Zero moments, nothing done. Fails with QV_ENOMEM. */
qv_status qv__state_init(struct qv_state *st, float *p, size_t n, size_t max_steps,
                         size_t max_valid, qv_err *err) QV_MUST_CHECK;
void qv__state_end(struct qv_state *st);

/* Write the state to `path` atomically, stamped with what run it belongs to. */
qv_status qv__state_save(const struct qv_state *st, const char *path,
                         const char *fingerprint, qv_err *err) QV_MUST_CHECK;

/* Continue from `path`. No file is no failure and changes nothing; a file of
 * another run fails with QV_EFORMAT. */
qv_status qv__state_load(struct qv_state *st, const char *path, const char *fingerprint,
                         qv_err *err) QV_MUST_CHECK;

#endif
