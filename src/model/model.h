/* model.h - the frozen base in memory: numbers, weights, sites, tokenizer.
 *
 * Weights lie in the mapped files and are never copied, but for what the
 * arithmetic needs in another form: norms, and bfloat16 matrices on machines
 * (or requests) that multiply floats. A trainable model is the exception: all
 * its weights are floats in one block, in the order of qv__model_each.
 */
#ifndef QV_MODEL_MODEL_H
#define QV_MODEL_MODEL_H

#include <quiver/model.h>
#include <quiver/tokenizer.h>

#include "base/arena.h"
#include "base/base.h"
#include "format/safetensors.h"
#include "lora/site.h"
#include "model/config.h"
#include "op/linear.h"

/* The linear maps of a layer, in the order the forward pass meets them; also
 * the order of sites within a layer. */
enum qv_linear_map { QV_Q, QV_K, QV_V, QV_O, QV_GATE, QV_UP, QV_DOWN, QV_N_MAPS };

struct qv_layer {
    struct qv_weight norm1, norm2; // [1, D], always f32
    struct qv_weight map[QV_N_MAPS];
};

struct qv_model {
    struct qv_config c;
    struct qv_weight embed, head; // [V, D]; head is embed when tied
    struct qv_weight norm;        // [1, D]
    struct qv_layer *layer;       // [L]
    struct qv_sites sites;        // [L * QV_N_MAPS]
    float *rope;                  // [n_ctx, E/2, 2]
    float *own;                   // [n_own] weights widened, made or trained here
    size_t n_own;
    bool is_trainable;       // own holds every weight
    bool wants_bf16;         // products in bf16
    char *dir;               // where it came from, or NULL
    char identity[65];       // SHA-256 of numbers, shapes and a sample of the weights
    qv_tokenizer *tokenizer; // NULL if the directory has none
    struct qv_st *shard;     // [n_shards] the mapped files
    size_t n_shards;
    qv_arena arena;
};

/* A new model with random weights (normal, 0.02; projections into the residual
 * stream 0.02 / sqrt(2 L)), trainable. The caller owns *out. */
qv_status qv__model_new(qv_model **out, const struct qv_config *c, uint64_t seed,
                        qv_err *err) QV_MUST_CHECK;

/* Call fn for every weight, by its Hugging Face name, in a fixed order. A tied
 * head is not met. */
typedef qv_status (*qv_weight_fn)(void *arg, const char *name, struct qv_weight *w,
                                  qv_err *err);
qv_status qv__model_each(qv_model *m, qv_weight_fn fn, void *arg,
                         qv_err *err) QV_MUST_CHECK;

/* Write dir/config.json and dir/model.safetensors (F32 or BF16). The directory
 * exists. The model must be trainable. */
qv_status qv__model_write(qv_model *m, const char *dir, enum qv_dtype dtype,
                          qv_err *err) QV_MUST_CHECK;

#endif
