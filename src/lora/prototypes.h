/* prototypes.h - all prototypes of one expert, as a library keeps them: an
 * artifact that depends on the expert alone, so that a bank need not compute
 * it again. Centroids and gates (route/centroid.c, route/phatgoose.c) are one vector a
 * site as well, and are kept in the same shape.
 */
#ifndef QV_LORA_PROTOTYPES_H
#define QV_LORA_PROTOTYPES_H

#include "base/base.h"
#include "base/file.h"
#include "format/safetensors.h"
#include "lora/expert.h"

/* Sites are in the expert's own order. Site i's direction is
 * v[first[i]] .. v[first[i + 1] - 1], of length D_in. */
struct qv_prototypes {
    size_t n_sites;
    size_t *first; // [n_sites + 1]
    float *v;      // [first[n_sites]] see qv__prototype; in a file they are for reading
    float *sigma;  // [n_sites, 2]
    void *mem;     // owns the arrays, but
    struct qv_map file; // v where it was kept in one
};

/* Room for the prototypes of `e`, all zero: for a reader to fill. *p owns it
 * until qv__prototypes_end. Fails with QV_ENOMEM. */
qv_status qv__prototypes_init(struct qv_prototypes *p, const struct qv_expert *e,
                              qv_err *err) QV_MUST_CHECK;
void qv__prototypes_end(struct qv_prototypes *p);

/* The same for an expert of that name whose sites are so wide. */
qv_status qv__prototypes_sized(struct qv_prototypes *p, const char *expert,
                               const size_t *width, size_t n_sites,
                               qv_err *err) QV_MUST_CHECK;

/* Those of `e` that an open file has as tensor "v" and, if wants_sigma, as "sigma". Unless
 * `copies`, the vectors stay where they are, no memory of our own, and the file's mapping
 * is *p's. *st is closed, also after a failure. Fails with QV_EFORMAT, naming `kind`, if
 * they have another type or shape; QV_ENOMEM. */
qv_status qv__prototypes_map(struct qv_prototypes *p, const struct qv_expert *e,
                             struct qv_st *st, bool copies, bool wants_sigma,
                             const char *kind, qv_err *err) QV_MUST_CHECK;

/* Compute them, sites in parallel. Fails as qv__prototype does. */
qv_status qv__prototypes_of(struct qv_prototypes *p, const struct qv_expert *e,
                            qv_err *err) QV_MUST_CHECK;

#endif
