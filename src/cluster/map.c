/* map.c - experts as points of the plane.
 *
 * Classical scaling: if d_ij are distances of points around the origin, then
 * -1/2 of d^2 with the means of rows and columns taken out is the matrix of
 * their inner products, and its two leading eigenvectors, times the roots of the
 * eigenvalues, are the best two coordinates.
 */
#include "cluster/cluster.h"

#include "base/carve.h"
#include "lora/linalg.h"

#include <math.h>
#include <stdlib.h>

/* S = -1/2 d^2, centred both ways; `mean` [n] is scratch. */
static void inner_products(double *S, double *mean, const float *sim, size_t n)
{
    double all = 0;
    for (size_t i = 0; i < n; i++) {
        mean[i] = 0;
        for (size_t j = 0; j < n; j++) {
            double d = 1 - (double)sim[i * n + j];
            S[i * n + j] = -0.5 * d * d;
            mean[i] += S[i * n + j] / (double)n;
        }
        all += mean[i] / (double)n;
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            S[i * n + j] += all - mean[i] - mean[j];
}

/* Column c of xy from an eigenvector, its largest entry made positive. */
static void coordinate(float *xy, size_t c, const double *u, double lambda, size_t n)
{
    double largest = 0;
    for (size_t i = 0; i < n; i++)
        largest = fabs(u[i]) > fabs(largest) ? u[i] : largest;
    double scale = copysign(sqrt(fmax(lambda, 0)), largest);
    for (size_t i = 0; i < n; i++)
        xy[2 * i + c] = (float)(scale * u[i]);
}

qv_status qv__map2d(float *xy, const float *sim, size_t n, qv_err *err)
{
    for (size_t i = 0; i < 2 * n; i++)
        xy[i] = 0;
    if (n < 2)
        return QV_OK;
    qv_carve need = {0};
    qv__carve(&need, n + 1, n, 1, sizeof(double));
    double *S = qv__carve_alloc(&need);
    if (!S)
        return qv_fail(err, QV_ENOMEM, "no memory to map %zu experts", n);
    double *lambda = S + n * n;
    inner_products(S, lambda, sim, n);
    qv_status result = qv__eigen(lambda, S, n, err);
    for (size_t c = 0; c < 2 && !result; c++)
        coordinate(xy, c, S + c * n, lambda[c], n);
    free(S);
    return result;
}
