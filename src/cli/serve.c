/* serve.c - quiver serve: answer requests over HTTP until told to stop. */
#include "cli/cli.h"
#include "base/clock.h"
#include "base/memory.h"
#include "server/serve.h"

#include <signal.h>
#include <string.h>
#include <time.h>

struct args {
    struct qv_base base;
    struct qv_serve_opts o;
    size_t drain; // seconds
};

enum {
    KEY_LIBRARY = 256,
    KEY_ROUTER,
    KEY_EXPERT,
    KEY_TOP_K,
    KEY_TEMPERATURE,
    KEY_COMPOSE,
    KEY_CHAT,
    KEY_HOST,
    KEY_PORT,
    KEY_KEYS,
    KEY_TLS_CERT,
    KEY_TLS_KEY,
    KEY_LIBRARY_KEYS,
    KEY_UPLOAD,
    KEY_MEMORY,
    KEY_SECONDS,
    KEY_DRAIN,
    KEY_SLOTS,
    KEY_QUEUE,
    KEY_CONTEXT,
    KEY_CHUNK,
    KEY_PREFIX,
};

/* Options of the engine and of connections; false if it is none of them. */
static bool parse_limits(int key, const char *arg, struct argp_state *state)
{
    struct args *a = state->input;
    switch (key) {
    case KEY_SECONDS:
        a->o.seconds = (unsigned)qv__min(qv__arg_size(state, "--seconds", arg, 1), 86400);
        break;
    case KEY_DRAIN:
        a->drain = qv__min(qv__arg_size(state, "--drain", arg, 0), 86400);
        break;
    case KEY_SLOTS:
        a->o.engine.n_slots = qv__arg_size(state, "--slots", arg, 1);
        break;
    case KEY_QUEUE:
        a->o.engine.n_queue = qv__arg_size(state, "--queue", arg, 1);
        break;
    case KEY_CONTEXT:
        a->o.engine.n_ctx = qv__arg_size(state, "--context", arg, 1);
        break;
    case KEY_CHUNK:
        a->o.engine.chunk = qv__arg_size(state, "--chunk", arg, 1);
        break;
    case KEY_PREFIX:
        a->o.engine.prefix_bytes =
            qv__min(qv__arg_size(state, "--prefix-cache", arg, 0), SIZE_MAX >> 20) << 20;
        break;
    case KEY_UPLOAD:
        a->o.upload_max = qv__min(qv__arg_size(state, "--upload-limit", arg, 1), 1 << 20)
                          << 20;
        break;
    case KEY_MEMORY:
        a->o.expert_memory =
            qv__min(qv__arg_size(state, "--expert-memory", arg, 1), 1 << 24) << 20;
        break;
    default:
        return false;
    }
    if (a->o.engine.n_slots > 1024 || a->o.engine.n_queue > 1 << 16 ||
        a->o.engine.chunk > 4096)
        argp_error(state, "at most 1024 --slots, 65536 in the --queue, a --chunk of 4096");
    return true;
}

static void check(struct args *a, struct argp_state *state)
{
    const struct qv_choice *c = &a->o.otherwise;
    if ((c->router || c->expert) && !a->o.library)
        argp_error(state, "%s needs a --library", c->router ? "--router" : "--expert");
    else if ((a->o.library_key_file || a->o.upload_max || a->o.expert_memory) &&
             !a->o.library)
        argp_error(state, "--library-key-file, --upload-limit and --expert-memory need a "
                          "--library");
    else if (c->router && c->expert)
        argp_error(state, "--router and --expert: choose one");
    else if (!a->o.tls_cert != !a->o.tls_key)
        argp_error(state, "--tls-cert and --tls-key: both are needed for TLS");
    else if (!c->router && (c->top_k || c->temperature > 0 || c->compose))
        argp_error(state, "--router-top-k, --router-temperature and --compose need a "
                          "--router");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct args *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        qv_inputs(state, &a->base, &a->o.seed);
        break;
    case KEY_LIBRARY:
        a->o.library = arg;
        break;
    case KEY_ROUTER:
        a->o.otherwise.router = arg;
        break;
    case KEY_EXPERT:
        a->o.otherwise.expert = arg;
        break;
    case KEY_TOP_K:
        a->o.otherwise.top_k = qv__arg_size(state, "--router-top-k", arg, 1);
        break;
    case KEY_TEMPERATURE:
        a->o.otherwise.temperature =
            qv__arg_float(state, "--router-temperature", arg, 1e-6, 1e6);
        break;
    case KEY_COMPOSE:
        a->o.otherwise.compose = qv__arg_second(state, "--compose", arg, "factor", "output")
                                     ? QV_COMPOSE_OUTPUT
                                     : QV_COMPOSE_FACTOR;
        break;
    case KEY_CHAT:
        a->o.chat = arg;
        break;
    case KEY_HOST:
        a->o.host = arg;
        break;
    case KEY_PORT:
        a->o.port = (unsigned)qv__arg_size(state, "--port", arg, 0);
        if (a->o.port > 65535)
            argp_error(state, "--port: %s is more than 65535", arg);
        break;
    case KEY_KEYS:
        a->o.key_file = arg;
        break;
    case KEY_TLS_CERT:
        a->o.tls_cert = arg;
        break;
    case KEY_TLS_KEY:
        a->o.tls_key = arg;
        break;
    case KEY_LIBRARY_KEYS:
        a->o.library_key_file = arg;
        break;
    case ARGP_KEY_END:
        check(a, state);
        break;
    default:
        return parse_limits(key, arg, state) ? 0 : ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp_option options[] = {
    {"library", KEY_LIBRARY, "LIB", 0, "Experts that can be asked for", 0},
    {NULL, 0, NULL, 0, "Who answers a request that does not say (the base):", 1},
    {"router", KEY_ROUTER, "R", 0, "This router over the library", 1},
    {"expert", KEY_EXPERT, "NAME", 0, "This expert of the library", 1},
    {"router-top-k", KEY_TOP_K, "K", 0, "Experts a token may use (4)", 1},
    {"router-temperature", KEY_TEMPERATURE, "X", 0, "Of the router's softmax (1)", 1},
    {"compose", KEY_COMPOSE, "HOW", 0, "factor or output (as the router's authors do)", 1},
    {"chat", KEY_CHAT, "NAME", 0, "The chat template (the model's own)", 1},
    {NULL, 0, NULL, 0, "Where, and for whom:", 2},
    {"host", KEY_HOST, "A", 0, "The address to listen on (127.0.0.1)", 2},
    {"port", KEY_PORT, "N", 0, "The port; 0 is any free one (8080)", 2},
    {"api-key-file", KEY_KEYS, "FILE", 0, "Keys, one a line; requests must carry one", 2},
    {"tls-cert", KEY_TLS_CERT, "FILE", 0, "Speak TLS with this certificate, in PEM", 2},
    {"tls-key", KEY_TLS_KEY, "FILE", 0, "The key to it", 2},
    {"library-key-file", KEY_LIBRARY_KEYS, "FILE", 0,
     "Keys, one a line, of those who may change the library (nobody may)", 2},
    {NULL, 0, NULL, 0, "Limits:", 3},
    {"slots", KEY_SLOTS, "N", 0, "Texts in progress at most (16)", 3},
    {"queue", KEY_QUEUE, "N", 0, "Texts waiting at most (64)", 3},
    {"context", KEY_CONTEXT, "N", 0,
     "Tokens of a text, prompt and answer (the model's, up to 4096)", 3},
    {"chunk", KEY_CHUNK, "N", 0,
     "Prompt tokens in one pass (128); up to half as many again in the last", 3},
    {"prefix-cache", KEY_PREFIX, "MIB", 0,
     "Memory for keys and values of how prompts begin (256; 0: none)", 3},
    {"upload-limit", KEY_UPLOAD, "MIB", 0, "Of an expert that is sent (1024)", 3},
    {"expert-memory", KEY_MEMORY, "MIB", 0,
     "Memory for experts' weights; the least recently used wait in a file (all)", 3},
    {"seconds", KEY_SECONDS, "N", 0, "For a request to arrive (30)", 3},
    {"drain", KEY_DRAIN, "N", 0, "Seconds to finish what was begun after SIGTERM (30)", 3},
    {0},
};
static const struct argp_child children[] = {
    {&qv__base_argp, 0, NULL, 0}, {&qv__seed_argp, 0, NULL, 0}, {0}};
static const struct argp spec = {
    .options = options,
    .parser = parse,
    .doc = "Answer requests in the form of OpenAI's API over HTTP: completions, chats and "
           "embeddings by the base, by any expert and by any router over a library, all in "
           "the same passes over the base.\v"
           "SIGTERM or SIGINT ends it once what was begun is answered; the second one ends "
           "it at once. See docs/server.md.",
    .children = children,
};

static void log_line(void *arg, const char *sentence)
{
    (void)arg;
    fprintf(stderr, "quiver: library: %s\n", sentence);
}

/* Signals that ask it to end are waited for, and handled in no thread: until the first one
 * they are blocked, in all threads that are started after this. */
static void hold_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static const struct timespec moment = {.tv_nsec = 50 * 1000 * 1000};

static void serve(struct qv_server *s, const struct args *a, const sigset_t *set)
{
    const char *host = a->o.host ? a->o.host : "127.0.0.1";
    bool is_local = strcmp(host, "127.0.0.1") == 0 || strcmp(host, "::1") == 0 ||
                    strcmp(host, "localhost") == 0;
    if (!is_local && !qv__server_asks_for_key(s))
        fprintf(stderr,
                "quiver: anybody who reaches %s may ask: there is no "
                "--api-key-file\n",
                host);
    fprintf(stderr,
            strchr(host, ':') ? "listening on %s://[%s]:%u\n" : "listening on %s://%s:%u\n",
            a->o.tls_cert ? "https" : "http", host, qv__server_port(s));
    fflush(stderr);
    while (sigtimedwait(set, NULL, &moment) < 0)
        qv__server_tick(s);
    pthread_sigmask(SIG_UNBLOCK, set, NULL); // the second one does what signals do
    qv__server_drain(s);
    for (double until = qv__seconds() + (double)a->drain;
         !qv__server_is_idle(s) && qv__seconds() < until; nanosleep(&moment, NULL))
        qv__server_tick(s);
}

int cmd_serve(int argc, char **argv)
{
    struct args a = {.drain = 30,
                     .o = {.port = 8080,
                           .seed = UINT64_MAX,
                           .engine = {.prefix_bytes = (size_t)256 << 20}}};
    argp_parse(&spec, argc, argv, 0, NULL, &a);
    qv_err err;
    qv_model *m = NULL;
    struct qv_server *s = NULL;
    sigset_t set;
    hold_signals(&set);
    // A generation of the library is made by one thread and ended by another.
    qv__memory_map_from(256 << 10);
    if (a.o.seed == UINT64_MAX) // another one each time
        a.o.seed = (uint64_t)time(NULL);
    a.o.model_path = a.base.dir;
    a.o.log = log_line;
    qv_status result = qv_model_open(&m, a.base.dir, &a.base.opts, &err);
    if (!result)
        result = qv__server_open(&s, m, &a.o, &err);
    if (!result)
        serve(s, &a, &set);
    qv__server_close(s);
    qv_model_close(m);
    return result ? qv__say_failure(&err) : 0;
}
