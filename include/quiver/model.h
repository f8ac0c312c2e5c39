/* model.h - a frozen base model, shared by everything that uses it.
 *
 * A model is a Hugging Face directory: config.json, model.safetensors (or
 * shards and their index), tokenizer.json or tokenizer.model; or a GGUF file. It
 * is mapped, not copied, and never changes; any number of threads may use one.
 */
#ifndef QUIVER_MODEL_H
#define QUIVER_MODEL_H

#include <quiver/base.h>
#include <quiver/tokenizer.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct qv_model qv_model;

/* How products are computed. With weights in blocks and few tokens at a time, what is
 * multiplied is rounded to 16 bits beneath the largest of 16 or 32 neighbours, which moves
 * a product by about 1e-5 of its size; only f32 does not. */
typedef enum qv_compute {
    QV_COMPUTE_AUTO = 0, // bf16 where the CPU multiplies it and the weights have it
    QV_COMPUTE_F32,      // floats throughout
    QV_COMPUTE_BF16,
} qv_compute;

/* All-zero means default. */
typedef struct qv_model_opts {
    qv_compute compute;
    bool trainable; // own every weight as floats, for full-parameter training
} qv_model_opts;

/* Open the model in the directory or GGUF file `dir`. The caller owns *out. A GGUF file
 * is never trainable. Fails with QV_ENOTFOUND, QV_EIO,
 * QV_EFORMAT (naming the tensor or key), QV_EUNSUPPORTED (naming the feature) or
 * QV_ENOMEM. `opts` may be NULL. */
qv_status qv_model_open(qv_model **out, const char *dir, const qv_model_opts *opts,
                        qv_err *err) QV_MUST_CHECK;
void qv_model_close(qv_model *model);

/* The model's tokenizer, borrowed; NULL if there is none beside its weights. */
const qv_tokenizer *qv_model_tokenizer(const qv_model *model);

size_t qv_model_vocabulary(const qv_model *model);
size_t qv_model_context(const qv_model *model); // positions
size_t qv_model_width(const qv_model *model);
size_t qv_model_layers(const qv_model *model);
size_t qv_model_parameters(const qv_model *model);

/* 64 hexadecimal digits that name these weights: what a library remembers of
 * the base its experts were trained on. */
const char *qv_model_identity(const qv_model *model);

/* The adapted linear maps: their number, and the dotted name of each. */
size_t qv_model_sites(const qv_model *model);
const char *qv_model_site(const qv_model *model, size_t site);

#ifdef __cplusplus
}
#endif
#endif
