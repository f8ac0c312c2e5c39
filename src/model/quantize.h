/* quantize.h - a model as one GGUF file, its matrices in blocks.
 *
 * The file has the values, names and order of rows of llama.cpp's converter
 * (gguf_arch.h), and vectors and tables of positions as floats. A type whose blocks do not
 * divide a matrix's rows gives way to the like of it with smaller blocks, and that to
 * F16; the head, or a tied embedding, is Q6_K where the type asked for has fewer bits.
 */
#ifndef QV_MODEL_QUANTIZE_H
#define QV_MODEL_QUANTIZE_H

#include "kern/block.h"
#include "model/model.h"

/* The type of a matrix whose rows have D_in elements, when `type` is asked for. */
const struct qv_block_type *qv__quantize_type(const struct qv_block_type *type, size_t D_in,
                                              bool is_head);

/* Write the model, which came from somewhere, to `path`, atomically. Fails with
 * QV_EUNSUPPORTED if GGUF cannot say what it is, with QV_EFORMAT if a weight is not finite,
 * with QV_ECANCEL, QV_ENOMEM, QV_EIO, and as qv__tokenizer_to_gguf does. */
qv_status qv__model_quantize(qv_model *m, const char *path,
                             const struct qv_block_type *type, qv_progress progress,
                             qv_err *err) QV_MUST_CHECK;

#endif
