/* spectrum_test.c - prototypes against hand-worked cases, the authors' code, and
 * a slow power iteration on the update itself. */
#include "lora/spectrum.h"

#include "support/experts.h"
#include "support/near.h"

#include <math.h>
#include <stdlib.h>

static void a_rank_one_update_stretches_along_its_a(void **state)
{
    (void)state;
    // B A = (1, 2)' (3, -4): |A| = 5, |B| = sqrt 5, v = A / 5 with -4/5 made positive.
    const float A[] = {3, -4}, B[] = {1, 2};
    float v[2], sigma[2];
    assert_int_equal(qv__prototype(v, sigma, A, B, 1, 2, 2, NULL), QV_OK);
    assert_close(v, ((float[]){-0.6f, 0.8f}), 2, 1e-7, 0);
    assert_close(sigma, ((float[]){11.180340f, 0}), 2, 1e-6, 0);
}

static void a_diagonal_update_stretches_along_its_largest_axis(void **state)
{
    (void)state;
    // B A = diag(2, 6): the second axis, with singular values 6 and 2.
    const float A[] = {1, 0, 0, 2}, B[] = {2, 0, 0, 3};
    float v[2], sigma[2];
    assert_int_equal(qv__prototype(v, sigma, A, B, 2, 2, 2, NULL), QV_OK);
    assert_close(v, ((float[]){0, 1}), 2, 1e-7, 0);
    assert_close(sigma, ((float[]){6, 2}), 2, 1e-6, 0);
}

/* From the authors' code; their A and B are ours transposed. */
static void prototypes_are_those_of_the_authors(void **state)
{
    (void)state;
    float v[4], sigma[2];

    const float A1[] = {1, 0, 2, 0, 0, 2, 0, 0}, B1[] = {1, 0, 0, 1, 1, 0};
    assert_int_equal(qv__prototype(v, sigma, A1, B1, 2, 4, 3, NULL), QV_OK);
    assert_close(v, ((float[]){.447214f, 0, .894427f, 0}), 4, 1e-6, 0);
    assert_close(sigma, ((float[]){3.162278f, 2}), 2, 1e-6, 0);

    const float A2[] = {.5f, 1, -.75f, .1f, -1, .25f, .5f, .9f};
    const float B2[] = {.2f, 1, -.4f, .3f, .6f, -.5f};
    assert_int_equal(qv__prototype(v, sigma, A2, B2, 2, 4, 3, NULL), QV_OK);
    assert_close(v, ((float[]){.712426f, .058704f, -.461463f, -.525409f}), 4, 1e-6, 0);
    assert_close(sigma, ((float[]){1.830134f, .866464f}), 2, 1e-6, 0);

    // q and k share A: one prototype, from the rows of both Bs behind one another.
    const float B3[] = {.2f, 1, -.4f, .3f, .6f, -.5f, 1, 0, 1, -1, 0, 2};
    assert_int_equal(qv__prototype(v, sigma, A2, B3, 2, 4, 6, NULL), QV_OK);
    assert_close(v, ((float[]){.712315f, .069372f, -.466136f, -.520108f}), 4, 1e-6, 0);
    assert_close(sigma, ((float[]){4.019940f}), 1, 1e-6, 0);
}

static void a_zero_update_has_the_zero_prototype(void **state)
{
    (void)state;
    const float A[] = {1, 2, 3, 4, 5, 6}, zero[6] = {0};
    float v[3] = {9, 9, 9}, sigma[2] = {9, 9};
    assert_int_equal(qv__prototype(v, sigma, A, zero, 2, 3, 3, NULL), QV_OK);
    assert_close(v, zero, 3, 0, 0);
    assert_close(sigma, zero, 2, 0, 0);
    assert_int_equal(qv__prototype(v, sigma, zero, A, 2, 3, 3, NULL), QV_OK);
    assert_close(v, zero, 3, 0, 0);
}

static const struct {
    size_t R, D_in, D_out;
} shape[] = {{1, 7, 5}, {4, 16, 9}, {4, 9, 16}, {6, 3, 8}, {6, 8, 3}, {9, 4, 4}, {3, 1, 1}};

/* y = (B A)' (B A) x by the definitions, in double. */
static void stretch(double *y, const double *x, const float *A, const float *B, size_t R,
                    size_t D_in, size_t D_out)
{
    for (size_t d = 0; d < D_in; d++)
        y[d] = 0;
    for (size_t o = 0; o < D_out; o++) {
        double wx = 0;
        for (size_t r = 0; r < R; r++)
            for (size_t d = 0; d < D_in; d++)
                wx += (double)B[o * R + r] * A[r * D_in + d] * x[d];
        for (size_t r = 0; r < R; r++)
            for (size_t d = 0; d < D_in; d++)
                y[d] += (double)B[o * R + r] * A[r * D_in + d] * wx;
    }
}

static void no_direction_is_stretched_more_than_the_prototype(void **state)
{
    (void)state;
    for (size_t s = 0; s < QV_COUNT(shape); s++) {
        size_t R = shape[s].R, D_in = shape[s].D_in, D_out = shape[s].D_out;
        float *A = normals(R * D_in, 2 * s), *B = normals(D_out * R, 2 * s + 1);
        float v[16], sigma[2], want[16];
        assert_int_equal(qv__prototype(v, sigma, A, B, R, D_in, D_out, NULL), QV_OK);

        double x[16], y[16], norm = 0;
        for (size_t d = 0; d < D_in; d++)
            x[d] = 1 + (double)d / 7;
        for (size_t round = 0; round < 3000; round++) {
            stretch(y, x, A, B, R, D_in, D_out);
            norm = 0;
            for (size_t d = 0; d < D_in; d++)
                norm += y[d] * y[d];
            norm = sqrt(norm);
            for (size_t d = 0; d < D_in; d++)
                x[d] = y[d] / norm;
        }
        double dot = 0;
        for (size_t d = 0; d < D_in; d++)
            dot += x[d] * v[d];
        for (size_t d = 0; d < D_in; d++)
            want[d] = (float)copysign(x[d], x[d] * dot);
        assert_close(v, want, D_in, 1e-5, 0);
        assert_close(sigma, ((float[]){(float)sqrt(norm)}), 1, 0, 1e-5);
        free(A);
        free(B);
    }
}

static void the_largest_entry_of_a_prototype_is_positive(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        float *A = normals(2 * 6, seed), *B = normals(5 * 2, seed + 100);
        float v[6], sigma[2], largest = 0;
        assert_int_equal(qv__prototype(v, sigma, A, B, 2, 6, 5, NULL), QV_OK);
        for (size_t d = 0; d < 6; d++)
            largest = fabsf(v[d]) > fabsf(largest) ? v[d] : largest;
        assert_true(largest > 0);
        free(A);
        free(B);
    }
}

static void scaling_a_factor_leaves_the_prototype_alone(void **state)
{
    (void)state;
    float *A = normals(3 * 8, 1), *B = normals(5 * 3, 2);
    float v[8], u[8], sigma[2], tau[2];
    assert_int_equal(qv__prototype(v, sigma, A, B, 3, 8, 5, NULL), QV_OK);
    for (size_t i = 0; i < 3 * 8; i++)
        A[i] *= -1e-12f;
    for (size_t i = 0; i < 5 * 3; i++)
        B[i] *= 1e-9f;
    assert_int_equal(qv__prototype(u, tau, A, B, 3, 8, 5, NULL), QV_OK);
    assert_close(u, v, 8, 2e-6, 0);
    assert_close(tau, ((float[]){sigma[0] * 1e-21f, sigma[1] * 1e-21f}), 2, 0, 1e-5);
    free(A);
    free(B);
}

/* (A, B) and (M A, B M^-1) are the same update; M = [[2, 1], [1, 1]]. */
static void the_prototype_depends_on_the_update_alone(void **state)
{
    (void)state;
    float *A = normals(2 * 8, 3), *B = normals(5 * 2, 4);
    float MA[2 * 8], BM[5 * 2], v[8], u[8], sigma[2], tau[2];
    for (size_t d = 0; d < 8; d++) {
        MA[d] = 2 * A[d] + A[8 + d];
        MA[8 + d] = A[d] + A[8 + d];
    }
    for (size_t o = 0; o < 5; o++) { // M^-1 = [[1, -1], [-1, 2]]
        BM[2 * o] = B[2 * o] - B[2 * o + 1];
        BM[2 * o + 1] = -B[2 * o] + 2 * B[2 * o + 1];
    }
    assert_int_equal(qv__prototype(v, sigma, A, B, 2, 8, 5, NULL), QV_OK);
    assert_int_equal(qv__prototype(u, tau, MA, BM, 2, 8, 5, NULL), QV_OK);
    assert_close(u, v, 8, 2e-6, 0);
    assert_close(tau, sigma, 2, 0, 2e-6);
    free(A);
    free(B);
}

static void weights_that_are_not_numbers_are_refused(void **state)
{
    (void)state;
    const float good[] = {1, 2}, bad[] = {1, NAN}, huge[] = {INFINITY, 1};
    float v[2], sigma[2];
    qv_err err = {0};
    assert_int_equal(qv__prototype(v, sigma, bad, good, 1, 2, 2, &err), QV_EFORMAT);
    assert_string_equal(err.msg, "a weight is not finite");
    assert_int_equal(qv__prototype(v, sigma, good, huge, 1, 2, 2, &err), QV_EFORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rank_one_update_stretches_along_its_a),
        cmocka_unit_test(a_diagonal_update_stretches_along_its_largest_axis),
        cmocka_unit_test(prototypes_are_those_of_the_authors),
        cmocka_unit_test(a_zero_update_has_the_zero_prototype),
        cmocka_unit_test(no_direction_is_stretched_more_than_the_prototype),
        cmocka_unit_test(the_largest_entry_of_a_prototype_is_positive),
        cmocka_unit_test(scaling_a_factor_leaves_the_prototype_alone),
        cmocka_unit_test(the_prototype_depends_on_the_update_alone),
        cmocka_unit_test(weights_that_are_not_numbers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
