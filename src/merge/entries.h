/* entries.h - methods that look at weights one by one: drop some entries of every
 * expert's factor, then combine what is left, entry by entry. What they are made of.
 *
 * They work on the As and on the Bs, each by itself, as PEFT does. So that the
 * product of the results is of the size of sum c B A, sqrt(|c|) weighs both sides
 * and the sign of c the As alone.
 */
#ifndef QV_MERGE_ENTRIES_H
#define QV_MERGE_ENTRIES_H

#include "merge/merge.h"

/* One factor of all experts at a site, all of one size. */
struct qv_factor {
    const struct qv_merge_site *in;
    bool is_B;
    size_t K, n;
    float *x;       // [K, n] as they are; a method prunes them in place
    double *weight; // [K]
    size_t *count;  // [QV_SELECT_BINS] scratch
};

/* Do what ops->prune and ops->combine say to the As, then to the Bs. Fails with
 * QV_ENOMEM. */
qv_status qv__merge_entries(const struct qv_expert_site *out,
                            const struct qv_merge_ops *ops, const struct qv_merge_site *in,
                            const struct qv_merge_how *how, qv_err *err) QV_MUST_CHECK;

/* ---- ways to prune ---- */

/* The floor(density n) entries of largest magnitude stay (ties: the lower index). */
void qv__prune_trim(float *x, const struct qv_factor *f, size_t k,
                    const struct qv_merge_how *how);

/* An entry stays with probability density, divided by it: a function of the seed,
 * the site, the expert's name, the factor and the entry's place. */
void qv__prune_drop(float *x, const struct qv_factor *f, size_t k,
                    const struct qv_merge_how *how);

/* Of x [n], only the m entries of largest magnitude stay; or they are what goes.
 * Ties: the lower index counts as larger. m <= n. */
void qv__keep_largest(float *x, size_t n, size_t m, size_t *count);
void qv__drop_largest(float *x, size_t n, size_t m, size_t *count);

/* ---- ways to combine ---- */

/* The weighted sum. */
void qv__combine_sum(float *y, const struct qv_factor *f, const struct qv_merge_how *how);

/* At each place a sign is elected, that of the sum of the entries (or with
 * count_signs of the sum of their signs), + if it is 0; then the weighted mean of
 * the entries that have it: their sum divided by how many they are, or 0. */
void qv__combine_elect(float *y, const struct qv_factor *f, const struct qv_merge_how *how);

/* The same, but where the sum is 0 so is the result. */
void qv__combine_elect_strictly(float *y, const struct qv_factor *f,
                                const struct qv_merge_how *how);

#endif
