/* peft.h - adapters as PEFT writes them: adapter_config.json and
 * adapter_model.safetensors in one directory.
 *
 * Every key of the config is either honoured or refused by name; what is read
 * and written again is bit-identical. PEFT itself loads what is written here.
 */
#ifndef QV_LORA_PEFT_H
#define QV_LORA_PEFT_H

#include "format/safetensors.h"
#include "lora/expert.h"

/* Names are accepted as PEFT writes them, with the adapter's name left inside,
 * with "module." before or "_orig_mod." within, and without the
 * "base_model.model." or "model." that the model's own paths have. */

/* Read the adapter in `dir`. With `sites`, each tensor must belong to one of
 * them and have its dimensions, and expert sites come in the model's order;
 * with NULL any paths are accepted, sorted. The expert's name is the
 * directory's. Weights are f32 in memory (f16 and bf16 are widened exactly).
 * Fails with QV_ENOTFOUND, QV_EIO, QV_EFORMAT (naming the tensor or key), or
 * QV_EUNSUPPORTED (naming the feature). */
qv_status qv__peft_read(struct qv_expert **out, const char *dir,
                        const struct qv_sites *sites, qv_err *err) QV_MUST_CHECK;

/* What qv__peft_read does with the two files' contents; touches no file. */
qv_status qv__peft_parse(struct qv_expert **out, const char *name, const char *config,
                         size_t config_size, const struct qv_st *st,
                         const struct qv_sites *sites, qv_err *err) QV_MUST_CHECK;

/* Write `e` as a PEFT adapter into the existing directory `dir`: weights first,
 * config last, each atomically. Fails with QV_EIO, QV_EFORMAT if a weight is not
 * finite or there is no site, or QV_EUNSUPPORTED if PEFT has no way to say which
 * site has which rank. */
qv_status qv__peft_write(const struct qv_expert *e, const char *dir,
                         qv_err *err) QV_MUST_CHECK;

#endif
