/* The n-gram model on texts small enough to count by hand. */
#include "support/ngram.h"
#include "base/rng.h"
#include "support/near.h"

#include <math.h>
#include <string.h>

#define assert_near(got, want, abs) assert_true(fabs((got) - (want)) <= (abs))

static ngram *model(const char *const *texts, size_t n)
{
    qv_err err = {0};
    ngram *m = ngram_new();
    assert_non_null(m);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(ngram_add(m, texts[i], strlen(texts[i]), &err), QV_OK);
    assert_int_equal(ngram_finish(m, &err), QV_OK);
    return m;
}

static void an_empty_model_knows_only_that_there_are_256_bytes(void **state)
{
    (void)state;
    ngram *m = model(NULL, 0);
    assert_near(ngram_p(m, "abc", 3, 'd', WITTEN_BELL), 1.0 / 256, 1e-15);
    assert_near(ngram_bits(m, "abc", 3, KNESER_NEY), 24, 1e-12);
    ngram_free(m);
}

static void witten_bell_is_what_one_computes_by_hand(void **state)
{
    (void)state;
    // "aab": a twice, b once; after the NULs of a start comes a, and so on.
    const char *text = "aab";
    ngram *m = model(&text, 1);
    double none = 1.0 / 256, p;
    // Before x nothing was seen but the empty context: 3 bytes, 2 different.
    assert_near(ngram_p(m, "x", 1, 'a', WITTEN_BELL), (2 + 2 * none) / 5, 1e-12);
    assert_near(ngram_p(m, "x", 1, 'z', WITTEN_BELL), 2 * none / 5, 1e-12);
    // After "xa": context a was followed by a and by b, once each.
    p = (1 + 2 * none) / 5;
    assert_near(ngram_p(m, "xa", 2, 'b', WITTEN_BELL), (1 + 2 * p) / 4, 1e-12);
    // After "xaa": then by b alone.
    p = (1 + 2 * p) / 4;
    assert_near(ngram_p(m, "xaa", 3, 'b', WITTEN_BELL), (1 + p) / 2, 1e-12);
    // At a start all five contexts of NULs were followed by a, once.
    p = (2 + 2 * none) / 5;
    for (size_t k = 1; k <= 5; k++)
        p = (1 + p) / 2;
    assert_near(ngram_p(m, "", 0, 'a', WITTEN_BELL), p, 1e-12);
    ngram_free(m);
}

static void kneser_ney_counts_what_a_byte_followed_not_how_often(void **state)
{
    (void)state;
    // c is frequent, but only ever after b; d is rare, but follows many.
    static const char *const texts[] = {"abcabcabcabcabcabcabc", "xd", "yd", "zd", "wd"};
    ngram *m = model(texts, 5);
    double c = ngram_p(m, "~", 1, 'c', KNESER_NEY);
    double d = ngram_p(m, "~", 1, 'd', KNESER_NEY);
    assert_true(d > 2 * c);
    c = ngram_p(m, "~", 1, 'c', WITTEN_BELL);
    d = ngram_p(m, "~", 1, 'd', WITTEN_BELL);
    assert_true(c > d);
    ngram_free(m);
}

static void probabilities_sum_to_one_after_any_history(void **state)
{
    (void)state;
    char text[5001] = {0}, history[8];
    for (size_t i = 0; i < 5000; i++) // two bits a byte, uneven
        text[i] = (char)('a' + (qv__bits(1, i) & qv__bits(2, i) & 3));
    const char *texts[] = {text, "zebra", "b"};
    ngram *m = model(texts, 3);
    for (size_t trial = 0; trial < 60; trial++) {
        size_t n = trial % 8;
        for (size_t i = 0; i < n; i++)
            history[i] = (char)('a' + qv__below(3, 8 * trial + i, 5));
        double sum[2] = {0};
        for (int byte = 0; byte < 256; byte++)
            for (int s = 0; s < 2; s++) {
                double p = ngram_p(m, history, n, (unsigned char)byte,
                                   s ? KNESER_NEY : WITTEN_BELL);
                assert_true(p > 0);
                sum[s] += p;
            }
        assert_near(sum[WITTEN_BELL], 1, 1e-9);
        assert_near(sum[KNESER_NEY], 1, 1e-9);
    }
    ngram_free(m);
}

static void bits_are_minus_log2_of_the_probabilities_in_turn(void **state)
{
    (void)state;
    static const char *const texts[] = {"the cat sat on the mat", "that hat"};
    static const char asked[] = "the hat sat";
    ngram *m = model(texts, 2);
    for (int s = 0; s < 2; s++) {
        enum smoothing how = s ? KNESER_NEY : WITTEN_BELL;
        double bits = 0;
        for (size_t i = 0; i < sizeof asked - 1; i++)
            bits -= log2(ngram_p(m, asked, i, (unsigned char)asked[i], how));
        assert_near(ngram_bits(m, asked, sizeof asked - 1, how), bits, 1e-9);
    }
    ngram_free(m);
}

static void a_source_of_known_entropy_is_learned(void **state)
{
    (void)state; // a byte repeats the one before with chance 3/4, else is the other
    enum { N = 200000 };
    static char text[2 * N];
    char last = 'a';
    for (size_t i = 0; i < 2 * N; i++)
        text[i] = last = (char)(qv__below(5, i, 4) ? last : 'a' + 'b' - last);
    qv_err err = {0};
    ngram *m = ngram_new();
    assert_int_equal(ngram_add(m, text, N, &err), QV_OK);
    assert_int_equal(ngram_finish(m, &err), QV_OK);
    double entropy = -(0.75 * log2(0.75) + 0.25 * log2(0.25));
    assert_near(ngram_bits(m, text + N, N, WITTEN_BELL) / N, entropy, 0.005);
    assert_near(ngram_bits(m, text + N, N, KNESER_NEY) / N, entropy, 0.005);
    ngram_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_model_knows_only_that_there_are_256_bytes),
        cmocka_unit_test(witten_bell_is_what_one_computes_by_hand),
        cmocka_unit_test(kneser_ney_counts_what_a_byte_followed_not_how_often),
        cmocka_unit_test(probabilities_sum_to_one_after_any_history),
        cmocka_unit_test(bits_are_minus_log2_of_the_probabilities_in_turn),
        cmocka_unit_test(a_source_of_known_entropy_is_learned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
