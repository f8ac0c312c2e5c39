/* select_test.c - names and patterns of experts in requests. What HTTP clients are told of
 * wrong ones is in tests/e2e/serve_experts_test.c.
 */
#include "server/select.h"
#include "support/scratch.h"

#include <stdio.h>
#include <string.h>

static const char *const names[] = {"add", "adder", "sums*", "sums_count", "x"};
enum { K = sizeof names / sizeof *names, ROOM = 128 };

static const struct {
    const char *name, *pattern;
    bool is_like;
} likeness[] = {
    {"", "", true},           {"", "*", true},          {"", "?", false},
    {"abc", "abc", true},     {"abc", "ab", false},     {"ab", "abc", false},
    {"abc", "a*", true},      {"abc", "*c", true},      {"abc", "a*c", true},
    {"abc", "*", true},       {"abc", "**", true},      {"abc", "a?c", true},
    {"abc", "?*???", false},  {"abcabd", "*abd", true}, {"abcabc", "*abd", false},
    {"aXbXc", "a*b*c", true}, {"ab", "a*b*c", false},   {"a.b", "a.b", true},
    {"axb", "a.b", false},    {"[a]", "[a]", true},     {"mississippi", "m*si*i", true},
};

static void a_pattern_is_stars_and_question_marks(void **state)
{
    (void)state;
    for (size_t i = 0; i < QV_COUNT(likeness); i++)
        if (qv__is_like(likeness[i].name, likeness[i].pattern) != likeness[i].is_like)
            fail_msg("'%s' and '%s'", likeness[i].name, likeness[i].pattern);
}

/* Each star tried against each beginning would take longer than there is time. */
static void a_pattern_of_many_stars_takes_no_time(void **state)
{
    (void)state;
    char name[201], pattern[401];
    memset(name, 'a', 200);
    name[200] = '\0';
    for (size_t i = 0; i < 199; i++)
        memcpy(pattern + 2 * i, "*a", 2);
    memcpy(pattern + 398, "*b", 3);
    assert_false(qv__is_like(name, pattern));
    pattern[399] = 'a';
    assert_true(qv__is_like(name, pattern));
}

/* The names that {experts, excluded, weights} choose, with a space behind each. */
static void chosen(char *out, const char *experts, const char *excluded,
                   const char *weights, struct qv_selection *s)
{
    json_t *v[3] = {json_loads(experts ? experts : "null", JSON_DECODE_ANY, NULL),
                    json_loads(excluded ? excluded : "null", JSON_DECODE_ANY, NULL),
                    json_loads(weights ? weights : "null", JSON_DECODE_ANY, NULL)};
    const struct qv_wanted w = {experts ? v[0] : NULL, excluded ? v[1] : NULL,
                                weights ? v[2] : NULL};
    const char *param;
    qv_err err;
    assert_works(qv__select(s, names, K, &w, &param, &err), &err);
    *out = '\0';
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        n += (size_t)snprintf(out + n, ROOM - n, "%s ", names[s->at[i]]);
    for (size_t i = 0; i < 3; i++)
        json_decref(v[i]);
}

static void lists_choose_in_the_librarys_order(void **state)
{
    (void)state;
    static const struct {
        const char *experts, *excluded, *are;
    } as[] = {
        {"[\"x\",\"add\"]", NULL, "add x "},
        {"[\"add*\",\"add\"]", NULL, "add adder "},
        {"[\"sums*\"]", NULL, "sums* "}, // it is the name of one
        {"[\"sum*\"]", NULL, "sums* sums_count "},
        {NULL, "[\"a*\",\"x\"]", "sums* sums_count "},
        {"[\"a*\"]", "[\"adder\"]", "add "},
        {NULL, "[]", "add adder sums* sums_count x "},
    };
    for (size_t i = 0; i < QV_COUNT(as); i++) {
        struct qv_selection s;
        char out[ROOM];
        chosen(out, as[i].experts, as[i].excluded, NULL, &s);
        assert_string_equal(out, as[i].are);
        assert_null(s.weight);
        qv__selection_end(&s);
    }
}

static void weights_choose_those_that_are_not_zero(void **state)
{
    (void)state;
    struct qv_selection s;
    char out[ROOM];
    chosen(out, NULL, NULL, "{\"x\":-3,\"sums*\":0,\"adder\":0.25}", &s);
    assert_string_equal(out, "adder x ");
    assert_true(s.weight[0] == 0.25f && s.weight[1] == -3);
    qv__selection_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pattern_is_stars_and_question_marks),
        cmocka_unit_test(a_pattern_of_many_stars_takes_no_time),
        cmocka_unit_test(lists_choose_in_the_librarys_order),
        cmocka_unit_test(weights_choose_those_that_are_not_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
