/* serve_live_test.c - the library of quiver serve while it is changed over HTTP: what is
 * sent is used, what is bad is refused, and nobody who is being answered notices.
 *
 * What hands do in the library's directory is in unit/live_test.c.
 */
#include "base/file.h"
#include "support/form.h"
#include "support/scratch.h"
#include "support/world.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONFIG                                                                             \
    "{\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"llama\",\"hidden_act\":"   \
    "\"silu\",\"hidden_size\":64,\"intermediate_size\":64,\"num_hidden_layers\":8,"        \
    "\"num_attention_heads\":4,\"num_key_value_heads\":2,\"head_dim\":16,"                 \
    "\"max_position_embeddings\":4096,\"rms_norm_eps\":1e-5,\"rope_theta\":10000.0,"       \
    "\"tie_word_embeddings\":true,\"vocab_size\":400,\"torch_dtype\":\"float32\"}"

static const char completions[] = "/v1/completions";
static struct served server;

/* The slow model, two adapters over it, "one" and "two", and the library "slib" of the
 * experts a and b. */
static int make_slow_world(void **state)
{
    if (make_world(state))
        return -1;
    write_text(in_world("tiny/config.json"), CONFIG);
    works("train --full --random --f32 --window 8 --model tiny --data text.txt --out slow "
          "--steps 3 --batch 2 --lr 1e-2");
    works("train --model slow --data tasks/a.jsonl --out one --steps 3 --lr 1e-1");
    works("train --model slow --data tasks/b.jsonl --out two --steps 3 --lr 1e-1 --rank 2");
    works("library add slib a one --task a");
    works("library add slib b two --task b");
    write_text(in_world("keys"), "who-may-ask-000001\n");
    write_text(in_world("lkeys"), "who-may-change-0001\n");
    return 0;
}

#define SERVE                                                                              \
    "--model slow --library slib --context 4096 --compute f32 --library-key-file lkeys "   \
    "--upload-limit 1 --seconds 5"

static int open_server(void **state)
{
    (void)state;
    server = serve(SERVE);
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

static const char bearer[] = "Authorization: Bearer who-may-change-0001\r\n";

static struct reply sent(const char *method, const char *name, const char *more,
                         const struct form *f)
{
    int fd = begin(&server, method, name, more, multipart, f, f->size);
    struct reply r = read_reply(fd);
    close(fd);
    return r;
}

/* Takes f. */
static void put(const char *name, struct form f, int status)
{
    struct reply r = sent("PUT", name, bearer, &f);
    if (r.status != status)
        fail_msg("PUT %s: status %d, should be %d: %s", name, r.status, status, r.body);
    free_reply(&r);
    free(f.bytes);
}

static void refused(struct reply r, int status, const char *words)
{
    if (r.status != status || !strstr(r.body, words))
        fail_msg("status %d, should be %d with \"%s\": %s", r.status, status, words,
                 r.body);
    assert_null(strstr(r.body, "/tmp/")); // no path of the machine's is told
    free_reply(&r);
}

static void drop(const char *name, int status, const char *words)
{
    struct form none = {0};
    struct reply r = sent("DELETE", name, bearer, &none);
    refused(r, status, words);
}

/* ---- what the server knows ---- */

static json_t *library(void)
{
    return told(&server, "/v1/library", 200, NULL);
}

static long generation(void)
{
    json_t *v = library();
    long n = (long)json_integer_value(json_object_get(v, "generation"));
    json_decref(v);
    return n;
}

/* What is listed of an expert, or NULL; borrowed from v. */
static const json_t *listed(const json_t *v, const char *name)
{
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(v, "experts"), i, one)
    {
        const char *is = json_string_value(json_object_get(one, "name"));
        if (is && strcmp(is, name) == 0)
            return one;
    }
    return NULL;
}

static void hash_of_expert(char hash[128], const char *name)
{
    json_t *v = library();
    const json_t *one = listed(v, name);
    assert_non_null(one);
    snprintf(hash, 128, "%s", json_string_value(json_object_get(one, "hash")));
    json_decref(v);
}

static bool is_model(const char *id)
{
    char quoted[128];
    struct reply r = asked(&server, "/v1/models", "", NULL);
    snprintf(quoted, sizeof quoted, "\"%s\"", id);
    bool is = strstr(r.body, quoted) != NULL;
    free_reply(&r);
    return is;
}

static const char *text_in(const json_t *v)
{
    const json_t *choice = json_array_get(json_object_get(v, "choices"), 0);
    const char *text = json_string_value(json_object_get(choice, "text"));
    assert_non_null(text);
    return text;
}

static void assert_answers_as_generate_does(const char *expert)
{
    char body[256], args[256];
    snprintf(body, sizeof body,
             "{\"model\":\"quiver/expert/%s\",\"prompt\":\"Say a 17:\",\"max_tokens\":24,"
             "\"temperature\":0}",
             expert);
    snprintf(args, sizeof args,
             "generate --json --model slow --compute f32 --library slib --expert %s "
             "--prompt 'Say a 17:' --max-tokens 24",
             expert);
    json_t *got = told(&server, completions, 200, body), *want = json_of(args);
    assert_string_equal(text_in(got), json_string_value(json_object_get(want, "text")));
    json_decref(got), json_decref(want);
}

/* ---- tests ---- */

static void an_expert_that_is_sent_is_used_replaced_and_removed(void **state)
{
    (void)state;
    static const char body[] = "{\"model\":\"quiver/expert/n\",\"prompt\":\"a\"}";
    long before = generation();
    assert_false(is_model("quiver/expert/n"));
    struct form f = form_of("one");
    struct reply r = sent("PUT", "n", bearer, &f);
    assert_int_equal(r.status, 201);
    char want[64];
    snprintf(want, sizeof want, "{\"name\":\"n\",\"generation\":%ld}", before + 1);
    assert_string_equal(r.body, want);
    free_reply(&r);
    free(f.bytes);
    assert_true(is_model("quiver/expert/n"));
    assert_answers_as_generate_does("n");
    put("n", form_of("two"), 200);
    assert_answers_as_generate_does("n");
    assert_int_equal(generation(), before + 2);
    r = asked(&server, completions, "", body);
    snprintf(want, sizeof want, "\r\nQuiver-Generation: %ld\r\n", before + 2);
    assert_non_null(strstr(r.head, want));
    free_reply(&r);
    drop("n", 204, "");
    assert_false(is_model("quiver/expert/n"));
    refused(asked(&server, completions, "", body), 404, "no expert is named 'n'");
    drop("n", 404, "no expert is named 'n'\"");
    r = asked(&server, "/metrics", "", NULL);
    assert_non_null(strstr(r.body, "\nquiver_experts 2\n"));
    assert_non_null(strstr(r.body, "\nquiver_expert_adds_total 3\n"));
    assert_non_null(strstr(r.body, "\nquiver_expert_replaces_total 1\n"));
    assert_non_null(strstr(r.body, "\nquiver_expert_removes_total 1\n"));
    assert_non_null(strstr(r.body, "\nquiver_expert_refusals_total 1\n"));
    assert_non_null(strstr(r.body, "\nquiver_library_generation 4\n"));
    free_reply(&r);
}

static void what_is_known_of_an_expert_comes_with_it(void **state)
{
    (void)state;
    struct form f = {0};
    works("library export slib a out.gguf --model slow");
    add_file(&f, "gguf", "out.gguf");
    end_form(&f);
    put("from llama", f, 201); // " " needs no escape here; below it has one
    json_t *v = library();
    assert_int_equal(json_array_size(json_object_get(v, "map")), 3);
    const json_t *a = listed(v, "a"), *n = listed(v, "from llama");
    assert_non_null(n);
    assert_true(json_equal(json_object_get(n, "tasks"), json_object_get(a, "tasks")));
    assert_true(json_equal(json_object_get(n, "hash"), json_object_get(a, "hash")));
    assert_int_equal(json_integer_value(json_object_get(n, "rank")), 4);
    assert_true(json_integer_value(json_object_get(n, "bytes")) > 1000);
    json_decref(v);
    drop("from%20llama", 204, "");
    f = (struct form){0};
    add_file(&f, "meta", "slib/a/expert.json");
    add_file(&f, "config", "one/adapter_config.json");
    add_file(&f, "weights", "one/adapter_model.safetensors");
    end_form(&f);
    put("%C3%A9", f, 201);
    v = library();
    n = listed(v, "\xc3\xa9");
    assert_non_null(n);
    assert_string_equal(json_string_value(json_array_get(json_object_get(n, "tasks"), 0)),
                        "a");
    json_decref(v);
    drop("%c3%a9", 204, "");
}

/* ---- in use ---- */

enum { STREAMS = 6 };
static const char *const who[STREAMS] = {"quiver/expert/n", "quiver/arrow",
                                         "quiver/uniform",  "quiver/expert/n",
                                         "quiver/spectr",   "quiver"};

static void ask_of(char *body, size_t size, size_t i, bool stream)
{
    snprintf(body, size,
             "{\"model\":\"%s\",\"prompt\":[%zu,2,3],\"max_tokens\":250,\"ignore_eos\":"
             "true,\"temperature\":1,\"seed\":%zu,\"stream\":%s}",
             who[i], i + 1, i, stream ? "true" : "false");
}

/* The text that a reply, or the events of one, tell in all: there may be NULs in it. */
static struct form all_of(const json_t *v)
{
    struct form all = {0};
    for (size_t i = 0; i < (json_is_array(v) ? json_array_size(v) : 1); i++) {
        const json_t *one = json_is_array(v) ? json_array_get(v, i) : v;
        const json_t *text =
            json_object_get(json_array_get(json_object_get(one, "choices"), 0), "text");
        add_bytes(&all, json_string_value(text), json_string_length(text));
    }
    return all;
}

static void streams_end_under_the_library_they_began_with(void **state)
{
    (void)state;
    char body[256], some[1];
    struct form alone[STREAMS];
    int fd[STREAMS];
    put("n", form_of("one"), 201);
    for (size_t i = 0; i < STREAMS; i++) {
        ask_of(body, sizeof body, i, false);
        struct reply r = asked(&server, completions, "", body);
        json_t *v = json_loadb(r.body, r.size, JSON_ALLOW_NUL, NULL);
        assert_non_null(v);
        alone[i] = all_of(v);
        assert_true(alone[i].size > 100);
        json_decref(v);
        free_reply(&r);
    }
    for (size_t i = 0; i < STREAMS; i++) {
        ask_of(body, sizeof body, i, true);
        fd[i] = ask(&server, completions, "", body);
    }
    for (size_t i = 0; i < STREAMS; i++) // all have begun
        assert_true(recv(fd[i], some, 1, MSG_PEEK) == 1);
    put("n", form_of("two"), 200);
    put("m", form_of("one"), 201);
    drop("n", 204, "");
    json_decref(told(&server, completions, 200,
                     "{\"model\":\"quiver/arrow\",\"prompt\":\"a\",\"max_tokens\":2}"));
    put("n", form_of("two"), 201);
    for (size_t i = 0; i < STREAMS; i++) {
        struct reply r = read_reply(fd[i]);
        json_t *events = events_of(&r);
        struct form text = all_of(events);
        assert_int_equal(text.size, alone[i].size);
        assert_memory_equal(text.bytes, alone[i].bytes, text.size);
        json_decref(events);
        free(text.bytes), free(alone[i].bytes);
        free_reply(&r);
        close(fd[i]);
    }
    assert_answers_as_generate_does("n");
    drop("m", 204, "");
    drop("n", 204, "");
}

static void a_router_that_lacks_an_artifact_says_so_until_it_has_it(void **state)
{
    (void)state;
    static const char body[] = "{\"model\":\"quiver/centroid\",\"prompt\":\"a\"}";
    works("library prepare lib --router centroid --model m --tasks tasks");
    server = serve("--model m --library lib --library-key-file lkeys");
    assert_true(is_model("quiver/centroid"));
    json_decref(told(&server, completions, 200, body));
    put("d", form_of("ad"), 201);
    refused(asked(&server, completions, "", body), 404,
            "expert 'd' has no artifact 'centroid': 'quiver library prepare");
    assert_false(is_model("quiver/centroid"));
    refused(asked(&server, completions, "",
                  "{\"model\":\"quiver/centroid\",\"prompt\":\"a\",\"experts\":[\"a\"]}"),
            404, "expert 'd' has no artifact 'centroid'");
    json_decref(
        told(&server, completions, 200, "{\"model\":\"quiver/arrow\",\"prompt\":\"a\"}"));
    drop("d", 204, "");
    json_decref(told(&server, completions, 200, body));
    end_server(&server);
}

/* ---- refusals ---- */

/* Parts of which one is spoilt. */
static struct form spoilt(size_t at, const char *with, size_t n, size_t cut)
{
    struct form f = {0};
    struct qv_map w;
    qv_err err;
    add_file(&f, "config", "one/adapter_config.json");
    assert_works(qv__map(&w, in_world("one/adapter_model.safetensors"), &err), &err);
    char *bytes = malloc(w.size);
    assert_non_null(bytes);
    memcpy(bytes, w.bytes, w.size);
    memcpy(bytes + (at == SIZE_MAX ? w.size - n : at), with, n);
    add_part(&f, "weights", bytes, w.size - cut);
    end_form(&f);
    free(bytes);
    qv__unmap(&w);
    return f;
}

/* Takes f. */
static void refuses(const char *name, const char *more, struct form f, int status,
                    const char *words)
{
    refused(sent("PUT", name, more, &f), status, words);
    free(f.bytes);
}

static struct form two_parts(const char *a, const char *b)
{
    struct form f = {0};
    add_part(&f, a, "{}", 2);
    if (b)
        add_part(&f, b, "{}", 2);
    end_form(&f);
    return f;
}

static void what_is_sent_and_wrong_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    long before = generation();
    const float nan_value = NAN;
    char too_long[256];
    memset(too_long, 'x', 201), too_long[201] = '\0';
    refuses("n", bearer, spoilt(0, "\xff\xff\xff\xff", 4, 0), 400, "adapter_model");
    refuses("n", bearer, spoilt(9, "garbage", 7, 0), 400, "adapter_model.safetensors");
    refuses("n", bearer, spoilt(0, "", 0, 100), 400, "adapter_model.safetensors");
    refuses("n", bearer, spoilt(SIZE_MAX, (const char *)&nan_value, 4, 0), 400, "finite");
    refuses("a", bearer, spoilt(SIZE_MAX, (const char *)&nan_value, 4, 0), 400, "finite");
    refuses("n", bearer, form_of("ad"), 400, "adapter_model.safetensors");
    refuses("n", bearer, two_parts("config", "weights"), 400, "adapter_model.safetensors");
    refuses("n", bearer, two_parts("config", NULL), 400, "'config' and 'weights', or");
    refuses("n", bearer, two_parts("config", "gguf"), 400, "'config' and 'weights', or");
    refuses("n", bearer, two_parts("gguf", NULL), 400, "adapter.gguf");
    refuses("n", bearer, two_parts("config", "config"), 400, "comes twice");
    refuses("n", bearer, two_parts("pickle", NULL), 400, "no part is called 'pickle'");
    refuses("..", bearer, form_of("one"), 400, "it starts with '.'");
    refuses(".tmp", bearer, form_of("one"), 400, "it starts with '.'");
    refuses("a%2Fb", bearer, form_of("one"), 400, "it has a '/'");
    refuses("a/b", bearer, form_of("one"), 400, "it has a '/'");
    refuses("%2e%2e%2fm", bearer, form_of("one"), 400, "it starts with '.'");
    refuses("a%00b", bearer, form_of("one"), 400, "a name with byte 1 in it");
    refuses("a%0ab", bearer, form_of("one"), 400, "a name with byte 10 in it");
    refuses("%ff", bearer, form_of("one"), 400, "not UTF-8");
    refuses("", bearer, form_of("one"), 400, "a name of no letters");
    refuses(too_long, bearer, form_of("one"), 400, "a name of 201 bytes");
    refuses("n", "", form_of("one"), 401, "a key that may change the library");
    refuses("n", "Authorization: Bearer who-may-ask-000001\r\n", form_of("one"), 401,
            "a key that may change the library");
    struct form cut = form_of("one");
    cut.size -= 7; // the last boundary, and a byte
    refuses("n", bearer, cut, 400, "the form is broken or cut short");
    struct form f = form_of("one");
    int fd = begin(&server, "PUT", "n", bearer, "application/json", &f, f.size);
    refused(read_reply(fd), 415, "must be multipart/form-data");
    close(fd), free(f.bytes);
    drop("a%2F..%2Fb", 400, "it has a '/'");
    struct reply r = asked(&server, EXPERTS "a", bearer, NULL);
    assert_non_null(strstr(r.head, "\r\nAllow: PUT, DELETE\r\n"));
    refused(r, 405, "this path has another method");
    assert_int_equal(generation(), before);
    says("library verify slib", 0, "");
    json_decref(
        told(&server, completions, 200, "{\"model\":\"quiver/arrow\",\"prompt\":\"a\"}"));
}

static void what_is_too_large_is_refused_told_or_not(void **state)
{
    (void)state;
    struct form f = {0};
    size_t n = 3 << 20;
    char *bytes = calloc(1, n);
    assert_non_null(bytes);
    add_part(&f, "weights", bytes, n);
    end_form(&f);
    int fd = begin(&server, "PUT", "n", bearer, multipart, &f, 0);
    refused(read_reply(fd), 413, "a body of more than 1048576 bytes");
    close(fd);
    fd = dial(&server); // in chunks, whose sum nobody says
    send_text(fd, "PUT " EXPERTS "n HTTP/1.1\r\nHost: x\r\n");
    send_text(fd, bearer);
    send_text(fd, "Content-Type: multipart/form-data; boundary=XyZ\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n");
    char size[32];
    snprintf(size, sizeof size, "%zx\r\n", f.size);
    send_text(fd, size);
    send_bytes(fd, f.bytes, f.size);
    send_text(fd, "\r\n0\r\n\r\n");
    refused(read_reply(fd), 413, "a body of more than 1048576 bytes");
    close(fd);
    free(bytes), free(f.bytes);
    put("n", form_of("one"), 201);
    drop("n", 204, "");
}

static void nobody_changes_a_library_without_a_file_of_keys(void **state)
{
    (void)state;
    server = serve("--model slow --library slib --api-key-file lkeys");
    struct form f = form_of("one");
    refused(sent("PUT", "n", bearer, &f), 403, "the server has no --library-key-file");
    struct form none = {0};
    refused(sent("DELETE", "a", bearer, &none), 403, "the server has no");
    refused(asked(&server, "/v1/library", "", NULL), 401, "an API key is needed");
    struct reply r = asked(&server, "/v1/library", bearer, NULL);
    assert_int_equal(r.status, 200);
    free_reply(&r);
    end_server(&server);
    server = serve("--model slow");
    refused(sent("PUT", "n", bearer, &f), 403, "the server has no library");
    json_t *v = library();
    assert_int_equal(json_array_size(json_object_get(v, "experts")), 0);
    json_decref(v);
    free(f.bytes);
    end_server(&server);
}

/* ---- faults ---- */

static size_t files_under(const char *name)
{
    qv_arena a = {0};
    char **names;
    size_t n = 0;
    qv_err err;
    if (qv__is_dir(in_world(name)))
        assert_works(qv__list_dir(&names, &n, &a, in_world(name), &err), &err);
    qv__arena_free(&a);
    return n;
}

static void await_files(const char *name, size_t n)
{
    for (int i = 0; i < 500 && files_under(name) != n; i++)
        nap();
    assert_int_equal(files_under(name), n);
}

static void a_client_that_vanishes_in_the_middle_leaves_nothing(void **state)
{
    (void)state;
    long before = generation();
    struct form f = form_of("one");
    int fd = begin(&server, "PUT", "n", bearer, multipart, &f, f.size / 2);
    await_files("slib/.tmp", 1);
    close(fd);
    await_files("slib/.tmp", 0);
    fd = begin(&server, "PUT", "n", bearer, multipart, &f,
               f.size / 2); // and one that stays still
    await_files("slib/.tmp", 1);
    await_files("slib/.tmp", 0);
    close(fd);
    free(f.bytes);
    assert_int_equal(generation(), before);
}

static void a_server_killed_during_an_upload_comes_back_with_nothing_lost(void **state)
{
    (void)state;
    server = serve(SERVE);
    put("kept", form_of("two"), 201);
    struct form f = form_of("one");
    int fd[] = {begin(&server, "PUT", "n", bearer, multipart, &f, f.size - 9),
                begin(&server, "PUT", "a", bearer, multipart, &f, f.size / 3)};
    await_files("slib/.tmp", 2);
    kill(server.pid, SIGKILL);
    await(server.pid);
    assert_int_equal(said.code, -SIGKILL);
    close(fd[0]), close(fd[1]);
    assert_int_equal(files_under("slib/.tmp"), 2);
    server = serve(SERVE);
    assert_int_equal(files_under("slib/.tmp"), 0);
    says("library verify slib", 0, "");
    assert_false(is_model("quiver/expert/n"));
    assert_true(is_model("quiver/expert/kept"));
    put("n", form_of("one"), 201);
    drop("n", 204, "");
    drop("kept", 204, "");
    free(f.bytes);
    end_server(&server);
}

/* Until then it may be either, but it is one of them, whole. */
static void
a_server_killed_while_it_replaces_an_expert_has_the_old_one_or_the_new(void **state)
{
    (void)state;
    enum { TIMES = 8 };
    static const char *const adapter[] = {"one", "two"};
    char hash[2][128];
    bool seen[2] = {false, false};
    server = serve(SERVE);
    for (size_t k = 0; k < 2; k++) {
        put("k", form_of(adapter[k]), k ? 200 : 201);
        hash_of_expert(hash[k], "k");
    }
    for (size_t i = 0; i < TIMES; i++) {
        struct form f = form_of(adapter[i % 2]);
        int fd = begin(&server, "PUT", "k", bearer, multipart, &f, f.size);
        nanosleep(&(struct timespec){.tv_nsec = (long)i * 3000 * 1000}, NULL);
        kill(server.pid, SIGKILL);
        await(server.pid);
        close(fd), free(f.bytes);
        server = serve(SERVE);
        says("library verify slib", 0, "");
        char now[128];
        hash_of_expert(now, "k");
        const size_t is = strcmp(now, hash[0]) == 0 ? 0 : 1;
        assert_string_equal(now, hash[is]);
        seen[is] = true;
        assert_answers_as_generate_does("k");
    }
    assert_true(seen[0] || seen[1]);
    drop("k", 204, "");
    end_server(&server);
}

/* Whether the server has said that on standard error; all that it said, in *all. */
static bool has_said(const char *words, char *all, size_t size)
{
    FILE *f = fopen(in_world("stderr"), "r");
    assert_non_null(f);
    all[fread(all, 1, size - 1, f)] = '\0';
    fclose(f);
    return strstr(all, words) != NULL;
}

static void await_words(const char *words)
{
    char all[4096];
    for (int i = 0; i < 1000 && !has_said(words, all, sizeof all); i++)
        nap();
    if (!has_said(words, all, sizeof all))
        fail_msg("the server never says %s, but: %s", words, all);
}

static void half_a_copy_by_hand_waits_for_its_rest(void **state)
{
    (void)state;
    char to[256];
    qv_err err;
    snprintf(to, sizeof to, "%s", in_world("slib/h"));
    assert_works(qv__make_dir(to, &err), &err);
    snprintf(to, sizeof to, "%s", in_world("slib/h/adapter_config.json"));
    copy_file(in_world("one/adapter_config.json"), to);
    snprintf(to, sizeof to, "%s", in_world("slib/h/adapter_model.safetensors"));
    copy_file(in_world("one/adapter_model.safetensors"), to);
    assert_int_equal(truncate(to, 5000), 0);
    await_words("slib/h/adapter_model.safetensors: header of 8008 bytes in a file of 5000");
    assert_false(is_model("quiver/expert/h"));
    assert_answers_as_generate_does("a");
    copy_file(in_world("one/adapter_model.safetensors"), to);
    for (int i = 0; i < 1000 && !is_model("quiver/expert/h"); i++)
        nap();
    assert_answers_as_generate_does("h");
    drop("h", 204, "");
}

/* The file that an expert came from, while it answers. */
static void an_expert_whose_files_are_spoilt_answers_until_the_server_ends(void **state)
{
    (void)state;
    static const char body[] = "{\"model\":\"quiver/expert/s\",\"prompt\":\"Say a 17:\","
                               "\"max_tokens\":200,\"ignore_eos\":true,"
                               "\"temperature\":0}";
    char path[256];
    server = serve(SERVE);
    put("s", form_of("two"), 201);
    json_t *was = told(&server, completions, 200, body);
    int fd = ask(&server, completions, "", body);
    snprintf(path, sizeof path, "%s", in_world("slib/s/adapter_model.safetensors"));
    assert_int_equal(truncate(path, 3000), 0);
    struct reply r = read_reply(fd);
    close(fd);
    json_t *meanwhile = json_loadb(r.body, r.size, JSON_ALLOW_NUL, NULL);
    free_reply(&r);
    await_words("the version before stays: expert 's': adapter_model.safetensors");
    json_t *after = told(&server, completions, 200, body);
    assert_string_equal(text_in(meanwhile), text_in(was));
    assert_string_equal(text_in(after), text_in(was));
    json_decref(was), json_decref(meanwhile), json_decref(after);
    end_server(&server);
    server = serve(SERVE);
    await_words("refused: expert 's': adapter_model.safetensors");
    assert_false(is_model("quiver/expert/s"));
    assert_answers_as_generate_does("a");
    put("s", form_of("two"), 201);
    assert_answers_as_generate_does("s");
    drop("s", 204, "");
    end_server(&server);
}

/* More than there is room for. */
static struct form large_form(void)
{
    enum { N = 800 << 10 };
    static const char zeros[N];
    struct form f = {0};
    add_file(&f, "config", "one/adapter_config.json");
    add_part(&f, "weights", zeros, N);
    end_form(&f);
    return f;
}

static void assert_full(const char *words)
{
    long before = generation();
    refuses("n", bearer, large_form(), 500, words);
    refuses("a", bearer, large_form(), 500, words);
    assert_int_equal(generation(), before);
    assert_int_equal(before, 1);
    json_decref(
        told(&server, completions, 200, "{\"model\":\"quiver/arrow\",\"prompt\":\"a\"}"));
    drop("b", 204, "");
}

/* A file may have no more than some bytes: where a disk cannot be filled up. */
static void a_file_that_cannot_grow_refuses_an_upload(void **state)
{
    (void)state;
    struct rlimit was, small;
    works("library add full a one");
    works("library add full b two");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    small = was;
    small.rlim_cur = 640 << 10; // sanitizers and OpenMP have files of their own
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    server = serve("--model slow --library full --library-key-file lkeys");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    signal(SIGXFSZ, SIG_DFL);
    assert_full("weights: File too large");
    end_server(&server);
    says("library verify full", 0, "");
}

static void a_full_disk_refuses_an_upload(void **state)
{
    (void)state;
    char dir[256], args[256];
    qv_err err;
    snprintf(dir, sizeof dir, "%s", in_world("disk"));
    assert_works(qv__make_dir(dir, &err), &err);
    if (mount("quiver-test", dir, "tmpfs", 0, "size=256k"))
        skip(); // not for this user
    works("library add disk/lib a one");
    works("library add disk/lib b two");
    snprintf(args, sizeof args,
             "--model slow --library disk/lib --library-key-file lkeys --context 64");
    server = serve(args);
    refuses("n", bearer, form_of("one"), 500, "No space left on device");
    assert_full("No space left on device");
    end_server(&server);
    says("library verify disk/lib", 0, "");
    assert_int_equal(umount(dir), 0);
}

static void a_bad_expert_is_told_of_once_and_fails_nothing(void **state)
{
    (void)state;
    static const char words[] = "quiver: library: refused: expert 'b': adapter_model";
    works("library add bad a one");
    works("library add bad b two");
    assert_int_equal(truncate(in_world("bad/b/adapter_model.safetensors"), 1000), 0);
    server = serve("--model slow --library bad --router arrow --expert-memory 1");
    assert_true(is_model("quiver/expert/a"));
    assert_false(is_model("quiver/expert/b"));
    json_decref(told(&server, completions, 200, "{\"prompt\":\"a\"}"));
    end_server(&server);
    const char *line = strstr(said.err, words);
    assert_non_null(line);
    assert_null(strstr(line + 1, words));
    assert_int_equal(files_under("bad/.tmp"), 0);
}

static void options_that_cannot_be_had_say_why(void **state)
{
    (void)state;
    says("serve --model slow --library-key-file lkeys", 2, "need a --library");
    says("serve --model slow --expert-memory 4", 2, "need a --library");
    says("serve --model slow --library slib --upload-limit 0", 2, "--upload-limit");
    says("serve --model slow --library slib --library-key-file none", 1, "none");
    says("serve --model slow --library nowhere", 1, "nowhere: No such file");
}

#define WITH_SERVER(f) cmocka_unit_test_setup_teardown(f, open_server, close_server)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(an_expert_that_is_sent_is_used_replaced_and_removed),
        WITH_SERVER(what_is_known_of_an_expert_comes_with_it),
        WITH_SERVER(streams_end_under_the_library_they_began_with),
        cmocka_unit_test(a_router_that_lacks_an_artifact_says_so_until_it_has_it),
        WITH_SERVER(what_is_sent_and_wrong_is_refused_and_changes_nothing),
        WITH_SERVER(what_is_too_large_is_refused_told_or_not),
        cmocka_unit_test(nobody_changes_a_library_without_a_file_of_keys),
        WITH_SERVER(a_client_that_vanishes_in_the_middle_leaves_nothing),
        cmocka_unit_test(a_server_killed_during_an_upload_comes_back_with_nothing_lost),
        cmocka_unit_test(
            a_server_killed_while_it_replaces_an_expert_has_the_old_one_or_the_new),
        WITH_SERVER(half_a_copy_by_hand_waits_for_its_rest),
        cmocka_unit_test(an_expert_whose_files_are_spoilt_answers_until_the_server_ends),
        cmocka_unit_test(a_file_that_cannot_grow_refuses_an_upload),
        cmocka_unit_test(a_full_disk_refuses_an_upload),
        cmocka_unit_test(a_bad_expert_is_told_of_once_and_fails_nothing),
        cmocka_unit_test(options_that_cannot_be_had_say_why),
    };
    return cmocka_run_group_tests(tests, make_slow_world, end_world);
}
