/* merge.h - from several experts to one, and the list of ways to do it.
 *
 * Everything is computed from the factors: no D_out x D_in matrix exists. With
 * weight w_i and scale s_i, c_i = w_i s_i; the merged expert's scale is 1. An
 * expert that does not adapt a site counts as zero there. Methods that join
 * factors entry by entry give a factor of lower rank zero rows up to the largest
 * rank, as the paper's composition does.
 */
#ifndef QV_MERGE_MERGE_H
#define QV_MERGE_MERGE_H

#include <quiver/merge.h>

#include "base/base.h"
#include "lora/expert.h"

/* What is merged. Experts' names are distinct, all numbers finite, dimensions
 * equal where sites are. */
struct qv_merge {
    const char *name;                // of the result
    struct qv_expert *const *expert; // [K]
    const float *weight;             // [K] not all 0
    size_t K;
    struct qv_expert *const *general; // [G] for subtraction
    size_t G;
    double density, gamma;
    size_t rank; // 0: the method's own choice
    bool count_signs;
    uint64_t seed;
};

/* Options that not every method has a use for. */
enum {
    QV_TAKES_WEIGHTS = 1,
    QV_TAKES_GENERAL = 2,
    QV_TAKES_DENSITY = 4,
    QV_TAKES_GAMMA = 8,
    QV_TAKES_RANK = 16,
    QV_TAKES_SIGNS = 32,
};

struct qv_merge_ops {
    const char *name, *about;
    unsigned takes; // QV_TAKES_...
    bool is_mean;   // weights are 1/K unless given; else 1
    double density; // unless given
    /* The caller owns *out. *lost [2] = what a cut discarded, and of how much:
     * squared norms, added to. Fails with QV_EFORMAT or QV_ENOMEM. */
    qv_status (*merge)(struct qv_expert **out, double lost[2], const struct qv_merge *in,
                       qv_err *err);
};

/* All methods, ended by NULL. */
const struct qv_merge_ops *const *qv__merges(void);

/* NULL if there is none of that name. */
const struct qv_merge_ops *qv__merge_find(const char *name);

/* Check that the experts can be merged, and merge them. Fails with QV_EFORMAT,
 * naming the expert, or QV_ENOMEM. */
qv_status qv__merge(struct qv_expert **out, double lost[2], const struct qv_merge_ops *ops,
                    const struct qv_merge *in, qv_err *err) QV_MUST_CHECK;

#endif
