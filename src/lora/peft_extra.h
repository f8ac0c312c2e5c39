/* peft_extra.h - the tensors of a PEFT adapter that are no LoRA's A or B, checked
 * against its config. */
#ifndef QV_LORA_PEFT_EXTRA_H
#define QV_LORA_PEFT_EXTRA_H

#include "format/safetensors.h"
#include "lora/adapter.h"
#include "lora/peft_config.h"
#include "lora/peft_name.h"

/* One tensor, and what its name says. Pairs come first, A before its B: `n_pairs` in the
 * functions below counts tensors, not pairs. */
struct qv_peft_tensor {
    const struct qv_tensor *t;
    struct qv_peft_name name;
    size_t site;   // of the model, sites->n if it is none, 0 without a model
    bool is_table; // A or B of something that is no site
};

/* What an expert of a library cannot have, for a message; NULL if it is A or B. */
const char *qv__peft_extra_says(enum qv_peft_part part);

/* Whether two tensors belong to one module. */
bool qv__peft_is_same_module(const struct qv_peft_tensor *a,
                             const struct qv_peft_tensor *b);

/* That a type and a number of dimensions are ones that are read. */
qv_status qv__peft_check_tensor(const struct qv_tensor *t, int rank,
                                qv_err *err) QV_MUST_CHECK;

/* to [t->n] = the tensor, widened. Fails with QV_EFORMAT if a number is not finite. */
qv_status qv__peft_copy(float *to, const struct qv_tensor *t, qv_err *err) QV_MUST_CHECK;

/* Fill a->extra from tensors n_pairs .. n. Fails with QV_EFORMAT if the config does not
 * say that the adapter holds them, or says that it holds more. */
qv_status qv__peft_extras(struct qv_adapter *a, const struct qv_peft_tensor *tensor,
                          size_t n_pairs, size_t n, const struct qv_peft_config *config,
                          qv_err *err) QV_MUST_CHECK;

#endif
