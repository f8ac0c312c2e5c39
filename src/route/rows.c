/* rows.c - see rows.h. */
#include "route/rows.h"

#include "op/gemm.h"

#include <string.h>

enum { SIDE_BY_SIDE = 128 };

size_t qv__rows_slab(size_t K, size_t D)
{
    return qv__min(K, SIDE_BY_SIDE) * D;
}

void qv__rows_times(float *l, const float *x, size_t n, const float *const *v, size_t K,
                    size_t D, float *slab)
{
    for (size_t from = 0; from < K; from += SIDE_BY_SIDE) {
        const size_t rows = qv__min(SIDE_BY_SIDE, K - from);
#pragma omp parallel for schedule(static) if (rows * D > 1 << 15)
        for (size_t e = 0; e < rows; e++)
            memcpy(slab + e * D, v[from + e], D * sizeof *slab);
        qv__sgemm(false, true, n, rows, D, 1, x, D, slab, D, 0, l + from, K);
    }
}
