/* library.h - the library as code that computes with experts sees it: weights
 * in and out, and artifacts.
 *
 * An artifact is something computed from an expert and kept beside it, in
 * <expert>/artifacts/<kind>.safetensors, stamped with the hash of the expert it
 * was computed from. One whose stamp is not the expert's hash does not exist. What else
 * it was computed from (a model, data, settings) it may say in facts of its own.
 */
#ifndef QV_LIBRARY_LIBRARY_H
#define QV_LIBRARY_LIBRARY_H

#include <quiver/library.h>

#include "format/safetensors.h"
#include "lora/expert.h"

/* Store `e` under e->name. Fails as qv_library_add does. */
qv_status qv__library_put(qv_library *lib, const struct qv_expert *e,
                          const qv_expert_opts *opts, qv_err *err) QV_MUST_CHECK;

/* A view of the library at `dir`, refused if it is not of the base whose hash is `base`,
 * which may be NULL. It outlives the library, and is released as any. */
qv_status qv__library_view(qv_snapshot **out, const char *dir, const char *base,
                           qv_err *err) QV_MUST_CHECK;

/* Read an expert, one whole version of it whoever is writing, as qv__peft_read
 * does. The caller owns *out. Fails with QV_ENOTFOUND too. */
qv_status qv__library_read(struct qv_expert **out, const qv_library *lib, const char *name,
                           const struct qv_sites *sites, qv_err *err) QV_MUST_CHECK;

/* The weights of the snapshot's expert i. Fails with QV_ENOTFOUND if they have
 * been replaced or removed since. */
qv_status qv__snapshot_read(struct qv_expert **out, const qv_snapshot *snap, size_t i,
                            const struct qv_sites *sites, qv_err *err) QV_MUST_CHECK;

/* Whether an expert was trained on that task. */
bool qv__expert_learnt(const qv_expert_info *info, const char *task);

/* Keep tensors computed from the expert whose hash is `hash`. Fails with
 * QV_ENOTFOUND if the expert is no longer that one. */
qv_status qv__library_put_artifact(qv_library *lib, const char *name, const char *kind,
                                   const char *hash, const struct qv_tensor_out *tensor,
                                   size_t n, qv_err *err) QV_MUST_CHECK;

/* The same with facts[n_facts] = {key, value} for qv__st_meta to find; keys but
 * "expert". */
qv_status qv__library_put_facts(qv_library *lib, const char *name, const char *kind,
                                const char *hash, const char *const (*facts)[2],
                                size_t n_facts, const struct qv_tensor_out *tensor,
                                size_t n, qv_err *err) QV_MUST_CHECK;

/* The artifact of the expert whose hash is `hash`. The caller ends *st with
 * qv__st_close. Fails with QV_ENOTFOUND if there is none or it is stale. */
qv_status qv__library_artifact(struct qv_st *st, const qv_library *lib, const char *name,
                               const char *kind, const char *hash,
                               qv_err *err) QV_MUST_CHECK;

#endif
