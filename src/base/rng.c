/* rng.c - see rng.h. */
#include "base/rng.h"

#include <math.h>

uint64_t qv__seed_named(uint64_t seed, const char *name)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325); // FNV-1a
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
    return qv__seed_of(seed, h);
}

float qv__normal(uint64_t seed, uint64_t at)
{
    double u = (double)(qv__bits(seed, 2 * at) >> 11) * 0x1p-53;
    double v = (double)(qv__bits(seed, 2 * at + 1) >> 11) * 0x1p-53;
    return (float)(sqrt(-2 * log(1 - u)) * cos(6.283185307179586 * v));
}

void qv__shuffle(size_t *order, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    for (size_t i = n; i > 1; i--) {
        size_t j = qv__below(seed, i, i);
        size_t t = order[i - 1];
        order[i - 1] = order[j];
        order[j] = t;
    }
}
