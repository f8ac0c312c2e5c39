/* split.c - which part of a task an example belongs to; see dataset.h. */
#include "data/dataset.h"
#include "base/rng.h"

enum qv_split qv__split_of(const char *task, size_t position, float valid, float test,
                           uint64_t seed)
{
    float u = qv__uniform(qv__seed_named(seed, task), position);
    if (u < test)
        return QV_TEST;
    return u < test + valid ? QV_VALID : QV_TRAIN;
}
