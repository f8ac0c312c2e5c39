/* ROUGE-L against NLTK and the authors' code, and on texts worked out by hand. */
#include "eval/rouge.h"
#include "base/json.h"
#include "support/near.h"

#include <math.h>
#include <stdlib.h>

#define assert_near(got, want, abs) assert_true(fabs((got) - (want)) <= (abs))

static json_t *golden(const char *path)
{
    json_t *list;
    qv_err err = {0};
    if (qv__json_read(&list, path, 1 << 20, &err))
        fail_msg("%s", err.msg);
    return list;
}

/* stems.json: [word, NLTK's stem, and Porter's of 1980 where it differs]. */
static void stems_are_those_of_nltk(void **state)
{
    (void)state;
    qv_arena a = {0};
    size_t i, differ = 0;
    json_t *pair, *list = golden("tests/golden/rouge/stems.json");
    json_array_foreach(list, i, pair)
    {
        const char *word = json_string_value(json_array_get(pair, 0));
        assert_string_equal(qv__porter(&a, word),
                            json_string_value(json_array_get(pair, 1)));
        differ += json_array_size(pair) == 3;
    }
    assert_true(i > 1000 && differ > 50);
    json_decref(list);
    qv__arena_free(&a);
}

/* The rules in which NLTK and libstemmer differ, each with what NLTK 3.10 says. */
static const struct {
    const char *word, *stem;
} nltk[] = {
    {"skies", "sky"},
    {"dying", "die"},
    {"news", "news"},
    {"innings", "inning"},
    {"proceed", "proceed"},
    {"ties", "tie"},
    {"tied", "tie"},
    {"tieds", "tie"},
    {"flies", "fli"},
    {"fly", "fli"},
    {"flying", "fli"},
    {"enjoy", "enjoy"},
    {"enjoyed", "enjoy"},
    {"played", "play"},
    {"crying", "cri"},
    {"dry", "dri"},
    {"eyed", "eye"},
    {"ayes", "aye"},
    {"trekking", "trek"},
    {"revved", "rev"},
    {"bobbed", "bob"},
    {"falling", "fall"},
    {"fizzed", "fizz"},
    {"used", "use"},
    {"using", "use"},
    {"uses", "use"},
    {"useful", "use"},
    {"usefully", "use"},
    {"oneness", "one"},
    {"aged", "age"},
    {"owing", "owe"},
    {"iced", "ice"},
    {"possibly", "possibl"},
    {"terribly", "terribl"},
    {"probably", "probabl"},
    {"nationally", "nation"},
    {"operationally", "oper"},
    {"rationally", "ration"},
    {"hopefully", "hope"},
    {"apology", "apolog"},
    {"apologies", "apolog"},
    {"geology", "geolog"},
    {"theologies", "theolog"},
    {"caresses", "caress"},
    {"ponies", "poni"},
    {"cats", "cat"},
    {"agreed", "agre"},
    {"feeding", "feed"},
    {"sized", "size"},
    {"hopping", "hop"},
    {"relational", "relat"},
    {"conditional", "condit"},
    {"valency", "valenc"},
    {"digitizer", "digit"},
    {"radically", "radic"},
    {"differently", "differ"},
    {"analogously", "analog"},
    {"vietnamization", "vietnam"},
    {"predication", "predic"},
    {"operator", "oper"},
    {"feudalism", "feudal"},
    {"decisiveness", "decis"},
    {"hopefulness", "hope"},
    {"callousness", "callous"},
    {"formality", "formal"},
    {"sensitivity", "sensit"},
    {"sensibility", "sensibl"},
    {"triplicate", "triplic"},
    {"formative", "form"},
    {"formalize", "formal"},
    {"electricity", "electr"},
    {"electrical", "electr"},
    {"goodness", "good"},
    {"revival", "reviv"},
    {"allowance", "allow"},
    {"inference", "infer"},
    {"airliner", "airlin"},
    {"gyroscopic", "gyroscop"},
    {"adjustable", "adjust"},
    {"defensible", "defens"},
    {"irritant", "irrit"},
    {"replacement", "replac"},
    {"adjustment", "adjust"},
    {"dependent", "depend"},
    {"adoption", "adopt"},
    {"communism", "commun"},
    {"activate", "activ"},
    {"angularity", "angular"},
    {"homologous", "homolog"},
    {"effective", "effect"},
    {"bowdlerize", "bowdler"},
    {"probate", "probat"},
    {"rate", "rate"},
    {"cease", "ceas"},
    {"controlling", "control"},
    {"rolling", "roll"},
    {"1990s", "1990"},
    {"a100ed", "a10"},
};

static void every_rule_that_differs_from_libstemmers_is_nltks(void **state)
{
    (void)state;
    qv_arena a = {0};
    for (size_t i = 0; i < QV_COUNT(nltk); i++)
        assert_string_equal(qv__porter(&a, nltk[i].word), nltk[i].stem);
    qv__arena_free(&a);
}

static double score(const char *prediction, const char *reference)
{
    return qv__rouge_l(prediction, &reference, 1);
}

static void the_published_cases_hold(void **state)
{
    (void)state;
    assert_near(score("The cat sat.", "the cat sat on the mat"), 2.0 / 3, 1e-12);
    assert_near(score("a b c d", "a c e d"), 0.75, 1e-12);
    assert_near(score("", "x"), 0, 0);
    assert_near(score("It's 3-4 o'clock", "its 3 4 oclock"), 0.4, 1e-12);
}

/* pairs.json: [prediction, reference, F1] of the authors' code. */
static void texts_score_as_the_authors_code_scores_them(void **state)
{
    (void)state;
    size_t i;
    json_t *pair, *list = golden("tests/golden/rouge/pairs.json");
    json_array_foreach(list, i, pair)
    {
        double got = score(json_string_value(json_array_get(pair, 0)),
                           json_string_value(json_array_get(pair, 1)));
        assert_near(got, json_number_value(json_array_get(pair, 2)), 1e-8);
    }
    assert_true(i > 50);
    json_decref(list);
}

static void words_are_compared_by_stem_if_longer_than_three_letters(void **state)
{
    (void)state;
    assert_near(score("RUNNING dogs", "runs dog"), 1, 1e-12);
    assert_near(score("ads", "ad"), 0, 0);
    assert_near(score("flies", "fly"), 0, 0); // "fli" and "fly"
    assert_near(score("flies", "flying"), 1, 1e-12);
}

static void order_counts_and_punctuation_does_not(void **state)
{
    (void)state;
    assert_near(score("b a", "a b"), 0.5, 1e-12);
    assert_near(score("--a,\tb!\n", "a b"), 1, 1e-12);
    assert_near(score("caf\xC3\xA9", "caf"), 1, 1e-12); // é is no letter here
    assert_near(score("x", "y"), 0, 0);
    assert_near(score("?", "?"), 0, 0); // no words
}

static void the_best_reference_counts(void **state)
{
    (void)state;
    static const char *const refs[] = {"x y z", "a b c", "a"};
    assert_near(qv__rouge_l("a b", refs, 3), 0.8, 1e-12);
    assert_near(qv__rouge_l("a b", refs, 1), 0, 0);
    assert_near(qv__rouge_l("a b", refs, 0), 0, 0);
}

/* The same length by the definition, exponentially. */
static size_t slow_common(const char *x, const char *y)
{
    if (!*x || !*y)
        return 0;
    if (*x == *y)
        return 1 + slow_common(x + 1, y + 1);
    return qv__max(slow_common(x + 1, y), slow_common(x, y + 1));
}

static void random_texts_agree_with_the_definition(void **state)
{
    (void)state;
    srand(1);
    for (size_t trial = 0; trial < 500; trial++) {
        char x[9] = {0}, y[9] = {0}, tx[24] = {0}, ty[24] = {0};
        size_t n = (size_t)rand() % 8 + 1, m = (size_t)rand() % 8 + 1;
        for (size_t i = 0; i < n; i++)
            tx[2 * i] = x[i] = (char)('a' + rand() % 3), tx[2 * i + 1] = ' ';
        for (size_t i = 0; i < m; i++)
            ty[2 * i] = y[i] = (char)('a' + rand() % 3), ty[2 * i + 1] = ' ';
        double want = 2.0 * (double)slow_common(x, y) / (double)(n + m);
        assert_near(score(tx, ty), want, 1e-12);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stems_are_those_of_nltk),
        cmocka_unit_test(every_rule_that_differs_from_libstemmers_is_nltks),
        cmocka_unit_test(texts_score_as_the_authors_code_scores_them),
        cmocka_unit_test(the_published_cases_hold),
        cmocka_unit_test(words_are_compared_by_stem_if_longer_than_three_letters),
        cmocka_unit_test(order_counts_and_punctuation_does_not),
        cmocka_unit_test(the_best_reference_counts),
        cmocka_unit_test(random_texts_agree_with_the_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
