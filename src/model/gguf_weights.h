/* gguf_weights.h - from a GGUF file's tensors to a model's weights. */
#ifndef QV_MODEL_GGUF_WEIGHTS_H
#define QV_MODEL_GGUF_WEIGHTS_H

#include "model/model.h"

/* Point every weight of m, laid out for m->gguf's numbers, at its data in the file, or
 * at a copy in m->own: vectors as floats, and matrices whose rows llama.cpp has moved,
 * in their own type. A tensor that is missing, of another shape or of a type not
 * computed with is named, and so is one that the model has no use for. */
qv_status qv__gguf_weights(qv_model *m, qv_err *err) QV_MUST_CHECK;

#endif
