/* regex_test.c - the door to PCRE2. */
#include "base/regex.h"
#include "support/near.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct qv_regex *compile(const char *pattern)
{
    struct qv_regex *re;
    qv_err err;
    assert_int_equal(qv__regex_new(&re, pattern, strlen(pattern), &err), QV_OK);
    return re;
}

static void a_search_returns_the_first_match_from_an_offset(void **state)
{
    (void)state;
    struct qv_regex *re = compile("\\p{L}+");
    const char *text = "a \xc3\xa9t\xc3\xa9 1";
    bool found;
    size_t begin, end;
    assert_int_equal(qv__regex_find(&found, &begin, &end, re, text, strlen(text), 1, NULL),
                     0);
    assert_true(found);
    assert_int_equal(begin, 2);
    assert_int_equal(end, 7);
    assert_int_equal(qv__regex_find(&found, &begin, &end, re, text, strlen(text), 7, NULL),
                     0);
    assert_false(found);
    qv__regex_free(re);
}

static void a_search_looks_back_before_its_offset(void **state)
{
    (void)state;
    struct qv_regex *re = compile("(?<=a)b");
    bool found;
    size_t begin, end;
    assert_int_equal(qv__regex_find(&found, &begin, &end, re, "ab", 2, 1, NULL), 0);
    assert_true(found);
    qv__regex_free(re);
}

static void bytes_that_are_not_utf8_match_nothing_and_stop_nothing(void **state)
{
    (void)state;
    struct qv_regex *re = compile("\\S+");
    bool found;
    size_t begin, end;
    assert_int_equal(qv__regex_find(&found, &begin, &end, re, "\xff\xfe xy", 5, 0, NULL),
                     0);
    assert_true(found);
    assert_int_equal(begin, 3);
    assert_int_equal(end, 5);
    qv__regex_free(re);
}

static void a_full_match_takes_the_whole_text_with_backtracking(void **state)
{
    (void)state;
    struct qv_regex *re = compile("a|ab");
    bool matches;
    assert_int_equal(qv__regex_full(&matches, re, "ab", 2, NULL), 0);
    assert_true(matches);
    assert_int_equal(qv__regex_full(&matches, re, "abc", 3, NULL), 0);
    assert_false(matches);
    qv__regex_free(re);
}

static void a_wrong_pattern_is_refused_with_its_place(void **state)
{
    (void)state;
    struct qv_regex *re;
    qv_err err;
    assert_int_equal(qv__regex_new(&re, "a(b", 3, &err), QV_EFORMAT);
    assert_string_equal(err.msg, "pattern 'a(b': at 3: missing closing parenthesis");
    assert_null(re);
}

static void a_pattern_that_backtracks_without_end_gives_up(void **state)
{
    (void)state;
    struct qv_regex *re = compile("(?:a|aa|a)+[bc]");
    char text[64];
    memset(text, 'a', sizeof text);
    bool found;
    size_t begin, end;
    qv_err err;
    assert_int_equal(qv__regex_full(&found, re, text, sizeof text, &err), QV_ELIMIT);
    assert_string_equal(err.msg, "a pattern gave up on 64 bytes of text (PCRE2 -47)");
    assert_int_equal(qv__regex_find(&found, &begin, &end, re, text, sizeof text, 0, &err),
                     QV_ELIMIT);
    qv__regex_free(re);
}

static void a_match_beyond_the_jit_stack_is_still_found(void **state)
{
    (void)state;
    size_t n = 1 << 20;
    char *text = malloc(n);
    assert_non_null(text);
    memset(text, 'a', n);
    struct qv_regex *re = compile("(?:(a)|b)*?$");
    bool found;
    size_t begin, end;
    assert_int_equal(qv__regex_find(&found, &begin, &end, re, text, n, 0, NULL), 0);
    assert_true(found);
    assert_int_equal(end, n);
    qv__regex_free(re);
    free(text);
}

struct told {
    char text[128];
};

static void tell(void *arg, const char *name, const char *text, size_t n)
{
    struct told *t = arg;
    size_t at = strlen(t->text);
    snprintf(t->text + at, sizeof t->text - at, "%s=%.*s;", name, (int)n, text);
}

static void named_groups_that_took_part_are_told(void **state)
{
    (void)state;
    struct qv_regex *re = compile("^(?<b>\\w+)(?: (?<a>\\d+))?(?<none>x)?(;)$");
    struct told told = {{0}};
    bool found;
    assert_int_equal(qv__regex_groups(&found, re, "ab 12;", 6, tell, &told, NULL), 0);
    assert_true(found);
    assert_string_equal(told.text, "a=12;b=ab;");
    told.text[0] = '\0';
    assert_int_equal(qv__regex_groups(&found, re, "ab;", 3, tell, &told, NULL), 0);
    assert_true(found);
    assert_string_equal(told.text, "b=ab;");
    told.text[0] = '\0';
    assert_int_equal(qv__regex_groups(&found, re, "-", 1, tell, &told, NULL), 0);
    assert_false(found);
    assert_string_equal(told.text, "");
    qv__regex_free(re);
}

static void groups_of_a_pattern_without_end_are_refused(void **state)
{
    (void)state;
    struct qv_regex *re = compile("^(?<g>(a+)+)$");
    struct told told = {{0}};
    char text[64];
    memset(text, 'a', sizeof text);
    text[63] = 'b';
    bool found;
    qv_err err;
    assert_int_equal(qv__regex_groups(&found, re, text, 64, tell, &told, &err), QV_ELIMIT);
    assert_non_null(strstr(err.msg, "a pattern gave up on 64 bytes of text"));
    qv__regex_free(re);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(named_groups_that_took_part_are_told),
        cmocka_unit_test(groups_of_a_pattern_without_end_are_refused),
        cmocka_unit_test(a_search_returns_the_first_match_from_an_offset),
        cmocka_unit_test(a_search_looks_back_before_its_offset),
        cmocka_unit_test(bytes_that_are_not_utf8_match_nothing_and_stop_nothing),
        cmocka_unit_test(a_full_match_takes_the_whole_text_with_backtracking),
        cmocka_unit_test(a_wrong_pattern_is_refused_with_its_place),
        cmocka_unit_test(a_pattern_that_backtracks_without_end_gives_up),
        cmocka_unit_test(a_match_beyond_the_jit_stack_is_still_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
