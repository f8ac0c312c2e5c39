/* mttl.h - experts of mttl, the program of the paper's authors, once out of their pickles.
 *
 * mttl keeps an expert as NAME.ckpt, its tensors, and NAME.meta, its facts. Both are Python
 * pickles, which are refused, because to read one is to run it. The recipe of
 * docs/interchange.md makes of them NAME.safetensors and NAME.json with all that was in
 * them, as it was: <module>.lora_a [D_in, R] and <module>.lora_b [R, D_out], the other way
 * round than PEFT's. A tied tensor may be there once; `tie_params` then says for which
 * modules it stands.
 */
#ifndef QV_LORA_MTTL_H
#define QV_LORA_MTTL_H

#include "base/arena.h"
#include "format/safetensors.h"
#include "lora/expert.h"

struct qv_mttl {
    const char *name;         // expert_name
    bool is_deleted;          // mttl keeps what was removed; it has no expert
    struct qv_expert *expert; // owned
    const char **task;        // [n_tasks]
    size_t n_tasks;
    const char *settings; // of its training, a JSON object as text
    qv_arena arena;       // owns the strings
};

/* Read <stem>.json and <stem>.safetensors. *x is to be ended after a success. Fails with
 * QV_ENOTFOUND, QV_EIO, QV_EFORMAT or QV_EUNSUPPORTED, naming the key or tensor. */
qv_status qv__mttl_read(struct qv_mttl *x, const char *stem, qv_err *err) QV_MUST_CHECK;

/* What it does with the two files' contents. */
qv_status qv__mttl_parse(struct qv_mttl *x, const char *json, size_t size,
                         const struct qv_st *st, qv_err *err) QV_MUST_CHECK;
void qv__mttl_end(struct qv_mttl *x);

/* The experts in `dir`, sorted: paths without their ends, in `a`. Fails with
 * QV_EUNSUPPORTED if there is a pickle that was not converted, QV_EFORMAT if one of two
 * files is missing, QV_ENOTFOUND if there is nothing, or QV_EIO. */
qv_status qv__mttl_list(char ***stems, size_t *n, qv_arena *a, const char *dir,
                        qv_err *err) QV_MUST_CHECK;

/* Whether `dir` holds files that are named as mttl's, converted or not. */
bool qv__mttl_is_dir(const char *dir);

/* The failure that a pickle is: QV_EUNSUPPORTED. */
qv_status qv__mttl_pickle(const char *path, qv_err *err) QV_MUST_CHECK;

#endif
