/* merge.h - several experts of a library become one adapter.
 *
 * A merge is a PEFT adapter like any other: it no longer needs a router, and
 * costs what one expert costs. What each method computes is in docs/merges.md.
 */
#ifndef QUIVER_MERGE_H
#define QUIVER_MERGE_H

#include <quiver/base.h>
#include <quiver/library.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Zero means the default; what a method has no use for is refused. */
typedef struct qv_merge_opts {
    const char *method;         // average, cat, svd, ties, ... (required)
    const char *const *expert;  // [n_experts] names; none: all but the general ones
    size_t n_experts;           //
    const float *weight;        // [n_weights] one an expert; none: the method's own
    size_t n_weights;           //
    const char *const *general; // [n_general] experts whose mean is subtracted
    size_t n_general;           //
    double density;             // share of each factor's entries that is kept (0.2)
    double gamma;               // share, the largest, that breadcrumbs drops (0.01)
    size_t rank;                // of svd and subtract-exact (the largest; all of it)
    bool count_signs;           // ties elects by heads, not by the sum of values
    uint64_t seed;              // of what is dropped at random
} qv_merge_opts;

/* What came of it. */
typedef struct qv_merged {
    size_t n_experts, n_sites;
    size_t min_rank, max_rank;
    double discarded; // share of the squared norm that a cut to a rank lost
} qv_merged;

/* Merge experts of `lib` into an adapter in the directory `out`, which is made.
 * `merged` may be NULL. Fails with QV_ENOTFOUND, QV_EEXIST if an adapter is
 * there, QV_EIO, QV_EFORMAT (what has no meaning is named) or QV_ENOMEM. */
qv_status qv_merge(qv_merged *merged, const qv_library *lib, const char *out,
                   const qv_merge_opts *opts, qv_err *err) QV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
