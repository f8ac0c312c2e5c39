/* gguf_arch.h - what llama.cpp calls architectures and tensors, and how it orders rows.
 *
 * An architecture is one of our families, but for names. In two of them rows lie in
 * another order than in a Hugging Face model, and here they are put back, because an
 * adapter's B has the rows of the Hugging Face model.
 */
#ifndef QV_MODEL_GGUF_ARCH_H
#define QV_MODEL_GGUF_ARCH_H

#include "format/gguf.h"
#include "model/family.h"

enum qv_gguf_order {
    QV_ROWS_AS_THEY_ARE,
    QV_ROWS_PAIRED,   // of each head: numbers that rotate together, i and i + E/2 of
                      // Hugging Face's, are neighbours
    QV_ROWS_IN_THREE, // all of q, then k, then v, where Hugging Face has them head by head
};

struct qv_gguf_arch {
    const char *name;       // general.architecture; its values' keys begin with it
    const char *model_type; // of the family
    bool has_gpt_keys;      // config.json says n_embd, not hidden_size
    enum qv_gguf_order order;
};

/* The key of the identity of the model that quiver quantize made the file of. */
#define QV_GGUF_ORIGIN "quiver.identity"

/* The names of tensors, in all architectures. */
extern const struct qv_names qv__gguf_names;

/* The architecture that a family is written as; NULL if there is none. */
const struct qv_gguf_arch *qv__gguf_arch_of(const struct qv_family *family);

/* How the rows of a tensor (or a bias's numbers) lie, by its GGUF name. */
enum qv_gguf_order qv__gguf_order(const struct qv_gguf_arch *arch, const char *tensor);

/* The row of the Hugging Face matrix that is row `row` in the file. */
size_t qv__gguf_row(enum qv_gguf_order order, const struct qv_config *c, size_t row);

/* The model's numbers from the file's values. Fails as qv__config_parse does, with
 * QV_EFORMAT if values are missing, and with QV_EUNSUPPORTED, which names the
 * architecture or whatever else is not known. Borrows from g. */
qv_status qv__gguf_config(struct qv_config *c, const struct qv_gguf *g,
                          qv_err *err) QV_MUST_CHECK;

#endif
