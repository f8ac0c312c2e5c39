/* weights.h - from the files of a model directory to its weights, and back. */
#ifndef QV_MODEL_WEIGHTS_H
#define QV_MODEL_WEIGHTS_H

#include "model/model.h"

/* Map the model's files (model.safetensors, or the shards that
 * model.safetensors.index.json lists) and point every weight at its data, or at
 * a widened copy in m->own. Shapes, types and finiteness of norms are checked;
 * a missing tensor is named. */
qv_status qv__weights_map(qv_model *m, qv_err *err) QV_MUST_CHECK;

/* No model has more weights and biases than this. */
size_t qv__weights_at_most(const qv_model *m);

/* Allocate m->own for n floats, leaving m->n_own 0 for the caller to fill. */
qv_status qv__weights_allocate(qv_model *m, size_t n, qv_err *err) QV_MUST_CHECK;

/* The same for every weight. */
qv_status qv__weights_own(qv_model *m, qv_err *err) QV_MUST_CHECK;

#endif
