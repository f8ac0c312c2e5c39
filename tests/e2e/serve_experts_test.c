/* serve_experts_test.c - requests that choose among the experts or weigh them by hand, and
 * routers that need something beside the experts: each answers as it would over a library
 * of no other experts, to the last bit.
 */
#include "support/client.h"
#include "support/scratch.h"
#include "support/world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_PATH  "/v1/completions"
#define EMBED_PATH "/v1/embeddings"

static struct served all, two; // over lib: a, b and c; over some: a and c

static const char *const prepared[] = {"centroid", "phatgoose", "retrieval", "tp",
                                       "tp_ngrams"};

static void prepare(const char *library, const char *router)
{
    char args[128];
    bool trains = strcmp(router, "phatgoose") == 0;
    snprintf(args, sizeof args, "library prepare %s --router %s --model m --tasks tasks%s",
             library, router, trains ? " --steps 2" : "");
    works(args);
}

static int open_servers(void **state)
{
    if (make_world(state))
        return -1;
    works("library add some a lib/a --task a");
    works("library add some c lib/c --task c");
    for (size_t i = 0; i < QV_COUNT(prepared); i++)
        prepare("lib", prepared[i]);
    prepare("some", "centroid");
    prepare("some", "phatgoose");
    prepare("some", "retrieval");
    all = serve("--model m --library lib --compute f32");
    two = serve("--model m --library some --compute f32");
    return 0;
}

static int close_servers(void **state)
{
    end_server(&all);
    end_server(&two);
    return end_world(state);
}

/* A request's body: a way to ask for many numbers, and what is in `rest`. */
static json_t *numbers(const struct served *s, const char *rest)
{
    char body[512];
    snprintf(body, sizeof body,
             "{\"prompt\":\"Say a 17: and then more\",\"max_tokens\":12,\"temperature\":0,"
             "\"logprobs\":3,\"echo\":true,%s}",
             rest);
    json_t *v = told(s, TEXT_PATH, 200, body);
    json_t *one = json_array_get(json_object_get(v, "choices"), 0);
    json_t *l = json_incref(json_object_get(one, "logprobs"));
    json_decref(v);
    assert_non_null(l);
    return l;
}

static void assert_same_numbers(const char *x, const struct served *s, const char *y)
{
    json_t *a = numbers(&all, x), *b = numbers(s, y);
    if (!json_equal(a, b))
        fail_msg("%s and %s differ", x, y);
    json_decref(a), json_decref(b);
}

static void a_router_over_some_is_that_of_a_library_of_them(void **state)
{
    (void)state;
    static const char *const routers[] = {
        "arrow", "arrow_mean", "arrow_across", "arrow_wide", "arrow_vote", "spectr",
        "lag",   "centroid",   "avg_act",      "phatgoose",  "retrieval",  "uniform"};
    for (size_t i = 0; i < QV_COUNT(routers); i++) {
        char x[256], y[128];
        snprintf(y, sizeof y, "\"router\":\"%s\"", routers[i]);
        snprintf(x, sizeof x, "%s,\"experts\":[\"c\",\"a\",\"c\"]", y);
        assert_same_numbers(x, &two, y);
        snprintf(x, sizeof x, "%s,\"experts_excluded\":[\"b*\"]", y);
        assert_same_numbers(x, &two, y);
    }
}

static void settings_of_a_router_hold_over_some_as_well(void **state)
{
    (void)state;
    assert_same_numbers("\"router\":\"arrow\",\"router_top_k\":1,\"compose\":\"output\","
                        "\"experts\":[\"a\",\"c\"]",
                        &two,
                        "\"router\":\"arrow\",\"router_top_k\":1,\"compose\":\"output\"");
    assert_same_numbers("\"router\":\"retrieval\",\"router_temperature\":0.05,"
                        "\"experts\":[\"a\",\"c\"]",
                        &two, "\"router\":\"retrieval\",\"router_temperature\":0.05");
    json_t *a = numbers(&all, "\"router\":\"tp\",\"router_temperature\":0.05");
    json_t *b = numbers(&all, "\"router\":\"tp\",\"router_temperature\":50");
    assert_false(json_equal(a, b));
    json_decref(a), json_decref(b);
}

static void weights_by_hand_are_one_mixture(void **state)
{
    (void)state;
    assert_same_numbers("\"weights\":{\"c\":0.5,\"a\":0.5,\"b\":0}", &two,
                        "\"router\":\"uniform\"");
    assert_same_numbers("\"weights\":{\"c\":0.5,\"a\":0.5},\"compose\":\"output\"", &two,
                        "\"router\":\"uniform\",\"compose\":\"output\"");
    json_t *one = numbers(&all, "\"weights\":{\"a\":1}");
    json_t *same = numbers(&all, "\"model\":\"quiver/expert/a\"");
    const json_t *x = json_object_get(one, "token_logprobs");
    const json_t *y = json_object_get(same, "token_logprobs");
    assert_int_equal(json_array_size(x), json_array_size(y));
    for (size_t i = 1; i < json_array_size(x); i++)
        assert_true(fabs(json_number_value(json_array_get(x, i)) -
                         json_number_value(json_array_get(y, i))) < 1e-4);
    json_t *less = numbers(&all, "\"weights\":{\"a\":-2,\"b\":3}");
    assert_false(json_equal(less, one));
    json_decref(one), json_decref(same), json_decref(less);
}

static void embeddings_choose_among_experts_too(void **state)
{
    (void)state;
    json_t *v[2];
    v[0] = told(&all, EMBED_PATH, 200,
                "{\"input\":\"The cat\",\"router\":\"arrow\",\"experts\":[\"a\",\"c\"]}");
    v[1] = told(&two, EMBED_PATH, 200, "{\"input\":\"The cat\",\"router\":\"arrow\"}");
    assert_true(json_equal(json_object_get(v[0], "data"), json_object_get(v[1], "data")));
    json_decref(v[0]), json_decref(v[1]);
}

static void the_routing_of_a_choice_names_those_that_were_chosen(void **state)
{
    (void)state;
    static const char *const rest[] = {"\"router\":\"arrow\",\"experts\":[\"c\",\"b\"]",
                                       "\"weights\":{\"c\":-0.5,\"b\":2}"};
    for (size_t i = 0; i < 2; i++) {
        char body[256];
        snprintf(body, sizeof body,
                 "{\"prompt\":\"a\",\"max_tokens\":4,\"routing\":true,%s}", rest[i]);
        json_t *v = told(&all, TEXT_PATH, 200, body);
        const json_t *one = json_array_get(json_object_get(v, "choices"), 0);
        const json_t *r = json_object_get(one, "routing");
        const json_t *names = json_object_get(r, "experts");
        assert_int_equal(json_array_size(names), 2);
        assert_string_equal(json_string_value(json_array_get(names, 0)), "b");
        assert_string_equal(json_string_value(json_array_get(names, 1)), "c");
        assert_int_equal(json_array_size(json_object_get(r, "sites")) > 0, i == 0);
        const json_t *pairs = json_object_get(r, "everywhere");
        assert_int_equal(json_array_size(pairs), i ? 2 : 0);
        if (i)
            assert_true(json_number_value(json_array_get(json_array_get(pairs, 1), 1)) ==
                        -0.5);
        json_decref(v);
    }
}

static void those_who_ask_for_the_same_at_once_get_the_same(void **state)
{
    (void)state;
    enum { CLIENTS = 24 };
    static const char *const rest[] = {
        "\"router\":\"arrow\",\"experts\":[\"a\",\"b\"]",
        "\"weights\":{\"a\":0.25,\"b\":0.75}",
        "\"router\":\"spectr\",\"experts_excluded\":[\"a\"]",
        "\"router\":\"retrieval\"",
        "\"router\":\"tp\",\"experts\":[\"b\",\"c\"]",
    };
    char body[QV_COUNT(rest)][256];
    struct reply alone[QV_COUNT(rest)];
    int fd[CLIENTS];
    for (size_t i = 0; i < QV_COUNT(rest); i++) {
        snprintf(
            body[i], sizeof body[i],
            "{\"prompt\":\"Say a 17:\",\"max_tokens\":30,\"seed\":3,\"logprobs\":2,%s}",
            rest[i]);
        alone[i] = asked(&all, TEXT_PATH, "", body[i]);
        assert_int_equal(alone[i].status, 200);
    }
    for (size_t i = 0; i < CLIENTS; i++)
        fd[i] = ask(&all, TEXT_PATH, "", body[i % QV_COUNT(rest)]);
    for (size_t i = 0; i < CLIENTS; i++) {
        struct reply r = read_reply(fd[i]);
        const char *x = strstr(r.body, "\"choices\"");
        const char *y = strstr(alone[i % QV_COUNT(rest)].body, "\"choices\"");
        assert_true(x && y);
        assert_string_equal(x, y);
        free_reply(&r);
        close(fd[i]);
    }
    for (size_t i = 0; i < QV_COUNT(rest); i++)
        free_reply(&alone[i]);
}

static void routers_that_read_answer_as_generate_does(void **state)
{
    (void)state;
    for (size_t i = 0; i <= QV_COUNT(prepared); i++) {
        const char *router = i < QV_COUNT(prepared) ? prepared[i] : "arrow_vote";
        char body[256], args[256];
        snprintf(body, sizeof body,
                 "{\"model\":\"quiver/%s\",\"prompt\":\"Say a 17:\",\"max_tokens\":20,"
                 "\"temperature\":0}",
                 router);
        snprintf(args, sizeof args,
                 "generate --json --model m --compute f32 --library lib --router %s "
                 "--prompt 'Say a 17:' --max-tokens 20",
                 router);
        json_t *got = told(&all, TEXT_PATH, 200, body), *want = json_of(args);
        const json_t *one = json_array_get(json_object_get(got, "choices"), 0);
        assert_true(
            json_equal(json_object_get(one, "text"), json_object_get(want, "text")));
        json_decref(got), json_decref(want);
    }
}

/* Each way to choose wrongly, and the words we answer with. */
static const struct {
    const char *rest, *param, *says;
    int status;
} wrong[] = {
    {"\"router\":\"arrow\",\"experts\":[\"a\",\"nobody\"]", "experts",
     "no expert is named 'nobody'", 400},
    {"\"router\":\"arrow\",\"experts\":[\"x*\"]", "experts", "no expert is like 'x*'", 400},
    {"\"router\":\"arrow\",\"experts_excluded\":[\"z?\"]", "experts_excluded",
     "no expert is like 'z?'", 400},
    {"\"router\":\"arrow\",\"experts\":\"a\"", "experts", "'experts' is not a list", 400},
    {"\"router\":\"arrow\",\"experts\":[\"a\",1]", "experts", "name 1 is not a text", 400},
    {"\"router\":\"arrow\",\"experts\":[]", "experts", "no expert is left", 400},
    {"\"router\":\"arrow\",\"experts_excluded\":[\"*\"]", "experts_excluded",
     "no expert is left to choose from", 400},
    {"\"experts\":[\"a\"]", "experts", "'experts' is a router's, and there is none", 400},
    {"\"model\":\"quiver/expert/a\",\"experts_excluded\":[\"b\"]", "experts_excluded",
     "'experts_excluded' is a router's, and there is none", 400},
    {"\"weights\":{\"a\":1,\"nobody\":2}", "weights", "no expert is named 'nobody'", 400},
    {"\"weights\":{\"a\":1e7}", "weights", "that of 'a' is not a number in -1e6 .. 1e6",
     400},
    {"\"weights\":{\"a\":\"1\"}", "weights", "that of 'a' is not a number", 400},
    {"\"weights\":[1]", "weights", "'weights' is not an object of names and numbers", 400},
    {"\"weights\":{\"a\":0}", "weights", "'weights' has no expert with a weight but 0",
     400},
    {"\"weights\":{\"a\":1},\"router\":\"arrow\"", "weights",
     "'weights' take a router's place", 400},
    {"\"weights\":{\"a\":1},\"model\":\"quiver/expert/a\"", "weights",
     "and without one expert", 400},
    {"\"weights\":{\"a\":1},\"experts\":[\"a\"]", "weights",
     "they go without 'experts' and 'experts_excluded'", 400},
    {"\"weights\":{\"a\":1},\"router_top_k\":2", "router_top_k",
     "'router_top_k' is a router's, and there is none", 400},
    {"\"router\":\"oracle\",\"experts\":[\"a\"]", "model", "no router is named 'oracle'",
     404},
};

static void wrong_choices_are_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < QV_COUNT(wrong); i++) {
        char body[256];
        snprintf(body, sizeof body, "{\"prompt\":\"a\",%s}", wrong[i].rest);
        json_t *v = told(&all, TEXT_PATH, wrong[i].status, body);
        const json_t *e = json_object_get(v, "error");
        const char *message = json_string_value(json_object_get(e, "message"));
        if (!strstr(message, wrong[i].says))
            fail_msg("%s says '%s', should say '%s'", body, message, wrong[i].says);
        assert_string_equal(json_string_value(json_object_get(e, "param")), wrong[i].param);
        json_decref(v);
    }
}

static void a_list_of_too_many_names_is_refused(void **state)
{
    (void)state;
    char body[32768] = "{\"prompt\":\"a\",\"router\":\"arrow\",\"experts\":[\"a\"";
    size_t n = strlen(body);
    for (size_t i = 0; i < 4096; i++)
        n += (size_t)snprintf(body + n, sizeof body - n, ",\"a\"");
    snprintf(body + n, sizeof body - n, "]}");
    json_t *v = told(&all, TEXT_PATH, 400, body);
    assert_non_null(
        strstr(json_string_value(json_object_get(json_object_get(v, "error"), "message")),
               "'experts' has 4097 names, at most 4096"));
    json_decref(v);
}

/* `two` lacks what tp needs. */
static void a_router_that_lacks_something_says_what(void **state)
{
    (void)state;
    json_t *v = told(&two, TEXT_PATH, 404, "{\"prompt\":\"a\",\"model\":\"quiver/tp\"}");
    const char *message =
        json_string_value(json_object_get(json_object_get(v, "error"), "message"));
    if (!strstr(message, "library prepare LIB --router tp"))
        fail_msg("it says '%s'", message);
    json_decref(v);
    v = told(&two, "/v1/models", 200, NULL);
    char *models = json_dumps(v, 0);
    assert_null(strstr(models, "quiver/tp"));
    assert_non_null(strstr(models, "quiver/retrieval"));
    free(models);
    json_decref(v);
}

/* Tokens that were recalled for a prompt of 21 tokens; the answer, the caller's, in *text.
 */
static long recalled(const struct served *s, const char *rest, char **text)
{
    char body[512];
    snprintf(body, sizeof body,
             "{\"prompt\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21],"
             "\"max_tokens\":9,\"temperature\":0,\"logprobs\":2%s}",
             rest);
    json_t *v = told(s, TEXT_PATH, 200, body);
    const json_t *details =
        json_object_get(json_object_get(v, "usage"), "prompt_tokens_details");
    const json_t *n = json_object_get(details, "cached_tokens");
    assert_true(json_is_integer(n));
    long count = (long)json_integer_value(n);
    *text = json_dumps(json_object_get(v, "choices"), JSON_COMPACT);
    json_decref(v);
    return count;
}

static void prompts_that_begin_alike_are_read_once_by_each_who_answers(void **state)
{
    (void)state;
    static const char *const rest[] = {
        "",
        ",\"model\":\"quiver/arrow\"",
        ",\"model\":\"quiver/arrow\",\"router_top_k\":1",
        ",\"model\":\"quiver/arrow\",\"router_temperature\":2",
        ",\"model\":\"quiver/arrow\",\"compose\":\"output\"",
        ",\"model\":\"quiver/arrow\",\"experts\":[\"a\",\"b\"]",
        ",\"model\":\"quiver/arrow\",\"experts\":[\"a\",\"c\"]",
        ",\"model\":\"quiver/uniform\"",
        ",\"model\":\"quiver/expert/a\"",
        ",\"model\":\"quiver/expert/b\"",
        ",\"weights\":{\"a\":1}",
        ",\"weights\":{\"a\":2}",
        ",\"weights\":{\"a\":2},\"compose\":\"output\"",
        ",\"model\":\"quiver/tp\"",
        ",\"model\":\"quiver/arrow_vote\"",
    };
    struct served with = serve("--model m --library lib --compute f32 --chunk 8");
    char *text[2][QV_COUNT(rest)];
    for (size_t i = 0; i < QV_COUNT(rest); i++)
        assert_int_equal(recalled(&with, rest[i], &text[0][i]), 0);
    for (size_t i = 0; i < QV_COUNT(rest); i++) {
        assert_int_equal(recalled(&with, rest[i], &text[1][i]), 16);
        assert_string_equal(text[0][i], text[1][i]);
        free(text[0][i]), free(text[1][i]);
    }
    struct reply r = asked(&with, "/metrics", "", NULL);
    char line[64];
    snprintf(line, sizeof line, "\nquiver_prefix_tokens_total %zu\n", 16 * QV_COUNT(rest));
    assert_non_null(strstr(r.body, line));
    assert_null(strstr(r.body, "\nquiver_prefix_bytes 0\n"));
    free_reply(&r);
    end_server(&with);
}

static void without_a_prefix_cache_nothing_is_recalled(void **state)
{
    (void)state;
    char *text;
    struct served s = serve("--model m --compute f32 --chunk 8 --prefix-cache 0");
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(recalled(&s, "", &text), 0);
        free(text);
    }
    end_server(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_router_over_some_is_that_of_a_library_of_them),
        cmocka_unit_test(settings_of_a_router_hold_over_some_as_well),
        cmocka_unit_test(weights_by_hand_are_one_mixture),
        cmocka_unit_test(embeddings_choose_among_experts_too),
        cmocka_unit_test(the_routing_of_a_choice_names_those_that_were_chosen),
        cmocka_unit_test(those_who_ask_for_the_same_at_once_get_the_same),
        cmocka_unit_test(routers_that_read_answer_as_generate_does),
        cmocka_unit_test(wrong_choices_are_refused_by_name),
        cmocka_unit_test(a_list_of_too_many_names_is_refused),
        cmocka_unit_test(a_router_that_lacks_something_says_what),
        cmocka_unit_test(prompts_that_begin_alike_are_read_once_by_each_who_answers),
        cmocka_unit_test(without_a_prefix_cache_nothing_is_recalled),
    };
    return cmocka_run_group_tests(tests, open_servers, close_servers);
}
