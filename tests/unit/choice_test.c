/* choice_test.c - options and accuracies against transformers' (tests/golden/choice), and
 * the prompts of the paper's tasks against those its authors write. */
#include <quiver/eval.h>

#include "base/file.h"
#include "base/json.h"
#include "eval/options.h"
#include "eval/suite.h"
#include "data/mapping.h"
#include "model/model.h"
#include "support/scratch.h"
#include "support/tiny.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN "tests/golden/choice"

static qv_model *model;

static int open_model(void **state)
{
    (void)state;
    qv_err err;
    assert_works(
        qv_model_open(&model, GOLDEN, &(qv_model_opts){.compute = QV_COMPUTE_F32}, &err),
        &err);
    assert_null(model->tokenizer);
    assert_works(
        qv_tokenizer_open(&model->tokenizer, "tests/golden/text/tiny_llama3", &err), &err);
    return 0;
}

static int close_model(void **state)
{
    (void)state;
    qv_model_close(model);
    return 0;
}

static json_t *expected(void)
{
    json_t *v;
    qv_err err;
    assert_works(qv__json_read(&v, GOLDEN "/expect.json", 1 << 20, &err), &err);
    return v;
}

/* ---- numbers ---- */

/* The log-likelihood of each option of an example, with EOS or without. */
static void score(double *sum, size_t *n_targets, const struct qv_example *e, bool ends)
{
    struct qv_sequence s[8];
    struct qv_group g = {s, e->n_options};
    qv_arena a = {0};
    qv_err err;
    assert_true(e->n_options <= 8);
    for (size_t j = 0; j < e->n_options; j++) {
        assert_works(qv__sequence_make(&s[j], &a, model->tokenizer, e->prompt,
                                       e->options[j], model->c.n_ctx, &err),
                     &err);
        s[j].n -= !ends;
        n_targets[j] = s[j].n - s[j].n_prompt;
    }
    assert_true(qv__group_shares(&g) >= s[0].n_prompt); // the prompt is computed once
    assert_works(qv__score_groups(sum, model, NULL, NULL, &g, 1, 256, &err), &err);
    qv__arena_free(&a);
}

static void options_are_as_likely_as_transformers_has_them(void **state)
{
    (void)state;
    json_t *want = expected();
    struct qv_dataset *d;
    qv_err err;
    assert_works(qv__dataset_read(&d, GOLDEN "/task.jsonl", NULL, &err), &err);
    assert_int_equal(d->n, 12);
    for (size_t i = 0; i < d->n; i++) {
        double sum[8], with_eos[8];
        size_t n[8], n_with[8];
        score(sum, n, &d->at[i], false);
        score(with_eos, n_with, &d->at[i], true);
        for (size_t j = 0; j < d->at[i].n_options; j++) {
            const json_t *s = json_array_get(json_object_get(want, "sum"), i);
            const json_t *p = json_array_get(json_object_get(want, "paper"), i);
            assert_int_equal(n_with[j], n[j] + 1);
            assert_true(fabs(sum[j] - json_real_value(json_array_get(s, j))) < 2e-4);
            assert_true(fabs(with_eos[j] / (double)n_with[j] -
                             json_real_value(json_array_get(p, j))) < 2e-4);
        }
    }
    qv__dataset_free(d);
    json_decref(want);
}

static void check_accuracy(void **state, const char *key, const char *metric, bool ends)
{
    json_t *want = expected(), *v;
    const char *path = scratch_path(state, "suite.json");
    char *task = realpath(GOLDEN "/task.jsonl", NULL), text[4096];
    assert_non_null(task);
    snprintf(text, sizeof text, "{\"metric\":\"%s\",\"eos\":%s,\"tasks\":[\"%s\"]}", metric,
             ends ? "true" : "false", task);
    write_text(path, text);
    qv_eval_result *r;
    qv_err err;
    assert_works(qv_eval(&r, model, NULL, &path, 1, NULL, &err), &err);
    const qv_task_result *t = qv_eval_task(r, 0);
    assert_string_equal(t->metric, metric);
    size_t i;
    json_array_foreach(json_object_get(want, key), i, v)
    {
        if (t->score[i] != json_real_value(v))
            fail_msg("%s: example %zu is %g", metric, i, t->score[i]);
    }
    assert_int_equal(i, t->n);
    qv_eval_free(r);
    json_decref(want);
    free(task);
}

static void accuracies_are_those_of_the_harness_and_of_the_paper(void **state)
{
    check_accuracy(state, "acc", "choice_sum", false);
    check_accuracy(state, "acc_norm", "choice_char", false);
    check_accuracy(state, "acc_paper", "choice", true);
}

/* 1 if the model chooses the option of that label, by the metric choice_char. */
static double chooses(void **state, const char *first, const char *second, int label)
{
    const char *task = scratch_path(state, "options.jsonl");
    const char *suite = scratch_path(state, "options.json");
    char text[512];
    qv_eval_result *r;
    qv_err err;
    snprintf(text, sizeof text,
             "{\"prompt\":\"a\",\"options\":[\"%s\",\"%s\"],\"label\":%d}\n", first, second,
             label);
    write_text(task, text);
    write_text(suite, "{\"metric\":\"choice_char\",\"tasks\":[\"options.jsonl\"]}");
    assert_works(qv_eval(&r, model, NULL, &suite, 1, NULL, &err), &err);
    assert_int_equal(qv_eval_task(r, 0)->n, 1);
    double score = qv_eval_task(r, 0)->score[0];
    qv_eval_free(r);
    return score;
}

static void of_options_equally_likely_the_first_is_chosen(void **state)
{
    assert_true(chooses(state, "b", "b", 0) == 1);
    assert_true(chooses(state, "b", "b", 1) == 0);
}

/* The log-likelihood of an option after "a", with EOS as eval has it. */
static double likelihood(const char *option)
{
    const char *twice[] = {option, option};
    const struct qv_example e = {.prompt = "a", .options = twice, .n_options = 2};
    double sum[2];
    size_t n[2];
    score(sum, n, &e, true);
    return sum[0];
}

static void an_options_length_is_its_characters_not_its_bytes(void **state)
{
    static const char accents[] = "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"; // 5 of them
    const double many = likelihood(accents);
    char plain[32] = "";
    size_t n = 0;
    // An option less likely by character, and likelier by byte.
    do {
        assert_true(++n < sizeof plain);
        memset(plain, 'b', n);
    } while (!(likelihood(plain) / (double)n > many / 5 &&
               likelihood(plain) / (double)n < many / 10));
    assert_true(chooses(state, accents, plain, 1) == 1);
}

/* ---- prompts ---- */

/* One record of each task in its file's format, and what the authors' code asks: the
 * prompt, or with the options' own ones all of them, then the options. */
static const struct {
    const char *suite, *task, *file, *data; // data of `file` under --data
    const char *also, *also_data;           // another file, or NULL
    const char *prompt[2], *option[4];
    int label;
} asked[] = {
    {"ten",
     "piqa",
     "piqa/valid.jsonl",
     "{\"goal\": \"boil an egg\", \"sol1\": \"use water \", \"sol2\": \"use sand\"}\n",
     "piqa/valid-labels.lst",
     "0\n",
     {"Question: boil an egg\nAnswer:"},
     {"use water ", "use sand"},
     0},
    {"ten",
     "boolq",
     "la_boolq/test.json",
     "[{\"instruction\": \"Please answer the following question with true or false, "
     "question: "
     "is it wet?\\n\\nAnswer format: true/false\", \"answer\": \"true\"}]",
     NULL,
     NULL,
     {"Question: is it wet?\nAnswer:"},
     {"no", "yes"},
     1},
    {"ten",
     "winogrande",
     "la_winogrande/test.json",
     "[{\"instruction\": \"Please choose the correct answer to fill in the blank to "
     "complete "
     "the given sentence: The cup broke as _ was thin.\\n\\nOption1: the cup Option2: the "
     "table Answer format: option1/option2\", \"answer\": \"option1\"}]",
     NULL,
     NULL,
     {"The cup broke as the cup", "The cup broke as the table"},
     {"was thin.", "was thin."},
     0},
    {"ten",
     "hellaswag",
     "hellaswag/hellaswag_val_full.txt",
     "Roof repair: A man [title] sits  on a roof. then Bob\n2\n is [x]wrong.\ne1\ne2\ne3\n",
     NULL,
     NULL,
     {"Roof repair: A man. sits on a roof. Then bob"},
     {"is wrong.", "e1", "e2", "e3"},
     2},
    {"ten",
     "arc-easy",
     "la_ARC-Easy/test.json",
     "[{\"instruction\": \"Please choose the correct answer to the question: What is "
     "hot?\\n\\nAnswer1: ice Answer2: fire Answer3: a stone Answer4: a tree\\n\\nAnswer "
     "format: answer1/answer2/answer3/answer4\", \"answer\": \"answer2\"}]",
     NULL,
     NULL,
     {"Question: What is hot?\nAnswer:"},
     {"ice", "fire", "a stone", "a tree"},
     1},
    {"ten",
     "arc-challenge",
     "la_ARC-Challenge/test.json",
     "[{\"instruction\": \"Please choose the correct answer to the question: What is "
     "hot?\\n\\nAnswer1: ice Answer2: fire Answer3: a stone\\n\\nAnswer format: "
     "answer1/answer2/answer3\", \"answer\": \"answer3\"}]",
     NULL,
     NULL,
     {"Question: What is hot?\nAnswer:"},
     {"ice", "fire", "a stone"},
     2},
    {"ten",
     "openbookqa",
     "la_openbookqa/test.json",
     "[{\"instruction\": \"Please choose the correct answer to the question: Fire "
     "is\\n\\nAnswer1: cold Answer2: hot Answer3: wet Answer4: old\\n\\nAnswer format: "
     "answer1/answer2/answer3/answer4\", \"answer\": \"answer2\"}]",
     NULL,
     NULL,
     {"Fire is"},
     {"cold", "hot", "wet", "old"},
     1},
    {"ten",
     "bbh",
     "bbh/word_sorting.json",
     "{\"canary\": \"x\", \"examples\": [{\"input\": \"Sort: b a\", \"target\": \"a b\"}]}",
     NULL,
     NULL,
     {"Solve the following problem: Sort: b a\nAnswer:"},
     {0},
     -1},
    {"ten",
     "humaneval",
     "humaneval/HumanEval.jsonl",
     "{\"prompt\": \"\\n\\ndef f(x):\\n    \\\"\\\"\\\" One more. \\\"\\\"\\\"\\n\", "
     "\"entry_point\": \"f\", \"test\": \"def check(c):\\n    assert c(1) == 2\\n\"}\n",
     NULL,
     NULL,
     {"def f(x):\n    \"\"\" One more. \"\"\"\n"},
     {0},
     -1},
    {"ten",
     "mbpp",
     "mbpp/mbpp.jsonl",
     "{\"text\": \"Write f.\", \"code\": \"def f(x):\\r\\n  y = {1: x}\", \"test_list\": "
     "[\"assert f(1)\", \"assert f(2)\"], \"test_setup_code\": \"\"}\n",
     NULL,
     NULL,
     {"def f(x):\n\t\"\"\"\n\tWrite f.\n\tassert f(1)\n\tassert f(2)\n\t\"\"\"\n"},
     {0},
     -1},
    {"mmlu",
     "anatomy_test",
     "test/anatomy_test.csv",
     "What is big?,\"an ant, say\",a whale,a leaf,a pin,B\n",
     "dev/anatomy_dev.csv",
     "What is small?,a sun,a sea,a star,a pin,D\n",
     {"What is big?\nA. an ant, say\nB. a whale\nC. a leaf\nD. a pin\nAnswer:"},
     {"A", "B", "C", "D"},
     1},
    {"sni",
     "task1_x",
     "paper12/task1_x.json",
     "{\"Definition\": [\" Say it back\"], \"Instances\": [{\"input\": \"a word \", "
     "\"output\": [\"a word\"]}]}",
     NULL,
     NULL,
     {"Task definition: Say it back.\nNow complete the following example -\nInput: a "
      "word.\nOutput:"},
     {0},
     -1},
    {"siqa",
     "siqa",
     "la_social_i_qa/test.json",
     "[{\"instruction\": \"Please choose the correct answer to the question: A fell. "
     "Why?\\n\\nAnswer1: x y Answer2: z Answer3: w\\n\\nAnswer format: "
     "answer1/answer2/answer3\", \"answer\": \"answer3\"}]",
     NULL,
     NULL,
     {"Question: A fell. Why?\nAnswer:"},
     {"x y", "z", "w"},
     2},
};

static void put(void **state, qv_arena *a, const char *name, const char *text)
{
    const char *path = qv__arena_fmt(a, "%s/%s", (const char *)*state, name);
    char *dir = qv__arena_strn(a, path, (size_t)(qv__base_name(path) - path));
    qv_err err;
    assert_works(qv__make_dir(dir, &err), &err);
    write_text(path, text);
}

static const struct qv_suite_task *find(const struct qv_suite *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->at[i].name, name) == 0)
            return &s->at[i];
    return NULL;
}

static void prompts_and_options_are_the_authors(void **state)
{
    qv_arena a = {0};
    qv_err err;
    for (size_t i = 0; i < QV_COUNT(asked); i++) {
        put(state, &a, asked[i].file, asked[i].data);
        if (asked[i].also)
            put(state, &a, asked[i].also, asked[i].also_data);
    }
    for (size_t i = 0; i < QV_COUNT(asked); i++) {
        const char *path = qv__arena_fmt(&a, "suites/%s.json", asked[i].suite);
        struct qv_suite s;
        struct qv_dataset *d;
        assert_works(qv__suite_open(&s, &path, 1, NULL, *state, &err), &err);
        const struct qv_suite_task *t = find(&s, asked[i].task);
        assert_non_null(t);
        assert_works(qv__mapping_read(&d, t->map, t->name, t->paths, t->n_paths, &err),
                     &err);
        const struct qv_example *e = &d->at[0];
        const char *const *prompt = e->prompts ? e->prompts : &e->prompt;
        for (size_t j = 0; j < 2 && asked[i].prompt[j]; j++)
            assert_string_equal(prompt[j], asked[i].prompt[j]);
        size_t n = 0;
        while (n < 4 && asked[i].option[n])
            n++;
        assert_int_equal(e->n_options, n);
        for (size_t j = 0; j < n; j++)
            assert_string_equal(e->options[j], asked[i].option[j]);
        assert_int_equal(e->label, asked[i].label);
        qv__dataset_free(d);
        qv__suite_end(&s);
    }
    qv__arena_free(&a);
}

static struct qv_dataset *read_task(void **state, struct qv_suite *s, const char *path,
                                    const char *name)
{
    struct qv_dataset *d;
    qv_err err;
    assert_works(qv__suite_open(s, &path, 1, NULL, *state, &err), &err);
    const struct qv_suite_task *t = find(s, name);
    assert_non_null(t);
    assert_works(qv__mapping_read(&d, t->map, t->name, t->paths, t->n_paths, &err), &err);
    return d;
}

static void shots_tests_and_settings_are_the_authors(void **state)
{
    qv_arena a = {0};
    struct qv_suite s;
    for (size_t i = 0; i < QV_COUNT(asked); i++) {
        put(state, &a, asked[i].file, asked[i].data);
        if (asked[i].also)
            put(state, &a, asked[i].also, asked[i].also_data);
    }
    struct qv_dataset *d = read_task(state, &s, "suites/mmlu.json", "anatomy_test");
    assert_string_equal(d->at[0].shots->header,
                        "The following are multiple choice questions "
                        "(with answers) about anatomy.\n\n");
    assert_int_equal(d->at[0].shots->n, 1);
    assert_string_equal(
        d->at[0].shots->one[0],
        "What is small?\nA. a sun\nB. a sea\nC. a star\nD. a pin\nAnswer: D");
    assert_true(s.at[0].is_open && s.at[0].metric == QV_CHOICE_SUM);
    qv__dataset_free(d);
    qv__suite_end(&s);

    d = read_task(state, &s, "suites/ten.json", "bbh");
    assert_int_equal(s.n, 10);
    assert_string_equal(d->at[0].shots->one[0],
                        "Solve the following problem: Sort: b a\nAnswer: a b");
    const struct qv_suite_task *t = find(&s, "bbh");
    assert_int_equal(t->metric, QV_EXACT);
    assert_int_equal(t->sample, 1000);
    assert_int_equal(t->max_tokens, 128);
    assert_string_equal(t->stop[0], "\n\n");
    assert_false(find(&s, "piqa")->is_open);
    assert_int_equal(find(&s, "piqa")->metric, QV_CHOICE);
    qv__dataset_free(d);
    qv__suite_end(&s);

    d = read_task(state, &s, "suites/code.json", "humaneval");
    assert_string_equal(d->at[0].tests, "def check(c):\n    assert c(1) == 2\n\ncheck(f)");
    t = find(&s, "mbpp");
    assert_int_equal(t->metric, QV_PASS);
    assert_int_equal(t->max_tokens, 300);
    assert_int_equal(t->n_stop, 2);
    assert_string_equal(t->stop[1], "\ndef");
    assert_int_equal(t->skip, 10);
    assert_int_equal(t->limit, 500);
    assert_int_equal(t->seconds, 10);
    qv__dataset_free(d);
    qv__suite_end(&s);
    d = read_task(state, &s, "suites/ten.json", "mbpp");
    assert_string_equal(d->at[0].tests, "\nassert f(1)\nassert f(2)");
    qv__dataset_free(d);
    qv__suite_end(&s);
    qv__arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_as_likely_as_transformers_has_them),
        cmocka_unit_test_setup_teardown(
            accuracies_are_those_of_the_harness_and_of_the_paper, make_scratch,
            remove_scratch),
        cmocka_unit_test_setup_teardown(of_options_equally_likely_the_first_is_chosen,
                                        make_scratch, remove_scratch),
        cmocka_unit_test_setup_teardown(an_options_length_is_its_characters_not_its_bytes,
                                        make_scratch, remove_scratch),
        cmocka_unit_test_setup_teardown(prompts_and_options_are_the_authors, make_scratch,
                                        remove_scratch),
        cmocka_unit_test_setup_teardown(shots_tests_and_settings_are_the_authors,
                                        make_scratch, remove_scratch),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
