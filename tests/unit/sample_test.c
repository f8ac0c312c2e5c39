/* Choosing the next token: ties, limits, frequencies, and that a draw is a function
 * of seed and position. Bounds on frequencies are five standard deviations.
 */
#include <quiver/session.h>

#include "base/base.h"
#include "support/near.h"

#include <math.h>

enum { POSITIONS = 20000 };

static void greedy_takes_the_largest_and_of_equals_the_lowest_id(void **state)
{
    (void)state;
    static const float l[] = {1, 5, -2, 5, 4.9f}, all[] = {0, 0, 0}, one[] = {-7};
    static const qv_sample_opts greedy = {0}, first = {.temperature = 2, .top_k = 1};
    for (size_t position = 0; position < 100; position++) {
        assert_int_equal(qv_sample(l, 5, NULL, position), 1);
        assert_int_equal(qv_sample(l, 5, &greedy, position), 1);
        assert_int_equal(qv_sample(l, 5, &first, position), 1);
        assert_int_equal(qv_sample(all, 3, NULL, position), 0);
        assert_int_equal(qv_sample(one, 1, &(qv_sample_opts){.temperature = 1}, position),
                         0);
    }
}

/* Draw at every position and compare with the probabilities. */
static void check_frequencies(const float *logits, size_t n, const qv_sample_opts *o,
                              const double *p)
{
    size_t count[8] = {0};
    for (size_t i = 0; i < POSITIONS; i++)
        count[qv_sample(logits, n, o, i)]++;
    for (size_t i = 0; i < n; i++) {
        double mean = POSITIONS * p[i], std = sqrt(mean * (1 - p[i]));
        if (!(fabs((double)count[i] - mean) <= 5 * std))
            fail_msg("token %zu drawn %zu times, expected %.0f, seed %llu", i, count[i],
                     mean, (unsigned long long)o->seed);
    }
}

/* softmax(logits / temperature) over the tokens that `in` keeps. */
static void probabilities(double *p, const float *logits, size_t n, double temperature,
                          const char *in)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += p[i] = in[i] == '1' ? exp((double)logits[i] / temperature) : 0;
    for (size_t i = 0; i < n; i++)
        p[i] /= sum;
}

static void frequencies_are_the_probabilities_at_a_temperature(void **state)
{
    (void)state;
    static const float l[] = {0.5f, -1, 2, 1, -3};
    static const float temperatures[] = {0.5f, 1, 3};
    double p[5];
    for (size_t i = 0; i < QV_COUNT(temperatures); i++)
        for (uint64_t seed = 0; seed < 3; seed++) {
            probabilities(p, l, 5, (double)temperatures[i], "11111");
            check_frequencies(
                l, 5, &(qv_sample_opts){.temperature = temperatures[i], .seed = seed}, p);
        }
}

static void top_k_keeps_the_k_most_likely_and_of_equals_the_lower_ids(void **state)
{
    (void)state;
    static const float l[] = {1, 2, 0.5f, 1, 1};
    static const struct {
        size_t k;
        const char *in;
    } c[] = {{2, "11000"}, {3, "11010"}, {4, "11011"}, {5, "11111"}, {99, "11111"}};
    double p[5];
    for (size_t i = 0; i < QV_COUNT(c); i++) {
        probabilities(p, l, 5, 1, c[i].in);
        check_frequencies(l, 5, &(qv_sample_opts){.temperature = 1, .top_k = c[i].k}, p);
    }
}

/* Probabilities 0.5, 0.25, 0.125, 0.125: the fewest that reach top_p. */
static void top_p_keeps_the_fewest_that_reach_it(void **state)
{
    (void)state;
    const float ln2 = 0.693147181f, l[] = {0, 2 * ln2, ln2, 0};
    static const struct {
        float top_p;
        size_t k;
        const char *in;
    } c[] = {{0.01f, 0, "0100"}, {0.45f, 0, "0100"}, {0.6f, 0, "0110"}, {0.7f, 0, "0110"},
             {0.8f, 0, "1110"},  {0.9f, 0, "1111"},  {1, 0, "1111"},    {0, 0, "1111"},
             {0.6f, 2, "0100"},  {0.7f, 2, "0110"}}; // with k = 2 they are 2/3 and 1/3
    double p[4];
    for (size_t i = 0; i < QV_COUNT(c); i++) {
        probabilities(p, l, 4, 1, c[i].in);
        check_frequencies(
            l, 4, &(qv_sample_opts){.temperature = 1, .top_p = c[i].top_p, .top_k = c[i].k},
            p);
    }
}

static void a_draw_is_a_function_of_seed_and_position(void **state)
{
    (void)state;
    enum { N = 64 };
    float l[N] = {0};
    qv_sample_opts a = {.temperature = 1, .seed = 1}, b = {.temperature = 1, .seed = 2};
    size_t same_seed = 0, same_position = 0;
    for (size_t i = 0; i < 1000; i++) {
        int id = qv_sample(l, N, &a, i);
        assert_int_equal(qv_sample(l, N, &a, i), id);
        same_position += qv_sample(l, N, &a, i + 1) == id;
        same_seed += qv_sample(l, N, &b, i) == id;
    }
    assert_in_range(same_position, 1, 40); // 1000 / 64, and five deviations
    assert_in_range(same_seed, 1, 40);
}

static void impossible_tokens_are_never_drawn(void **state)
{
    (void)state;
    static const float l[] = {-INFINITY, 0, -INFINITY, -1e30f};
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(qv_sample(l, 4, &(qv_sample_opts){.temperature = 5}, i), 1);
    for (size_t i = 0; i < 1000; i++) // as cold as can be, but not greedy
        assert_int_equal(qv_sample(l, 4, &(qv_sample_opts){.temperature = 1e-30f}, i), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greedy_takes_the_largest_and_of_equals_the_lowest_id),
        cmocka_unit_test(frequencies_are_the_probabilities_at_a_temperature),
        cmocka_unit_test(top_k_keeps_the_k_most_likely_and_of_equals_the_lower_ids),
        cmocka_unit_test(top_p_keeps_the_fewest_that_reach_it),
        cmocka_unit_test(a_draw_is_a_function_of_seed_and_position),
        cmocka_unit_test(impossible_tokens_are_never_drawn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
