/* select.c - see select.h.
 *
 * The bits of a non-negative float, read as an integer, sort as the float does.
 * So a count of the upper 16 bits finds the bin of the k-th smallest magnitude,
 * and a count of the lower 16 bits inside that bin finds the magnitude itself.
 */
#include "base/select.h"

#include <stdlib.h>
#include <string.h>

static int by_value(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

void qv__sort(double *x, size_t n)
{
    if (n)
        qsort(x, n, sizeof *x, by_value);
}

static uint32_t magnitude(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits & 0x7fffffff;
}

/* The bin that holds the *k-th (from 0) of all counted; *k becomes its place
 * within that bin. */
static uint32_t find(const size_t *count, size_t *k)
{
    uint32_t bin = 0;
    while (*k >= count[bin])
        *k -= count[bin++];
    return bin;
}

struct qv_selected qv__select_magnitude(const float *x, size_t n, size_t k, size_t *count)
{
    qv_check(k < n);
    size_t place = k;
    memset(count, 0, QV_SELECT_BINS * sizeof *count);
    for (size_t i = 0; i < n; i++)
        count[magnitude(x[i]) >> 16]++;
    uint32_t upper = find(count, &place);
    memset(count, 0, QV_SELECT_BINS * sizeof *count);
    for (size_t i = 0; i < n; i++)
        if (magnitude(x[i]) >> 16 == upper)
            count[magnitude(x[i]) & 0xffff]++;
    uint32_t lower = find(count, &place), bits = upper << 16 | lower;

    struct qv_selected found = {.below = k - place, .equal = count[lower]};
    memcpy(&found.value, &bits, sizeof found.value);
    return found;
}
