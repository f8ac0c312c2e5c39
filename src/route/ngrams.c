/* ngrams.c - see ngrams.h. */
#include "route/ngrams.h"

#include "base/rng.h"

#include <math.h>

enum { TOKENS = 1, PAIRS = 2 }; // seeds of the hashes

void qv__ngrams(float *f, size_t F, const int *ids, size_t n)
{
    for (size_t i = 0; i < F; i++)
        f[i] = 0;
    for (size_t i = 0; i < n; i++) {
        f[qv__below(TOKENS, (uint64_t)ids[i], F)]++;
        if (i + 1 < n)
            f[qv__below(PAIRS, (uint64_t)ids[i] << 32 | (uint64_t)ids[i + 1], F)]++;
    }
    double squares = 0;
    for (size_t i = 0; i < F; i++) {
        f[i] = f[i] > 0 ? 1 + logf(f[i]) : 0;
        squares += (double)f[i] * (double)f[i];
    }
    for (size_t i = 0; squares > 0 && i < F; i++)
        f[i] /= (float)sqrt(squares);
}
