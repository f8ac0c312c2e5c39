/* adapter.h - all that one PEFT adapter does to a model.
 *
 * An expert adds s B A to sites, and that is all an expert of a library may do: routing,
 * merging and clustering mean the sums of such products. An adapter that is used alone
 * may do more to the model, and holds it here: low-rank updates of the embedding and the
 * head, DoRA's magnitudes, biases, and weights in place of the model's.
 */
#ifndef QV_LORA_ADAPTER_H
#define QV_LORA_ADAPTER_H

#include "base/arena.h"
#include "base/base.h"
#include "lora/expert.h"

enum qv_extra_kind {
    QV_EXTRA_WEIGHT,    // x [rows, cols] takes the place of a weight
    QV_EXTRA_BIAS,      // x [cols] takes the place of a bias
    QV_EXTRA_TOKENS,    // x [rows, cols] takes the place of some rows of a table
    QV_EXTRA_B_BIAS,    // s x [cols] is added to a module's output, beside s B A
    QV_EXTRA_MAGNITUDE, // x [cols]: what DoRA makes the lengths of the rows of W + s B A
};

struct qv_extra {
    enum qv_extra_kind kind;
    const char *path;   // of the module
    const char *tensor; // its name in the file
    size_t rows, cols;
    const size_t *row;  // [rows] of TOKENS: which they are
    bool is_base_layer; // a weight that lies under an update of the same module
    float *x;           // [rows, cols]
};

struct qv_adapter {
    struct qv_expert *expert; // at sites
    struct qv_expert *tables; // at the embedding and the head, which are no sites
    bool *is_embedding;       // [tables->n_sites] W' += s B A, with A [R, V], B [D, R]
    const char **table;       // [tables->n_sites] the name of A in the file
    struct qv_extra *extra;   // [n_extra]
    size_t n_extra;
    const char **saved;   // [n_saved] modules_to_save: what it should hold whole, as PEFT
    size_t n_saved;       // names it
    const char **feature; // [n_features] keys of the config that say more than r and alpha
    size_t n_features;
    const char *dtype; // of the first tensor
    size_t bytes;      // of all tensors
    float *x;          // owns what the extras hold
    qv_arena arena;    // owns names and tables
};

/* The kind's name in reports: "weight", "magnitude" ... */
const char *qv__extra_name(enum qv_extra_kind kind);

/* NULL is allowed. */
void qv__adapter_free(struct qv_adapter *a);

#endif
