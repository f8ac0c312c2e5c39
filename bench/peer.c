/* peer.c - a prompt and an answer, here and by llama.cpp's server, in turn.
 *
 *     llama-server -m FILE.gguf -t 2 -tb 2 -np 1 -c 2048 --port 8081
 *     build/release/bench/peer FILE.gguf 8081 [prompt=512] [tokens=64] [rounds=5]
 *
 * Both have the same file and read the same tokens, which nobody remembers. What llama.cpp
 * took is what it says it took (`timings` of /completion), without HTTP; what we took is
 * the clock around qv_session_sync. CSV: tokens a second, medians, and how many times its
 * own.
 */
#include "parts.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/rng.h"
#include "clients/client.h"
#include "model/model.h"

#include <quiver/session.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 4096, MOST_ROUNDS = 32 };
enum { PROMPT, DECODE, KINDS };

struct options {
    const char *model;
    size_t port, prompt, tokens, rounds;
};

static _Noreturn void stop(const char *why)
{
    fprintf(stderr, "peer: %s\n", why);
    exit(1);
}

static void ours(double rate[KINDS], const qv_model *m, const struct options *o, int *token)
{
    qv_session *s;
    qv_err err;
    if (qv_session_new(&s, m, NULL, o->prompt + o->tokens, &err))
        stop(err.msg);
    const double begun = qv__seconds();
    if (qv_session_sync(s, token, o->prompt, &err))
        stop(err.msg);
    const double read = qv__seconds();
    for (size_t n = o->prompt; n < o->prompt + o->tokens; n++) {
        token[n] = qv_sample(qv_session_logits(s), m->c.V, NULL, n);
        if (qv_session_sync(s, token, n + 1, &err))
            stop(err.msg);
    }
    rate[PROMPT] = (double)o->prompt / (read - begun);
    rate[DECODE] = (double)o->tokens / (qv__seconds() - read);
    qv_session_free(s);
}

static void theirs(double rate[KINDS], const struct options *o, const int *token)
{
    struct client c;
    struct head h;
    struct qv__str text = {0};
    qv_err err;
    json_t *ids = json_array(), *reply;
    for (size_t i = 0; i < o->prompt; i++)
        json_array_append_new(ids, json_integer(token[i]));
    json_t *ask = json_pack("{s:o, s:I, s:b, s:b, s:i}", "prompt", ids, "n_predict",
                            (json_int_t)o->tokens, "cache_prompt", 0, "ignore_eos", 1,
                            "temperature", 0);
    char *body = json_dumps(ask, JSON_COMPACT);
    if (client_open(&c, (unsigned)o->port, &err) ||
        client_send(&c, "POST", "/completion", "", "application/json", body, strlen(body),
                    &err) ||
        client_head(&c, &h, &err) || client_body(&c, &h, &text, &err) ||
        qv__json_parse(&reply, text.bytes, text.size, &err))
        stop(err.msg);
    const json_t *t = json_object_get(reply, "timings");
    if (h.status != 200 ||
        json_integer_value(json_object_get(t, "prompt_n")) != (json_int_t)o->prompt ||
        json_integer_value(json_object_get(t, "predicted_n")) != (json_int_t)o->tokens)
        stop("llama.cpp did something else");
    rate[PROMPT] = json_number_value(json_object_get(t, "prompt_per_second"));
    // The first token comes of the prompt, and its time is not in predicted_ms.
    rate[DECODE] = 1000 * (double)(o->tokens - 1) /
                   json_number_value(json_object_get(t, "predicted_ms"));
    json_decref(reply);
    json_decref(ask);
    client_close(&c);
    qv__str_free(&text);
    free(body);
}

static void compare(const qv_model *m, const struct options *o)
{
    static const char *const name[KINDS] = {"prompt", "decode"};
    static int token[2 * MOST];
    double own[KINDS][MOST_ROUNDS], peer[KINDS][MOST_ROUNDS], times[KINDS][MOST_ROUNDS];
    for (size_t i = 0; i < o->prompt; i++) // beyond the first, which a tokenizer keeps
        token[i] = (int)(300 + qv__bits(7, i) % (m->c.V - 300));
    for (size_t r = 0; r <= o->rounds; r++) {
        double a[KINDS], b[KINDS];
        ours(a, m, o, token);
        theirs(b, o, token);
        for (size_t k = 0; k < KINDS && r; k++) { // the first round warms
            own[k][r - 1] = a[k];
            peer[k][r - 1] = b[k];
            times[k][r - 1] = a[k] / b[k];
        }
    }
    printf("what,tokens,quiver,llama.cpp,times\n");
    for (size_t k = 0; k < KINDS; k++)
        printf("%s,%zu,%.1f,%.1f,%.2f\n", name[k], k == PROMPT ? o->prompt : o->tokens,
               median(own[k], o->rounds), median(peer[k], o->rounds),
               median(times[k], o->rounds));
}

int main(int argc, char **argv)
{
    struct options o = {.prompt = 512, .tokens = 64, .rounds = 5};
    wait_as_quiver_does(argv);
    for (int i = 3; i < argc; i++)
        if (sscanf(argv[i], "prompt=%zu", &o.prompt) != 1 &&
            sscanf(argv[i], "tokens=%zu", &o.tokens) != 1 &&
            sscanf(argv[i], "rounds=%zu", &o.rounds) != 1)
            stop("what is that?");
    if (argc < 3 || !o.prompt || o.prompt > MOST || !o.tokens || o.tokens > MOST ||
        !o.rounds || o.rounds > MOST_ROUNDS)
        stop("give a GGUF file and llama.cpp's port");
    o.model = argv[1];
    o.port = strtoul(argv[2], NULL, 10);
    qv_model *m;
    qv_err err;
    if (qv_model_open(&m, o.model, NULL, &err))
        stop(err.msg);
    compare(m, &o);
    qv_model_close(m);
    return 0;
}
