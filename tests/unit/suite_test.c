/* Suites: what a file or a command line resolves to, and every refusal. */
#include "eval/suite.h"
#include "base/file.h"
#include "support/near.h"
#include "support/place.h"

#include <string.h>
#include <unistd.h>

static int make_tasks(void **state)
{
    open_place(state);
    if (qv__make_dir(at("more"), NULL) || qv__make_dir(at("empty"), NULL))
        return -1;
    file_at("a.jsonl", "");
    file_at("b.json", "{\"Definition\":\"d\",\"Instances\":[]}");
    file_at("more/c.jsonl", "");
    file_at("more/d.jsonl", "");
    return 0;
}

static void expect(const struct qv_suite_task *t, const char *name, enum qv_metric metric,
                   enum qv_part part, size_t limit)
{
    assert_string_equal(t->name, name);
    assert_int_equal(t->metric, metric);
    assert_int_equal(t->part, part);
    assert_int_equal(t->limit, limit);
    assert_true(qv__is_file(t->paths[0]));
}

static void a_suite_file_gives_each_task_its_metric_part_and_limit(void **state)
{
    (void)state;
    const char *path = file_at("held.json", "{\"name\":\"held-out\",\"metric\":\"exact\","
                                            "\"split\":\"test\",\"limit\":9,\"tasks\":["
                                            "\"a.jsonl\",{\"file\":\"b.json\",\"metric\":"
                                            "\"loglik\",\"split\":\"all\",\"limit\":0},"
                                            "{\"file\":\"more\",\"metric\":\"choice\"}]}");
    struct qv_suite s;
    qv_err err = {0};
    assert_int_equal(qv__suite_open(&s, &path, 1, NULL, NULL, &err), QV_OK);
    assert_string_equal(s.name, "held-out");
    assert_int_equal(s.n, 4);
    expect(&s.at[0], "a", QV_EXACT, QV_PART_TEST, 9);
    expect(&s.at[1], "b", QV_LOGLIK, QV_PART_ALL, 0);
    expect(&s.at[2], "c", QV_CHOICE, QV_PART_TEST, 9);
    expect(&s.at[3], "d", QV_CHOICE, QV_PART_TEST, 9);
    qv__suite_end(&s);
    assert_null(s.at);
}

static void a_suite_without_name_or_metric_has_defaults(void **state)
{
    (void)state;
    const char *text = qv__arena_fmt(&names, "{\"tasks\":[\"%s\"]}", at("a.jsonl"));
    const char *path = file_at("plain.json", text);
    struct qv_suite s;
    qv_err err = {0};
    assert_int_equal(qv__suite_open(&s, &path, 1, NULL, NULL, &err), QV_OK);
    assert_string_equal(s.name, "plain");
    expect(&s.at[0], "a", QV_ROUGE_L, QV_PART_ALL, 0);
    qv__suite_end(&s);
    assert_int_equal(qv__suite_open(&s, &path, 1, "choice", NULL, &err), QV_OK);
    expect(&s.at[0], "a", QV_CHOICE, QV_PART_ALL, 0);
    qv__suite_end(&s);
}

static void files_and_directories_are_a_suite_of_one_metric(void **state)
{
    (void)state;
    const char *paths[] = {at("more"), at("b.json"), at("a.jsonl")};
    struct qv_suite s;
    qv_err err = {0};
    assert_int_equal(qv__suite_open(&s, paths, 3, "loglik", NULL, &err), QV_OK);
    assert_string_equal(s.name, "files");
    assert_int_equal(s.n, 4);
    expect(&s.at[0], "c", QV_LOGLIK, QV_PART_ALL, 0);
    expect(&s.at[3], "a", QV_LOGLIK, QV_PART_ALL, 0);
    qv__suite_end(&s);

    assert_int_equal(qv__suite_open(&s, paths + 1, 1, NULL, NULL, &err),
                     QV_OK); // not a suite
    assert_string_equal(s.name, "b");
    expect(&s.at[0], "b", QV_ROUGE_L, QV_PART_ALL, 0);
    qv__suite_end(&s);

    assert_int_equal(qv__suite_open(&s, paths, 1, NULL, NULL, &err), QV_OK);
    assert_string_equal(s.name, "more");
    assert_int_equal(s.n, 2);
    qv__suite_end(&s);
}

static void metrics_have_the_names_they_answer_to(void **state)
{
    (void)state;
    static const char *const name[] = {"rougeL",     "exact",       "choice", "loglik",
                                       "choice_sum", "choice_char", "pass@1"};
    for (size_t i = 0; i < QV_COUNT(name); i++) {
        enum qv_metric metric;
        assert_int_equal(qv__metric_of(&metric, name[i], NULL), QV_OK);
        assert_int_equal(metric, i);
        assert_string_equal(qv__metric_name(metric), name[i]);
    }
}

static void a_task_with_a_prompt_is_mapped_and_has_settings_of_its_own(void **state)
{
    (void)state;
    const char *path = file_at(
        "mapped.json",
        "{\"metric\":\"choice_char\",\"eos\":false,\"stop\":\"x\",\"tasks\":[{\"name\":"
        "\"own\",\"file\":\"more\",\"prompt\":\"{q}\",\"target\":\"{a}\"},{\"file\":"
        "\"a.jsonl\",\"prompt\":\"{q}\",\"target\":\"{a}\",\"eos\":true,\"stop\":[\"y\","
        "\"z\"],\"skip\":1,\"sample\":2,\"max_tokens\":3,\"seconds\":4,\"megabytes\":5}]}");
    struct qv_suite s;
    qv_err err = {0};
    assert_int_equal(qv__suite_open(&s, &path, 1, NULL, NULL, &err), QV_OK);
    assert_int_equal(s.n, 2);
    expect(&s.at[0], "own", QV_CHOICE_CHAR, QV_PART_ALL, 0);
    assert_int_equal(s.at[0].n_paths, 2);
    assert_non_null(s.at[0].map);
    assert_true(s.at[0].is_open);
    assert_int_equal(s.at[0].n_stop, 1);
    expect(&s.at[1], "a", QV_CHOICE_CHAR, QV_PART_ALL, 0);
    assert_ptr_not_equal(s.at[1].map, s.at[0].map);
    assert_false(s.at[1].is_open);
    assert_int_equal(s.at[1].n_stop, 2);
    assert_string_equal(s.at[1].stop[1], "z");
    assert_int_equal(s.at[1].skip, 1);
    assert_int_equal(s.at[1].sample, 2);
    assert_int_equal(s.at[1].max_tokens, 3);
    assert_int_equal(s.at[1].seconds, 4);
    assert_int_equal(s.at[1].megabytes, 5);
    qv__suite_end(&s);
}

static void a_suites_files_may_be_elsewhere(void **state)
{
    (void)state;
    const char *path = file_at("more/far.json", "{\"tasks\":[\"a.jsonl\"]}");
    struct qv_suite s;
    qv_err err = {0};
    assert_int_equal(qv__suite_open(&s, &path, 1, NULL, NULL, &err), QV_ENOTFOUND);
    assert_int_equal(qv__suite_open(&s, &path, 1, NULL, root, &err), QV_OK);
    assert_string_equal(s.at[0].paths[0], at("a.jsonl"));
    qv__suite_end(&s);
    assert_int_equal(unlink(path), 0);
}

/* Each lie a suite can tell, and the words we answer with. */
static const struct {
    const char *text;
    qv_status code;
    const char *says;
} lie[] = {
    {"{\"tasks\":[]}", QV_EFORMAT, "lie.json: no tasks"},
    {"{\"tasks\":", QV_EFORMAT, "lie.json: not JSON"},
    {"{\"tasks\":[1]}", QV_EFORMAT,
     "lie.json: task 1: neither a file's name nor an object"},
    {"{\"tasks\":[\"a.jsonl\",{}]}", QV_EFORMAT, "lie.json: task 2: no 'file'"},
    {"{\"tasks\":[{\"file\":7}]}", QV_EFORMAT, "task 1: 'file' is not a string"},
    {"{\"tasks\":[\"z.jsonl\"]}", QV_ENOTFOUND, "z.jsonl: no such file or directory"},
    {"{\"tasks\":[\"empty\"]}", QV_ENOTFOUND, "empty: no task files"},
    {"{\"tasks\":[\"a.jsonl\",\"a.jsonl\"]}", QV_EEXIST, "task 2: task 'a' is both"},
    {"{\"metric\":\"bleu\",\"tasks\":[]}", QV_EFORMAT,
     "lie.json: no metric 'bleu': there are rougeL, exact, choice, choice_sum, "
     "choice_char, loglik, pass@1"},
    {"{\"tasks\":[{\"file\":\"a.jsonl\",\"metric\":\"x\"}]}", QV_EFORMAT,
     "task 1: no metric 'x'"},
    {"{\"split\":\"dev\",\"tasks\":[]}", QV_EFORMAT,
     "no split 'dev': there are all, train, valid, test"},
    {"{\"limit\":-1,\"tasks\":[]}", QV_EFORMAT, "'limit' is not a whole number"},
    {"{\"name\":1,\"tasks\":[]}", QV_EFORMAT, "'name' is not a string"},
    {"{\"stop\":[1],\"tasks\":[]}", QV_EFORMAT,
     "'stop' is neither a text nor a list of them"},
    {"{\"stop\":\"\",\"tasks\":[]}", QV_EFORMAT,
     "'stop' is neither a text nor a list of them"},
    {"{\"eos\":1,\"tasks\":[]}", QV_EFORMAT, "'eos' is neither true nor false"},
    {"{\"tasks\":[{\"file\":\"a.jsonl\",\"name\":\"b\"}]}", QV_EFORMAT,
     "task 1: a 'name' needs a 'prompt': a task file names itself"},
    {"{\"tasks\":[{\"file\":\"a.jsonl\",\"prompt\":\"x\"}]}", QV_EFORMAT,
     "task 1: neither 'options', 'target' nor 'tests'"},
    {"{\"tasks\":[{\"file\":\"empty\",\"prompt\":\"x\",\"target\":\"y\"}]}", QV_ENOTFOUND,
     "empty: no data files (*.json, *.jsonl, *.csv, *.txt)"},
};

static void every_refusal_names_the_suite_and_the_task(void **state)
{
    (void)state;
    struct qv_suite s;
    for (size_t i = 0; i < QV_COUNT(lie); i++) {
        const char *path = file_at("lie.json", lie[i].text);
        qv_err err = {0};
        assert_int_equal(qv__suite_open(&s, &path, 1, NULL, NULL, &err), lie[i].code);
        assert_null(s.at);
        if (!strstr(err.msg, lie[i].says))
            fail_msg("'%s' does not say '%s'", err.msg, lie[i].says);
    }
    const char *path = at("nowhere.json");
    qv_err err = {0};
    assert_int_equal(qv__suite_open(&s, &path, 1, NULL, NULL, &err), QV_ENOTFOUND);
    path = at("a.jsonl");
    assert_int_equal(qv__suite_open(&s, &path, 1, "x", NULL, &err), QV_EFORMAT);
    assert_non_null(strstr(err.msg, "no metric 'x'"));
    assert_int_equal(qv__suite_open(&s, NULL, 0, NULL, NULL, &err), QV_ENOTFOUND);
    assert_string_equal(err.msg, "no tasks to evaluate");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_suite_file_gives_each_task_its_metric_part_and_limit),
        cmocka_unit_test(a_suite_without_name_or_metric_has_defaults),
        cmocka_unit_test(a_task_with_a_prompt_is_mapped_and_has_settings_of_its_own),
        cmocka_unit_test(a_suites_files_may_be_elsewhere),
        cmocka_unit_test(files_and_directories_are_a_suite_of_one_metric),
        cmocka_unit_test(metrics_have_the_names_they_answer_to),
        cmocka_unit_test(every_refusal_names_the_suite_and_the_task),
    };
    return cmocka_run_group_tests(tests, make_tasks, close_place);
}
