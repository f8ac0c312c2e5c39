/* pack.h - one expert as banks want it: A, B transposed, and prototypes, laid out once.
 *
 * A bank of packs is tables of pointers, so that another expert costs a library in use what
 * that expert costs, whatever the number of the others. A pack never changes. Its factors
 * may lie in a file (base/spill.h), from which they come back when they have been let go
 * of; prototypes and shape stay in memory.
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
    struct qv_prototypes p;
    size_t bytes;          // of the factors
    atomic_bool used;      // set when they are computed with; reset by who asks
    void *mem;             // owns the factors, or
    struct qv_spill spill; // does
    qv_arena arena;
};

/* Pack `e` and its prototypes, which are computed if they are all-zero; both are taken,
 * also after a failure. With `spill_dir` the factors lie in a file there; without it, or if
 * that cannot be written, in memory. The caller owns *out. Fails as qv__bank_place and
 * qv__prototype do, and with QV_ENOMEM. */
qv_status qv__pack_new(struct qv_pack **out, struct qv_expert *e, struct qv_prototypes *p,
                       const struct qv_sites *sites, const char *spill_dir,
                       qv_err *err) QV_MUST_CHECK;
void qv__pack_free(struct qv_pack *p); // NULL is allowed

/* The expert again, with weights of its own. Fails with QV_ENOMEM. */
qv_status qv__pack_expert(struct qv_expert **out, const struct qv_pack *p,
                          qv_err *err) QV_MUST_CHECK;

/* Let go of factors that lie in a file. Others may be computing with it. */
void qv__pack_rest(const struct qv_pack *p);

#endif
