/* methods.h - one line a method, and what methods share: sites gathered from
 * several experts, pruning, and joining factors entry by entry.
 *
 * A new method adds its line here and in merge.c.
 */
#ifndef QV_MERGE_METHODS_H
#define QV_MERGE_METHODS_H

#include "merge/merge.h"

extern const struct qv_merge_ops qv__average, qv__linear, qv__task_arithmetic, qv__cat,
    qv__svd, qv__ties, qv__dare_linear, qv__dare_ties, qv__magnitude_prune, qv__breadcrumbs,
    qv__subtract, qv__subtract_exact;

/* ---- gather.c ---- */

/* One site as the experts that adapt it see it. */
struct qv_part {
    const struct qv_expert_site *site;
    size_t k; // the expert
};
struct qv_gathered {
    const char *path;
    size_t D_in, D_out;
    size_t R_max, R_sum;
    struct qv_part *part; // [n]
    size_t n;
};

/* The union of the experts' sites, in order of first appearance, in `a`. Fails
 * with QV_EFORMAT if two experts give a site different dimensions. */
qv_status qv__gather(struct qv_gathered **out, size_t *n, struct qv_expert *const *experts,
                     size_t K, qv_arena *a, qv_err *err) QV_MUST_CHECK;

/* An expert with those sites, each at rank R[i], scale 1, weights zero. */
qv_status qv__merge_new(struct qv_expert **out, const struct qv_merge *in,
                        const struct qv_gathered *site, const size_t *R, size_t n,
                        qv_err *err) QV_MUST_CHECK;

/* ---- prune.c ---- */

/* Zero all of x [n] but the entries at places `skip` .. `skip` + `keep` - 1 in
 * the order of magnitude, largest first; of equal ones the earlier comes first. */
void qv__prune_magnitude(float *x, size_t n, size_t skip, size_t keep);

/* Keep each entry with probability `density`, divided by it: entry i is kept if
 * uniform(stream, i) < density. */
void qv__prune_random(float *x, size_t n, double density, uint64_t stream);

/* ---- factors.c ---- */

/* Prune one expert's factor x [n]; the stream is its own. NULL: leave it. */
typedef void (*qv_prune_fn)(float *x, size_t n, const struct qv_merge *in, uint64_t stream);

/* A = sum of sgn(c) sqrt|c| A_i, B = sum of sqrt|c| B_i, each pruned first. With
 * `elects`, an entry's sign is elected by the pruned values, without weights, and
 * the sum becomes the mean over those of that sign; a draw is positive. */
qv_status qv__join_factors(struct qv_expert **out, const struct qv_merge *in,
                           qv_prune_fn prune, bool elects, qv_err *err) QV_MUST_CHECK;

/* ---- svd.c ---- */

/* sum of c_i B_i A_i cut to in->rank (0: the largest of the experts') at each
 * site, best in the Frobenius norm; B has the singular values, A's rows have
 * length 1. */
qv_status qv__join_svd(struct qv_expert **out, double lost[2], const struct qv_merge *in,
                       qv_err *err) QV_MUST_CHECK;

#endif
