/* model.h - the frozen base in memory: numbers, weights, sites, tokenizer.
 *
 * Weights lie in the mapped files and are never copied, but for what the
 * arithmetic needs in another form: norms, Conv1D's turned matrices, and GGUF's
 * matrices of floats with moved rows. A trainable model is the exception: all its
 * weights are floats in one block, in the order of qv__model_each.
 */
#ifndef QV_MODEL_MODEL_H
#define QV_MODEL_MODEL_H

#include <quiver/model.h>
#include <quiver/tokenizer.h>

#include "base/arena.h"
#include "base/base.h"
#include "format/gguf.h"
#include "format/safetensors.h"
#include "lora/site.h"
#include "model/config.h"
#include "op/linear.h"

/* A linear map or a norm: its weight, and its bias [1, D_out] (D_in 0: none). Norms are
 * [1, D]. Vectors are always f32. */
struct qv_affine {
    struct qv_weight w, b;
};

struct qv_layer {
    struct qv_affine norm1, norm2, q_norm, k_norm; // D_in 0: the family has none
    struct qv_affine map[QV_N_MAPS];               // likewise
};

struct qv_names;

struct qv_model {
    struct qv_config c;
    struct qv_weight embed;     // [V, D]
    struct qv_weight positions; // [n_ctx, D], or D_in 0
    struct qv_affine norm;      // [1, D]
    struct qv_affine head;      // [V, D]; its weight is embed when tied
    struct qv_layer *layer;     // [L]
    struct qv_sites sites;      // [L * n_maps]
    size_t n_maps;              // of a layer
    size_t slot[QV_N_MAPS];     // site l * n_maps + slot[map]; SIZE_MAX: no such map
    float *rope;                // [n_ctx, R/2, 2], or NULL
    float *own;                 // [n_own] weights widened, made or trained here
    size_t n_own;
    bool is_trainable;       // own holds every weight
    bool wants_bf16;         // products in bf16
    bool wants_f32;          // products in floats, though others be faster
    bool has_blocks;         // some weights are in blocks
    char *dir;               // the directory or file it came from, or NULL
    char identity[65];       // SHA-256 of numbers, shapes and a sample of the weights
    char origin[65];         // the identity of what it was quantised from, or its own
    qv_tokenizer *tokenizer; // NULL if the directory has none
    struct qv_st *shard;     // [n_shards] the mapped files
    size_t n_shards;
    struct qv_gguf *gguf; // or the one mapped file, or NULL
    qv_arena arena;
};

/* A new model with random weights (normal, 0.02; projections into the residual
 * stream 0.02 / sqrt(2 L)), biases 0, trainable. A config without a family is a plain
 * Llama of those sizes. The caller owns *out. */
qv_status qv__model_new(qv_model **out, const struct qv_config *c, uint64_t seed,
                        qv_err *err) QV_MUST_CHECK;

/* The numbers and sites of the model at `path`, for which its config.json (or the values
 * of a GGUF file) are enough: it has no weights and no tokenizer. The caller owns *out.
 * Fails as qv_model_open does. */
qv_status qv__model_outline(qv_model **out, const char *path, qv_err *err) QV_MUST_CHECK;

/* Write dir/config.json and dir/model.safetensors (F32 or BF16). The directory
 * exists. The model must be trainable. */
qv_status qv__model_write(qv_model *m, const char *dir, enum qv_dtype dtype,
                          qv_err *err) QV_MUST_CHECK;

#endif
