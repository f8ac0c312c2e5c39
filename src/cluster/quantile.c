/* quantile.c - the threshold under which MBC zeroes a weight.
 *
 * The bits of a non-negative float, read as an integer, sort as the float does.
 * So a count of the upper 16 bits finds the bin of the k-th smallest magnitude,
 * and a count of the lower 16 bits inside that bin finds the magnitude itself:
 * exact, without sorting or copying.
 */
#include "cluster/cluster.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HALF = 1 << 16 };

static uint32_t magnitude(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits & 0x7fffffff;
}

static double value(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
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

qv_status qv__magnitude_quantile(double *threshold, const float *theta, size_t n, double q,
                                 qv_err *err)
{
    qv_check(n > 0);
    size_t *count = calloc(HALF, sizeof *count);
    if (!count)
        return qv_fail(err, QV_ENOMEM, "no memory for a quantile");
    double at = (double)(n - 1) * q;
    size_t k = (size_t)at;
    double part = at - (double)k;

    for (size_t i = 0; i < n; i++)
        count[magnitude(theta[i]) >> 16]++;
    uint32_t upper = find(count, &k);
    memset(count, 0, HALF * sizeof *count);
    for (size_t i = 0; i < n; i++)
        if (magnitude(theta[i]) >> 16 == upper)
            count[magnitude(theta[i]) & 0xffff]++;
    uint32_t lower = find(count, &k), low = upper << 16 | lower;

    // The next magnitude is the same if its bin has more, else the least above.
    uint32_t high = low;
    if (k + 1 == count[lower]) {
        uint32_t least = UINT32_MAX;
        for (size_t i = 0; i < n; i++) {
            uint32_t m = magnitude(theta[i]);
            least = m > low && m < least ? m : least;
        }
        high = least == UINT32_MAX ? low : least;
    }
    *threshold = value(low) + part * (value(high) - value(low));
    free(count);
    return QV_OK;
}
