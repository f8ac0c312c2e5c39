/* breadcrumbs.c - drop the few largest entries of each factor, which may be
 * outliers, and the many small ones, then add what lies between (Model Breadcrumbs,
 * arXiv:2312.06795).
 *
 * Of n entries by decreasing magnitude, the first floor(gamma n) go, the next
 * floor(density n) stay, the rest goes. Nothing is rescaled.
 */
#include "merge/methods.h"
#include "merge/entries.h"

static void prune(float *x, const struct qv_factor *f, size_t k,
                  const struct qv_merge_how *how)
{
    (void)k;
    size_t largest = (size_t)(how->gamma * (double)f->n);
    size_t kept = (size_t)(how->density * (double)f->n);
    qv__keep_largest(x, f->n, qv__min(largest + kept, f->n), f->count);
    qv__drop_largest(x, f->n, largest, f->count);
}

const struct qv_merge_ops qv__merge_breadcrumbs = {
    .name = "breadcrumbs",
    .about = "linear, without the largest entries and the small ones",
    .takes = QV_TAKES_WEIGHTS | QV_TAKES_DENSITY | QV_TAKES_GAMMA,
    .same_ranks = true,
    .rank = qv__largest_rank,
    .prune = prune,
    .combine = qv__combine_sum,
};
