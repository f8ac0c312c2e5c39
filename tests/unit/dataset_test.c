/* Task files: what is read, what is accepted, and every refusal. */
#include "data/dataset.h"
#include "base/file.h"
#include "support/near.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct qv_dataset *parse(const char *path, const char *text,
                                const struct qv_dataset_opts *opts)
{
    struct qv_dataset *d;
    qv_err err = {0};
    if (qv__dataset_parse(&d, path, text, strlen(text), opts, &err))
        fail_msg("%s", err.msg);
    return d;
}

static void lines_are_examples_in_order(void **state)
{
    (void)state;
    struct qv_dataset *d =
        parse("dir/colour.names.jsonl",
              "{\"prompt\":\"a\",\"completion\":\"b\"}\n"
              "{\"prompt\":\"c\",\"completion\":[\"d\",\"e\"],\"id\":7}\n",
              NULL);
    assert_string_equal(d->name, "colour.names");
    assert_string_equal(d->path, "dir/colour.names.jsonl");
    assert_int_equal(d->n, 2);
    assert_string_equal(d->at[0].prompt, "a");
    assert_string_equal(d->at[0].targets[0], "b");
    assert_int_equal(d->at[0].n_targets, 1);
    assert_int_equal(d->at[0].n_options, 0);
    assert_int_equal(d->at[0].label, -1);
    assert_int_equal(d->at[1].n_targets, 2);
    assert_string_equal(d->at[1].targets[1], "e");
    qv__dataset_free(d);
}

static void the_hash_is_the_files_sha256(void **state)
{
    (void)state;
    struct qv_dataset *d =
        parse("t.jsonl", "{\"prompt\":\"a\",\"completion\":\"b\"}", NULL);
    // printf '{"prompt":"a","completion":"b"}' | sha256sum
    assert_string_equal(d->hash,
                        "05c8394bcac387b0e43fafd247338f47b70a2819caa6f0d9f1eef6b8f8829c6d");
    qv__dataset_free(d);
}

static void marks_blanks_and_line_ends_are_accepted(void **state)
{
    (void)state;
    struct qv_dataset *d = parse("t.jsonl",
                                 "\xEF\xBB\xBF\r\n"
                                 "{\"prompt\":\"a\\n\",\"completion\":\" b\"}  \r\n"
                                 " \t\n\n"
                                 "{\"prompt\":\"\xC3\xA9\",\"completion\":\"\"}",
                                 NULL);
    assert_int_equal(d->n, 2);
    assert_string_equal(d->at[0].prompt, "a\n");
    assert_string_equal(d->at[0].targets[0], " b");
    assert_string_equal(d->at[1].prompt, "\xC3\xA9");
    assert_string_equal(d->at[1].targets[0], "");
    qv__dataset_free(d);
}

static void one_end_of_text_mark_is_dropped_from_the_end_of_a_target(void **state)
{
    (void)state;
    struct qv_dataset *d =
        parse("t.jsonl",
              "{\"prompt\":\"p<|endoftext|>\",\"completion\":\"b<|endoftext|>\"}\n"
              "{\"prompt\":\"p\",\"completion\":[\"<|endoftext|>\",\"<|endoftext|> c\","
              "\"d<|endoftext|><|endoftext|>\"]}",
              NULL);
    assert_string_equal(d->at[0].prompt, "p<|endoftext|>");
    assert_string_equal(d->at[0].targets[0], "b");
    assert_string_equal(d->at[1].targets[0], "");
    assert_string_equal(d->at[1].targets[1], "<|endoftext|> c");
    assert_string_equal(d->at[1].targets[2], "d<|endoftext|>");
    qv__dataset_free(d);
}

static void fields_may_have_other_names_and_a_limit_may_stop_early(void **state)
{
    (void)state;
    struct qv_dataset_opts opts = {
        .prompt_field = "question", .completion_field = "answer", .limit = 1};
    struct qv_dataset *d = parse("t.jsonl",
                                 "{\"question\":\"a\",\"answer\":\"b\",\"prompt\":1}\n"
                                 "this line is never read",
                                 &opts);
    assert_int_equal(d->n, 1);
    assert_string_equal(d->at[0].prompt, "a");
    assert_string_equal(d->at[0].targets[0], "b");
    qv__dataset_free(d);
}

static void options_have_a_label_or_find_it_from_the_target(void **state)
{
    (void)state;
    struct qv_dataset *d = parse(
        "t.jsonl",
        "{\"prompt\":\"p\",\"options\":[\"x\",\"y\"],\"label\":1}\n"
        "{\"prompt\":\"p\",\"options\":[\"x\",\"y\"],\"completion\":\"y\"}\n"
        "{\"prompt\":\"p\",\"options\":[\"x\",\"y\"],\"completion\":\"z\"}\n"
        "{\"prompt\":\"p\",\"options\":[\"x\",\"y\"],\"completion\":\"y\",\"label\":0}\n"
        "{\"prompt\":\"p\",\"completion\":\"y\",\"label\":\"ignored\"}\n",
        NULL);
    assert_int_equal(d->at[0].label, 1);
    assert_int_equal(d->at[0].n_options, 2);
    assert_string_equal(d->at[0].targets[0], "y");
    assert_int_equal(d->at[1].label, 1);
    assert_int_equal(d->at[2].label, -1);
    assert_int_equal(d->at[3].label, 0);
    assert_string_equal(d->at[3].targets[0], "y");
    assert_int_equal(d->at[4].label, -1);
    qv__dataset_free(d);
}

static const char instructed[] = "Definition: Say it.\n\nNow complete the following "
                                 "example -\nInput: in\nOutput:";

static void a_published_task_becomes_zero_shot_prompts(void **state)
{
    (void)state;
    struct qv_dataset *d = parse(
        "x/task1_a.json",
        "{\"Definition\": [\" Say it \"], \"Positive Examples\": [],\n"
        "\"Instances\": [{\"id\":\"t-1\",\"input\":\"in\",\"output\":[\"o\",\"u\"]},\n"
        "{\"input\":\"in\",\"output\":\"v\"}]}",
        NULL);
    assert_string_equal(d->name, "task1_a");
    assert_int_equal(d->n, 2);
    assert_string_equal(d->at[0].prompt, instructed);
    assert_int_equal(d->at[0].n_targets, 2);
    assert_string_equal(d->at[0].targets[1], "u");
    assert_string_equal(d->at[1].prompt, instructed);
    assert_string_equal(d->at[1].targets[0], "v");
    qv__dataset_free(d);
}

static void a_definition_may_be_one_string_or_several_lines(void **state)
{
    (void)state;
    struct qv_dataset *d = parse("t.json",
                                 "{\"Definition\": \"Is it?\", \"Instances\": "
                                 "[{\"input\":\"i\",\"output\":\"o\"}]}",
                                 NULL);
    assert_memory_equal(d->at[0].prompt, "Definition: Is it?\n\n", 20);
    qv__dataset_free(d);
    d = parse("t.json",
              "{\"Definition\": [\"One\", \"two\"], \"Instances\": "
              "[{\"input\":\"i\",\"output\":\"o\"}]}",
              NULL);
    assert_memory_equal(d->at[0].prompt, "Definition: One\ntwo.\n\n", 22);
    qv__dataset_free(d);
}

static void a_first_line_with_a_definition_makes_the_others_instances(void **state)
{
    (void)state;
    struct qv_dataset *d = parse("task1.jsonl",
                                 "{\"task\":\"task1\",\"definition\":\"Say it.\"}\n"
                                 "{\"input\":\"in\",\"output\":[\"o\"]}\n",
                                 NULL);
    assert_int_equal(d->n, 1);
    assert_string_equal(d->at[0].prompt, instructed);
    assert_string_equal(d->at[0].targets[0], "o");
    qv__dataset_free(d);
}

static void a_line_may_be_megabytes_long(void **state)
{
    (void)state;
    enum { LONG = 3000000 };
    const char head[] = "{\"completion\":\"b\",\"prompt\":\"";
    char *text = malloc(LONG + 64);
    assert_non_null(text);
    memcpy(text, head, sizeof head - 1);
    memset(text + sizeof head - 1, 'x', LONG);
    memcpy(text + sizeof head - 1 + LONG, "\"}", 3);
    struct qv_dataset *d = parse("t.jsonl", text, NULL);
    assert_int_equal(strlen(d->at[0].prompt), LONG);
    qv__dataset_free(d);
    free(text);
}

#define OK "{\"prompt\":\"a\",\"completion\":\"b\"}\n"

/* Each lie a task file can tell, and the words we answer with. */
static const struct {
    const char *path, *text, *says;
} lie[] = {
    {"t.jsonl", "", "t.jsonl: no examples"},
    {"t.jsonl", "\xEF\xBB\xBF \r\n\n", "t.jsonl: no examples"},
    {"t.jsonl", "{\"definition\":\"d\"}\n", "t.jsonl: no examples"},
    {"t.jsonl", OK "\n{\"prompt\":", "t.jsonl: line 3: not JSON: line 1, column"},
    {"t.jsonl", OK "[1]", "t.jsonl: line 2: not an object"},
    {"t.jsonl", OK "{\"prompt\":\"a\"} {}", "t.jsonl: line 2: not JSON"},
    {"t.jsonl", "{\"completion\":\"b\"}", "t.jsonl: line 1: no 'prompt'"},
    {"t.jsonl", "{\"prompt\":\"a\"}", "t.jsonl: line 1: no 'completion'"},
    {"t.jsonl", "{\"prompt\":null,\"completion\":\"b\"}", "line 1: no 'prompt'"},
    {"t.jsonl", "{\"prompt\":1,\"completion\":\"b\"}", "'prompt' is not a string"},
    {"t.jsonl", "{\"prompt\":\"a\",\"completion\":{}}",
     "'completion' is neither a string nor a list"},
    {"t.jsonl", "{\"prompt\":\"a\",\"completion\":[]}", "'completion' is an empty list"},
    {"t.jsonl", "{\"prompt\":\"a\",\"completion\":[\"b\",2]}",
     "'completion'[1] is not a string"},
    {"t.jsonl", "{\"prompt\":\"a\",\"options\":[\"b\"],\"label\":1}",
     "line 1: 'label' is 1 of 1 options"},
    {"t.jsonl", "{\"prompt\":\"a\",\"options\":[\"b\"],\"label\":-1}",
     "'label' is not a whole number"},
    {"t.jsonl", "{\"prompt\":\"a\",\"options\":[\"b\"]}", "line 1: no 'completion'"},
    {"t.jsonl", "{\"prompt\":\"a\",\"prompt\":\"b\",\"completion\":\"c\"}",
     "duplicate object key"},
    {"t.jsonl", OK "{\"prompt\":\"\xFF\",\"completion\":\"c\"}",
     "t.jsonl: line 2: not JSON"},
    {"t.jsonl", OK "{\"prompt\":\"\\u0000\",\"completion\":\"c\"}",
     "t.jsonl: line 2: not JSON"},
    {"t.jsonl", OK "{\"definition\":\"d\"}", "t.jsonl: line 2: no 'prompt'"},
    {"t.jsonl", "{\"definition\":{}}",
     "line 1: the definition is neither a string nor a list"},
    {"t.jsonl", "{\"definition\":[1]}", "the definition's line 0 is not a string"},
    {"t.json", "", "t.json: not JSON"},
    {"t.json", OK OK, "t.json: not JSON: line 2"},
    {"t.json", OK, "t.json: no list 'Instances', so not a Natural Instructions task"},
    {"t.json", "{\"Instances\":[]}", "the definition is neither a string nor a list"},
    {"t.json", "{\"Definition\":\"d\",\"Instances\":[]}", "t.json: no examples"},
    {"t.json",
     "{\"Definition\":\"d\",\"Instances\":[{\"input\":\"a\",\"output\":\"b\"},7]}",
     "t.json: instance 2 of 2: not an object"},
    {"t.json", "{\"Definition\":\"d\",\"Instances\":[{\"input\":\"a\"}]}",
     "t.json: instance 1 of 1: no 'output'"},
};

static void every_refusal_names_the_file_the_line_and_the_fault(void **state)
{
    (void)state;
    for (size_t i = 0; i < QV_COUNT(lie); i++) {
        struct qv_dataset *d;
        qv_err err = {0};
        qv_status st = qv__dataset_parse(&d, lie[i].path, lie[i].text, strlen(lie[i].text),
                                         NULL, &err);
        assert_int_equal(st, QV_EFORMAT);
        assert_null(d);
        if (!strstr(err.msg, lie[i].says))
            fail_msg("'%s' does not say '%s'", err.msg, lie[i].says);
    }
}

static void a_raw_nul_is_refused(void **state)
{
    (void)state;
    static const char text[] = "{\"prompt\":\"a\0b\",\"completion\":\"c\"}";
    struct qv_dataset *d;
    qv_err err = {0};
    assert_int_equal(qv__dataset_parse(&d, "t.jsonl", text, sizeof text - 1, NULL, &err),
                     QV_EFORMAT);
    assert_non_null(strstr(err.msg, "t.jsonl: line 1: not JSON"));
}

static void a_directory_lists_its_task_files_by_name(void **state)
{
    (void)state;
    static const char *const name[] = {"b.jsonl", "a.json", ".hidden.jsonl", "notes.txt"};
    char dir[] = "/tmp/quiver-dataset-XXXXXX";
    qv_arena a = {0};
    qv_err err = {0};
    char **paths;
    size_t n;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(qv__dataset_list(&paths, &n, &a, dir, &err), QV_ENOTFOUND);
    assert_non_null(strstr(err.msg, "no task files (*.jsonl, *.json)"));
    for (size_t i = 0; i < QV_COUNT(name); i++)
        assert_int_equal(qv__write_file(qv__arena_fmt(&a, "%s/%s", dir, name[i]), OK,
                                        sizeof OK - 1, &err),
                         QV_OK);
    assert_int_equal(qv__make_dir(qv__arena_fmt(&a, "%s/c.jsonl", dir), &err), QV_OK);

    assert_int_equal(qv__dataset_list(&paths, &n, &a, dir, &err), QV_OK);
    assert_int_equal(n, 2);
    assert_string_equal(qv__base_name(paths[0]), "a.json");
    assert_string_equal(qv__base_name(paths[1]), "b.jsonl");

    struct qv_dataset *d;
    assert_int_equal(qv__dataset_read(&d, paths[1], NULL, &err), QV_OK);
    assert_int_equal(d->n, 1);
    qv__dataset_free(d);

    char *file = qv__arena_fmt(&a, "%s/notes.txt", dir); // a file stands for itself
    assert_int_equal(qv__dataset_list(&paths, &n, &a, file, &err), QV_OK);
    assert_int_equal(n, 1);
    assert_string_equal(paths[0], file);

    assert_int_equal(qv__write_file(qv__arena_fmt(&a, "%s/a.jsonl", dir), OK, 1, &err),
                     QV_OK);
    assert_int_equal(qv__dataset_list(&paths, &n, &a, dir, &err), QV_EEXIST);
    assert_non_null(strstr(err.msg, "two files hold task 'a'"));
    assert_int_equal(qv__remove_tree(dir, &err), QV_OK);

    assert_int_equal(qv__dataset_list(&paths, &n, &a, dir, &err), QV_ENOTFOUND);
    assert_non_null(strstr(err.msg, "no such file or directory"));
    assert_int_equal(qv__dataset_read(&d, dir, NULL, &err), QV_ENOTFOUND);
    assert_null(d);
    qv__arena_free(&a);
}

static void a_split_depends_on_seed_task_and_position_alone(void **state)
{
    (void)state;
    size_t n[3] = {0}, moved = 0, same = 0;
    for (size_t i = 0; i < 10000; i++) {
        enum qv_split s = qv__split_of("task", i, 0.1f, 0.2f, 1);
        assert_int_equal(s, qv__split_of("task", i, 0.1f, 0.2f, 1));
        n[s]++;
        moved += s != qv__split_of("task", i, 0.1f, 0.2f, 2);
        same += s == qv__split_of("other", i, 0.1f, 0.2f, 1);
    }
    // Binomial standard deviations are 46, 30 and 40; five of each are allowed.
    assert_in_range(n[QV_TRAIN], 7000 - 230, 7000 + 230);
    assert_in_range(n[QV_VALID], 1000 - 150, 1000 + 150);
    assert_in_range(n[QV_TEST], 2000 - 200, 2000 + 200);
    assert_in_range(moved, 4000, 5200); // 1 - (0.49 + 0.01 + 0.04) = 0.46
    assert_in_range(same, 4800, 6000);
}

static void nothing_is_held_out_unless_asked(void **state)
{
    (void)state;
    for (size_t i = 0; i < 1000; i++) {
        assert_int_equal(qv__split_of("t", i, 0, 0, 3), QV_TRAIN);
        assert_int_equal(qv__split_of("t", i, 0, 1, 3), QV_TEST);
        assert_int_equal(qv__split_of("t", i, 1, 0, 3), QV_VALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_examples_in_order),
        cmocka_unit_test(the_hash_is_the_files_sha256),
        cmocka_unit_test(marks_blanks_and_line_ends_are_accepted),
        cmocka_unit_test(one_end_of_text_mark_is_dropped_from_the_end_of_a_target),
        cmocka_unit_test(fields_may_have_other_names_and_a_limit_may_stop_early),
        cmocka_unit_test(options_have_a_label_or_find_it_from_the_target),
        cmocka_unit_test(a_published_task_becomes_zero_shot_prompts),
        cmocka_unit_test(a_definition_may_be_one_string_or_several_lines),
        cmocka_unit_test(a_first_line_with_a_definition_makes_the_others_instances),
        cmocka_unit_test(a_line_may_be_megabytes_long),
        cmocka_unit_test(every_refusal_names_the_file_the_line_and_the_fault),
        cmocka_unit_test(a_raw_nul_is_refused),
        cmocka_unit_test(a_directory_lists_its_task_files_by_name),
        cmocka_unit_test(a_split_depends_on_seed_task_and_position_alone),
        cmocka_unit_test(nothing_is_held_out_unless_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
