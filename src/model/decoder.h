/* decoder.h - the decoder that all model families are, forward and backward: a list of
 * operators in the order of the paper.
 *
 * One pass takes a batch of token rows (op/batch.h) through all layers. What is
 * added to the base's linear maps, and where keys and values are kept, is the
 * pass's choice; the arithmetic is the same for training, scoring and decoding.
 */
#ifndef QV_MODEL_DECODER_H
#define QV_MODEL_DECODER_H

#include "model/model.h"
#include "model/parts.h"
#include "op/batch.h"
#include "op/gate.h"
#include "op/lora.h"
#include "route/update.h"

/* One layer's activations. Without a backward pass all layers share one; and in it, those
 * that are computed again share all but their inputs. */
struct qv_layer_acts {
    float *x, *stat1, *n1;   // [T, D] [T, 2] [T, D]   input, norm
    float *q, *k, *v;        // [T, H, E] [T, Hk, E] [T, Hk, E]   normed, rotated
    float *q_raw, *k_raw;    // the same before; with normed queries and keys
    float *q_stat, *k_stat;  // [T, H, 2] [T, Hk, 2]
    float *att, *lse;        // [T, H, E] [T, H]
    float *mid, *stat2, *n2; // [T, D] [T, 2] [T, D]   after attention, norm; n2 may be n1
    float *gate, *up, *h;    // [T, F]
};

/* Room for passes of up to T_max rows, n_max positions in a sequence, and
 * n_rows rows of logits. */
struct qv_acts {
    size_t T_max, n_max, n_rows;
    size_t n_again; // layers, from the lowest on, that the backward pass computes again
    struct qv_layer_acts *layer;         // [L]
    float *x;                            // [T, D] after the last layer
    float *proj;                         // [T, D] one map's output before it is added
    float *qkv;                          // [T, (H + 2 Hk) E] with one map for all three
    float *rows, *row_stat, *row_normed; // [n_rows, D] [n_rows, 2] [n_rows, D]
    float *logits;                       // [n_rows, V]
    float *scratch;                      // attention, one block a thread
    struct qv_linear_room room;          // half: with bf16 products; slab: with blocks
    const float **keys, **values;        // [n_seq <= T_max]
    struct qv_seq *read;                 // [n_seq <= T_max] without rows that nobody reads
    size_t n_read;                       // rows of theirs
    bool leaves_out;                     // the last layer goes without the others
    float *read_x, *read_n1;             // [T, D] of its input, and of n1 if n2 is no more
    struct qv_pass_part *read_part;      // [n_seq] likewise
    /* the backward pass */
    float *dx, *dn, *dq, *dk, *dv, *datt, *dgate, *dup, *dh;
    float *dn2;             // [T, D] in a parallel block
    float *dq_raw, *dk_raw; // with normed queries and keys
    float *drop;            // [T, R + widest input] for LoRA's and gates'
    void *mem;
};

/* `memory` 0: no backward pass. Else that pass is given about so many bytes, and layers
 * that do not fit in them are computed again, which changes no number. `R_max` is the
 * largest LoRA rank to be trained. Fails with QV_ENOMEM. */
qv_status qv__acts_init(struct qv_acts *a, const qv_model *m, size_t T_max, size_t n_max,
                        size_t n_rows, size_t memory, size_t R_max,
                        qv_err *err) QV_MUST_CHECK;
void qv__acts_end(struct qv_acts *a);

/* Keys and values of one sequence: [L, n_ctx, Hk, E] each. */
struct qv_cache {
    float *k, *v;
    size_t n_ctx, n; // room, and positions filled
    void *mem;
};

/* An empty cache of n_ctx positions. Fails with QV_ENOMEM. */
qv_status qv__cache_init(struct qv_cache *c, const qv_model *m, size_t n_ctx,
                         qv_err *err) QV_MUST_CHECK;
void qv__cache_end(struct qv_cache *c);

/* What a pass trains: LoRA maps at some sites, the gates of frozen ones, or the whole
 * base. */
struct qv_trainee {
    const struct qv_lora_map *map;  // [n_sites], R = 0 where there is none; or NULL
    const struct qv_gate_map *gate; // likewise
    float **z;                      // [n_sites] [T, R], of gates [T, R + 1], kept for
                                    // the backward pass
    size_t lowest;                  // layer of the lowest map
    struct qv_dropout drop;         // the seed of this pass; sites get their own
    float *dw;                      // the base's gradient, as m->own lies; or NULL
};

struct qv_pass {
    const qv_model *m;
    struct qv_acts *a;
    const struct qv_batch *b;
    struct qv_update *update;       // of all rows, or NULL
    const struct qv_parts *parts;   // instead, each its own: they stay apart; or NULL
    const struct qv_trainee *train; // or NULL
    struct qv_cache *const *cache;  // by qv_seq.cache; or NULL: sequences stand alone
};

/* Fill p->a up to a->x, of rows that are read (op/batch.h). With caches, keys and values
 * are appended to them, and their n grows. With a router by text the prompts have been
 * read: qv__forward does both. */
void qv__decoder_forward(const struct qv_pass *p);

/* What the first n layers make of the batch, of all its rows, [T, D]; it lies in p->a. */
const float *qv__decoder_hidden(const struct qv_pass *p, size_t n);

/* a->row_normed [n, D] for n chosen rows of the pass: the last norm of what they came to.
 */
void qv__decoder_normed(const struct qv_pass *p, const int *row, size_t n);

/* a->logits [n, V] for n chosen rows of the pass; with parts, each row as if alone. */
void qv__decoder_logits(const struct qv_pass *p, const int *row, size_t n);

/* From the gradient of those logits, left in a->logits, add the gradients of
 * what p->train names. The pass must have been forward with the same batch. */
void qv__decoder_backward(const struct qv_pass *p, const int *row, size_t n);

#endif
