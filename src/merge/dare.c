/* dare.c - DARE (arXiv:2311.03099): drop entries at random and scale up the rest,
 * so that the expected factor stays; then join them as linear or TIES does. What
 * is dropped depends on the seed, the expert's name, the site and the entry. */
#include "merge/methods.h"

static void drop(float *x, size_t n, const struct qv_merge *in, uint64_t stream)
{
    qv__prune_random(x, n, in->density, stream);
}

static qv_status dare_linear(struct qv_expert **out, double lost[2],
                             const struct qv_merge *in, qv_err *err)
{
    (void)lost;
    return qv__join_factors(out, in, drop, false, err);
}

static qv_status dare_ties(struct qv_expert **out, double lost[2],
                           const struct qv_merge *in, qv_err *err)
{
    (void)lost;
    return qv__join_factors(out, in, drop, true, err);
}

const struct qv_merge_ops qv__dare_linear = {
    .name = "dare-linear",
    .about = "linear, with entries dropped at random and the rest scaled up",
    .takes = QV_TAKES_WEIGHTS | QV_TAKES_DENSITY,
    .is_mean = true,
    .density = 0.2,
    .merge = dare_linear,
};
const struct qv_merge_ops qv__dare_ties = {
    .name = "dare-ties",
    .about = "ties, with entries dropped at random in place of the smallest",
    .takes = QV_TAKES_WEIGHTS | QV_TAKES_DENSITY | QV_TAKES_SIGNS,
    .density = 0.2,
    .merge = dare_ties,
};
