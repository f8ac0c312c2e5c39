/* truncate_test.c - what a cut to a rank loses, against the least that any can. */
#include "lora/truncate.h"

#include "base/rng.h"
#include "lora/linalg.h"
#include "support/experts.h"
#include "support/near.h"

#include <math.h>
#include <stdlib.h>

/* Large enough that not all singular values are found: 11 (Q + 8) < R. */
enum { D_IN = 320, D_OUT = 310, R = 300, Q = 4 };

static double *doubles(size_t n)
{
    double *x = calloc(n, sizeof *x);
    assert_non_null(x);
    return x;
}

/* Q [R, D] of orthonormal rows. */
static double *directions(size_t D, uint64_t seed)
{
    double *rows = doubles(R * D), *L = doubles((size_t)R * R);
    for (size_t i = 0; i < R * D; i++)
        rows[i] = (double)qv__normal(seed, i);
    assert_int_equal(qv__lq(rows, L, R, D, NULL), QV_OK);
    free(L);
    return rows;
}

/* An expert whose update has these singular values. Each is shared unevenly between
 * A and B, which must not matter. */
static struct qv_expert *with_spectrum(const double sigma[R])
{
    double *V = directions(D_IN, 1), *U = directions(D_OUT, 2);
    struct qv_expert *e =
        expert_drawn("e", &(struct qv_expert_shape){"p", D_IN, D_OUT, R, R}, 1, 1);
    for (size_t i = 0; i < R; i++) {
        double share = pow(10, (double)(i % 5) - 2);
        for (size_t d = 0; d < D_IN; d++)
            e->site[0].A[i * D_IN + d] = (float)(share * V[i * D_IN + d]);
        for (size_t o = 0; o < D_OUT; o++)
            e->site[0].B[o * R + i] = (float)(sigma[i] / share * U[i * D_OUT + o]);
    }
    free(V);
    free(U);
    return e;
}

/* M += c B A, in doubles. */
static void add_update(double *M, double c, const struct qv_expert_site *s)
{
    for (size_t o = 0; o < D_OUT; o++)
        for (size_t r = 0; r < s->R; r++)
            for (size_t d = 0; d < D_IN; d++)
                M[o * D_IN + d] +=
                    c * (double)s->B[o * s->R + r] * (double)s->A[r * D_IN + d];
}

static double squared_norm(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sum;
}

/* Of B A's squared norm, what no product of rank Q can have: from the eigenvalues of
 * the whole M M'. */
static double least_loss(const double *M)
{
    double *S = doubles((size_t)D_OUT * D_OUT), *lambda = doubles(D_OUT), loss = 0;
    for (size_t i = 0; i < D_OUT; i++)
        for (size_t j = 0; j < D_OUT; j++)
            for (size_t d = 0; d < D_IN; d++)
                S[i * D_OUT + j] += M[i * D_IN + d] * M[j * D_IN + d];
    assert_int_equal(qv__eigen(lambda, S, D_OUT, NULL), QV_OK);
    for (size_t i = Q; i < D_OUT; i++)
        loss += fmax(lambda[i], 0);
    free(S);
    free(lambda);
    return loss;
}

/* Cut, and hold the error to 1e-5 of B A's norm above the least, and the share that
 * is said to be cut off to a hundredth. Frees the expert. */
static void check(struct qv_expert *e)
{
    struct qv_expert *cut =
        expert_drawn("cut", &(struct qv_expert_shape){"p", D_IN, D_OUT, Q, Q}, 1, 1);
    double *M = doubles((size_t)D_OUT * D_IN), energy[2] = {0};
    qv_err err = {0};
    assert_int_equal(qv__truncate(&cut->site[0], energy, &e->site[0], &err), QV_OK);
    add_update(M, 1, &e->site[0]);
    double whole = squared_norm(M, (size_t)D_OUT * D_IN), least = least_loss(M);
    add_update(M, -1, &cut->site[0]);
    double loss = squared_norm(M, (size_t)D_OUT * D_IN);
    double above = sqrt(loss / whole) - sqrt(least / whole);
    if (!(above <= 1e-5 && above >= -1e-6))
        fail_msg("the relative error is %g, the least is %g: %g above", sqrt(loss / whole),
                 sqrt(least / whole), above);
    assert_true(fabs(energy[1] / energy[0] - loss / whole) < 0.01);
    free(M);
    qv__expert_free(e);
    qv__expert_free(cut);
}

static void unrelated_experts_are_cut_as_well_as_can_be(void **state)
{
    (void)state;
    check(expert_drawn("e", &(struct qv_expert_shape){"p", D_IN, D_OUT, R, R}, 1, 7));
}

static void clusters_of_singular_values_are_cut_as_well_as_can_be(void **state)
{
    (void)state;
    // The first n are 1, the others what follows; or all a little apart.
    static const struct {
        size_t n;
        double rest;
    } cluster[] = {{R, 0}, {Q, 0.9}, {Q, 0.99}, {Q + 1, 0.999}, {2 * Q, 0.9}, {100, 0.5}};
    for (size_t i = 0; i < QV_COUNT(cluster); i++)
        for (int apart = 0; apart < 2; apart++) {
            double sigma[R];
            for (size_t r = 0; r < R; r++)
                sigma[r] = (r < cluster[i].n ? 1 : cluster[i].rest) *
                           (1 - 0.003 * apart * (double)qv__uniform(3, r));
            check(with_spectrum(sigma));
        }
}

static void spectra_without_gaps_are_cut_as_well_as_can_be(void **state)
{
    (void)state;
    double sigma[R];
    for (size_t r = 0; r < R; r++)
        sigma[r] = 1 - (double)r / R;
    check(with_spectrum(sigma));
    for (size_t r = 0; r < R; r++)
        sigma[r] = 1 / sqrt((double)(r + 1));
    check(with_spectrum(sigma));
}

/* Where squares of singular values would drown in the rounding of a float. */
static void steep_spectra_are_cut_as_well_as_can_be(void **state)
{
    (void)state;
    static const double fall[] = {0.9, 0.3, 0.03};
    double sigma[R];
    for (size_t i = 0; i < QV_COUNT(fall); i++) {
        for (size_t r = 0; r < R; r++)
            sigma[r] = pow(fall[i], (double)r);
        check(with_spectrum(sigma));
    }
    for (size_t r = 0; r < R; r++)
        sigma[r] = r == 0 ? 1 : 1e-3 * (1 - (double)r / R);
    check(with_spectrum(sigma));
}

static void what_has_the_rank_already_is_kept(void **state)
{
    (void)state;
    double sigma[R] = {1, 0.1, 0.01, 0.001};
    check(with_spectrum(sigma));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unrelated_experts_are_cut_as_well_as_can_be),
        cmocka_unit_test(clusters_of_singular_values_are_cut_as_well_as_can_be),
        cmocka_unit_test(spectra_without_gaps_are_cut_as_well_as_can_be),
        cmocka_unit_test(steep_spectra_are_cut_as_well_as_can_be),
        cmocka_unit_test(what_has_the_rank_already_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
