/* Exact match after normalisation. */
#include "eval/match.h"
#include "support/near.h"

static void a_text_is_lowered_stripped_of_punctuation_and_of_extra_space(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } c[] = {
        {"The  Cat.", "the cat"},
        {" \t\n", ""},
        {"it's 3-4!", "its 34"},
        {"a\n b\r\n", "a b"},
        {"(A)", "a"},
        {"a - b", "a b"},
        {"$1,000.50", "100050"},
        {"`~[\\]^_{|}", ""},
        {"\xC3\x89t\xC3\xA9", "\xC3\x89t\xC3\xA9"},
        {"An apple", "an apple"},
        {"x\v\f\x1cy", "x y"},
    };
    qv_arena a = {0};
    for (size_t i = 0; i < QV_COUNT(c); i++)
        assert_string_equal(qv__normalised(&a, c[i].text), c[i].want);
    qv__arena_free(&a);
}

static void any_reference_may_match_and_all_of_the_text_must(void **state)
{
    (void)state;
    static const char *const refs[] = {"no", "Yes."};
    assert_true(qv__exact_match(" yes", refs, 2));
    assert_false(qv__exact_match(" yes", refs, 1));
    assert_false(qv__exact_match("yes sir", refs, 2));
    assert_false(qv__exact_match("ye", refs, 2));
    assert_false(qv__exact_match("yes", refs, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_lowered_stripped_of_punctuation_and_of_extra_space),
        cmocka_unit_test(any_reference_may_match_and_all_of_the_text_must),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
