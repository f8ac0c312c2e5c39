/* gguf_lora.h - a LoRA adapter as llama.cpp has it: one GGUF file.
 *
 * For a tensor NAME of the base the file holds NAME.lora_a [R, D_in] and NAME.lora_b
 * [D_out, R], and one alpha for all: a pair's update is alpha / R * B * A, or B * A if
 * alpha is 0. Names and the order of B's rows are those of the base's GGUF file; what
 * they are in a model is for model/gguf_adapter.h to say. Every value under "adapter."
 * is honoured, or refused by name.
 */
#ifndef QV_LORA_GGUF_LORA_H
#define QV_LORA_GGUF_LORA_H

#include "base/arena.h"
#include "format/gguf.h"
#include "format/gguf_write.h"

struct qv_gguf_pair {
    const char *name; // of the base's tensor: "blk.0.attn_q.weight"
    const struct qv_gguf_tensor *A, *B;
    size_t R, D_in, D_out;
    float scale;
};

/* One open file; strings and tensors borrow from g. */
struct qv_gguf_lora {
    struct qv_gguf g;
    const char *arch;
    const char *base, *task;   // or NULL
    float alpha;               // 0: every scale is 1
    struct qv_gguf_pair *pair; // [n] by name
    size_t n;
};

/* The key under which we keep the base's name as PEFT has it. */
#define QV_GGUF_BASE "quiver.base_model"

/* Whether the file says that it is an adapter. */
bool qv__gguf_is_adapter(const struct qv_gguf *g);

/* Read all but the weights of the file at `path`, or of bytes that the caller keeps.
 * *l is to be closed after a success. Fail as qv__gguf_open and qv__gguf_parse do, and
 * with QV_EFORMAT or QV_EUNSUPPORTED, naming the key or tensor. */
qv_status qv__gguf_lora_open(struct qv_gguf_lora *l, const char *path,
                             qv_err *err) QV_MUST_CHECK;
qv_status qv__gguf_lora_parse(struct qv_gguf_lora *l, const void *bytes, size_t size,
                              qv_err *err) QV_MUST_CHECK;
void qv__gguf_lora_close(struct qv_gguf_lora *l);

/* All of A or B as floats. Fails with QV_EFORMAT if one is not finite. */
qv_status qv__gguf_lora_f32(float *out, const struct qv_gguf_tensor *t,
                            qv_err *err) QV_MUST_CHECK;

/* llama.cpp's scale of a pair, in its arithmetic. */
float qv__gguf_lora_scale(float alpha, size_t R);

/* What alpha a file should have for sites of these scales and ranks, of which alpha[i] /
 * R[i] may be scale[i]: one that gives as many sites as possible exactly the scale they
 * have, and of the others as many as possible one that is a power of two away. It is
 * not 0. */
float qv__gguf_lora_alpha(const float *alpha, const float *scale, const size_t *R,
                          size_t n);

#endif
