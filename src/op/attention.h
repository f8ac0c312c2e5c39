/* attention.h - causal self-attention over the sequences of a batch, with
 * grouped keys and values: H query heads share Hk key/value heads.
 *
 * For query row t of head h, with its sequence's keys k_j and values v_j up to
 * its own position, or the last `window` of them: p_j = softmax_j(scale q.k_j),
 * out = sum_j p_j v_j.
 */
#ifndef QV_OP_ATTENTION_H
#define QV_OP_ATTENTION_H

#include "base/base.h"
#include "op/batch.h"

struct qv_heads {
    size_t H, Hk, E;
    float scale;   // of the scores; 0: 1 / sqrt(E)
    size_t window; // positions a query sees, itself included; 0: all before it
};

/* Scratch floats that a thread needs for sequences of up to n_max positions. */
size_t qv__attention_scratch(size_t n_max);

/* out [T, H, E]. Sequence i's keys and values for positions 0 .. n_past + n - 1
 * are rows of k[i], v[i], each [.., Hk, E]; those of a branch come after all of its
 * stem's. lse [T, H] keeps log-sum-exp of the
 * scaled scores for the backward pass, or is NULL. scratch: one block of
 * qv__attention_scratch(n_max) floats for each OpenMP thread. */
void qv__attention(float *out, float *lse, const float *q, const float *const *k,
                   const float *const *v, const struct qv_batch *b, struct qv_heads heads,
                   float *scratch, size_t n_max);

/* The same rows backward, for sequences without a stem whose keys and values are rows of
 * k, v [.., Hk, E], a past's among them: dq [T, H, E], dk, dv [.., Hk, E] are added to.
 * The probabilities are computed again from lse. */
struct qv_attention_back {
    float *dq, *dk, *dv;
    const float *dout, *out, *lse, *q, *k, *v;
    const struct qv_seq *of_keys; // [n_seq] where each one's keys begin
};
void qv__attention_back(const struct qv_attention_back *g, const struct qv_batch *b,
                        struct qv_heads heads, float *scratch, size_t n_max);

#endif
