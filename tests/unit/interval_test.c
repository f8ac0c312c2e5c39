/* Bootstrap intervals against what statistics says they must be. */
#include "eval/interval.h"
#include "base/rng.h"
#include "support/near.h"

#include <math.h>

#define assert_near(got, want, abs) assert_true(fabs((got) - (want)) <= (abs))

enum { N = 400 };

static struct qv_interval interval(const double *x, size_t n,
                                   const struct qv_interval_opts *opts)
{
    struct qv_interval got;
    qv_err err = {0};
    assert_int_equal(qv__interval(&got, x, n, opts, &err), QV_OK);
    return got;
}

static void equal_scores_leave_no_doubt(void **state)
{
    (void)state;
    static const double x[] = {0.5, 0.5, 0.5};
    struct qv_interval got = interval(x, 3, NULL);
    assert_near(got.mean, 0.5, 0);
    assert_near(got.low, 0.5, 0);
    assert_near(got.high, 0.5, 0);
}

static void the_interval_is_that_of_the_normal_approximation(void **state)
{
    (void)state;
    double x[N], sum = 0, square = 0;
    for (size_t i = 0; i < N; i++) {
        x[i] = 3 + 2 * (double)qv__normal(7, i);
        sum += x[i];
    }
    for (size_t i = 0; i < N; i++)
        square += (x[i] - sum / N) * (x[i] - sum / N);
    double error = sqrt(square / N / N); // of the mean
    struct qv_interval got = interval(x, N, &(struct qv_interval_opts){.resamples = 20000});
    assert_near(got.mean, sum / N, 1e-12);
    assert_near(got.low, got.mean - 1.95996 * error, 0.06 * error);
    assert_near(got.high, got.mean + 1.95996 * error, 0.06 * error);
    got = interval(x, N, &(struct qv_interval_opts){.resamples = 20000, .confidence = 0.5});
    assert_near(got.low, got.mean - 0.67449 * error, 0.04 * error);
    assert_near(got.high, got.mean + 0.67449 * error, 0.04 * error);
}

static void a_coin_of_two_has_the_quantiles_one_can_count(void **state)
{
    (void)state; // resample means are 0, 1/2, 1 with chances 1/4, 1/2, 1/4
    static const double x[] = {0, 1};
    struct qv_interval got = interval(x, 2, NULL);
    assert_near(got.low, 0, 0);
    assert_near(got.high, 1, 0);
    got = interval(x, 2, &(struct qv_interval_opts){.confidence = 0.4});
    assert_near(got.low, 0.5, 0);
    assert_near(got.high, 0.5, 0);
}

static void a_seed_repeats_and_another_differs(void **state)
{
    (void)state;
    double x[N];
    for (size_t i = 0; i < N; i++)
        x[i] = (double)qv__uniform(1, i);
    struct qv_interval a = interval(x, N, &(struct qv_interval_opts){.seed = 1});
    struct qv_interval b = interval(x, N, &(struct qv_interval_opts){.seed = 1});
    struct qv_interval c = interval(x, N, &(struct qv_interval_opts){.seed = 2});
    assert_memory_equal(&a, &b, sizeof a);
    assert_true(a.low < c.low || a.low > c.low);
}

static void a_paired_difference_drops_what_both_share(void **state)
{
    (void)state;
    double x[N], y[N];
    qv_err err = {0};
    for (size_t i = 0; i < N; i++) {
        y[i] = 10 * (double)qv__normal(3, i);
        x[i] = y[i] + 0.25;
    }
    struct qv_interval got;
    assert_int_equal(qv__interval_of_difference(&got, x, y, N, NULL, &err), QV_OK);
    assert_near(got.mean, 0.25, 1e-9);
    assert_near(got.low, 0.25, 1e-9);
    assert_near(got.high, 0.25, 1e-9);
}

static void no_scores_have_no_mean(void **state)
{
    (void)state;
    struct qv_interval got = interval(NULL, 0, NULL);
    assert_true(isnan(got.mean) && isnan(got.low) && isnan(got.high));
}

static void too_many_resamples_are_refused(void **state)
{
    (void)state;
    static const double x[] = {1};
    struct qv_interval got;
    qv_err err = {0};
    struct qv_interval_opts opts = {.resamples = 1000001};
    assert_int_equal(qv__interval(&got, x, 1, &opts, &err), QV_ELIMIT);
    assert_string_equal(err.msg, "1000001 resamples, more than the limit of 1000000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_scores_leave_no_doubt),
        cmocka_unit_test(the_interval_is_that_of_the_normal_approximation),
        cmocka_unit_test(a_coin_of_two_has_the_quantiles_one_can_count),
        cmocka_unit_test(a_seed_repeats_and_another_differs),
        cmocka_unit_test(a_paired_difference_drops_what_both_share),
        cmocka_unit_test(no_scores_have_no_mean),
        cmocka_unit_test(too_many_resamples_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
