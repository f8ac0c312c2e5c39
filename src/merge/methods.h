/* methods.h - one line a method: a new one adds its line here and in merge.c. */
#ifndef QV_MERGE_METHODS_H
#define QV_MERGE_METHODS_H

#include "merge/merge.h"

extern const struct qv_merge_ops qv__average, qv__linear;
extern const struct qv_merge_ops qv__cat, qv__svd, qv__task_arithmetic;
extern const struct qv_merge_ops qv__ties, qv__ties_whole, qv__magnitude_prune;
extern const struct qv_merge_ops qv__breadcrumbs, qv__dare_linear, qv__dare_ties;
extern const struct qv_merge_ops qv__subtract_exact, qv__subtract_factor;

#endif
