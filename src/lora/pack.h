/* pack.h - one expert as banks want it: A, B transposed, and prototypes, laid out once.
 *
 * A bank of packs is tables of pointers, so that another expert costs a library in use what
 * that expert costs, whatever the number of the others. A pack never changes. Its factors
 * and prototypes may lie in a file (base/spill.h), from which they come back when they have
 * been let go of; its shape, and where its sites are, stay in memory.
 */
#ifndef QV_LORA_PACK_H
#define QV_LORA_PACK_H

#include "base/spill.h"
#include "lora/expert.h"
#include "lora/prototypes.h"
#include "lora/site.h"

#include <stdatomic.h>

struct qv_pack {
    struct qv_expert *shape; // names and sizes, without weights
    size_t *where;           // [n_sites] the model's indices of its sites
    float **A, **Bt;         // [n_sites] [R, D_in] and [R, D_out]
    struct qv_prototypes p;  // lies in the same block
    size_t bytes;            // of factors and prototypes
    atomic_bool used;        // set when it is computed with; for who asks to reset
    void *mem;               // owns the block, or
    struct qv_spill spill;   // does
    qv_arena arena;
};

/* Pack `e`, which is taken, also after a failure. `p` are its prototypes, or NULL: they are
 * computed. With `spill_dir` the block lies in a file there. The caller owns *out. Fails as
 * qv__bank_place, qv__prototype and qv__spill do, and with QV_ENOMEM. */
qv_status qv__pack_new(struct qv_pack **out, struct qv_expert *e,
                       const struct qv_prototypes *p, const struct qv_sites *sites,
                       const char *spill_dir, qv_err *err) QV_MUST_CHECK;
void qv__pack_free(struct qv_pack *p); // NULL is allowed

/* The expert again, with weights of its own. */
qv_status qv__pack_expert(struct qv_expert **out, const struct qv_pack *p,
                          qv_err *err) QV_MUST_CHECK;

/* Let go of what lies in the file. Others may be computing with it. */
void qv__pack_rest(const struct qv_pack *p);

#endif
