/* quantile.c - the threshold under which MBC zeroes a weight. */
#include "base/select.h"
#include "cluster/cluster.h"

#include <math.h>
#include <stdlib.h>

qv_status qv__magnitude_quantile(double *threshold, const float *theta, size_t n, double q,
                                 qv_err *err)
{
    qv_check(n > 0);
    size_t *count = malloc(QV_SELECT_BINS * sizeof *count);
    if (!count)
        return qv_fail(err, QV_ENOMEM, "no memory for a quantile");
    double at = (double)(n - 1) * q;
    size_t k = (size_t)at;
    double part = at - (double)k;
    struct qv_selected low = qv__select_magnitude(theta, n, k, count);
    free(count);

    // The next magnitude is the same if there are more of it, else the least above.
    float high = low.value;
    if (k + 1 == low.below + low.equal) {
        float least = INFINITY;
        for (size_t i = 0; i < n; i++) {
            float m = fabsf(theta[i]);
            least = m > low.value && m < least ? m : least;
        }
        high = least < INFINITY ? least : low.value;
    }
    *threshold = (double)low.value + part * ((double)high - (double)low.value);
    return QV_OK;
}
