/* serve_routing_test.c - answers that carry their routing: it is what `quiver route` shows,
 * whole and streamed, and what is true of those who do not route.
 */
#include "support/client.h"
#include "support/scratch.h"
#include "support/world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_PATH "/v1/completions"
#define CHAT_PATH "/v1/chat/completions"

/* With so long a context that the routing of a text could be too much. */
#define CONFIG                                                                             \
    "{\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"llama\",\"hidden_act\":"   \
    "\"silu\",\"hidden_size\":16,\"intermediate_size\":16,\"num_hidden_layers\":8,"        \
    "\"num_attention_heads\":2,\"num_key_value_heads\":1,\"head_dim\":8,"                  \
    "\"max_position_embeddings\":65536,\"rms_norm_eps\":1e-5,\"rope_theta\":10000.0,"      \
    "\"tie_word_embeddings\":true,\"vocab_size\":400,\"torch_dtype\":\"float32\"}"

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

static const json_t *routing_of(const json_t *reply)
{
    const json_t *one = json_array_get(json_object_get(reply, "choices"), 0);
    return json_object_get(one, "routing");
}

static const json_t *at(const json_t *o, const char *key, size_t i)
{
    const json_t *v = json_array_get(json_object_get(o, key), i);
    assert_non_null(v);
    return v;
}

/* One token at one site: pairs against the lists that the program prints. */
static void assert_same_pairs(const json_t *pairs, const json_t *names, const json_t *want,
                              const json_t *weights)
{
    assert_int_equal(json_array_size(pairs), json_array_size(want));
    for (size_t i = 0; i < json_array_size(pairs); i++) {
        const json_t *pair = json_array_get(pairs, i);
        size_t e = (size_t)json_integer_value(json_array_get(pair, 0));
        assert_true(json_equal(json_array_get(names, e), json_array_get(want, i)));
        double got = json_number_value(json_array_get(pair, 1));
        assert_true(fabs(got - json_number_value(json_array_get(weights, i))) < 1e-5);
    }
}

static void routing_is_what_route_shows_of_the_same_text(void **state)
{
    (void)state;
    json_t *v = told(&server, TEXT_PATH, 200,
                     "{\"prompt\":\"The cat sat.\",\"max_tokens\":0,\"echo\":true,"
                     "\"routing\":true,\"model\":\"quiver/arrow\"}");
    json_t *want = json_of("route --json --model m --compute f32 --library lib --router "
                           "arrow 'The cat sat.'");
    const json_t *r = routing_of(v), *tokens = json_object_get(want, "tokens");
    size_t n_sites = json_array_size(json_object_get(want, "sites"));
    assert_int_equal(json_array_size(json_object_get(r, "tokens")),
                     json_array_size(tokens));
    assert_int_equal(json_array_size(json_object_get(r, "sites")), n_sites);
    assert_true(n_sites > 4 && json_array_size(tokens) > 4);
    for (size_t t = 0; t < json_array_size(tokens); t++) {
        const json_t *token = at(r, "tokens", t);
        assert_true(json_equal(json_object_get(token, "token"), json_array_get(tokens, t)));
        for (size_t s = 0; s < n_sites; s++) {
            const json_t *site = at(want, "sites", s);
            assert_true(json_equal(at(r, "sites", s), json_object_get(site, "site")));
            assert_same_pairs(at(token, "sites", s), json_object_get(r, "experts"),
                              at(site, "experts", t), at(site, "weights", t));
        }
    }
    assert_null(json_object_get(r, "everywhere"));
    json_decref(v), json_decref(want);
}

/* Of a stream: all tokens in one list; of whom they speak is told once. */
static json_t *streamed_tokens(const json_t *events)
{
    json_t *all = json_array();
    size_t n_told = 0;
    for (size_t i = 0; i < json_array_size(events); i++) {
        const json_t *r = routing_of(json_array_get(events, i));
        if (!r)
            continue;
        n_told += json_object_get(r, "experts") != NULL;
        assert_true(!json_object_get(r, "experts") == !json_object_get(r, "sites"));
        assert_true(json_object_get(r, "experts") || json_array_size(all) > 0);
        json_array_extend(all, json_object_get(r, "tokens"));
    }
    assert_int_equal(n_told, 1);
    return all;
}

static void check_stream(const char *path, const char *rest)
{
    static const char *const who[] = {"quiver", "quiver/expert/b", "quiver/uniform",
                                      "quiver/arrow", "quiver/spectr"};
    for (size_t i = 0; i < QV_COUNT(who); i++) {
        char body[512];
        snprintf(body, sizeof body,
                 "{\"model\":\"%s\",\"routing\":true,\"max_tokens\":9,\"temperature\":0%s}",
                 who[i], rest);
        json_t *whole = told(&server, path, 200, body);
        snprintf(strrchr(body, '}'), 32, ",\"stream\":true}");
        struct reply r = asked(&server, path, "", body);
        json_t *events = events_of(&r), *tokens = streamed_tokens(events);
        const json_t *want = json_object_get(routing_of(whole), "tokens");
        assert_true(json_equal(tokens, want));
        assert_true(json_array_size(want) >= 1);
        assert_int_equal(json_array_size(json_object_get(at(routing_of(whole), "tokens", 0),
                                                         "sites")) > 0,
                         i >= 3);
        json_decref(whole), json_decref(events), json_decref(tokens);
        free_reply(&r);
    }
}

static void a_stream_tells_the_routing_of_the_whole(void **state)
{
    (void)state;
    check_stream(TEXT_PATH, ",\"prompt\":\"Say a 17:\"");
    check_stream(TEXT_PATH, ",\"prompt\":\"Say a 17:\",\"echo\":true,\"logprobs\":1");
    check_stream(CHAT_PATH, ",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]");
}

/* An answer without routing is the same but for it, and has no word of it. */
static void no_word_of_it_is_said_unasked(void **state)
{
    (void)state;
    static const char rest[] = "\"model\":\"quiver/arrow\",\"prompt\":\"Say a 17:\","
                               "\"max_tokens\":20,\"temperature\":0,\"logprobs\":2}";
    char body[2][256];
    json_t *v[2];
    for (size_t i = 0; i < 2; i++) {
        snprintf(body[i], sizeof body[i], "{%s%s", i ? "\"routing\":true," : "", rest);
        v[i] = told(&server, TEXT_PATH, 200, body[i]);
    }
    assert_null(routing_of(v[0]));
    json_t *with = json_array_get(json_object_get(v[1], "choices"), 0);
    json_object_del(with, "routing");
    assert_true(json_equal(with, json_array_get(json_object_get(v[0], "choices"), 0)));
    json_decref(v[0]), json_decref(v[1]);
}

/* Who answers without a router, the experts named and the weight of each. */
static void those_who_do_not_route_say_so_once(void **state)
{
    (void)state;
    static const struct {
        const char *model;
        size_t n;
        double weight;
    } who[] = {{"quiver", 0, 0}, {"quiver/expert/b", 1, 1}, {"quiver/uniform", 3, 1. / 3}};
    for (size_t i = 0; i < QV_COUNT(who); i++) {
        char body[256];
        snprintf(body, sizeof body,
                 "{\"model\":\"%s\",\"prompt\":\"a\",\"max_tokens\":3,\"routing\":true}",
                 who[i].model);
        json_t *v = told(&server, TEXT_PATH, 200, body);
        const json_t *r = routing_of(v);
        assert_int_equal(json_array_size(json_object_get(r, "experts")), who[i].n);
        assert_int_equal(json_array_size(json_object_get(r, "sites")), 0);
        assert_int_equal(json_array_size(json_object_get(r, "everywhere")), who[i].n);
        for (size_t e = 0; e < who[i].n; e++) {
            const json_t *pair = at(r, "everywhere", e);
            assert_int_equal(json_integer_value(json_array_get(pair, 0)), e);
            assert_true(fabs(json_number_value(json_array_get(pair, 1)) - who[i].weight) <
                        1e-6);
        }
        if (i == 1)
            assert_string_equal(json_string_value(at(r, "experts", 0)), "b");
        json_decref(v);
    }
}

static void routing_that_would_be_too_much_is_refused(void **state)
{
    (void)state;
    write_text(in_world("tiny/config.json"), CONFIG);
    works("train --full --random --f32 --window 8 --model tiny --data text.txt --out long "
          "--steps 1 --batch 1");
    works("build --model long --tasks tasks --library wide --method private --steps 1 "
          "--sites '.*'");
    struct served s = serve("--model long --library wide --router arrow --context 65536");
    json_t *v = told(&s, TEXT_PATH, 400,
                     "{\"prompt\":\"a\",\"routing\":true,\"max_tokens\":60000}");
    const json_t *e = json_object_get(v, "error");
    assert_string_equal(json_string_value(json_object_get(e, "param")), "routing");
    assert_non_null(strstr(json_string_value(json_object_get(e, "message")),
                           "'routing' of so many tokens may have more than 4194304 pairs"));
    json_decref(v);
    end_server(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routing_is_what_route_shows_of_the_same_text),
        cmocka_unit_test(a_stream_tells_the_routing_of_the_whole),
        cmocka_unit_test(no_word_of_it_is_said_unasked),
        cmocka_unit_test(those_who_do_not_route_say_so_once),
        cmocka_unit_test(routing_that_would_be_too_much_is_refused),
    };
    return cmocka_run_group_tests(tests, open_server, close_server);
}
