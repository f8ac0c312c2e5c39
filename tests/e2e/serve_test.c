/* serve_test.c - quiver serve as its clients meet it: what it answers. How it withstands
 * them is in serve_limits_test.c.
 */
#include "support/client.h"
#include "support/scratch.h"
#include "support/world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct served server;

static int open_server(void **state)
{
    if (make_world(state))
        return -1;
    server = serve("--model m --library lib --chat chatml --compute f32");
    return 0;
}

static int close_server(void **state)
{
    end_server(&server);
    return end_world(state);
}

static const json_t *choice_of(const json_t *o, size_t i)
{
    const json_t *one = json_array_get(json_object_get(o, "choices"), i);
    assert_non_null(one);
    return one;
}

static const char *text_at(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    assert_non_null(text);
    return text;
}

static long number_at(const json_t *o, const char *list, const char *key)
{
    return (long)json_integer_value(json_object_get(json_object_get(o, list), key));
}

static json_t *completion(const char *body)
{
    return told(&server, "/v1/completions", 200, body);
}

static json_t *body_of(const struct reply *r)
{
    json_t *v = json_loadb(r->body, r->size, JSON_ALLOW_NUL, NULL);
    assert_non_null(v);
    return v;
}

/* All lists of that name that a reply, or the events of one, tell, in one. */
static json_t *merged(const json_t *v, const char *name)
{
    json_t *all = json_array();
    for (size_t i = 0; i < (json_is_array(v) ? json_array_size(v) : 1); i++) {
        const json_t *one = json_is_array(v) ? json_array_get(v, i) : v;
        json_array_extend(
            all, json_object_get(json_object_get(choice_of(one, 0), "logprobs"), name));
    }
    assert_true(json_array_size(all) > 0);
    return all;
}

/* Who can answer, for the server and for the program. */
static const char *const who[][2] = {
    {"quiver", ""},
    {"quiver/expert/a", "--library lib --expert a"},
    {"quiver/arrow", "--library lib --router arrow"},
    {"quiver/uniform", "--library lib --router uniform"},
};

static void answers_are_those_of_generate(void **state)
{
    (void)state;
    for (size_t i = 0; i < QV_COUNT(who); i++) {
        char body[256], args[256];
        snprintf(body, sizeof body,
                 "{\"model\":\"%s\",\"prompt\":\"Say a 17:\",\"max_tokens\":20,"
                 "\"temperature\":0}",
                 who[i][0]);
        snprintf(args, sizeof args,
                 "generate --json --model m --compute f32 %s --prompt 'Say a 17:' "
                 "--max-tokens 20",
                 who[i][1]);
        json_t *got = completion(body), *want = json_of(args);
        assert_string_equal(text_at(choice_of(got, 0), "text"), text_at(want, "text"));
        assert_string_equal(text_at(choice_of(got, 0), "finish_reason"),
                            text_at(want, "finish"));
        assert_string_equal(text_at(got, "model"), who[i][0]);
        assert_string_equal(text_at(got, "object"), "text_completion");
        assert_int_equal(number_at(got, "usage", "completion_tokens"),
                         json_array_size(json_object_get(want, "ids")));
        assert_int_equal(number_at(got, "usage", "prompt_tokens"),
                         json_integer_value(json_object_get(want, "n_prompt")));
        json_decref(got), json_decref(want);
    }
}

/* The text of choice `index` in a stream; how it ended is left in *reason. */
static char *streamed(const json_t *events, long index, const char **reason)
{
    char *text = calloc(1, 1 << 16);
    assert_non_null(text);
    for (size_t i = 0; i < json_array_size(events); i++) {
        const json_t *c =
            json_array_get(json_object_get(json_array_get(events, i), "choices"), 0);
        const json_t *delta = json_object_get(c, "delta");
        if (!c || json_integer_value(json_object_get(c, "index")) != index)
            continue;
        const char *one = json_string_value(json_object_get(c, "text"));
        one = delta ? json_string_value(json_object_get(delta, "content")) : one;
        assert_null(*reason); // nothing comes after the end
        strncat(text, one ? one : "", (1 << 16) - strlen(text) - 1);
        *reason = json_string_value(json_object_get(c, "finish_reason"));
    }
    return text;
}

static void a_stream_says_what_the_whole_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < QV_COUNT(who); i++) {
        char body[256];
        const char *reason[2] = {0};
        snprintf(body, sizeof body,
                 "{\"model\":\"%s\",\"prompt\":[\"Say a 3:\",\"Say b 4:\"],\"max_tokens\":"
                 "30,\"temperature\":1.5,\"seed\":%zu,\"stop\":[\"zz\",\"q\"]",
                 who[i][0], i);
        strncat(body, "}", 2);
        json_t *whole = completion(body);
        snprintf(strchr(body, '}'), 80,
                 ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
        struct reply r = asked(&server, "/v1/completions", "", body);
        assert_non_null(strstr(r.head, "text/event-stream"));
        json_t *events = events_of(&r);
        for (long k = 0; k < 2; k++) {
            char *text = streamed(events, k, &reason[k]);
            assert_string_equal(text, text_at(choice_of(whole, (size_t)k), "text"));
            assert_string_equal(reason[k],
                                text_at(choice_of(whole, (size_t)k), "finish_reason"));
            free(text);
        }
        const json_t *last = json_array_get(events, json_array_size(events) - 1);
        assert_int_equal(json_array_size(json_object_get(last, "choices")), 0);
        assert_true(
            json_equal(json_object_get(last, "usage"), json_object_get(whole, "usage")));
        json_decref(events), json_decref(whole);
        free_reply(&r);
    }
}

static void a_chat_is_answered_whole_and_streamed(void **state)
{
    (void)state;
    static const char messages[] =
        "{\"model\":\"quiver/arrow\",\"messages\":[{\"role\":\"user\",\"content\":[{"
        "\"type\":\"text\",\"text\":\"Say \"},{\"type\":\"text\",\"text\":\"a\"}]}],"
        "\"max_completion_tokens\":5,\"temperature\":0,\"logprobs\":true,"
        "\"top_logprobs\":2";
    char body[512];
    const char *reason = NULL;
    snprintf(body, sizeof body, "%s}", messages);
    json_t *whole = told(&server, "/v1/chat/completions", 200, body);
    const json_t *message = json_object_get(choice_of(whole, 0), "message");
    assert_string_equal(text_at(whole, "object"), "chat.completion");
    assert_string_equal(text_at(message, "role"), "assistant");
    const json_t *content =
        json_object_get(json_object_get(choice_of(whole, 0), "logprobs"), "content");
    assert_int_equal(json_array_size(content),
                     number_at(whole, "usage", "completion_tokens"));
    const json_t *first = json_array_get(content, 0);
    const json_t *top = json_object_get(first, "top_logprobs");
    assert_int_equal(json_array_size(top), 2);
    assert_string_equal(text_at(first, "token"), text_at(json_array_get(top, 0), "token"));
    snprintf(body, sizeof body, "%s,\"stream\":true}", messages);
    struct reply r = asked(&server, "/v1/chat/completions", "", body);
    json_t *events = events_of(&r);
    const json_t *role = json_object_get(choice_of(json_array_get(events, 0), 0), "delta");
    assert_string_equal(text_at(role, "role"), "assistant");
    char *text = streamed(events, 0, &reason);
    assert_string_equal(text, text_at(message, "content"));
    assert_string_equal(reason, text_at(choice_of(whole, 0), "finish_reason"));
    free(text);
    json_decref(events), json_decref(whole);
    free_reply(&r);
}

static void a_stop_ends_the_text_wherever_tokens_are_cut(void **state)
{
    (void)state;
    json_t *full = completion("{\"prompt\":\"Say a 17:\",\"max_tokens\":30,\"temperature\":"
                              "0.9,\"seed\":5}");
    const char *text = text_at(choice_of(full, 0), "text");
    size_t n = strlen(text), tried = 0;
    for (size_t at = 1; at + 3 < n; at++) {
        char stop[4], quoted[64];
        memcpy(stop, text + at, 3), stop[3] = '\0';
        json_t *s = json_string(stop);            // NULL inside a character
        if (!s || strstr(stop, "\xef\xbf\xbd")) { // or it stands for other bytes
            json_decref(s);
            continue;
        }
        char *escaped = json_dumps(s, JSON_ENCODE_ANY);
        snprintf(quoted, sizeof quoted, "%s", escaped);
        char body[256];
        snprintf(body, sizeof body,
                 "{\"prompt\":\"Say a 17:\",\"max_tokens\":30,\"temperature\":0.9,\"seed\":"
                 "5,\"stop\":%s}",
                 quoted);
        json_t *cut = completion(body);
        size_t want = (size_t)(strstr(text, stop) - text);
        assert_int_equal(strlen(text_at(choice_of(cut, 0), "text")), want);
        assert_memory_equal(text_at(choice_of(cut, 0), "text"), text, want);
        assert_string_equal(text_at(choice_of(cut, 0), "finish_reason"), "stop");
        json_decref(cut), json_decref(s);
        free(escaped);
        tried++;
    }
    assert_true(tried > 10);
    json_decref(full);
}

static void echo_and_logprobs_tell_of_every_token(void **state)
{
    (void)state;
    json_t *v = completion("{\"prompt\":\"The cat sat.\",\"max_tokens\":0,\"echo\":true,"
                           "\"logprobs\":3,\"model\":\"quiver/arrow\"}");
    json_t *score = json_of("score --json --no-start --model m --compute f32 --library lib "
                            "--router arrow --text 'The cat sat.'");
    const json_t *l = json_object_get(choice_of(v, 0), "logprobs");
    const json_t *got = json_object_get(l, "token_logprobs");
    const json_t *want = json_object_get(score, "logprobs");
    size_t n = json_array_size(want), at = 0;
    assert_string_equal(text_at(choice_of(v, 0), "text"), "The cat sat.");
    assert_int_equal(json_array_size(got), n);
    assert_true(json_is_null(json_array_get(got, 0)));
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(
            json_integer_value(json_array_get(json_object_get(l, "text_offset"), i)), at);
        at += strlen(json_string_value(json_array_get(json_object_get(l, "tokens"), i)));
        if (i == 0)
            continue;
        float x = (float)json_number_value(json_array_get(got, i));
        float y = (float)json_number_value(json_array_get(want, i));
        assert_close(&x, &y, 1, 1e-4, 0);
        assert_int_equal(
            json_object_size(json_array_get(json_object_get(l, "top_logprobs"), i)), 3);
    }
    assert_int_equal(at, strlen("The cat sat."));
    assert_int_equal(number_at(v, "usage", "completion_tokens"), 0);
    json_decref(v), json_decref(score);
}

/* Clients learn of a prompt by asking for one token after its echo, and leave out the last
 * that they are told of: there must be one, even if it is the end. */
static void the_token_that_ends_a_text_is_among_its_logprobs_alone(void **state)
{
    (void)state;
    static const char end[] = "<|endoftext|>";
    static const char *const more[] = {"", ",\"stream\":true", ",\"routing\":true"};
    size_t n_ended[QV_COUNT(more)] = {0};
    for (size_t i = 0; i < 120; i++) {
        char body[256];
        snprintf(body, sizeof body,
                 "{\"prompt\":[10,11,12],\"max_tokens\":40,\"seed\":%zu,\"echo\":true,"
                 "\"logprobs\":2%s}",
                 i, more[i % QV_COUNT(more)]);
        struct reply r = asked(&server, "/v1/completions", "", body);
        json_t *v = strstr(body, "stream") ? events_of(&r) : body_of(&r);
        json_t *tokens = merged(v, "tokens"), *logprobs = merged(v, "token_logprobs");
        json_t *tops = merged(v, "top_logprobs");
        size_t n = json_array_size(tokens);
        const json_t *last =
            json_is_array(v) ? json_array_get(v, json_array_size(v) - 1) : v;
        bool ends = strcmp(text_at(choice_of(last, 0), "finish_reason"), "stop") == 0;
        assert_int_equal(json_array_size(logprobs), n);
        assert_int_equal(json_array_size(tops), n);
        assert_true(ends ? n <= 3 + 40 : n == 3 + 40);
        if (!json_is_array(v))
            assert_int_equal(number_at(v, "usage", "completion_tokens"), n - 3 - ends);
        for (size_t k = 0; k < n; k++) {
            const char *token = json_string_value(json_array_get(tokens, k));
            assert_int_equal(strcmp(token, end) == 0, ends && k == n - 1);
            assert_true(k == 0 || json_number_value(json_array_get(logprobs, k)) < 0);
        }
        assert_null(strstr(text_at(choice_of(last, 0), "text"), end));
        n_ended[i % QV_COUNT(more)] += ends;
        json_decref(v), json_decref(tokens), json_decref(logprobs), json_decref(tops);
        free_reply(&r);
    }
    for (size_t i = 0; i < QV_COUNT(more); i++)
        assert_true(n_ended[i] > 0);
}

/* As lm-evaluation-harness does it: one token after prompt and option, and of the echo's
 * log-probabilities those behind the prompt's tokens, but for the last. */
static double likelihood_told(const char *model, const char *prompt, const char *option,
                              size_t *n)
{
    char body[256];
    snprintf(body, sizeof body, "{\"prompt\":\"%s\",\"add_special_tokens\":false}", prompt);
    json_t *ids = told(&server, "/tokenize", 200, body);
    size_t n_prompt = json_array_size(json_object_get(ids, "tokens"));
    snprintf(body, sizeof body,
             "{\"model\":\"%s\",\"prompt\":\"%s %s\",\"max_tokens\":1,\"temperature\":0,"
             "\"echo\":true,\"logprobs\":1}",
             model, prompt, option);
    json_t *v = completion(body), *logprobs = merged(v, "token_logprobs");
    double sum = 0;
    *n = json_array_size(logprobs) - 1 - n_prompt;
    for (size_t i = 0; i < *n; i++)
        sum += json_number_value(json_array_get(logprobs, n_prompt + i));
    json_decref(ids), json_decref(v), json_decref(logprobs);
    return sum;
}

static void options_are_as_likely_as_the_evaluation_finds_them(void **state)
{
    (void)state;
    enum { EXAMPLES = 8 };
    write_text(in_world("told.json"),
               "{\"name\":\"told\",\"metric\":\"loglik\",\"eos\":false,\"tasks\":["
               "{\"file\":\"tasks/a.jsonl\",\"limit\":8}]}");
    for (size_t i = 0; i < QV_COUNT(who); i++) {
        char args[256], prompt[32], option[32];
        snprintf(args, sizeof args,
                 "eval --json --model m --compute f32 %s --suite told.json --out told.out",
                 who[i][1]);
        json_decref(json_of(args));
        json_t *out = json_load_file(in_world("told.out"), 0, NULL);
        const json_t *task = json_object_get(json_object_get(out, "tasks"), "a");
        const json_t *scores = json_object_get(json_object_get(task, "scores"), "loglik");
        assert_int_equal(json_array_size(scores), EXAMPLES);
        for (size_t k = 0; k < EXAMPLES; k++) {
            size_t n;
            snprintf(prompt, sizeof prompt, "Say a %zu:", k);
            snprintf(option, sizeof option, "a %zu", k + 1);
            float x = (float)likelihood_told(who[i][0], prompt, option, &n) / (float)n;
            float y = (float)json_number_value(json_array_get(scores, k));
            assert_close(&x, &y, 1, 1e-4, 0);
        }
        json_decref(out);
    }
}

static void several_texts_of_several_prompts_come_in_order(void **state)
{
    (void)state;
    static const char body[] = "{\"prompt\":[[10,11,12],[13]],\"n\":3,\"max_tokens\":9,"
                               "\"seed\":11,\"temperature\":1}";
    json_t *a = completion(body), *b = completion(body);
    assert_int_equal(json_array_size(json_object_get(a, "choices")), 6);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(json_integer_value(json_object_get(choice_of(a, i), "index")), i);
    assert_true(json_equal(json_object_get(a, "choices"), json_object_get(b, "choices")));
    assert_string_not_equal(text_at(choice_of(a, 0), "text"),
                            text_at(choice_of(a, 1), "text"));
    assert_int_equal(number_at(a, "usage", "prompt_tokens"), 4);
    json_decref(a), json_decref(b);
}

static void a_router_takes_its_settings_from_the_request(void **state)
{
    (void)state;
    static const char same[] =
        "{\"prompt\":\"Say a 17:\",\"max_tokens\":20,\"temperature\":"
        "0,\"logprobs\":0,";
    char body[4][256];
    json_t *v[4];
    snprintf(body[0], 256, "%s\"model\":\"quiver/arrow\"}", same);
    snprintf(body[1], 256, "%s\"router\":\"arrow\",\"router_top_k\":4}", same);
    snprintf(body[2], 256, "%s\"model\":\"quiver/arrow\",\"router_top_k\":1}", same);
    snprintf(body[3], 256, "%s\"model\":\"quiver/arrow\",\"compose\":\"output\"}", same);
    for (size_t i = 0; i < 4; i++)
        v[i] = completion(body[i]);
    const json_t *first = json_object_get(choice_of(v[0], 0), "logprobs");
    assert_true(json_equal(first, json_object_get(choice_of(v[1], 0), "logprobs")));
    assert_false(json_equal(first, json_object_get(choice_of(v[2], 0), "logprobs")));
    assert_false(json_equal(first, json_object_get(choice_of(v[3], 0), "logprobs")));
    for (size_t i = 0; i < 4; i++)
        json_decref(v[i]);
}

static void clients_at_once_get_what_each_gets_alone(void **state)
{
    (void)state;
    enum { CLIENTS = 32 };
    char body[CLIENTS][256];
    struct reply alone[CLIENTS];
    int fd[CLIENTS];
    for (size_t i = 0; i < CLIENTS; i++) {
        snprintf(body[i], sizeof body[i],
                 "{\"model\":\"%s\",\"prompt\":\"Say a %zu:\",\"max_tokens\":%zu,"
                 "\"temperature\":%d,\"seed\":%zu,\"logprobs\":2,\"stream\":%s}",
                 who[i % QV_COUNT(who)][0], i, 10 + i, i % 3 == 0, i,
                 i % 2 ? "true" : "false");
        alone[i] = asked(&server, "/v1/completions", "", body[i]);
        assert_int_equal(alone[i].status, 200);
    }
    for (size_t i = 0; i < CLIENTS; i++)
        fd[i] = ask(&server, "/v1/completions", "", body[i]);
    for (size_t i = 0; i < CLIENTS; i++) {
        struct reply r = read_reply(fd[i]);
        json_t *a = i % 2 ? events_of(&alone[i]) : body_of(&alone[i]);
        json_t *b = i % 2 ? events_of(&r) : body_of(&r);
        for (size_t k = 0; k < 3; k++) {
            const char *name =
                (const char *[]){"tokens", "token_logprobs", "top_logprobs"}[k];
            json_t *x = merged(a, name), *y = merged(b, name);
            assert_true(json_equal(x, y));
            json_decref(x), json_decref(y);
        }
        json_decref(a), json_decref(b);
        free_reply(&r), free_reply(&alone[i]);
        close(fd[i]);
    }
}

static void models_are_the_base_the_routers_and_the_experts(void **state)
{
    (void)state;
    static const char *const names[] = {"quiver",          "quiver/arrow",
                                        "quiver/uniform",  "quiver/expert/a",
                                        "quiver/expert/b", "quiver/expert/c"};
    json_t *v = told(&server, "/v1/models", 200, NULL);
    const json_t *list = json_object_get(v, "data");
    size_t found = 0;
    for (size_t i = 0; i < json_array_size(list); i++)
        for (size_t j = 0; j < QV_COUNT(names); j++)
            found += strcmp(text_at(json_array_get(list, i), "id"), names[j]) == 0;
    assert_int_equal(found, QV_COUNT(names));
    for (size_t i = 0; i < json_array_size(list); i++) // each of them answers
    {
        char body[256];
        snprintf(body, sizeof body, "{\"model\":\"%s\",\"prompt\":\"a\",\"max_tokens\":1}",
                 text_at(json_array_get(list, i), "id"));
        json_decref(completion(body));
    }
    json_decref(v);
}

static void embeddings_have_length_one_in_numbers_and_in_base64(void **state)
{
    (void)state;
    json_t *v = told(&server, "/v1/embeddings", 200,
                     "{\"model\":\"quiver\",\"input\":[\"The cat\",\"A dog, too\"]}");
    json_t *e = told(&server, "/v1/embeddings", 200,
                     "{\"model\":\"quiver\",\"input\":\"The cat\",\"encoding_format\":"
                     "\"base64\"}");
    const json_t *x =
        json_object_get(json_array_get(json_object_get(v, "data"), 0), "embedding");
    const char *coded = text_at(json_array_get(json_object_get(e, "data"), 0), "embedding");
    double sum = 0;
    for (size_t i = 0; i < json_array_size(x); i++)
        sum += pow(json_number_value(json_array_get(x, i)), 2);
    assert_int_equal(json_array_size(x), 32);
    assert_true(fabs(sum - 1) < 1e-5);
    assert_int_equal(strlen(coded), (32 * 4 + 2) / 3 * 4);
    assert_int_equal(coded[strlen(coded) - 1], '='); // 128 bytes end with two left
    assert_int_equal(json_array_size(json_object_get(v, "data")), 2);
    json_decref(v), json_decref(e);
}

static void tokenize_gives_the_ids_of_the_program(void **state)
{
    (void)state;
    json_t *v = told(&server, "/tokenize", 200, "{\"prompt\":\"The cat sat.\"}");
    json_t *want = json_of("tokenize --json --model m 'The cat sat.'");
    assert_true(json_equal(json_object_get(v, "tokens"), json_object_get(want, "ids")));
    assert_int_equal(json_integer_value(json_object_get(v, "max_model_len")), 64);
    json_decref(v), json_decref(want);
}

static void health_is_well_and_metrics_count(void **state)
{
    (void)state;
    json_t *v = told(&server, "/health", 200, NULL);
    assert_string_equal(text_at(v, "status"), "ok");
    json_decref(v);
    json_decref(completion("{\"prompt\":\"a\",\"max_tokens\":3}"));
    struct reply r = asked(&server, "/metrics", "", NULL);
    assert_non_null(strstr(r.body, "\nquiver_experts 3\n"));
    assert_non_null(strstr(r.body, "\nquiver_replies_total{status=\"2xx\"} "));
    assert_null(strstr(r.body, "\nquiver_completion_tokens_total 0\n"));
    free_reply(&r);
}

static void the_description_of_the_api_is_served(void **state)
{
    (void)state;
    json_t *v = told(&server, "/openapi.json", 200, NULL);
    json_t *file = json_load_file("src/server/openapi.json", 0, NULL);
    assert_non_null(file);
    assert_true(json_equal(v, file));
    json_decref(v), json_decref(file);
}

#define TEXT_PATH  "/v1/completions"
#define CHAT_PATH  "/v1/chat/completions"
#define EMBED_PATH "/v1/embeddings"
#define IDS_PATH   "/tokenize"

/* Each way to ask wrongly, and the words we answer with. */
static const struct {
    const char *path, *body;
    int status;
    const char *param, *says;
} wrong[] = {
    {TEXT_PATH, "{", 400, NULL, "not JSON: line 1"},
    {TEXT_PATH, "", 400, NULL, "not JSON"},
    {TEXT_PATH, "[1]", 400, NULL, "the request is not a JSON object"},
    {TEXT_PATH, "{\"prompt\":\"a\",\"prompt\":\"b\"}", 400, NULL, "duplicate"},
    {TEXT_PATH, "{}", 400, "prompt", "'prompt' is missing"},
    {TEXT_PATH, "{\"prompt\":\"a\",\"promt\":1}", 400, "promt",
     "nothing is called 'promt'"},
    {TEXT_PATH, "{\"prompt\":7}", 400, "prompt", "'prompt' is not text or tokens"},
    {TEXT_PATH, "{\"prompt\":[]}", 400, "prompt", "'prompt' has no token"},
    {TEXT_PATH, "{\"prompt\":[1,400]}", 400, "prompt",
     "'prompt': token 1 is not a whole number below 400"},
    {TEXT_PATH, "{\"prompt\":[[1],\"a\",{}]}", 400, "prompt", "not text or tokens"},
    {TEXT_PATH, "{\"prompt\":\"a\",\"model\":\"gpt-4\"}", 404, "model",
     "no model is named 'gpt-4'"},
    {TEXT_PATH, "{\"prompt\":\"a\",\"model\":\"quiver/arow\"}", 404, "model",
     "no router is named 'arow' here"},
    {TEXT_PATH, "{\"prompt\":\"a\",\"model\":\"quiver/oracle\"}", 404, "model",
     "no router is named 'oracle' here"},
    {TEXT_PATH, "{\"prompt\":\"a\",\"model\":\"quiver/expert/../a\"}", 404, "model",
     "no expert is named '../a'"},
    {TEXT_PATH, "{\"prompt\":\"a\",\"model\":\"quiver/expert/a\",\"router\":\"arrow\"}",
     400, "router", "one expert answers"},
    {TEXT_PATH, "{\"prompt\":\"a\",\"router_top_k\":2}", 400, "router_top_k",
     "'router_top_k' is a router's, and there is none"},
    {TEXT_PATH, "{\"prompt\":\"a\",\"router\":\"uniform\",\"router_top_k\":2}", 400,
     "model", "the router 'uniform' has no top-k and no temperature"},
    {TEXT_PATH, "{\"prompt\":\"a\",\"router\":\"arrow\",\"compose\":\"sum\"}", 400,
     "compose", "'compose' is not factor or output"},
    {TEXT_PATH, "{\"prompt\":\"a\",\"temperature\":\"hot\"}", 400, "temperature",
     "'temperature' is not a number"},
    {TEXT_PATH, "{\"prompt\":\"a\",\"temperature\":-1}", 400, "temperature",
     "'temperature' is -1, which is not in 0 .. 2"},
    {TEXT_PATH, "{\"prompt\":\"a\",\"max_tokens\":1.5}", 400, "max_tokens",
     "'max_tokens' is not a whole number"},
    {TEXT_PATH, "{\"prompt\":\"a\",\"max_tokens\":64}", 400, "prompt",
     "a prompt of 1 tokens and an answer of up to 64 are more than the context of 64"},
    {TEXT_PATH, "{\"prompt\":\"a\",\"n\":100}", 400, "prompt",
     "100 texts in one request, at most 64"},
    {TEXT_PATH, "{\"prompt\":\"a\",\"n\":2,\"best_of\":3}", 400, "best_of", "'best_of'"},
    {TEXT_PATH, "{\"prompt\":\"a\",\"echo\":1}", 400, "echo",
     "'echo' is not true or false"},
    {TEXT_PATH, "{\"prompt\":\"a\",\"model\":1}", 400, "model", "'model' is not a text"},
    {TEXT_PATH, "{\"prompt\":\"a\",\"stop\":\"\"}", 400, "stop", "'stop' is not a text"},
    {TEXT_PATH, "{\"prompt\":\"a\",\"stop\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}", 400,
     "stop", "17 stops, at most 16"},
    {TEXT_PATH, "{\"prompt\":\"a\",\"logit_bias\":{\"1\":2}}", 400, "logit_bias",
     "'logit_bias' is not supported by this server"},
    {TEXT_PATH, "{\"prompt\":\"a\",\"stream_options\":{\"include_usage\":3}}", 400,
     "stream_options", "'include_usage'"},
    {CHAT_PATH, "{\"messages\":[]}", 400, "messages",
     "'messages' is not a list of messages"},
    {CHAT_PATH, "{\"messages\":[{\"content\":\"a\"}]}", 400, "messages",
     "message 0 has no role"},
    {CHAT_PATH, "{\"messages\":[{\"role\":\"user\"}]}", 400, "messages",
     "message 0 has no text"},
    {CHAT_PATH,
     "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}]}", 400,
     "messages", "message 0: part 0 is not a text"},
    {CHAT_PATH, "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"top_logprobs\":2}",
     400, "top_logprobs", "'top_logprobs' needs 'logprobs'"},
    {CHAT_PATH, "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"tools\":[{}]}",
     400, "tools", "'tools' is not supported by this server"},
    {EMBED_PATH, "{\"input\":\"a\",\"encoding_format\":\"hex\"}", 400, "encoding_format",
     "'encoding_format' is not float or base64"},
    {EMBED_PATH, "{\"input\":[]}", 400, "input", "'input' has no token"},
    {IDS_PATH, "{\"prompt\":[1]}", 400, "prompt", "'prompt' is not a text"},
};

static void wrong_requests_are_refused_in_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < QV_COUNT(wrong); i++) {
        json_t *v = told(&server, wrong[i].path, wrong[i].status, wrong[i].body);
        const json_t *e = json_object_get(v, "error");
        const char *param = json_string_value(json_object_get(e, "param"));
        if (!strstr(text_at(e, "message"), wrong[i].says))
            fail_msg("%s says '%s', should say '%s'", wrong[i].body, text_at(e, "message"),
                     wrong[i].says);
        if (wrong[i].param)
            assert_string_equal(param, wrong[i].param);
        else
            assert_null(param);
        assert_string_equal(text_at(e, "type"), "invalid_request_error");
        json_decref(v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_those_of_generate),
        cmocka_unit_test(a_stream_says_what_the_whole_says),
        cmocka_unit_test(a_chat_is_answered_whole_and_streamed),
        cmocka_unit_test(a_stop_ends_the_text_wherever_tokens_are_cut),
        cmocka_unit_test(echo_and_logprobs_tell_of_every_token),
        cmocka_unit_test(the_token_that_ends_a_text_is_among_its_logprobs_alone),
        cmocka_unit_test(options_are_as_likely_as_the_evaluation_finds_them),
        cmocka_unit_test(several_texts_of_several_prompts_come_in_order),
        cmocka_unit_test(a_router_takes_its_settings_from_the_request),
        cmocka_unit_test(clients_at_once_get_what_each_gets_alone),
        cmocka_unit_test(models_are_the_base_the_routers_and_the_experts),
        cmocka_unit_test(embeddings_have_length_one_in_numbers_and_in_base64),
        cmocka_unit_test(tokenize_gives_the_ids_of_the_program),
        cmocka_unit_test(health_is_well_and_metrics_count),
        cmocka_unit_test(the_description_of_the_api_is_served),
        cmocka_unit_test(wrong_requests_are_refused_in_words),
    };
    return cmocka_run_group_tests(tests, open_server, close_server);
}
