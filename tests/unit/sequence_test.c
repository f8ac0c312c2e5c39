/* Joining a prompt and a target, with a toy tokenizer defined here: a token is a
 * word, with the one space before it if the tokenizer merges spaces; any other
 * space or newline is a token of its own. Like SentencePiece, it may put a space
 * before every text. Ids are indices into `seen`.
 */
#include "data/dataset.h"
#include "support/near.h"

#include <stdlib.h>
#include <string.h>

struct qv_tokenizer {
    bool merges, prefixes, adds_bos, no_eos;
};

enum { BOS, EOS, WORDS }; // then the words, in order of first sight
enum { MOST = 64, LONGEST = 16 };

static char seen[MOST][LONGEST] = {"^", "$"};
static size_t n_seen = WORDS;

static int id_of(const char *s, size_t n)
{
    assert_true(n < LONGEST && n_seen < MOST);
    for (size_t i = WORDS; i < n_seen; i++)
        if (strlen(seen[i]) == n && memcmp(seen[i], s, n) == 0)
            return (int)i;
    memcpy(seen[n_seen], s, n);
    return (int)n_seen++;
}

qv_status qv_tokenizer_encode(const qv_tokenizer *tok, const char *text, size_t size,
                              bool parse_special, int **ids, size_t *n, qv_err *err)
{
    (void)err;
    assert_false(parse_special);
    char spaced[256] = " ";
    assert_true(size + 2 < sizeof spaced);
    memcpy(spaced + (tok->prefixes && size), text, size);
    size += tok->prefixes && size;
    *ids = malloc((size + 1) * sizeof **ids);
    assert_non_null(*ids);
    *n = 0;
    for (size_t at = 0, end; at < size; at = end) {
        bool joins = tok->merges && spaced[at] == ' ' && at + 1 < size &&
                     !strchr(" \n", spaced[at + 1]);
        end = at + 1;
        if (joins || !strchr(" \n", spaced[at]))
            while (end < size && !strchr(" \n", spaced[end]))
                end++;
        (*ids)[(*n)++] = id_of(spaced + at, end - at);
    }
    return QV_OK;
}

int qv_tokenizer_bos(const qv_tokenizer *tok)
{
    (void)tok;
    return BOS;
}

int qv_tokenizer_eos(const qv_tokenizer *tok)
{
    return tok->no_eos ? -1 : EOS;
}

bool qv_tokenizer_adds_bos(const qv_tokenizer *tok)
{
    return tok->adds_bos;
}

static const qv_tokenizer merging = {.merges = true}, apart = {.merges = false},
                          begun = {.merges = true, .adds_bos = true},
                          pieces = {.merges = true, .prefixes = true, .adds_bos = true};

/* The sequence as text: '|' before each token, '>' where the target starts. */
static const char *shown(const struct qv_sequence *s)
{
    static char text[512];
    size_t at = 0;
    for (size_t i = 0; i < s->n; i++) {
        const char *word = seen[s->ids[i]];
        text[at++] = i == s->n_prompt ? '>' : '|';
        memcpy(text + at, word, strlen(word));
        at += strlen(word);
    }
    text[at] = '\0';
    return text;
}

static void expect(const qv_tokenizer *tok, const char *prompt, const char *target,
                   size_t max, const char *want)
{
    qv_arena a = {0};
    qv_err err = {0};
    struct qv_sequence s;
    assert_int_equal(qv__sequence_make(&s, &a, tok, prompt, target, max, &err), QV_OK);
    assert_string_equal(shown(&s), want);
    qv__arena_free(&a);
}

static void one_space_is_put_between_unless_white_space_is_there(void **state)
{
    (void)state;
    expect(&merging, "abc", "d", 100, "|abc> d|$");
    expect(&merging, "abc ", "d", 100, "|abc> d|$");
    expect(&merging, "abc\n", "d", 100, "|abc|\n>d|$");
    expect(&merging, "abc", " d", 100, "|abc> d|$");
    expect(&merging, "abc", "\nd", 100, "|abc>\n|d|$");
    expect(&merging, "abc", "", 100, "|abc>$");
    expect(&apart, "abc ", "d", 100, "|abc| >d|$");
    expect(&apart, "abc", "d", 100, "|abc> |d|$");
}

static void a_space_before_every_text_makes_no_prompt_token_a_target(void **state)
{
    (void)state; // alone, the target " d" is the two tokens " " and " d"
    expect(&pieces, "abc", "d", 100, "|^| abc> d|$");
    expect(&pieces, "abc ", "d", 100, "|^| abc> d|$");
    expect(&pieces, "a b\n", "d e", 100, "|^| a| b|\n>d| e|$");
    expect(&pieces, "a b c", "d e", 4, "|^> d| e|$");
}

static void a_moved_space_moves_even_before_another_and_before_nothing(void **state)
{
    (void)state;
    expect(&merging, "abc ", " d", 100, "|abc> | d|$");
    expect(&merging, "abc ", "", 100, "|abc> |$");
    expect(&merging, "abc  ", "d", 100, "|abc| > d|$");
}

static void an_empty_prompt_adds_nothing_and_the_first_token_has_no_loss(void **state)
{
    (void)state;
    expect(&merging, "", "d e", 100, "|d> e|$");
    expect(&begun, "", "d e", 100, "|^>d| e|$");
}

static void too_long_a_prompt_is_cut_on_the_left(void **state)
{
    (void)state;
    expect(&merging, "q1 q2 q3 :", "x1 x2", 100, "|q1| q2| q3| :> x1| x2|$");
    expect(&merging, "q1 q2 q3 :", "x1 x2", 4, "| :> x1| x2|$");
    expect(&merging, "p1", "y1 y2 y3", 5, "|p1> y1| y2| y3|$");
    expect(&merging, "p1", "y1 y2 y3", 4, "| y1> y2| y3|$");
}

static void the_bos_token_survives_the_cut(void **state)
{
    (void)state;
    expect(&begun, "q1 q2 q3 :", "x1 x2", 100, "|^|q1| q2| q3| :> x1| x2|$");
    expect(&begun, "q1 q2 q3 :", "x1 x2", 5, "|^| :> x1| x2|$");
    expect(&begun, "q1 q2 q3 :", "x1 x2", 4, "|^> x1| x2|$");
}

static void a_target_that_does_not_fit_is_cut_on_the_right(void **state)
{
    (void)state;
    expect(&merging, "p1", "y1 y2 y3", 3, "| y1> y2| y3");
    expect(&merging, "p1", "y1 y2 y3", 2, "| y1> y2");
    expect(&begun, "p1", "y1 y2 y3", 3, "|^> y1| y2");
}

static void a_prompt_alone_is_what_stands_before_a_target(void **state)
{
    (void)state;
    static const struct {
        const qv_tokenizer *tok;
        const char *prompt;
        size_t max;
        const char *want;
    } c[] = {
        {&merging, "a b ", 100, "|a| b"},
        {&apart, "a ", 100, "|a| "},
        {&merging, "a b\n", 100, "|a| b|\n"},
        {&begun, "a b", 100, "|^|a| b"},
        {&begun, "a b c", 2, "|^| c"},
        {&merging, "a b c", 2, "| b| c"},
        {&begun, "", 100, "|^"},
        {&begun, "a", 1, "|^"},
    };
    for (size_t i = 0; i < QV_COUNT(c); i++) {
        qv_arena a = {0};
        qv_err err = {0};
        struct qv_sequence s;
        assert_int_equal(qv__sequence_prompt(&s, &a, c[i].tok, c[i].prompt, c[i].max, &err),
                         QV_OK);
        assert_string_equal(shown(&s), c[i].want);
        assert_int_equal(s.n_prompt, s.n);
        qv__arena_free(&a);
    }
}

static void refusals_say_what_is_missing(void **state)
{
    (void)state;
    static const qv_tokenizer endless = {.no_eos = true};
    qv_arena a = {0};
    qv_err err = {0};
    struct qv_sequence s;
    assert_int_equal(qv__sequence_make(&s, &a, &merging, "a", "b", 1, &err), QV_ELIMIT);
    assert_string_equal(err.msg, "a sequence of 1 tokens has no room for a target");
    assert_int_equal(qv__sequence_make(&s, &a, &endless, "a", "b", 9, &err),
                     QV_EUNSUPPORTED);
    assert_string_equal(err.msg, "the tokenizer has no token that ends a text");
    assert_int_equal(qv__sequence_prompt(&s, &a, &merging, "a", 0, &err), QV_ELIMIT);
    assert_string_equal(err.msg, "a sequence of 0 tokens has no room for a prompt");
    assert_int_equal(qv__sequence_prompt(&s, &a, &merging, " ", 9, &err), QV_EFORMAT);
    assert_string_equal(err.msg, "the prompt is empty and the model needs a first token");
    qv__arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_space_is_put_between_unless_white_space_is_there),
        cmocka_unit_test(a_space_before_every_text_makes_no_prompt_token_a_target),
        cmocka_unit_test(a_moved_space_moves_even_before_another_and_before_nothing),
        cmocka_unit_test(an_empty_prompt_adds_nothing_and_the_first_token_has_no_loss),
        cmocka_unit_test(too_long_a_prompt_is_cut_on_the_left),
        cmocka_unit_test(the_bos_token_survives_the_cut),
        cmocka_unit_test(a_target_that_does_not_fit_is_cut_on_the_right),
        cmocka_unit_test(a_prompt_alone_is_what_stands_before_a_target),
        cmocka_unit_test(refusals_say_what_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
