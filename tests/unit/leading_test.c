/* leading_test.c - the leading eigenvectors, against those of the whole matrix. */
#include "lora/leading.h"

#include "base/rng.h"
#include "lora/linalg.h"
#include "support/near.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 640, Q = 8 };

/* S = X' X with column i of X, normal numbers, times decay^i. */
static double *drawn(size_t rows, double decay)
{
    double *X = malloc(rows * N * sizeof *X), *S = malloc(N * N * sizeof *S);
    assert_non_null(X);
    assert_non_null(S);
    for (size_t i = 0; i < rows * N; i++)
        X[i] = (double)qv__normal(7, i) * pow(decay, (double)(i % N));
    qv__dgemm(true, false, N, N, rows, X, X, S);
    free(X);
    return S;
}

/* Eigenvalues are equal, vectors satisfy S u = lambda u and are orthonormal. */
static void check(double *S)
{
    static double all[N], lambda[Q], u[Q * N], Su[Q * N], uu[Q * Q];
    double *whole = malloc(N * N * sizeof *whole), *left = malloc(N * N * sizeof *left);
    assert_non_null(whole);
    assert_non_null(left);
    memcpy(whole, S, N * N * sizeof *S);
    memcpy(left, S, N * N * sizeof *S);
    assert_int_equal(qv__leading(lambda, u, S, N, Q, NULL), QV_OK);
    assert_int_equal(qv__eigen(all, whole, N, NULL), QV_OK);
    qv__dgemm(false, false, Q, N, N, u, left, Su);
    qv__dgemm(false, true, Q, Q, N, u, u, uu);
    for (size_t j = 0; j < Q; j++) {
        assert_true(fabs(lambda[j] - all[j]) <= 1e-12 * all[0]);
        for (size_t i = 0; i < N; i++)
            assert_true(fabs(Su[j * N + i] - lambda[j] * u[j * N + i]) <=
                        2e-8 * all[j] + 2e-12 * all[0]);
        for (size_t i = 0; i < Q; i++)
            assert_true(fabs(uu[j * Q + i] - (i == j)) <= 1e-10);
    }
    free(whole);
    free(left);
    free(S);
}

static void a_flat_spectrum_is_found(void **state)
{
    (void)state;
    check(drawn(N, 1));
}

static void a_steep_spectrum_is_found(void **state)
{
    (void)state;
    check(drawn(N, .95));
    check(drawn(N, .5)); // the last of Q is 1e-4 of the first
}

static void eigenvalues_that_are_equal_are_found(void **state)
{
    (void)state;
    double *S = calloc(N * N, sizeof *S);
    assert_non_null(S);
    for (size_t i = 0; i < N; i++)
        S[i * N + i] = i < 4 ? 2 : 1;
    check(S);
}

static void a_matrix_of_low_rank_has_zeros_after_it(void **state)
{
    (void)state;
    check(drawn(3, 1));
}

static void zero_has_zeros_alone(void **state)
{
    (void)state;
    double *S = calloc(N * N, sizeof *S);
    assert_non_null(S);
    check(S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flat_spectrum_is_found),
        cmocka_unit_test(a_steep_spectrum_is_found),
        cmocka_unit_test(eigenvalues_that_are_equal_are_found),
        cmocka_unit_test(a_matrix_of_low_rank_has_zeros_after_it),
        cmocka_unit_test(zero_has_zeros_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
