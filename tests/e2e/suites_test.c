/* suites_test.c - the suites of suites/ with the bundled model on a few examples of the
 * real data, where those are present. */
#include "base/json.h"
#include "eval/sandbox.h"
#include "support/scratch.h"

#include <quiver/quiver.h>

#include <stdio.h>
#include <string.h>

#define SHARED "../shared/data/"

static qv_model *model;

static int set_up(void **state)
{
    qv_err err;
    assert_works(qv_model_open(&model, "models/base", NULL, &err), &err);
    return make_scratch(state);
}

static int tear_down(void **state)
{
    qv_model_close(model);
    return remove_scratch(state);
}

static void shell(const char *command)
{
    assert_int_equal(system(command), 0);
}

/* Unpack an archive of the shared data into the scratch directory. */
static void unpack(void **state, const char *archive)
{
    char command[512];
    snprintf(command, sizeof command, "tar xf " SHARED "%s -C %s", archive,
             (const char *)*state);
    shell(command);
}

/* A suite's results on the first examples of each task; short answers will do. */
static qv_eval_result *run(const char *suite, const char *data, size_t limit)
{
    qv_eval_result *r;
    qv_err err;
    const qv_eval_opts opts = {.data = data, .limit = limit, .max_tokens = 8};
    assert_works(qv_eval(&r, model, NULL, &suite, 1, &opts, &err), &err);
    for (size_t i = 0; i < qv_eval_tasks(r); i++) {
        const qv_task_result *t = qv_eval_task(r, i);
        assert_int_equal(t->n, limit);
        for (size_t j = 0; j < t->n; j++)
            assert_true(t->score[j] >= 0 && t->score[j] <= 1);
    }
    return r;
}

static void the_suites_run_on_the_data_they_are_written_for(void **state)
{
    need(SHARED "eval/eval.tar.xz");
    need(SHARED "tasks/paper12.tar.xz");
    need("/bin/bunzip2");
    unpack(state, "eval/eval.tar.xz");
    unpack(state, "tasks/paper12.tar.xz");
    char data[256], command[1024];
    snprintf(data, sizeof data, "%s/eval", (const char *)*state);
    snprintf(command, sizeof command,
             "gunzip %s/humaneval/*.gz && bunzip2 %s/hellaswag/*.bz2", data, data);
    shell(command);

    qv_eval_result *r = run("suites/choice.json", data, 3);
    assert_int_equal(qv_eval_tasks(r), 7);
    qv_eval_free(r);
    r = run("suites/siqa.json", data, 3);
    qv_eval_free(r);
    r = run("suites/bbh.json", data, 1);
    assert_int_equal(qv_eval_tasks(r), 27);
    qv_eval_free(r);
    r = run("suites/sni.json", *state, 1);
    assert_int_equal(qv_eval_tasks(r), 10);
    qv_eval_free(r);

    struct qv_sandbox s;
    qv_err err;
    const char *ten = "suites/ten.json";
    if (qv__sandbox_open(&s, NULL, &err)) { // then two of the ten are refused, and said so
        print_message("# HumanEval and MBPP are not run: %s\n", err.msg);
        assert_fails(qv_eval(&r, model, NULL, &ten, 1,
                             &(qv_eval_opts){.data = data, .limit = 1}, &err),
                     QV_EUNSUPPORTED, &err, "no sandbox, so no program is run");
        return;
    }
    qv__sandbox_end(&s);
    r = run(ten, data, 2);
    assert_int_equal(qv_eval_tasks(r), 10);
    assert_string_equal(qv_eval_task(r, 6)->metric, "pass@1");
    qv_eval_free(r);
}

/* The first problems of HumanEval, answered by their solutions and run as generated
 * programs are: all pass, so a failure is the model's. */
static void the_solutions_of_humaneval_pass(void **state)
{
    struct qv_sandbox s;
    qv_err err;
    need(SHARED "eval/eval.tar.xz");
    if (qv__sandbox_open(&s, &(struct qv_sandbox_opts){.seconds = 20}, &err)) {
        print_message("# skipped: %s\n", err.msg);
        skip();
    }
    unpack(state, "eval/eval.tar.xz");
    char command[512], line[1 << 16];
    snprintf(command, sizeof command,
             "gunzip -c %s/eval/humaneval/HumanEval.jsonl.gz > %s/he", (const char *)*state,
             (const char *)*state);
    shell(command);
    FILE *f = fopen(scratch_path(state, "he"), "r");
    assert_non_null(f);
    for (int i = 0; i < 24 && fgets(line, sizeof line, f); i++) {
        json_t *p;
        qv_arena a = {0};
        bool passed;
        assert_works(qv__json_parse(&p, line, strlen(line), &err), &err);
        const char *field[4];
        static const char *const name[] = {"prompt", "canonical_solution", "test",
                                           "entry_point"};
        for (size_t j = 0; j < 4; j++)
            field[j] = json_string_value(json_object_get(p, name[j]));
        const char *program = qv__arena_fmt(&a, "%s%s\n%s\ncheck(%s)", field[0], field[1],
                                            field[2], field[3]);
        assert_works(qv__sandbox_run(&passed, &s, program, &err), &err);
        if (!passed)
            fail_msg("problem %d does not pass", i);
        qv__arena_free(&a);
        json_decref(p);
    }
    fclose(f);
    qv__sandbox_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_suites_run_on_the_data_they_are_written_for,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_solutions_of_humaneval_pass, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
