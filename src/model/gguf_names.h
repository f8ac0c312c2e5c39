/* gguf_names.h - what llama.cpp calls the tensors of a Llama, and how it orders rows.
 *
 * Hugging Face's rotary embedding turns numbers i and i + E/2 of a head of width E,
 * llama.cpp's the neighbours 2i and 2i + 1. So in a GGUF file of this family the rows of
 * each head of q and k lie in another order; no other tensor's do.
 */
#ifndef QV_MODEL_GGUF_NAMES_H
#define QV_MODEL_GGUF_NAMES_H

#include "base/base.h"

/* Room for a name. */
enum { QV_GGUF_NAME = 96 };

/* "blk.3.attn_q.weight" from "model.layers.3.self_attn.q_proj.weight", and back. False
 * if the family has no such tensor. */
bool qv__gguf_from_hf(char out[QV_GGUF_NAME], const char *name);
bool qv__gguf_to_hf(char out[QV_GGUF_NAME], const char *name);

/* Whether a tensor, by its GGUF name, has its rows reordered. */
bool qv__gguf_is_reordered(const char *name);

/* Of a reordered tensor with heads of width E: the row of the Hugging Face matrix that
 * is row `row` in a GGUF file, and the row in a GGUF file that is row `row` there. */
static inline size_t qv__gguf_row_of(size_t row, size_t E)
{
    size_t i = row % E;
    return row - i + i % 2 * (E / 2) + i / 2;
}
static inline size_t qv__gguf_row_at(size_t row, size_t E)
{
    size_t i = row % E;
    return row - i + i % (E / 2) * 2 + i / (E / 2);
}

#endif
