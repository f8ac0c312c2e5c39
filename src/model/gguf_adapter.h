/* gguf_adapter.h - adapters of a model, as a directory of PEFT's or as a GGUF file of
 * llama.cpp's: its names become our sites, and B's rows take their order, and back.
 *
 * Of the model nothing but its numbers and sites are used: qv__model_outline is enough.
 */
#ifndef QV_MODEL_GGUF_ADAPTER_H
#define QV_MODEL_GGUF_ADAPTER_H

#include "lora/expert.h"
#include "lora/gguf_lora.h"
#include "model/model.h"

/* Whether `path` is named as a GGUF file is. */
bool qv__is_gguf_name(const char *path);

/* The adapter at `path`, a directory of PEFT's or a GGUF file, for the model: expert
 * sites come in its order. The expert is named after the path. Fails as qv__peft_read
 * and qv__gguf_lora_open do, and with QV_EFORMAT or QV_EUNSUPPORTED where it is not
 * one for this model. */
qv_status qv__adapter_read(struct qv_expert **out, const char *path, const qv_model *m,
                           qv_err *err) QV_MUST_CHECK;

/* What it does with an open GGUF file. */
qv_status qv__gguf_adapter_expert(struct qv_expert **out, const char *name,
                                  const struct qv_gguf_lora *l, const qv_model *m,
                                  qv_err *err) QV_MUST_CHECK;

/* Write `e` as a GGUF adapter for the model, atomically; `task` may be NULL. Where a
 * site's scale is not what the file's one alpha makes it, B is multiplied by the rest.
 * Fails with QV_EUNSUPPORTED if GGUF has no architecture for the model, QV_EFORMAT if
 * a site is not the model's or a weight not finite, QV_EIO or QV_ENOMEM. */
qv_status qv__gguf_adapter_write(const struct qv_expert *e, const char *task,
                                 const char *path, const qv_model *m,
                                 qv_err *err) QV_MUST_CHECK;

#endif
