/* merge.h - several experts of a library made into one.
 *
 * A merged expert costs at run time what one expert costs, whoever it was made
 * of, and needs no router. What each method computes: docs/merging.md.
 */
#ifndef QUIVER_MERGE_H
#define QUIVER_MERGE_H

#include <quiver/base.h>
#include <quiver/library.h>

#ifdef __cplusplus
extern "C" {
#endif

/* All-zero means default; an option that the method has no use for is refused. */
typedef struct qv_merge_opts {
    const char *method;         // "svd", "ties" ... (required)
    const char *const *expert;  // [n_experts] what is merged (all but the general ones)
    size_t n_experts;           //
    const double *weight;       // [n_experts] (1 / K, or 1: see the method)
    const char *const *general; // [n_general] whose knowledge is subtracted from one
    size_t n_general;           //
    double density;             // share of entries that pruning keeps, up to 1 (0.2)
    double gamma;               // share of the largest that breadcrumbs drops, below 1
                                // (0.01; negative: none)
    size_t rank;                // of a merged site, at most (the method's own)
    bool count_signs;           // a sign is elected by number, not by sum
    uint64_t seed;              // of random pruning
} qv_merge_opts;

typedef struct qv_merge_report {
    size_t n_experts, n_sites, min_rank, max_rank;
    double discarded; // share of the update's squared norm that a rank cut off;
                      // negative where the method has no such number
} qv_merge_report;

/* Merge experts of `lib` and write the result to the directory `out`, which holds
 * no adapter yet: a PEFT adapter with scale 1, and expert.json beside it, so that
 * it is also what a library keeps of an expert. *report may be NULL. Fails with
 * QV_ENOTFOUND if there is no such method or expert, QV_EEXIST, QV_EUNSUPPORTED if
 * the method needs what is never formed here, QV_EFORMAT if options, experts or
 * their bases do not go together, and as reading and writing do. */
qv_status qv_merge(const qv_library *lib, const char *out, const qv_merge_opts *opts,
                   qv_merge_report *report, qv_err *err) QV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
