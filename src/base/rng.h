/* rng.h - everything random is a function of (seed, position).
 *
 * A position is any number that names the draw: a step, a site, an element.
 * The same draw gives the same number whatever the order of calls, the number
 * of threads, or whether the run was interrupted.
 */
#ifndef QV_BASE_RNG_H
#define QV_BASE_RNG_H

#include "base/base.h"

/* splitmix64 of seed + position: 64 well-mixed bits. */
static inline uint64_t qv__bits(uint64_t seed, uint64_t at)
{
    uint64_t z = seed + (at + 1) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* A seed for an independent stream, named by a number or by a word. */
static inline uint64_t qv__seed_of(uint64_t seed, uint64_t stream)
{
    return qv__bits(seed ^ UINT64_C(0x5851f42d4c957f2d), stream);
}

uint64_t qv__seed_named(uint64_t seed, const char *name);

/* Uniform in [0, 1), with 24 bits. */
static inline float qv__uniform(uint64_t seed, uint64_t at)
{
    return (float)(qv__bits(seed, at) >> 40) * 0x1p-24f;
}

/* Uniform in [0, n), n > 0, without measurable bias for n below 2^32. */
static inline size_t qv__below(uint64_t seed, uint64_t at, size_t n)
{
    return (size_t)(((__uint128_t)qv__bits(seed, at) * n) >> 64);
}

/* Standard normal (Box-Muller on two independent uniforms). */
float qv__normal(uint64_t seed, uint64_t at);

/* order[0..n) becomes a random permutation of 0..n-1 (Fisher-Yates). */
void qv__shuffle(size_t *order, size_t n, uint64_t seed);

#endif
