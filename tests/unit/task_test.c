/* task_test.c - a task file as the sequences that are trained on, in the project's
 * split. */
#include "data/task.h"
#include "support/scratch.h"

#include <quiver/tokenizer.h>

#include <stdio.h>
#include <stdlib.h>

static qv_tokenizer *tok;

static int open_tokenizer(void **state)
{
    (void)state;
    return qv_tokenizer_open(&tok, "tests/golden/text/tiny_llama3", NULL);
}

static int close_tokenizer(void **state)
{
    (void)state;
    qv_tokenizer_close(tok);
    return 0;
}

enum { LINES = 200 };

/* Line i answers with i, so that an example can be told by its target. */
static const char *numbers(void **state, const char *name)
{
    const char *path = scratch_path(state, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (int i = 0; i < LINES; i++)
        fprintf(f, "{\"prompt\":\"which line\",\"completion\":\"%d\"}\n", i);
    assert_int_equal(fclose(f), 0);
    return path;
}

static struct qv_task *task_at(const char *path, struct qv_task_opts opts)
{
    struct qv_task *t;
    qv_err err;
    assert_works(qv__task_read(&t, path, tok, &opts, &err), &err);
    return t;
}

/* The line that a sequence was made from. */
static size_t line_of(const struct qv_sequence *s)
{
    char *text;
    size_t size, line;
    qv_err err;
    assert_works(qv_tokenizer_decode(tok, s->ids + s->n_prompt, s->n - s->n_prompt, true,
                                     &text, &size, &err),
                 &err);
    assert_int_equal(sscanf(text, "%zu", &line), 1);
    free(text);
    return line;
}

static void a_task_is_split_by_position_into_train_and_valid_and_test(void **state)
{
    struct qv_task *t =
        task_at(numbers(state, "count.jsonl"), (struct qv_task_opts){.max_tokens = 64});
    assert_string_equal(t->name, "count");
    enum qv_split part[LINES];
    for (size_t i = 0; i < LINES; i++)
        part[i] = QV_TEST;
    for (size_t i = 0; i < t->n_train; i++)
        part[line_of(&t->train[i])] = QV_TRAIN;
    for (size_t i = 0; i < t->n_valid; i++) {
        assert_int_equal(part[line_of(&t->valid[i])], QV_TEST); // in one part at most
        part[line_of(&t->valid[i])] = QV_VALID;
    }
    size_t n_test = LINES - t->n_train - t->n_valid;
    for (size_t i = 0; i < LINES; i++)
        assert_int_equal(part[i], qv__part_of("count", i));
    // 10% each, +- four standard deviations
    assert_in_range(t->n_valid, 4, 36);
    assert_in_range(n_test, 4, 36);
    for (size_t i = 1; i < t->n_train; i++) // in the file's order
        assert_true(line_of(&t->train[i - 1]) < line_of(&t->train[i]));
    qv__task_free(t);
}

static void a_tasks_name_decides_its_split(void **state)
{
    const struct qv_task_opts opts = {.max_tokens = 64};
    struct qv_task *a = task_at(numbers(state, "a.jsonl"), opts);
    struct qv_task *b = task_at(numbers(state, "b.jsonl"), opts);
    bool differ = a->n_valid != b->n_valid;
    for (size_t i = 0; i < qv__min(a->n_valid, b->n_valid); i++)
        differ = differ || line_of(&a->valid[i]) != line_of(&b->valid[i]);
    assert_true(differ);
    qv__task_free(a);
    qv__task_free(b);
}

static void
a_limit_takes_the_first_training_examples_and_leaves_the_rest_alone(void **state)
{
    const char *path = numbers(state, "count.jsonl");
    struct qv_task *all = task_at(path, (struct qv_task_opts){.max_tokens = 64});
    struct qv_task *few =
        task_at(path, (struct qv_task_opts){.max_tokens = 64, .limit = 5});
    assert_int_equal(few->n_train, 5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(line_of(&few->train[i]), line_of(&all->train[i]));
    assert_int_equal(few->n_valid, all->n_valid);
    qv__task_free(all);
    qv__task_free(few);
}

static void
a_limit_of_validation_takes_the_first_of_those_and_leaves_training_alone(void **state)
{
    const char *path = numbers(state, "count.jsonl");
    struct qv_task *all = task_at(path, (struct qv_task_opts){.max_tokens = 64});
    struct qv_task *few =
        task_at(path, (struct qv_task_opts){.max_tokens = 64, .valid_limit = 3});
    assert_true(all->n_valid > 3);
    assert_int_equal(few->n_valid, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(line_of(&few->valid[i]), line_of(&all->valid[i]));
    assert_int_equal(few->n_train, all->n_train);
    qv__task_free(all);
    qv__task_free(few);
}

static void sequences_are_prompt_then_target_then_eos_and_cut_to_fit(void **state)
{
    const char *path = numbers(state, "count.jsonl");
    struct qv_task *t = task_at(path, (struct qv_task_opts){.max_tokens = 64});
    struct qv_task *cut = task_at(path, (struct qv_task_opts){.max_tokens = 5});
    const struct qv_sequence *s = &t->train[0], *c = &cut->train[0];
    assert_int_equal(s->ids[0], qv_tokenizer_bos(tok));
    assert_int_equal(s->ids[s->n - 1], qv_tokenizer_eos(tok));
    assert_true(s->n > 5);
    assert_int_equal(c->n, 5);
    assert_int_equal(c->n - c->n_prompt, s->n - s->n_prompt);
    qv__task_free(t);
    qv__task_free(cut);
}

static void a_task_that_cannot_be_read_is_refused_naming_the_file(void **state)
{
    struct qv_task *t;
    qv_err err;
    struct qv_task_opts opts = {.max_tokens = 64};
    const char *path = scratch_path(state, "none.jsonl");
    assert_fails(qv__task_read(&t, path, tok, &opts, &err), QV_ENOTFOUND, &err,
                 "none.jsonl");
    assert_null(t);
    write_text(path, "{\"prompt\":\"p\"}\n");
    assert_fails(qv__task_read(&t, path, tok, &opts, &err), QV_EFORMAT, &err,
                 "none.jsonl: line 1: no 'completion'");
    opts.max_tokens = 1;
    assert_fails(qv__task_read(&t, numbers(state, "count.jsonl"), tok, &opts, &err),
                 QV_ELIMIT, &err,
                 "count.jsonl: example 0: a sequence of 1 tokens has no room for a target");
    assert_null(t);
    qv__task_free(NULL);
}

#define in_scratch(test) cmocka_unit_test_setup_teardown(test, make_scratch, remove_scratch)

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_scratch(a_task_is_split_by_position_into_train_and_valid_and_test),
        in_scratch(a_tasks_name_decides_its_split),
        in_scratch(a_limit_takes_the_first_training_examples_and_leaves_the_rest_alone),
        in_scratch(
            a_limit_of_validation_takes_the_first_of_those_and_leaves_training_alone),
        in_scratch(sequences_are_prompt_then_target_then_eos_and_cut_to_fit),
        in_scratch(a_task_that_cannot_be_read_is_refused_naming_the_file),
    };
    return cmocka_run_group_tests(tests, open_tokenizer, close_tokenizer);
}
