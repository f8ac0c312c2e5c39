/* interchange.h - adapters and experts in the formats of other programs.
 *
 * A library holds PEFT adapters. llama.cpp's, one GGUF file each, come in and go out here,
 * and mttl's libraries come in. What becomes of names, rows, scales and ties is told in
 * docs/interchange.md. A `model` is a path as qv_model_open takes it, of which the numbers
 * are read and no weights: a directory with a config.json is enough.
 */
#ifndef QUIVER_INTERCHANGE_H
#define QUIVER_INTERCHANGE_H

#include <quiver/library.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Write the adapter at `from` as one at `to`. A name that ends in ".gguf" is a GGUF
 * adapter of the model's, any other a directory of PEFT's. Fails with QV_EEXIST if an
 * adapter is there, with QV_EUNSUPPORTED (naming the feature) or QV_EFORMAT (naming key or
 * tensor) if it cannot be read or is not for this model, QV_EIO or QV_ENOMEM. */
qv_status qv_adapter_convert(const char *from, const char *to, const char *model,
                             qv_err *err) QV_MUST_CHECK;

/* qv_library_add for a GGUF adapter. The file's task is the expert's if opts names
 * none. Fails as both do. */
qv_status qv_library_add_gguf(qv_library *lib, const char *name, const char *path,
                              const char *model, const qv_expert_opts *opts,
                              qv_err *err) QV_MUST_CHECK;

/* Write an expert as a GGUF adapter, with its task if it has but one. Fails with
 * QV_ENOTFOUND, and as qv_adapter_convert does. */
qv_status qv_library_export_gguf(const qv_library *lib, const char *name, const char *path,
                                 const char *model, qv_err *err) QV_MUST_CHECK;

/* Told of each expert: added, or left out because mttl has it as deleted. */
typedef void (*qv_imported_fn)(void *arg, const char *name, bool is_deleted);

/* Add all experts of the mttl library in `dir`, of which the pickles were converted; or
 * none, if one cannot be read or is there and not to be replaced. With a model, each must
 * fit it; `model` and `told` may be NULL. Fails as reading and qv_library_add do. */
qv_status qv_library_import_mttl(qv_library *lib, const char *dir, const char *model,
                                 bool replace, qv_imported_fn told, void *arg,
                                 qv_err *err) QV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
