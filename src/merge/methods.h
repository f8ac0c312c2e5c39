/* methods.h - one line a method: a new one adds its line here and in merge.c. */
#ifndef QV_MERGE_METHODS_H
#define QV_MERGE_METHODS_H

#include "merge/merge.h"

extern const struct qv_merge_ops qv__merge_average, qv__merge_linear;
extern const struct qv_merge_ops qv__merge_cat, qv__merge_svd, qv__merge_task_arithmetic;
extern const struct qv_merge_ops qv__merge_ties, qv__merge_ties_whole,
    qv__merge_magnitude_prune;
extern const struct qv_merge_ops qv__merge_breadcrumbs, qv__merge_dare_linear,
    qv__merge_dare_ties;
extern const struct qv_merge_ops qv__merge_subtract_exact, qv__merge_subtract_factor;

#endif
