/* peft_name.h - what the name of a tensor in adapter_model.safetensors says: which
 * module it belongs to, and what it is there. */
#ifndef QV_LORA_PEFT_NAME_H
#define QV_LORA_PEFT_NAME_H

#include "base/arena.h"
#include "base/base.h"

/* In the order in which the tensors of one module are read. */
enum qv_peft_part {
    QV_PEFT_A,           // [R, D_in], of a linear map
    QV_PEFT_B,           // [D_out, R]
    QV_PEFT_EMBEDDING_A, // [R, V], of an embedding
    QV_PEFT_EMBEDDING_B, // [D, R]
    QV_PEFT_B_BIAS,      // [D_out] beside B
    QV_PEFT_MAGNITUDE,   // [D_out] DoRA's
    QV_PEFT_TOKENS,      // [n, D] retrained rows of an embedding
    QV_PEFT_WEIGHT,      // a weight in place of the model's
    QV_PEFT_BIAS,        // a bias in place of the model's
};

struct qv_peft_name {
    enum qv_peft_part part;
    const char *path;    // of the module
    const char *adapter; // its name inside the tensor's, "" if none
    bool is_base_layer;  // a weight or bias that lies under an adapted module
};

/* Names are accepted as PEFT writes them, with the adapter's name left inside, with
 * "module." before or "_orig_mod." within, and without "base_model.model.". Fails with
 * QV_EUNSUPPORTED, saying whose name it is instead, or with QV_EFORMAT. */
qv_status qv__peft_name(struct qv_peft_name *out, const char *name, qv_arena *a,
                        qv_err *err) QV_MUST_CHECK;

#endif
