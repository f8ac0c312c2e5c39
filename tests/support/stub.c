/* stub.c - see stub.h. */
#include "support/stub.h"

#include "server/http.h"
#include "server/page.h"
#include "support/near.h"
#include "text/pieces.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST = 16, SITES = 4 };

static const char *const words[] = {"The", " cat", " sat", " on",   " the", " mat",
                                    ".\n", "It",   " was", " glad", "."};

static struct {
    struct qv_http *http;
    pthread_mutex_t lock; // guards what follows
    struct stub_opts o;
    char name[MOST][64]; // experts
    size_t n, generation;
    json_t *asked;
} stub = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void reply(struct qv_call *c, unsigned status, json_t *value) // takes value
{
    char *text = json_dumps(value, JSON_COMPACT);
    qv__call_reply(c, status, "application/json", text, strlen(text));
    free(text);
    json_decref(value);
}

static void refuse(struct qv_call *c, unsigned status, const char *sentence,
                   const char *param)
{
    reply(c, status,
          json_pack("{s:{s:s, s:s?}}", "error", "message", sentence, "param", param));
}

static bool has_key(struct qv_call *c, const char *key)
{
    const char *given = qv__call_header(c, "Authorization");
    return !key || (given && strncmp(given, "Bearer ", 7) == 0 && !strcmp(given + 7, key));
}

static void tell_models(struct qv_call *c)
{
    json_t *list = json_pack("[{s:s}, {s:s}, {s:s}]", "id", "quiver", "id", "quiver/arrow",
                             "id", "quiver/uniform");
    for (size_t i = 0; i < stub.n; i++) {
        char id[96];
        snprintf(id, sizeof id, "quiver/expert/%s", stub.name[i]);
        json_array_append_new(list, json_pack("{s:s}", "id", id));
    }
    reply(c, 200, json_pack("{s:o}", "data", list));
}

static void tell_library(struct qv_call *c)
{
    json_t *experts = json_array(), *map = json_array();
    for (size_t i = 0; i < stub.n; i++) {
        json_array_append_new(experts,
                              json_pack("{s:s, s:[s], s:i, s:i, s:[{s:s, s:s, s:f}]}",
                                        "name", stub.name[i], "tasks", stub.name[i], "rank",
                                        4, "bytes", 81920, "scores", "metric", "valid_loss",
                                        "task", stub.name[i], "value", 1.5 + (double)i));
        json_array_append_new(map, json_pack("[f, f]", (double)(i % 3), (double)(i / 3)));
    }
    reply(c, 200,
          json_pack("{s:o, s:I, s:o}", "experts", experts, "generation",
                    (json_int_t)stub.generation, "map", map));
}

/* ---- a text ---- */

struct speech {
    bool is_chat, is_routed, is_fixed;
    size_t next;
};

static json_t *expert_names(void)
{
    json_t *names = json_array();
    for (size_t i = 0; i < stub.n; i++)
        json_array_append_new(names, json_string(stub.name[i]));
    return names;
}

/* What a router tells that treats all tokens and sites alike. */
static json_t *fixed_routing_of(size_t t)
{
    json_t *o = json_pack("{s:[{s:s, s:[]}]}", "tokens", "token", words[t], "sites");
    if (t)
        return o;
    json_t *everywhere = json_array();
    for (size_t i = 0; i < stub.n; i++)
        json_array_append_new(everywhere,
                              json_pack("[I, f]", (json_int_t)i, 1 / (double)stub.n));
    json_object_set_new(o, "experts", expert_names());
    json_object_set_new(o, "sites", json_array());
    json_object_set_new(o, "everywhere", everywhere);
    return o;
}

/* Token t: at every site expert t with 0.75, the one after it with 0.25. */
static json_t *routing_of(size_t t)
{
    json_t *sites = json_array();
    for (size_t s = 0; s < SITES; s++)
        json_array_append_new(sites, json_pack("[[I, f], [I, f]]", (json_int_t)(t % stub.n),
                                               0.75, (json_int_t)((t + 1) % stub.n), 0.25));
    json_t *o = json_pack("{s:[{s:s, s:o}]}", "tokens", "token", words[t], "sites", sites);
    if (t)
        return o;
    json_t *experts = json_array();
    for (size_t i = 0; i < stub.n; i++)
        json_array_append_new(experts, json_string(stub.name[i]));
    json_object_set_new(o, "experts", experts);
    json_object_set_new(o, "sites",
                        json_pack("[s,s,s,s]", "layers.0.self_attn.o_proj",
                                  "layers.0.mlp.up_proj", "layers.1.self_attn.o_proj",
                                  "layers.1.mlp.up_proj"));
    return o;
}

static void event(struct qv__str *out, json_t *value) // takes value
{
    char *text = json_dumps(value, JSON_COMPACT);
    qv__str_add(out, "data: ", 6);
    qv__str_add(out, text, strlen(text));
    qv__str_add(out, "\n\n", 2);
    free(text);
    json_decref(value);
}

static bool speak(void *arg, struct qv__str *out)
{
    struct speech *s = arg;
    if (s->next > QV_COUNT(words))
        return false;
    if (s->next == QV_COUNT(words)) {
        event(out, json_pack("{s:[], s:{s:i}}", "choices", "usage", "completion_tokens",
                             (int)s->next));
        qv__str_add(out, "data: [DONE]\n\n", 14);
        s->next++;
        return true;
    }
    pthread_mutex_lock(&stub.lock);
    unsigned pause = stub.o.pause;
    const char *word = words[s->next];
    json_t *choice = s->is_chat ? json_pack("{s:{s:s}}", "delta", "content", word)
                                : json_pack("{s:s}", "text", word);
    if (s->is_routed)
        json_object_set_new(choice, "routing",
                            s->is_fixed ? fixed_routing_of(s->next) : routing_of(s->next));
    pthread_mutex_unlock(&stub.lock);
    if (s->next++ + 1 == QV_COUNT(words))
        json_object_set_new(choice, "finish_reason", json_string("stop"));
    event(out, json_pack("{s:[o]}", "choices", choice));
    nanosleep(&(struct timespec){pause / 1000, (long)(pause % 1000) * 1000000}, NULL);
    return true;
}

static void answer_text(struct qv_call *c)
{
    size_t size;
    const char *body = qv__call_body(c, &size);
    json_t *root = body ? json_loadb(body, size, 0, NULL) : NULL;
    bool wants = json_is_true(json_object_get(root, "routing"));
    if (stub.o.failure || !root) {
        refuse(c, 400, root ? stub.o.failure : "no JSON", NULL);
    } else if (wants && stub.o.hides_routing) {
        refuse(c, 400, "nothing is called 'routing' here", "routing");
    } else {
        struct speech *s = calloc(1, sizeof *s);
        const char *model = json_string_value(json_object_get(root, "model"));
        *s = (struct speech){.is_chat = strstr(qv__call_path(c), "chat") != NULL,
                             .is_routed = wants,
                             .is_fixed = model && strcmp(model, "quiver/uniform") == 0};
        qv__call_stream(c, "text/event-stream", speak, free, s);
    }
    if (root)
        json_array_insert_new(stub.asked, 0, root);
}

/* ---- the library ---- */

static bool has_part(const char *body, size_t size, const char *part)
{
    char name[64];
    size_t n = (size_t)snprintf(name, sizeof name, "name=\"%s\"", part);
    for (size_t i = 0; i + n <= size; i++)
        if (memcmp(body + i, name, n) == 0)
            return true;
    return false;
}

static void put_expert(struct qv_call *c, const char *name)
{
    size_t size;
    const char *type = qv__call_header(c, "Content-Type");
    const char *body = qv__call_body(c, &size);
    bool is_form = type && strncmp(type, "multipart/form-data; boundary=", 30) == 0;
    bool is_adapter =
        body && (has_part(body, size, "gguf") ||
                 (has_part(body, size, "config") && has_part(body, size, "weights")));
    if (!is_form || !is_adapter)
        refuse(c, 400, "an adapter is the parts 'config' and 'weights', or 'gguf'", NULL);
    else if (strcmp(name, "bad") == 0)
        refuse(c, 400, "adapter_config.json: 'r' is 0", NULL);
    else {
        snprintf(stub.name[stub.n++], sizeof stub.name[0], "%s", name);
        stub.generation++;
        reply(c, 201, json_pack("{s:s}", "name", name));
    }
}

static void delete_expert(struct qv_call *c, const char *name)
{
    size_t i = 0;
    while (i < stub.n && strcmp(stub.name[i], name) != 0)
        i++;
    if (i == stub.n) {
        refuse(c, 404, "no expert is named so", NULL);
        return;
    }
    for (stub.n--; i < stub.n; i++)
        memcpy(stub.name[i], stub.name[i + 1], sizeof stub.name[0]);
    stub.generation++;
    reply(c, 200, json_object());
}

static void answer_library(struct qv_call *c)
{
    static const char experts[] = "/v1/library/experts/";
    const char *path = qv__call_path(c), *method = qv__call_method(c);
    const char *name =
        strncmp(path, experts, strlen(experts)) == 0 ? path + strlen(experts) : NULL;
    if (stub.o.hides_library)
        refuse(c, 404, "there is no such path", NULL);
    else if (!name)
        tell_library(c);
    else if (!has_key(c, STUB_KEY))
        refuse(c, 401, "a key of the library is needed", NULL);
    else if (strcmp(method, "PUT") == 0)
        put_expert(c, name);
    else
        delete_expert(c, name);
}

/* ---- its life ---- */

static void admit(void *arg, struct qv_call *c)
{
    (void)arg;
    (void)c; // whatever comes has its body read
}

static void answer(void *arg, struct qv_call *c)
{
    const char *path = qv__call_path(c);
    (void)arg;
    pthread_mutex_lock(&stub.lock);
    if (qv__page_has(path))
        qv__page_reply(c);
    else if (!strncmp(path, "/v1/library", 11))
        answer_library(c);
    else if (!has_key(c, stub.o.key))
        refuse(c, 401, "an API key is needed: Authorization: Bearer KEY", NULL);
    else if (strcmp(path, "/v1/models") == 0)
        tell_models(c);
    else if (strstr(path, "completions"))
        answer_text(c);
    else
        refuse(c, 404, "there is no such path", NULL);
    pthread_mutex_unlock(&stub.lock);
}

void set_stub(const struct stub_opts *opts)
{
    pthread_mutex_lock(&stub.lock);
    stub.o = *opts;
    pthread_mutex_unlock(&stub.lock);
}

unsigned open_stub(const struct stub_opts *opts)
{
    static const char *const experts[] = {"sums_add", "words_reverse", "time_month",
                                          "sense_animals"};
    const struct qv_http_opts http = {.host = "127.0.0.1",
                                      .n_connections = 64,
                                      .header_max = 32 << 10,
                                      .body_max = 1 << 20,
                                      .seconds = 30,
                                      .admit = admit,
                                      .answer = answer};
    qv_err err = {0};
    set_stub(opts);
    stub.asked = json_array();
    stub.n = QV_COUNT(experts);
    for (size_t i = 0; i < stub.n; i++)
        snprintf(stub.name[i], sizeof stub.name[i], "%s", experts[i]);
    if (qv__http_open(&stub.http, &http, &err))
        fail_msg("%s", err.msg);
    return qv__http_port(stub.http);
}

void close_stub(void)
{
    qv__http_close(stub.http);
    json_decref(stub.asked);
    stub.http = NULL;
    stub.asked = NULL;
}

json_t *stub_was_asked(size_t back)
{
    pthread_mutex_lock(&stub.lock);
    json_t *root = json_deep_copy(json_array_get(stub.asked, back));
    pthread_mutex_unlock(&stub.lock);
    assert_non_null(root);
    return root;
}
