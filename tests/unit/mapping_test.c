/* mapping_test.c - data files of every format as records, templates over their fields, and
 * the examples that a mapping makes of them; each refusal. */
#include "data/mapping.h"
#include "base/regex.h"
#include "support/scratch.h"

#include <string.h>

static qv_arena arena;

static int forget(void **state)
{
    (void)state;
    qv__arena_free(&arena);
    return 0;
}

/* ---- records ---- */

static struct qv_records parsed(const char *path, const char *text,
                                struct qv_records_opts opts)
{
    struct qv_records r;
    qv_err err;
    assert_works(qv__records_parse(&r, path, text, strlen(text), &opts, &err), &err);
    return r;
}

static void assert_field(const struct qv_records *r, size_t i, const char *field,
                         const char *want)
{
    const json_t *v = json_object_get(json_array_get(r->list, i), field);
    assert_non_null(v);
    assert_string_equal(json_string_value(v), want);
}

static void a_line_of_jsonl_and_an_item_of_json_is_a_record(void **state)
{
    (void)state;
    struct qv_records r =
        parsed("x.jsonl", "\xEF\xBB\xBF{\"a\":\"1\"}\r\n\n{\"a\":\"2\"}\n\n",
               (struct qv_records_opts){0});
    assert_int_equal(json_array_size(r.list), 2);
    assert_field(&r, 1, "a", "2");
    qv__records_end(&r);

    r = parsed("x.json", "[{\"a\":\"1\"},{\"a\":\"3\"}]", (struct qv_records_opts){0});
    assert_field(&r, 1, "a", "3");
    assert_null(r.common);
    qv__records_end(&r);

    r = parsed("x.json", "{\"all\":\"yes\",\"rows\":[{\"a\":\"4\"}]}",
               (struct qv_records_opts){.list = "rows"});
    assert_field(&r, 0, "a", "4");
    assert_string_equal(json_string_value(json_object_get(r.common, "all")), "yes");
    qv__records_end(&r);

    r = parsed("x.dat", "[{\"a\":\"5\"}]", (struct qv_records_opts){.format = "json"});
    assert_field(&r, 0, "a", "5");
    qv__records_end(&r);
}

static void csv_is_read_as_rfc_4180_has_it(void **state)
{
    (void)state;
    struct qv_records r = parsed("x.csv",
                                 "q,a\r\nplain,\"with, comma\"\r\n\"two\nlines\","
                                 "\"a \"\"quote\"\"\"\r\n,\r\n",
                                 (struct qv_records_opts){0});
    assert_int_equal(json_array_size(r.list), 3);
    assert_field(&r, 0, "q", "plain");
    assert_field(&r, 0, "a", "with, comma");
    assert_field(&r, 1, "q", "two\nlines");
    assert_field(&r, 1, "a", "a \"quote\"");
    assert_field(&r, 2, "q", "");
    assert_field(&r, 2, "a", "");
    qv__records_end(&r);

    const char *const columns[] = {"x", "y"};
    r = parsed("x.csv", "q,a\n",
               (struct qv_records_opts){.columns = columns, .n_columns = 2});
    assert_int_equal(json_array_size(r.list), 1); // the first line is a record then
    assert_field(&r, 0, "y", "a");
    qv__records_end(&r);
}

static void so_many_lines_are_a_record_and_a_field_may_lie_beside(void **state)
{
    const char *const columns[] = {"x", "y"};
    write_text(scratch_path(state, "labels"), "7\n8\n");
    const struct qv_beside beside = {"label", scratch_path(state, "labels")};
    struct qv_records r = parsed("x.txt", "a\nb\nc\n\xc3\xa9\n",
                                 (struct qv_records_opts){.format = "lines",
                                                          .columns = columns,
                                                          .n_columns = 2,
                                                          .beside = &beside,
                                                          .n_beside = 1});
    assert_int_equal(json_array_size(r.list), 2);
    assert_field(&r, 1, "x", "c");
    assert_field(&r, 1, "y", "\xc3\xa9");
    assert_field(&r, 0, "label", "7");
    assert_field(&r, 1, "label", "8");
    qv__records_end(&r);
}

static void a_file_that_is_not_what_it_should_be_is_refused(void **state)
{
    static const char *const columns[] = {"x", "y"};
    write_text(scratch_path(state, "labels"), "7\n");
    write_text(scratch_path(state, "bytes"), "\xff\n\n.\n");
    const struct qv_beside few = {"label", scratch_path(state, "labels")};
    const struct qv_beside bytes = {"label", scratch_path(state, "bytes")};
    const struct {
        const char *path, *text;
        struct qv_records_opts opts;
        const char *says;
    } lie[] = {
        {"x.jsonl", "", {0}, "x.jsonl: no records"},
        {"x.jsonl", "{}\n[]\n", {0}, "x.jsonl: record 2 is not an object"},
        {"x.jsonl", "{}\n{\n", {0}, "x.jsonl: line 2: not JSON"},
        {"x.json", "{\"a\":[]}", {0}, "x.json: not a list of records"},
        {"x.json", "{\"a\":{}}", {.list = "a"}, "x.json: no list 'a'"},
        {"x.csv", "a,b\n1\n", {0}, "x.csv: line 2: 1 cells, there are 2 columns"},
        {"x.csv", "a\n\"b\n", {0}, "x.csv: line 2: a quote is not closed"},
        {"x.csv", "a\n\xff\n", {0}, "x.csv: line 2: not UTF-8 text"},
        {"x.txt", "a\n", {.format = "lines"}, "lines need 'columns'"},
        {"x.txt",
         "a\nb\nc\n",
         {.format = "lines", .columns = columns, .n_columns = 2},
         "x.txt: 3 lines, a record has 2"},
        {"x.txt",
         "a\n\xff\n",
         {.format = "lines", .columns = columns, .n_columns = 2},
         "x.txt: line 2: not UTF-8 text"},
        {"x.txt",
         "a",
         {.format = "xml"},
         "no format 'xml': there are jsonl, json, csv, lines"},
        {"x.jsonl", "\x1f\x8b\x08\x08..", {0}, "x.jsonl: compressed: unpack it first"},
        {"x.jsonl", "BZh91AY", {0}, "x.jsonl: compressed: unpack it first"},
        {"x.jsonl",
         "{}\n{}\n",
         {.beside = &few, .n_beside = 1},
         "labels: 1 lines for 2 records"},
        {"x.jsonl",
         "{}\n",
         {.beside = &bytes, .n_beside = 1},
         "bytes: line 1: not UTF-8 text"},
    };
    struct qv_records r;
    qv_err err;
    for (size_t i = 0; i < QV_COUNT(lie); i++) {
        assert_fails(qv__records_parse(&r, lie[i].path, lie[i].text, strlen(lie[i].text),
                                       &lie[i].opts, &err),
                     QV_EFORMAT, &err, lie[i].says);
        assert_null(r.list);
    }
    assert_fails(qv__records_read(&r, scratch_path(state, "nothing"), NULL, &err),
                 QV_ENOTFOUND, &err, "nothing");
}

/* ---- templates ---- */

static json_t *json_of_text(const char *text)
{
    json_t *v;
    qv_err err;
    assert_works(qv__json_parse(&v, text, strlen(text), &err), &err);
    return v;
}

static const char record_text[] =
    "{\"s\":\"  A bEE \",\"n\":-7,\"x\":0.5,\"yes\":true,\"none\":null,"
    "\"list\":[\"a\",\"b\",3],\"deep\":{\"text\":[\"zero\",\"one\"]},\"shadow\":\"mine\"}";
static const char common_text[] = "{\"all\":\"ours\",\"shadow\":\"theirs\"}";

/* A filter that replaces runs of a by one, and then empty ends by a full stop. */
static struct qv_filter make_filter(struct qv_regex **re)
{
    static const char *const with[] = {"a", "."};
    qv_err err;
    assert_works(qv__regex_new(&re[0], "a+", 2, &err), &err);
    assert_works(qv__regex_new(&re[1], "\\z", 2, &err), &err);
    return (struct qv_filter){.name = "f", .re = re, .with = with, .n = 2};
}

static void a_template_is_filled_from_the_record_then_from_its_file(void **state)
{
    (void)state;
    static const struct {
        const char *template, *want;
    } is[] = {
        {"", ""},
        {"plain", "plain"},
        {"{s}", "  A bEE "},
        {"<{s|strip}>", "<A bEE>"},
        {"<{s|lstrip}>", "<A bEE >"},
        {"{s|strip|capitalize}", "A bee"},
        {"{n} {x} {yes}", "-7 0.5 true"},
        {"{list|join:, }", "a, b, 3"},
        {"{s|join:, |strip}", "A bEE"}, // a text is a list of one
        {"{list.1}{deep.text.0}", "bzero"},
        {"{all}/{shadow}", "ours/mine"},
        {"{{{n}}}", "{-7}"},
        {"{{s}}", "{s}"},
        {"{list.0|f}", "a."},
        {"{none}", NULL},
        {"a{missing}b", NULL},
        {"{list.3}", NULL},
        {"{list.x}", NULL},
    };
    struct qv_regex *re[2];
    struct qv_filter filter = make_filter(re);
    json_t *record = json_of_text(record_text), *common = json_of_text(common_text);
    for (size_t i = 0; i < QV_COUNT(is); i++) {
        const struct qv_template *t;
        char *got;
        const char *why;
        qv_err err;
        assert_works(qv__template_parse(&t, &arena, is[i].template, &filter, 1, &err),
                     &err);
        assert_works(qv__template_fill(&got, &why, &arena, t,
                                       (struct qv_fields){record, common}, &err),
                     &err);
        assert_true(!got == !is[i].want);
        if (got)
            assert_string_equal(got, is[i].want);
        assert_true(!got == !!why);
    }
    json_decref(record);
    json_decref(common);
    qv__regex_free(re[0]);
    qv__regex_free(re[1]);
}

static void a_template_that_is_one_list_stands_for_its_items(void **state)
{
    (void)state;
    static const struct {
        const char *template;
        size_t n;
        const char *want[3];
    } is[] = {
        {"{deep.text|capitalize}", 2, {"Zero", "One"}},
        {"{list}", 3, {"a", "b", "3"}},
        {"{s|strip}", 1, {"A bEE"}},
        {"{missing}", 0, {0}},
        {"{list|join:+}", 1, {"a+b+3"}},
    };
    json_t *record = json_of_text(record_text);
    for (size_t i = 0; i < QV_COUNT(is); i++) {
        const struct qv_template *t;
        char **got;
        size_t n;
        qv_err err;
        assert_works(qv__template_parse(&t, &arena, is[i].template, NULL, 0, &err), &err);
        assert_works(
            qv__template_list(&got, &n, &arena, t, (struct qv_fields){record, NULL}, &err),
            &err);
        assert_int_equal(n, is[i].n);
        for (size_t j = 0; j < n; j++)
            assert_string_equal(got[j], is[i].want[j]);
    }
    json_decref(record);
}

static void a_replacement_goes_on_after_what_it_replaced(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text, *with, *want;
    } is[] = {
        {"  ", "a    b", " ", "a  b"}, // one pass: the authors' too
        {"\\[.*?\\]", "[x] a [y]", "", " a "},
        {"x*", "axb", "-", "-a--b-"}, // as Python's re.sub
        {"q", "", "z", ""},
    };
    for (size_t i = 0; i < QV_COUNT(is); i++) {
        struct qv_regex *re;
        char *got;
        qv_err err;
        assert_works(qv__regex_new(&re, is[i].pattern, strlen(is[i].pattern), &err), &err);
        assert_works(qv__replace_all(&got, &arena, re, is[i].text, is[i].with, &err), &err);
        assert_string_equal(got, is[i].want);
        qv__regex_free(re);
    }
}

static void a_template_that_cannot_be_read_or_filled_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *template, *says;
    } bad[] =
        {
            {"{s", "template '{s': a brace without its other"},
            {"s}", "template 's}': a brace without its other"},
            {"{}", "template '{}': an empty name in '{}'"},
            {"{a..b}", "an empty name in '{a..b}'"},
            {"{s|shout}", "template '{s|shout}': no filter is named 'shout'"},
        },
      unfit[] = {
          {"{list}!", "'list' is not a text but a list"},
          {"{deep}", "'deep' is not a text"},
          {"{nested|join: }", "'nested'[0] is not a text"},
      };
    const struct qv_template *t;
    qv_err err;
    for (size_t i = 0; i < QV_COUNT(bad); i++)
        assert_fails(qv__template_parse(&t, &arena, bad[i].template, NULL, 0, &err),
                     QV_EFORMAT, &err, bad[i].says);
    json_t *record = json_of_text("{\"list\":[\"a\"],\"deep\":{},\"nested\":[[]]}");
    for (size_t i = 0; i < QV_COUNT(unfit); i++) {
        char *got;
        const char *why;
        assert_works(qv__template_parse(&t, &arena, unfit[i].template, NULL, 0, &err),
                     &err);
        assert_fails(qv__template_fill(&got, &why, &arena, t,
                                       (struct qv_fields){record, NULL}, &err),
                     QV_EFORMAT, &err, unfit[i].says);
    }
    json_decref(record);
}

/* ---- mappings ---- */

static qv_status read_as(struct qv_dataset **d, void **state, const char *mapping,
                         const char *data, qv_err *err)
{
    struct qv_mapping *m;
    const char *dir = qv__arena_fmt(&arena, "%s/", (const char *)*state);
    const char *path = scratch_path(state, "some_data.jsonl");
    json_t *json = json_of_text(mapping);
    *d = NULL;
    write_text(path, data);
    qv_status result = qv__mapping_parse(&m, &arena, json, dir, err);
    if (!result)
        result = qv__mapping_read(d, m, "task", &path, 1, err);
    qv__mapping_end(m);
    json_decref(json);
    return result;
}

static struct qv_dataset *mapped(void **state, const char *mapping, const char *data)
{
    struct qv_dataset *d;
    qv_err err;
    assert_works(read_as(&d, state, mapping, data, &err), &err);
    assert_string_equal(d->name, "task");
    return d;
}

static void patterns_find_question_options_and_label_in_one_text(void **state)
{
    struct qv_dataset *d =
        mapped(state,
               "{\"extract\":{\"t\":[\"^Q (?<q>.*) A1 (?<a>.*) A2 (?<b>.*)$\","
               "\"^Q (?<q>.*) A1 (?<a>.*)$\"]},\"prompt\":\"Question: {q}\\nAnswer:\","
               "\"options\":[\"{a}\",\"{b}\"],\"label\":\"{l}\",\"labels\":[\"one\",["
               "\"two\",\"2\"]]}",
               "{\"t\":\"Q who A1 me A2 you\",\"l\":\"two\"}\n{\"t\":\"Q what A1 "
               "it\",\"l\":\"one\"}\n"
               "{\"t\":\"Q who A1 me A2 you\",\"l\":2}\n");
    assert_int_equal(d->n, 3);
    assert_string_equal(d->at[0].prompt, "Question: who\nAnswer:");
    assert_int_equal(d->at[0].n_options, 2);
    assert_string_equal(d->at[0].options[1], "you");
    assert_int_equal(d->at[0].label, 1);
    assert_string_equal(d->at[0].targets[0], "you");
    assert_int_equal(d->at[1].n_options, 1);
    assert_int_equal(d->at[1].label, 0);
    assert_int_equal(d->at[2].label, 1);
    qv__dataset_free(d);
}

static void options_may_have_prompts_of_their_own(void **state)
{
    struct qv_dataset *d =
        mapped(state,
               "{\"prompt\":[\"{s}{a}\",\"{s}{b}\"],\"options\":[\"{r}\",\"{r}\"],"
               "\"label\":\"{l}\"}",
               "{\"s\":\"The \",\"a\":\"cow\",\"b\":\"elm\",\"r\":\"grows.\",\"l\":1}\n");
    assert_string_equal(d->at[0].prompt, "The cow");
    assert_string_equal(d->at[0].prompts[0], "The cow");
    assert_string_equal(d->at[0].prompts[1], "The elm");
    assert_string_equal(d->at[0].options[1], "grows.");
    assert_int_equal(d->at[0].label, 1);
    qv__dataset_free(d);
}

static void every_item_of_a_target_is_a_right_answer(void **state)
{
    struct qv_dataset *d =
        mapped(state, "{\"prompt\":\"{p}\",\"target\":[\"{t}\",\"{u}\"]}",
               "{\"p\":\"x\",\"t\":[\"a\",\"b\"],\"u\":\"c\"}\n");
    assert_int_equal(d->at[0].n_targets, 3);
    assert_string_equal(d->at[0].targets[1], "b");
    assert_string_equal(d->at[0].targets[2], "c");
    assert_int_equal(d->at[0].label, -1);
    assert_null(d->at[0].tests);
    qv__dataset_free(d);
    d = mapped(state, "{\"prompt\":\"{p}\",\"tests\":\"check({p})\"}", "{\"p\":\"x\"}\n");
    assert_string_equal(d->at[0].tests, "check(x)");
    assert_int_equal(d->at[0].n_targets, 1);
    qv__dataset_free(d);
}

static void the_first_records_are_shots_and_may_be_left_out(void **state)
{
    static const char data[] =
        "{\"p\":\"1+1:\",\"t\":\"2\"}\n{\"p\":\"1+2:\\n\",\"t\":\"3\"}\n"
        "{\"p\":\"2+2:\",\"t\":\"4\"}\n";
    struct qv_dataset *d =
        mapped(state,
               "{\"prompt\":\"{p}\",\"target\":\"{t}\",\"shots\":{\"n\":2,\"header\":\"In "
               "{task}:\\n\\n\"}}",
               data);
    assert_int_equal(d->n, 3);
    assert_ptr_equal(d->at[0].shots, d->at[2].shots);
    assert_int_equal(d->at[0].shots->n, 2);
    assert_string_equal(d->at[0].shots->header, "In some_data:\n\n");
    assert_string_equal(d->at[0].shots->one[0], "1+1: 2");
    assert_string_equal(d->at[0].shots->one[1], "1+2:\n3");
    qv__dataset_free(d);

    d = mapped(state,
               "{\"prompt\":\"{p}\",\"target\":\"{t}\",\"shots\":{\"n\":2,\"skip\":true}}",
               data);
    assert_int_equal(d->n, 1);
    assert_string_equal(d->at[0].prompt, "2+2:");
    assert_string_equal(d->at[0].shots->header, "");
    qv__dataset_free(d);

    write_text(scratch_path(state, "some_dev.jsonl"), "{\"p\":\"0+1:\",\"t\":\"1\"}\n");
    d = mapped(
        state,
        "{\"prompt\":\"{p}\",\"target\":\"{t}\",\"filters\":{\"dev\":[[\"data$\","
        "\"dev\"]]},\"shots\":{\"n\":5,\"file\":\"{task|dev}.jsonl\",\"skip\":true}}",
        data);
    assert_int_equal(d->n, 3); // none of its own was shown
    assert_int_equal(d->at[0].shots->n, 1);
    assert_string_equal(d->at[0].shots->one[0], "0+1: 1");
    qv__dataset_free(d);
}

static void each_refusal_names_the_record_or_the_key(void **state)
{
#define CHOICE "\"prompt\":\"{p}\",\"options\":[\"a\",\"b\"]"
    static const struct {
        const char *mapping, *says;
    } lie[] = {
        {"{}", "no 'prompt'"},
        {"{\"prompt\":\"{p}\"}", "neither 'options', 'target' nor 'tests'"},
        {"{\"prompt\":[\"a\",\"b\"],\"options\":\"c\",\"label\":\"0\"}",
         "2 prompts for 1 options"},
        {"{" CHOICE "}", "options without a 'label'"},
        {"{\"prompt\":7,\"target\":\"x\"}",
         "'prompt' is neither a string nor a list of them"},
        {"{\"prompt\":\"{p\",\"target\":\"x\"}", "a brace without its other"},
        {"{\"prompt\":\"x\",\"target\":\"x\",\"shots\":5}", "'shots' is not an object"},
        {"{\"prompt\":\"x\",\"target\":\"x\",\"shots\":{\"n\":\"a\"}}",
         "'n' is not a whole number"},
        {"{\"prompt\":\"x\",\"target\":\"x\",\"beside\":{\"l\":1}}",
         "'beside': 'l' is not a file's name"},
        {"{\"prompt\":\"x\",\"target\":\"x\",\"extract\":{\"p\":1}}",
         "extract 'p': a pattern is not a string"},
        {"{\"prompt\":\"x\",\"target\":\"x\",\"extract\":{\"p\":\"(\"}}",
         "extract 'p': pattern '(': at 1: missing closing parenthesis"},
        {"{\"prompt\":\"x\",\"target\":\"x\",\"filters\":{\"f\":\"x\"}}",
         "filter 'f': not a list of [pattern, text]"},
        {"{\"prompt\":\"x\",\"target\":\"x\",\"filters\":{\"f\":[[\"x\"]]}}",
         "filter 'f': step 1 is not [pattern, text]"},
        {"{\"prompt\":\"{q}\",\"target\":\"x\"}", "some_data.jsonl: record 1: no 'q'"},
        {"{\"prompt\":\"{p}\",\"target\":\"{q}\"}", "record 1: no target"},
        {"{\"prompt\":\"{p}\",\"target\":\"x\",\"extract\":{\"n\":\"x\"}}",
         "record 1: 'n' is not a text"},
        {"{\"prompt\":\"{p}\",\"target\":\"x\",\"extract\":{\"p\":\"z\"}}",
         "record 1: 'p' matches no pattern: text"},
        {"{" CHOICE ",\"label\":\"{n}\"}", "record 1: label '5' is none of 2 options"},
        {"{" CHOICE ",\"label\":\"{p}\"}", "record 1: label 'text' is none of 2 options"},
        {"{" CHOICE ",\"label\":\"{p}\",\"labels\":[\"x\",\"y\"]}",
         "record 1: label 'text' is none of 2 options"},
        {"{\"prompt\":[\"x\",\"y\"],\"options\":[\"a\",\"{q}\"],\"label\":\"0\"}",
         "record 1: 1 options for 2 prompts"},
        {"{" CHOICE ",\"label\":\"0\",\"labels\":[1]}",
         "'labels' is neither a string nor a list of them"},
    };
    for (size_t i = 0; i < QV_COUNT(lie); i++) {
        struct qv_dataset *d;
        qv_err err;
        assert_fails(read_as(&d, state, lie[i].mapping, "{\"p\":\"text\",\"n\":5}\n", &err),
                     QV_EFORMAT, &err, lie[i].says);
        assert_null(d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_of_jsonl_and_an_item_of_json_is_a_record),
        cmocka_unit_test(csv_is_read_as_rfc_4180_has_it),
        cmocka_unit_test_setup_teardown(
            so_many_lines_are_a_record_and_a_field_may_lie_beside, make_scratch,
            remove_scratch),
        cmocka_unit_test_setup_teardown(a_file_that_is_not_what_it_should_be_is_refused,
                                        make_scratch, remove_scratch),
        cmocka_unit_test(a_template_is_filled_from_the_record_then_from_its_file),
        cmocka_unit_test(a_template_that_is_one_list_stands_for_its_items),
        cmocka_unit_test(a_replacement_goes_on_after_what_it_replaced),
        cmocka_unit_test(a_template_that_cannot_be_read_or_filled_is_refused),
        cmocka_unit_test_setup_teardown(
            patterns_find_question_options_and_label_in_one_text, make_scratch,
            remove_scratch),
        cmocka_unit_test_setup_teardown(options_may_have_prompts_of_their_own, make_scratch,
                                        remove_scratch),
        cmocka_unit_test_setup_teardown(every_item_of_a_target_is_a_right_answer,
                                        make_scratch, remove_scratch),
        cmocka_unit_test_setup_teardown(the_first_records_are_shots_and_may_be_left_out,
                                        make_scratch, remove_scratch),
        cmocka_unit_test_setup_teardown(each_refusal_names_the_record_or_the_key,
                                        make_scratch, remove_scratch),
    };
    return cmocka_run_group_tests(tests, NULL, forget);
}
