/* peft.h - adapters as PEFT writes them: adapter_config.json and
 * adapter_model.safetensors in one directory.
 *
 * Every key of the config and every tensor is either honoured or refused by name; what
 * is read and written again is bit-identical. PEFT itself loads what is written here.
 * An adapter is read as an expert, which adds to sites and does nothing else, or whole,
 * for use by itself (docs/adapters.md).
 */
#ifndef QV_LORA_PEFT_H
#define QV_LORA_PEFT_H

#include "format/safetensors.h"
#include "lora/adapter.h"
#include "lora/expert.h"

/* Read the adapter in `dir` as an expert. With `sites`, each tensor must belong to one of
 * them and have its dimensions, and expert sites come in the model's order;
 * with NULL any paths are accepted, sorted. A path may lack or have in excess the
 * model's own "model.". The expert's name is the directory's. Weights are f32 in memory
 * (f16 and bf16 are widened exactly). Fails with QV_ENOTFOUND, QV_EIO, QV_EFORMAT (naming
 * the tensor or key), or QV_EUNSUPPORTED (naming the feature). */
qv_status qv__peft_read(struct qv_expert **out, const char *dir,
                        const struct qv_sites *sites, qv_err *err) QV_MUST_CHECK;

/* Read all of it. What is at no site of the model is not looked for elsewhere in it:
 * whoever binds the adapter knows where things are. The caller owns *out. */
qv_status qv__peft_read_adapter(struct qv_adapter **out, const char *dir,
                                const struct qv_sites *sites, qv_err *err) QV_MUST_CHECK;

/* The two files' contents. */
struct qv_peft_files {
    const char *config;
    size_t config_size;
    const struct qv_st *weights;
};

/* What the two above do with them; these touch no file. */
qv_status qv__peft_parse(struct qv_expert **out, const char *name, struct qv_peft_files f,
                         const struct qv_sites *sites, qv_err *err) QV_MUST_CHECK;
qv_status qv__peft_parse_adapter(struct qv_adapter **out, const char *name,
                                 struct qv_peft_files f, const struct qv_sites *sites,
                                 qv_err *err) QV_MUST_CHECK;

/* Write `e` as a PEFT adapter into the existing directory `dir`: weights first,
 * config last, each atomically. Fails with QV_EIO, QV_EFORMAT if a weight is not
 * finite or there is no site, or QV_EUNSUPPORTED if PEFT has no way to say which
 * site has which rank. */
qv_status qv__peft_write(const struct qv_expert *e, const char *dir,
                         qv_err *err) QV_MUST_CHECK;

#endif
