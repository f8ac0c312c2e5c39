/* eval_suite_test.c - what a suite's settings do to an evaluation: mapped data, shots,
 * stops, samples and programs. */
#include <quiver/eval.h>

#include "base/file.h"
#include "data/task.h"
#include "eval/run.h"
#include "eval/sandbox.h"
#include "support/place.h"
#include "support/scratch.h"
#include "support/tiny.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int set_up(void **state)
{
    qv_err err;
    open_place(state);
    model = tiny_model(at("model"), 3);
    assert_works(qv__make_dir(at("data"), &err), &err);
    assert_works(qv__make_dir(at("data/pool"), &err), &err);
    FILE *f = fopen(at("data/q.jsonl"), "w");
    assert_non_null(f);
    for (int i = 0; i < 20; i++)
        fprintf(f, "{\"q\":\"pick %d\",\"a\":\"x\",\"b\":\"so long a word\",\"l\":%d}\n", i,
                i % 2);
    assert_int_equal(fclose(f), 0);
    write_text(at("data/pool/b.jsonl"), "{\"q\":\"b\",\"t\":\"one\"}\n");
    write_text(at("data/pool/a.jsonl"),
               "{\"q\":\"a\",\"t\":\"two\"}\n{\"q\":\"c\",\"t\":\"three\"}\n");
    return 0;
}

#define CHOICE                                                                             \
    "\"prompt\":\"{q}\",\"options\":[\"{a}\",\"{b}\"],\"label\":\"{l}\",\"metric\":"       \
    "\"choice\""

static qv_eval_result *eval(const char *suite, qv_eval_opts opts)
{
    const char *path = at("suite.json");
    qv_eval_result *r;
    qv_err err;
    write_text(path, suite);
    opts.data = at("data");
    opts.max_tokens = opts.max_tokens ? opts.max_tokens : 6;
    assert_works(qv_eval(&r, model, NULL, &path, 1, &opts, &err), &err);
    return r;
}

static void refused(const char *suite, qv_status status, const char *says)
{
    const char *path = at("suite.json");
    qv_eval_result *r;
    qv_err err;
    write_text(path, suite);
    assert_fails(
        qv_eval(&r, model, NULL, &path, 1, &(qv_eval_opts){.data = at("data")}, &err),
        status, &err, says);
    assert_null(r);
}

static void a_mapped_choice_scores_as_the_same_task_file_does(void **state)
{
    (void)state;
    FILE *f = fopen(at("data/same.jsonl"), "w");
    assert_non_null(f);
    for (int i = 0; i < 20; i++)
        fprintf(f,
                "{\"prompt\":\"pick %d\",\"options\":[\"x\",\"so long a "
                "word\"],\"label\":%d}\n",
                i, i % 2);
    assert_int_equal(fclose(f), 0);
    qv_eval_result *r = eval(
        "{\"metric\":\"choice\",\"tasks\":[\"same.jsonl\",{\"file\":\"q.jsonl\"," CHOICE
        "}]}",
        (qv_eval_opts){0});
    const qv_task_result *same = qv_eval_task(r, 0), *mapped = qv_eval_task(r, 1);
    assert_string_equal(mapped->name, "q");
    assert_int_equal(mapped->n, 20);
    assert_memory_equal(mapped->score, same->score, 20 * sizeof *same->score);
    qv_eval_free(r);
}

static void examples_are_skipped_then_drawn_then_limited(void **state)
{
    (void)state;
    qv_eval_result *all =
        eval("{\"tasks\":[{\"file\":\"q.jsonl\"," CHOICE "}]}", (qv_eval_opts){0});
    qv_eval_result *some = eval("{\"tasks\":[{\"file\":\"q.jsonl\",\"skip\":3,\"limit\":"
                                "5," CHOICE "}]}",
                                (qv_eval_opts){0});
    const qv_task_result *a = qv_eval_task(all, 0), *s = qv_eval_task(some, 0);
    assert_int_equal(s->n, 5);
    assert_memory_equal(s->score, a->score + 3, 5 * sizeof *a->score);
    qv_eval_free(all);
    qv_eval_free(some);
}

static void a_sample_is_always_the_same_and_in_order(void **state)
{
    (void)state;
    // Each answer is its example's own; the score tells which examples were drawn.
    static const char suite[] =
        "{\"tasks\":[{\"file\":\"q.jsonl\",\"sample\":%d,\"metric\":"
        "\"loglik\",\"prompt\":\"{q}\",\"target\":\"{q}\"}]}";
    qv_eval_result *all = eval(qv__arena_fmt(&names, suite, 0), (qv_eval_opts){0});
    qv_eval_result *one = eval(qv__arena_fmt(&names, suite, 8), (qv_eval_opts){0});
    qv_eval_result *two = eval(qv__arena_fmt(&names, suite, 8), (qv_eval_opts){.limit = 3});
    const qv_task_result *a = qv_eval_task(all, 0), *s = qv_eval_task(one, 0);
    assert_int_equal(a->n, 20);
    assert_int_equal(s->n, 8);
    size_t found = 0;
    for (size_t i = 0; i < a->n && found < s->n; i++)
        found += fabs(a->score[i] - s->score[found]) < 1e-6;
    assert_int_equal(found, 8); // in the file's order
    assert_int_equal(qv_eval_task(two, 0)->n, 3);
    for (size_t i = 0; i < 3; i++)
        assert_true(fabs(qv_eval_task(two, 0)->score[i] - s->score[i]) < 1e-6);
    qv_eval_free(all);
    qv_eval_free(one);
    qv_eval_free(two);
}

static void a_named_directory_is_one_task_and_another_is_many(void **state)
{
    (void)state;
    qv_eval_result *r =
        eval("{\"metric\":\"loglik\",\"tasks\":[{\"name\":\"pool\",\"file\":\"pool\","
             "\"prompt\":\"{q}\",\"target\":\"{t}\"},{\"file\":\"pool\",\"prompt\":\"{q}\","
             "\"target\":\"{t}\"}]}",
             (qv_eval_opts){0});
    assert_int_equal(qv_eval_tasks(r), 3);
    assert_string_equal(qv_eval_task(r, 0)->name, "pool");
    assert_string_equal(qv_eval_task(r, 1)->name, "a");
    assert_string_equal(qv_eval_task(r, 2)->name, "b");
    assert_int_equal(qv_eval_task(r, 0)->n, 3);
    const double *pool = qv_eval_task(r, 0)->score;
    assert_true(fabs(pool[1] - qv_eval_task(r, 1)->score[1]) < 1e-5);
    assert_true(fabs(pool[2] - qv_eval_task(r, 2)->score[0]) < 1e-5);
    qv_eval_free(r);
}

static void an_answer_ends_before_its_stop(void **state)
{
    (void)state;
    static const char suite[] =
        "{\"metric\":\"exact\",\"max_tokens\":12,%s\"tasks\":[{\"file\":\"q.jsonl\","
        "\"limit\":4,\"prompt\":\"{q}\",\"target\":\"{a}\"}]}";
    qv_eval_result *free_one =
        eval(qv__arena_fmt(&names, suite, ""), (qv_eval_opts){.max_tokens = 2});
    size_t n_cut = 0;
    for (size_t i = 0; i < 4; i++) {
        const char *whole = qv_eval_task(free_one, 0)->answer[i];
        size_t n = strlen(whole);
        assert_true(n > 3); // the suite's 12 tokens, not the caller's 2
        // Two plain letters from the middle of what is said.
        size_t cut = 0;
        for (size_t j = 1; j + 2 < n && !cut; j++)
            if (whole[j] >= 'a' && whole[j] <= 'z' && whole[j + 1] >= 'a' &&
                whole[j + 1] <= 'z')
                cut = j;
        if (!cut)
            continue;
        n_cut++;
        const char *stop = qv__arena_strn(&names, whole + cut, 2);
        qv_eval_result *r = eval(
            qv__arena_fmt(&names, suite,
                          qv__arena_fmt(&names, "\"stop\":[\"%s\",\"nowhere\"],", stop)),
            (qv_eval_opts){0});
        const char *said = qv_eval_task(r, 0)->answer[i];
        assert_int_equal(strlen(said), (size_t)(strstr(whole, stop) - whole));
        assert_memory_equal(said, whole, strlen(said));
        qv_eval_free(r);
    }
    assert_true(n_cut > 0);
    qv_eval_free(free_one);
}

/* ---- shots ---- */

static void shots_stand_before_the_prompt(void **state)
{
    (void)state;
    qv_eval_result *with = eval(
        "{\"metric\":\"loglik\",\"tasks\":[{\"file\":\"pool/a.jsonl\",\"prompt\":\"{q}\","
        "\"target\":\"{t}\",\"shots\":{\"n\":1,\"header\":\"H\\n\"}}]}",
        (qv_eval_opts){0});
    write_text(at("data/by_hand.jsonl"), "{\"prompt\":\"H\\na two\\n\\na\",\"completion\":"
                                         "\"two\"}\n{\"prompt\":\"H\\na two\\n\\nc\","
                                         "\"completion\":\"three\"}\n");
    qv_eval_result *hand =
        eval("{\"metric\":\"loglik\",\"tasks\":[\"by_hand.jsonl\"]}", (qv_eval_opts){0});
    for (size_t i = 0; i < 2; i++)
        assert_true(
            fabs(qv_eval_task(with, 0)->score[i] - qv_eval_task(hand, 0)->score[i]) < 1e-5);
    qv_eval_free(with);
    qv_eval_free(hand);
}

static void shots_are_dropped_until_one_is_left(void **state)
{
    (void)state;
    static const char *const one[] = {"a b c", "d e f", "g h i"};
    const struct qv_shots shots = {"H:", one, 3};
    struct qv_run r = {.m = model};
    const char *all, *two, *least;
    int *ids;
    size_t n;
    qv_err err;
    assert_works(qv__run_prompt(&all, &r, &shots, "p", 1000, &err), &err);
    assert_string_equal(all, "H:a b c\n\nd e f\n\ng h i\n\np");
    assert_works(
        qv_tokenizer_encode(model->tokenizer, all, strlen(all), false, &ids, &n, &err),
        &err);
    free(ids);
    n += qv_tokenizer_adds_bos(model->tokenizer);
    assert_works(qv__run_prompt(&two, &r, &shots, "p", n, &err), &err);
    assert_string_equal(two, all);
    assert_works(qv__run_prompt(&two, &r, &shots, "p", n - 1, &err), &err);
    assert_string_equal(two, "H:a b c\n\nd e f\n\np");
    assert_works(qv__run_prompt(&least, &r, &shots, "p", 1, &err), &err);
    assert_string_equal(least, "H:a b c\n\np");
    assert_works(qv__run_prompt(&least, &r, NULL, "p", 1, &err), &err);
    assert_string_equal(least, "p");
    qv__arena_free(&r.arena);
}

/* Two shots fit before the short option and one before the long one, so both follow one:
 * likelihoods after different prompts cannot be compared. */
static void all_options_follow_as_many_shots_as_the_longest_allows(void **state)
{
    (void)state;
#define SHOT                                                                               \
    "a b c d a b c d a b c d a b c d a b c d a b c d a b c d a b c d a b c d a b c d"
#define OPTION                                                                             \
    "c a b d c a b d c a b d c a b d c a b d c a b d c a b d c a b d c a b d c a b d"
    FILE *f = fopen(at("data/shots.jsonl"), "w"), *hand = fopen(at("data/hand.jsonl"), "w");
    assert_true(f && hand);
    fprintf(f, "{\"q\":\"" SHOT "\",\"s\":\"x\"}\n{\"q\":\"" SHOT "\",\"s\":\"x\"}\n");
    for (int i = 0; i < 40; i++) {
        fprintf(f, "{\"q\":\"q %d\",\"s\":\"c a b d c a b d c a\"}\n", i);
        fprintf(hand,
                "{\"prompt\":\"" SHOT " x\\n\\nq %d\",\"options\":[\"c a b d c a b d c a\","
                "\"" OPTION "\"],\"label\":0}\n",
                i);
    }
    assert_int_equal(fclose(f) | fclose(hand), 0);
    qv_eval_result *r = eval(
        "{\"metric\":\"choice\",\"tasks\":[{\"file\":\"shots.jsonl\",\"prompt\":\"{q}\","
        "\"options\":[\"{s}\",\"" OPTION "\"],\"label\":\"0\",\"shots\":{\"n\":2,\"skip\":"
        "true}},\"hand.jsonl\"]}",
        (qv_eval_opts){0});
    const qv_task_result *t = qv_eval_task(r, 0), *h = qv_eval_task(r, 1);
    assert_int_equal(t->n, 40);
    assert_memory_equal(t->score, h->score, 40 * sizeof *t->score);
    assert_true(t->mean > 0 && t->mean < 1);
    qv_eval_free(r);
#undef SHOT
#undef OPTION
}

/* ---- programs ---- */

/* What a random model says is not a program; but after a # on a line of its own, it is a
 * comment, and the tests decide. */
static void a_program_passes_if_its_tests_do(void **state)
{
    (void)state;
    struct qv_sandbox s;
    qv_err err;
    if (qv__sandbox_open(&s, NULL, &err)) {
        print_message("# skipped: %s\n", err.msg);
        skip();
    }
    qv__sandbox_end(&s);
    write_text(at("data/code.jsonl"), "{\"p\":\"x = 1\\n#\",\"t\":\"assert x == 1\"}\n"
                                      "{\"p\":\"x = 2\\n#\",\"t\":\"assert x == 1\"}\n"
                                      "{\"p\":\"x = (\\n#\",\"t\":\"pass\"}\n");
    qv_eval_result *r = eval(
        "{\"metric\":\"pass@1\",\"max_tokens\":3,\"stop\":\"\\n\",\"tasks\":[{\"file\":"
        "\"code.jsonl\",\"prompt\":\"{p}\",\"tests\":\"{t}\"}]}",
        (qv_eval_opts){0});
    const qv_task_result *t = qv_eval_task(r, 0);
    assert_string_equal(t->metric, "pass@1");
    assert_true(t->score[0] == 1 && t->score[1] == 0 && t->score[2] == 0);
    assert_non_null(t->answer);
    qv_eval_free(r);
}

static void what_a_suite_cannot_mean_is_refused(void **state)
{
    (void)state;
    refused("{\"metric\":\"pass@1\",\"tasks\":[{\"file\":\"q.jsonl\",\"prompt\":\"{q}\","
            "\"target\":\"{a}\"}]}",
            QV_EFORMAT, "q.jsonl: example 0 has no tests to pass");
    refused(
        "{\"metric\":\"choice_char\",\"tasks\":[{\"file\":\"q.jsonl\",\"prompt\":\"{q}\","
        "\"target\":\"{a}\"}]}",
        QV_EFORMAT, "q.jsonl: example 0 has no options to choose from");
    refused("{\"tasks\":[{\"file\":\"q.jsonl\",\"prompt\":\"{z}\",\"target\":\"{a}\"}]}",
            QV_EFORMAT, "q.jsonl: record 1: no 'z'");
    refused("{\"tasks\":[{\"file\":\"none.jsonl\",\"prompt\":\"{q}\",\"target\":\"{a}\"}]}",
            QV_ENOTFOUND, "none.jsonl: no such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mapped_choice_scores_as_the_same_task_file_does),
        cmocka_unit_test(examples_are_skipped_then_drawn_then_limited),
        cmocka_unit_test(a_sample_is_always_the_same_and_in_order),
        cmocka_unit_test(a_named_directory_is_one_task_and_another_is_many),
        cmocka_unit_test(an_answer_ends_before_its_stop),
        cmocka_unit_test(shots_stand_before_the_prompt),
        cmocka_unit_test(shots_are_dropped_until_one_is_left),
        cmocka_unit_test(all_options_follow_as_many_shots_as_the_longest_allows),
        cmocka_unit_test(a_program_passes_if_its_tests_do),
        cmocka_unit_test(what_a_suite_cannot_mean_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, close_place);
}
