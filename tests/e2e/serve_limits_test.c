/* serve_limits_test.c - what quiver serve withstands: clients that ask too much, too
 * slowly, without a key, that vanish or send garbage; and its own end.
 *
 * The model here is small and its answers are long: they go on until they are canceled.
 */
#include "base/rng.h"
#include "support/client.h"
#include "support/scratch.h"
#include "support/world.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONFIG                                                                             \
    "{\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"llama\",\"hidden_act\":"   \
    "\"silu\",\"hidden_size\":64,\"intermediate_size\":64,\"num_hidden_layers\":8,"        \
    "\"num_attention_heads\":4,\"num_key_value_heads\":2,\"head_dim\":16,"                 \
    "\"max_position_embeddings\":16384,\"rms_norm_eps\":1e-5,\"rope_theta\":10000.0,"      \
    "\"tie_word_embeddings\":true,\"vocab_size\":400,\"torch_dtype\":\"float32\"}"

#define TEXT(rest) "{\"prompt\":[1,2,3]," rest "}"

static const char path[] = "/v1/completions";
static const char endless[] = TEXT("\"max_tokens\":16000,\"ignore_eos\":true");
static const char endless_stream[] =
    TEXT("\"max_tokens\":16000,\"ignore_eos\":true,\"stream\":true");

static struct served server;

static int make_slow_world(void **state)
{
    if (make_world(state))
        return -1;
    write_text(in_world("tiny/config.json"), CONFIG);
    works("train --full --random --f32 --window 8 --model tiny --data text.txt --out slow "
          "--steps 1 --batch 1");
    write_text(in_world("keys"),
               "# two people\nthe-first-key-0001\r\n\nthe-second-key-02\n");
    return 0;
}

static int open_server(void **state)
{
    (void)state;
    server = serve("--model slow --slots 1 --queue 1 --context 16384 --seconds 1");
    return 0;
}

static int close_server(void **state)
{
    (void)state;
    end_server(&server);
    return 0;
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
}

/* Wait until a line of /metrics is there. */
static void await_metric(const char *line)
{
    for (int i = 0; i < 3000; i++) {
        struct reply r = asked(&server, "/metrics", "", NULL);
        bool is_there = strstr(r.body, line) != NULL;
        free_reply(&r);
        if (is_there)
            return;
        nap();
    }
    fail_msg("/metrics never says %s", line);
}

static void await_rest(void)
{
    await_metric("\nquiver_running 0\n");
    await_metric("\nquiver_waiting 0\n");
}

static void refused(struct reply r, int status, const char *words)
{
    if (r.status != status || !strstr(r.body, words))
        fail_msg("status %d, should be %d with \"%s\": %s", r.status, status, words,
                 r.body);
    free_reply(&r);
}

/* Who has just hung up may hold the only place in the queue for a moment yet. */
static void well(void)
{
    json_decref(told(&server, "/health", 200, NULL));
    struct reply r = asked(&server, path, "", TEXT("\"max_tokens\":2"));
    for (int i = 0; i < 3000 && r.status == 429; i++) {
        free_reply(&r);
        nap();
        r = asked(&server, path, "", TEXT("\"max_tokens\":2"));
    }
    refused(r, 200, "");
}

/* To embed what takes a while to read; good until the next call. */
static const char *long_input(void)
{
    enum { TOKENS = 12000 };
    static char body[3 * TOKENS + 64];
    size_t n = (size_t)snprintf(body, sizeof body, "{\"input\":[5");
    for (size_t i = 1; i < TOKENS; i++)
        n += (size_t)snprintf(body + n, sizeof body - n, ",%zu", i % 9);
    snprintf(body + n, sizeof body - n, "]}");
    return body;
}

static void a_full_queue_says_when_to_come_again(void **state)
{
    (void)state;
    char some[64];
    int speaks = ask(&server, path, "", endless_stream);
    assert_true(read_some(speaks, some, sizeof some) > 0);
    await_metric("\nquiver_running 1\n");
    int waits = ask(&server, path, "", TEXT("\"max_tokens\":2"));
    await_metric("\nquiver_waiting 1\n");
    struct reply r = asked(&server, path, "", TEXT("\"max_tokens\":2"));
    assert_non_null(strstr(r.head, "\r\nRetry-After: 1\r\n"));
    assert_non_null(strstr(r.body, "\"rate_limit_error\""));
    refused(r, 429, "1 requests are waiting, of at most 1");
    close(speaks); // hangs up: its place is free
    r = read_reply(waits);
    assert_int_equal(r.status, 200);
    free_reply(&r);
    close(waits);
    await_rest();
}

static void a_client_that_vanishes_cancels_what_it_asked(void **state)
{
    (void)state;
    int speaks = ask(&server, path, "", endless); // not streamed
    await_metric("\nquiver_running 1\n");
    int waits = ask(&server, path, "", endless);
    await_metric("\nquiver_waiting 1\n");
    close(waits);
    await_metric("\nquiver_waiting 0\n");
    close(speaks);
    await_rest();
    int embeds = ask(&server, path, "", endless_stream);
    close(embeds); // at once
    await_rest();
    well();
}

static void too_much_is_refused(void **state)
{
    (void)state;
    char *headers = malloc(1 << 20), *body = malloc((8 << 20) + 64);
    assert_non_null(headers);
    assert_non_null(body);
    size_t n = (size_t)snprintf(headers, 16, "X-A: ");
    memset(headers + n, 'a', (1 << 20) - n - 3);
    memcpy(headers + (1 << 20) - 3, "\r\n", 3);
    int fd = ask(&server, "/health", headers, NULL);
    char head[16] = {0};
    if (read_some(fd, head, 12)) // it may be cut before its reply is read
        assert_int_equal(strncmp(head, "HTTP/1.1 431", 12), 0);
    close(fd);
    refused(asked(&server, path, "Content-Length: 9000000\r\n", ""), 400,
            ""); // two lengths
    memset(body, ' ', (8 << 20) + 1);
    body[(8 << 20) + 1] = '\0';
    refused(asked(&server, path, "", body), 413, "a body of more than 8388608 bytes");
    fd = dial(&server);
    send_text(fd, "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: "
                  "application/json\r\nTransfer-Encoding: chunked\r\n\r\n800001\r\n");
    send_text(fd, body); // without a length that could tell
    send_text(fd, "\r\n0\r\n\r\n");
    refused(read_reply(fd), 413, "a body of more than 8388608 bytes");
    close(fd);
    free(headers);
    free(body);
    well();
}

/* Whether the server closes the connection, to which `text` is sent byte by byte. */
static void cuts(const char *text)
{
    char some[256];
    int fd = dial(&server);
    bool is_open = true;
    for (int i = 0; i < 1000 && is_open; i++) {
        char byte[2] = {text[i % (int)strlen(text)], '\0'};
        send_text(fd, byte);
        nap();
        ssize_t n = recv(fd, some, sizeof some, MSG_DONTWAIT);
        is_open = n > 0 || (n < 0 && errno == EAGAIN);
    }
    assert_false(is_open);
    close(fd);
}

static void a_request_that_does_not_arrive_is_cut(void **state)
{
    (void)state;
    char some[16];
    int fd = dial(&server);
    assert_int_equal(read_some(fd, some, sizeof some), 0); // nothing was said
    close(fd);
    fd = dial(&server);
    send_text(fd, "POST /v1/completions HTTP/1.1\r\nContent-Le"); // half a request
    assert_int_equal(read_some(fd, some, sizeof some), 0);
    close(fd);
    cuts(
        "GET /health HTTP/1.1\r\nX-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    well();
}

/* Half a body: the rest does not come, comes slowly, or cannot come any more. */
static void a_body_that_does_not_arrive_is_cut(void **state)
{
    (void)state;
    static const char half[] =
        "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        "Content-Length: 500\r\n\r\n{\"prompt\":[1,2,3],\"max_tokens\":2";
    char some[16];
    int fd = dial(&server);
    send_text(fd, half);
    assert_int_equal(read_some(fd, some, sizeof some), 0);
    close(fd);
    fd = dial(&server);
    send_text(fd, half);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    assert_int_equal(read_some(fd, some, sizeof some), 0);
    close(fd);
    char slow[512] =
        "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 400\r\n\r\n";
    memset(slow + strlen(slow), ' ', 400);
    cuts(slow);
    well();
}

/* Closing one side is hanging up, and half an answer is not passed off as a whole one. */
static void a_client_that_closes_its_side_gets_no_half_answer(void **state)
{
    (void)state;
    static const char *const body[] = {endless, endless_stream};
    static const char words[] = "the client closed its side of the connection before";
    for (size_t i = 0; i < QV_COUNT(body); i++) {
        int fd = ask(&server, path, "", body[i]);
        await_metric("\nquiver_running 1\n");
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        struct reply r = read_reply(fd);
        assert_int_equal(r.status, i ? 200 : 400);
        assert_non_null(strstr(r.body, words));
        assert_null(strstr(r.body, "[DONE]"));
        free_reply(&r);
        close(fd);
        await_rest();
    }
    int fd = ask(&server, "/v1/embeddings", "", long_input());
    await_metric("\nquiver_running 1\n");
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    refused(read_reply(fd), 400, words);
    close(fd);
    await_rest();
    well();
}

/* It is sent what fits between us, and then it is in nobody's way. */
static void a_client_that_does_not_read_is_cut(void **state)
{
    (void)state;
    int deaf = ask(&server, path, "",
                   TEXT("\"max_tokens\":16000,\"ignore_eos\":true,\"stream\":true,"
                        "\"logprobs\":20"));
    await_metric("\nquiver_running 1\n");
    for (int i = 0; i < 10; i++) {
        struct reply r = asked(&server, "/health", "", NULL);
        assert_int_equal(r.status, 200);
        free_reply(&r);
    }
    await_rest();
    struct reply r = asked(&server, "/metrics", "", NULL);
    assert_null(strstr(r.body, "\nquiver_completion_tokens_total 16000\n"));
    free_reply(&r);
    close(deaf);
    well();
}

/* Bytes [n] with some of them changed, as a function of the seed. */
static void spoil(char *bytes, size_t n, uint64_t seed)
{
    for (size_t i = 0; i <= qv__below(seed, 0, 4); i++)
        bytes[qv__below(seed, 10 + i, n)] = (char)qv__bits(seed, 20 + i);
}

static void requests_with_bytes_that_are_wrong_harm_nobody(void **state)
{
    (void)state;
    static const char whole[] =
        "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        "Content-Length: 32\r\n\r\n{\"prompt\":[1,2],\"max_tokens\":2} ";
    for (uint64_t seed = 0; seed < 300; seed++) {
        char bytes[sizeof whole], some[4096];
        memcpy(bytes, whole, sizeof whole);
        spoil(bytes, sizeof whole - 1, seed);
        int fd = dial(&server);
        assert_true(send(fd, bytes, sizeof whole - 1, MSG_NOSIGNAL) > 0);
        shutdown(fd, SHUT_WR);
        while (read_some(fd, some, sizeof some))
            ;
        close(fd);
    }
    well();
}

static void garbage_harms_nobody(void **state)
{
    (void)state;
    static const char *const garbage[] = {
        "\x16\x03\x01\x02", // a TLS client
        "GET\r\n\r\n",
        "\r\n\r\n\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        "Content-Length: -5\r\n\r\n{}",
        "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    };
    for (size_t i = 0; i < QV_COUNT(garbage); i++) {
        char some[1024];
        int fd = dial(&server);
        send_text(fd, garbage[i]);
        while (read_some(fd, some, sizeof some)) // an error, or nothing, then the end
            ;
        close(fd);
    }
    well();
}

static void other_paths_methods_and_types_are_refused(void **state)
{
    (void)state;
    refused(asked(&server, "/etc/passwd", "", NULL), 404, "there is no such path");
    refused(asked(&server, "/v1/../../etc/passwd", "", NULL), 404, "there is no such path");
    struct reply r = asked(&server, path, "", NULL);
    assert_non_null(strstr(r.head, "\r\nAllow: POST\r\n"));
    refused(r, 405, "this path has another method");
    int fd = dial(&server);
    send_text(fd, "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
                  "Content-Length: 2\r\n\r\n{}");
    refused(read_reply(fd), 415, "the body's Content-Type must be application/json");
    close(fd);
}

static void a_connection_carries_several_requests(void **state)
{
    (void)state;
    int fd = dial(&server);
    for (int i = 0; i < 3; i++) {
        send_text(fd, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
        struct reply r = read_reply(fd);
        assert_int_equal(r.status, 200);
        free_reply(&r);
    }
    close(fd);
}

static void keys_are_asked_for(void **state)
{
    (void)state;
    static const char body[] = TEXT("\"max_tokens\":2");
    struct served s = serve("--model slow --api-key-file keys");
    struct reply r = asked(&s, path, "", body);
    assert_non_null(strstr(r.head, "\r\nWWW-Authenticate: Bearer\r\n"));
    refused(r, 401, "an API key is needed");
    static const char *const wrong[] = {
        "Authorization: Bearer \r\n",
        "Authorization: Bearer the-first-key-000\r\n",
        "Authorization: Bearer the-first-key-0001x\r\n",
        "Authorization: Bearer # two people\r\n",
        "Authorization: Basic the-first-key-0001\r\n",
    };
    for (size_t i = 0; i < QV_COUNT(wrong); i++)
        refused(asked(&s, path, wrong[i], body), 401, "authentication_error");
    refused(asked(&s, "/no/such/path", "", NULL), 401, "an API key is needed");
    refused(asked(&s, "/metrics", "", NULL), 401, "an API key is needed");
    refused(asked(&s, "/health", "", NULL), 200, "ok");
    refused(asked(&s, path, "Authorization: Bearer the-first-key-0001\r\n", body), 200, "");
    refused(asked(&s, path, "Authorization: Bearer the-second-key-02\r\n", body), 200, "");
    end_server(&s);
}

static void sigterm_finishes_what_was_begun_and_takes_nothing_new(void **state)
{
    (void)state;
    char some[16];
    struct served s = serve("--model slow --context 16384 --drain 600");
    int speaks =
        ask(&s, path, "", TEXT("\"max_tokens\":1500,\"ignore_eos\":true,\"stream\":true"));
    assert_true(recv(speaks, some, 1, MSG_PEEK) == 1); // it has begun
    kill(s.pid, SIGTERM);
    int status = 200;
    for (int i = 0; i < 500 && status == 200; i++) {
        struct reply r = asked(&s, "/health", "", NULL);
        status = r.status;
        free_reply(&r);
        nap();
    }
    assert_int_equal(status, 503);
    struct reply r = asked(&s, path, "", TEXT("\"max_tokens\":2"));
    assert_non_null(strstr(r.head, "\r\nRetry-After: 5\r\n"));
    refused(r, 503, "the server is shutting down");
    r = read_reply(speaks);
    json_t *events = events_of(&r);
    assert_int_equal(json_array_size(json_object_get(json_array_get(events, 0), "choices")),
                     1);
    json_decref(events);
    free_reply(&r);
    close(speaks);
    await_server(&s);
}

static void sigterm_cuts_what_takes_too_long(void **state)
{
    (void)state;
    char some[64];
    struct served s = serve("--model slow --context 16384 --drain 0");
    int speaks = ask(&s, path, "", endless_stream);
    assert_true(read_some(speaks, some, sizeof some) > 0);
    int waits = ask(&s, path, "", endless);
    end_server(&s);
    while (read_some(speaks, some, sizeof some)) // to where it was cut
        ;
    close(speaks), close(waits);
}

static void a_server_that_cannot_be_had_says_why(void **state)
{
    (void)state;
    static const struct {
        const char *args;
        int code;
        const char *words;
    } wrong[] = {
        {"serve", 2, "--model is missing"},
        {"serve -m m --router arrow", 2, "--router needs a --library"},
        {"serve -m m --library lib --router arrow --expert a", 2, "choose one"},
        {"serve -m m --library lib --router-top-k 2", 2, "need a --router"},
        {"serve -m m --library lib --compose sum", 2, "'sum' is not factor or output"},
        {"serve -m m --port 70000", 2, "70000 is more than 65535"},
        {"serve -m m --slots 5000", 2, "at most 1024 --slots"},
        {"serve -m m --library lib --router nobody", 1, "no router is named 'nobody' here"},
        {"serve -m m --library lib --expert nobody", 1, "no expert is named 'nobody'"},
        {"serve -m m --library tasks", 1, "library"},
        {"serve -m m --context 100", 1, "a context of 100 positions, the model has 64"},
        {"serve -m m --chat nobody", 1, "nobody"},
        {"serve -m m --host 203.0.113.7 --port 0", 1, "cannot listen on 203.0.113.7"},
        {"serve -m m --host nowhere.invalid", 1, "nowhere.invalid: "},
        {"serve -m m --api-key-file none", 1, "none"},
        {"serve -m m --api-key-file short", 1, "short: a key of 5 characters, at least 16"},
        {"serve -m m --api-key-file empty", 1, "empty: there is no key"},
    };
    write_text(in_world("short"), "12345\n");
    write_text(in_world("empty"), "# nobody\n\n");
    for (size_t i = 0; i < QV_COUNT(wrong); i++)
        says(wrong[i].args, wrong[i].code, wrong[i].words);
}

#define WITH_SERVER(f) cmocka_unit_test_setup_teardown(f, open_server, close_server)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(a_full_queue_says_when_to_come_again),
        WITH_SERVER(a_client_that_vanishes_cancels_what_it_asked),
        WITH_SERVER(too_much_is_refused),
        WITH_SERVER(a_request_that_does_not_arrive_is_cut),
        WITH_SERVER(a_body_that_does_not_arrive_is_cut),
        WITH_SERVER(a_client_that_closes_its_side_gets_no_half_answer),
        WITH_SERVER(a_client_that_does_not_read_is_cut),
        WITH_SERVER(garbage_harms_nobody),
        WITH_SERVER(requests_with_bytes_that_are_wrong_harm_nobody),
        WITH_SERVER(other_paths_methods_and_types_are_refused),
        WITH_SERVER(a_connection_carries_several_requests),
        cmocka_unit_test(keys_are_asked_for),
        cmocka_unit_test(sigterm_finishes_what_was_begun_and_takes_nothing_new),
        cmocka_unit_test(sigterm_cuts_what_takes_too_long),
        cmocka_unit_test(a_server_that_cannot_be_had_says_why),
    };
    return cmocka_run_group_tests(tests, make_slow_world, end_world);
}
