/* load.c - quiver serve under load: is every answer right, and how fast are they?
 *
 *     build/release/bench/load [quiver=./quiver] [model=models/base] [seconds=600]
 *         [streams=64] [experts=256] [requests=96] [tokens=64] [window=8] [chunk=128]
 *         [pause=500] [rival=PORT]
 *
 * A server over a library of random experts, in a new directory in the current one. Each of
 * the requests, for the base, experts and routers, is first answered alone, in each state
 * of a library that is to go round: an expert comes, is replaced, another comes, ... Then
 * so many streams ask them at once for `seconds`, greedily and in another order each, while
 * the library is changed through the API, `pause` milliseconds after each change again.
 * Every answer must be, to the last digit of its log-probabilities, what the request got
 * alone in the state of the library whose generation the answer names. Every 37th client
 * vanishes in the middle.
 *
 * Before that, unless window=0, three times in turn for `window` seconds each, nothing else
 * changing: one stream and all of them, by the base alone and by all who answer; with
 * rival, the base asked of another server at that port as well. And the time to the first
 * token, in turn with the engine's own: what `quiver generate` does of a prompt with the
 * model open, from the text to the first token.
 *
 * CSV; the exit status is 1 after any error or wrong answer, or if memory grows.
 */
#include "parts.h"
#include "base/clock.h"
#include "library/library.h"
#include "clients/answer.h"
#include "clients/served.h"

#include <quiver/session.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct options {
    const char *quiver, *model;
    size_t seconds, streams, experts, requests, tokens, window, chunk, pause, rival;
};

enum { TIMES = 3, VANISHES = 37, MOST_TOLD = 10, MOST_TIMES = 1 << 20 };

/* The requests, and what is right. */
struct plan {
    struct ask *ask;                    // [n]
    char (*want)[STATES][QV_HASH_TEXT]; // [n] hashes of answers; where the library does
                                        // not matter, the first alone
    size_t n;
    long generation; // in which the library was in state 0
};

/* Streams of one kind, while they run. */
struct run {
    const struct plan *plan;
    unsigned port;
    size_t step;   // every step-th request is asked
    bool is_right; // answers are checked
    bool vanishes; // some clients do
    double pause;  // seconds between changes of the library
    double from;   // when it began
    atomic_bool is_over;
    atomic_size_t n_answers, n_tokens, n_errors, n_wrong, n_vanished, n_changes;
    pthread_mutex_t lock; // guards what follows
    double until;         // answers count as far as they lie before
    double tokens;        // that count
    double *first;        // [n_first] seconds to the first token
    size_t n_first;
};

struct stream {
    struct run *run;
    size_t i;
    pthread_t thread;
};

static void tell(struct run *r, const char *what, const struct ask *ask, const char *words)
{
    if (atomic_load(&r->n_errors) + atomic_load(&r->n_wrong) <= MOST_TOLD)
        fprintf(stderr, "bench: %s: %s: %s\n", what, words, ask ? ask->body : "");
}

/* ---- what is right ---- */

static const char *wanted(const struct plan *p, size_t i, const struct answer *a)
{
    if (!p->ask[i].follows)
        return p->want[i][0];
    if (a->generation < p->generation)
        return "no such generation";
    return p->want[i][(size_t)(a->generation - p->generation) % STATES];
}

static void learn_state(struct plan *p, struct client *c, size_t s)
{
    for (size_t i = 0; i < p->n; i++) {
        struct answer a;
        qv_err err;
        if (s > 0 && !p->ask[i].follows)
            continue;
        if (ask_for(&a, c, &p->ask[i], false, &err))
            give_up(err.msg);
        snprintf(p->want[i][s], QV_HASH_TEXT, "%s", a.hash);
        if (p->ask[i].follows && s == 0)
            p->generation = a.generation;
        if (p->ask[i].follows && a.generation != p->generation + (long)s)
            give_up("a change has not made one generation");
    }
}

/* How many of those that follow the library are answered otherwise in another state. */
static size_t n_that_differ(const struct plan *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++) {
        bool differs = false;
        for (size_t s = 1; s < STATES && p->ask[i].follows; s++)
            differs = differs || strcmp(p->want[i][s], p->want[i][0]) != 0;
        n += differs;
    }
    return n;
}

static void learn(struct plan *p, const struct options *o, unsigned port)
{
    struct client c;
    qv_err err;
    long generation;
    *p = (struct plan){.n = o->requests};
    p->ask = calloc(p->n, sizeof *p->ask);
    p->want = calloc(p->n, sizeof *p->want);
    if (!p->ask || !p->want)
        give_up("no memory for the requests");
    for (size_t i = 0; i < p->n; i++)
        ask_of_load(&p->ask[i], i, o->experts, o->tokens);
    if (client_open(&c, port, &err))
        give_up(err.msg);
    double begun = qv__seconds();
    for (size_t s = 0; s < STATES; s++) {
        learn_state(p, &c, s);
        if (change_library(&c, s, &generation, &err))
            give_up(err.msg);
    }
    client_close(&c);
    size_t n_follow = 0;
    for (size_t i = 0; i < p->n; i++)
        n_follow += p->ask[i].follows;
    fprintf(stderr,
            "bench: answered alone in %.0f s; %zu of %zu follow the library, %zu "
            "are told apart by it\n",
            qv__seconds() - begun, n_follow, p->n, n_that_differ(p));
    p->generation += STATES; // it has gone round once
}

/* ---- streams ---- */

static void sleep_until(double at)
{
    for (double left; (left = at - qv__seconds()) > 0;)
        nanosleep(
            &(struct timespec){.tv_sec = (time_t)left,
                               .tv_nsec = (long)((left - (double)(time_t)left) * 1e9)},
            NULL);
}

static void count(struct run *r, const struct answer *a)
{
    pthread_mutex_lock(&r->lock);
    if (r->n_first < MOST_TIMES)
        r->first[r->n_first++] = a->first - a->begun;
    if (a->end <= r->until)
        r->tokens += (double)a->n_tokens;
    else if (a->begun < r->until)
        r->tokens += (double)a->n_tokens * (r->until - a->begun) / (a->end - a->begun);
    pthread_mutex_unlock(&r->lock);
}

static void check(struct run *r, size_t i, const struct answer *a)
{
    atomic_fetch_add(&r->n_answers, 1);
    atomic_fetch_add(&r->n_tokens, a->n_tokens);
    if (!r->is_right || strcmp(a->hash, wanted(r->plan, i, a)) == 0)
        return;
    atomic_fetch_add(&r->n_wrong, 1);
    tell(r, "wrong", &r->plan->ask[i], "not what it was alone");
}

static void *stream(void *arg)
{
    const struct stream *s = arg;
    struct run *r = s->run;
    struct client c = {.fd = -1};
    const size_t n = r->plan->n / r->step;
    for (size_t k = 0; !atomic_load(&r->is_over); k++) {
        const size_t i = r->step * ((s->i + k * (1 + s->i % 5)) % n);
        const bool vanishes = r->vanishes && (k * 61 + s->i) % VANISHES == 0;
        struct answer a;
        qv_err err;
        if (client_is_stale(&c))
            client_close(&c);
        qv_status result = c.fd < 0 ? client_open(&c, r->port, &err) : QV_OK;
        if (!result)
            result = ask_for(&a, &c, &r->plan->ask[i], vanishes, &err);
        if (result) {
            atomic_fetch_add(&r->n_errors, 1);
            tell(r, "error", &r->plan->ask[i], err.msg);
        } else if (vanishes) {
            atomic_fetch_add(&r->n_vanished, 1);
        } else {
            check(r, i, &a);
            count(r, &a);
        }
        if (result || vanishes)
            client_close(&c);
    }
    client_close(&c);
    return NULL;
}

static void *change(void *arg)
{
    struct run *r = arg;
    struct client c = {.fd = -1};
    qv_err err;
    for (size_t k = 0; !atomic_load(&r->is_over); k++) {
        long generation = -1;
        qv_status result = c.fd < 0 ? client_open(&c, r->port, &err) : QV_OK;
        if (!result)
            result = change_library(&c, k % STATES, &generation, &err);
        if (!result && generation >= 0 && generation != r->plan->generation + (long)k + 1)
            result =
                qv_fail(&err, QV_EIO, "generation %ld after change %zu", generation, k);
        if (result) { // nothing after it could be told right from wrong
            atomic_fetch_add(&r->n_errors, 1);
            tell(r, "error", NULL, err.msg);
            break;
        }
        atomic_fetch_add(&r->n_changes, 1);
        sleep_until(qv__seconds() + r->pause);
    }
    client_close(&c);
    return NULL;
}

static struct stream *begin_streams(struct run *r, size_t n)
{
    struct stream *s = calloc(n, sizeof *s);
    r->first = calloc(MOST_TIMES, sizeof *r->first);
    if (!s || !r->first)
        give_up("no memory for streams");
    pthread_mutex_init(&r->lock, NULL);
    r->from = qv__seconds();
    for (size_t i = 0; i < n; i++) {
        s[i] = (struct stream){.run = r, .i = i};
        if (pthread_create(&s[i].thread, NULL, stream, &s[i]))
            give_up("no thread for a stream");
    }
    return s;
}

static void end_streams(struct run *r, struct stream *s, size_t n)
{
    atomic_store(&r->is_over, true);
    for (size_t i = 0; i < n; i++)
        pthread_join(s[i].thread, NULL);
    free(s);
}

static void end_run(struct run *r)
{
    free(r->first);
    pthread_mutex_destroy(&r->lock);
}

/* ---- figures ---- */

static void print(const char *what, double value)
{
    printf("%s,%.4g\n", what, value);
    fflush(stdout);
}

/* Tokens a second of n streams for so long. */
static double rate(const struct plan *p, unsigned port, size_t n, size_t step,
                   bool is_right, size_t seconds, size_t *n_bad)
{
    struct run r = {.plan = p, .port = port, .step = step, .is_right = is_right};
    r.until = qv__seconds() + (double)seconds;
    struct stream *s = begin_streams(&r, n);
    sleep_until(r.until);
    end_streams(&r, s, n);
    double per_second = r.tokens / (r.until - r.from);
    *n_bad += atomic_load(&r.n_errors) + atomic_load(&r.n_wrong);
    end_run(&r);
    return per_second;
}

static size_t compare_rates(const struct plan *p, const struct options *o,
                            const struct server *server)
{
    enum { ONE, ALL, BASE_ONE, BASE_ALL, RIVAL_ONE, RIVAL_ALL, KINDS };
    static const char *const name[KINDS] = {
        "tokens/s one stream",        "tokens/s all streams",
        "tokens/s one stream, base",  "tokens/s all streams, base",
        "tokens/s one stream, rival", "tokens/s all streams, rival",
    };
    double got[KINDS][TIMES];
    size_t n_bad = 0;
    const size_t n_kinds = o->rival ? KINDS : RIVAL_ONE;
    for (size_t i = 0; i < TIMES * n_kinds; i++) {
        const size_t k = i % n_kinds, step = k < BASE_ONE ? 1 : ASK_KINDS;
        const unsigned port = k < RIVAL_ONE ? server->port : (unsigned)o->rival;
        double now =
            rate(p, port, k % 2 ? o->streams : 1, step, k < RIVAL_ONE, o->window, &n_bad);
        fprintf(stderr, "bench: %s: %.0f\n", name[k], now);
        got[k][i / n_kinds] = now;
    }
    for (size_t k = 0; k < n_kinds; k++)
        print(name[k], quantile(got[k], TIMES, 0.5));
    print("all streams / one", got[ALL][1] / got[ONE][1]);
    print("all streams / one, base", got[BASE_ALL][1] / got[BASE_ONE][1]);
    if (o->rival) {
        print("all streams / rival's of the base", got[ALL][1] / got[RIVAL_ALL][1]);
        print("all streams, base / rival", got[BASE_ALL][1] / got[RIVAL_ALL][1]);
    }
    return n_bad;
}

/* ---- the first token ---- */

/* Seconds from a text to the text of its next token, as `quiver generate` goes there. */
static double bare(const qv_model *m, const qv_reuse *reuse, const char *text)
{
    const qv_tokenizer *tok = qv_model_tokenizer(m);
    qv_session *s;
    qv_err err;
    int *ids;
    char *said;
    size_t n, size;
    double begun = qv__seconds();
    if (qv_tokenizer_encode(tok, text, strlen(text), qv_tokenizer_adds_bos(tok), &ids, &n,
                            &err) ||
        qv_session_new(&s, m, reuse, n + 2, &err) || qv_session_sync(s, ids, n, &err))
        give_up(err.msg);
    int id = qv_sample(qv_session_logits(s), qv_model_vocabulary(m), NULL, n);
    if (qv_tokenizer_decode(tok, &id, 1, true, &said, &size, &err))
        give_up(err.msg);
    double took = qv__seconds() - begun;
    free(said);
    free(ids);
    qv_session_free(s);
    return took;
}

static void compare_first(const qv_model *m, const qv_reuse *reuse, struct client *c,
                          size_t n_words, bool routed)
{
    enum { TRIALS = 25, WARM = 3 };
    double own[TRIALS], served[TRIALS];
    char text[1024], what[128];
    for (size_t i = 0; i < TRIALS + WARM; i++) {
        struct ask ask;
        struct answer a;
        qv_err err;
        const size_t prompt = 100000 * n_words + 1000 * routed + i; // new ones each time
        write_prompt(text, sizeof text, prompt, n_words);
        double took = bare(m, reuse, text);
        ask_plain(&ask, prompt, n_words, routed, 2);
        if (ask_for(&a, c, &ask, false, &err))
            give_up(err.msg);
        own[i % TRIALS] = took; // the first are written over
        served[i % TRIALS] = a.first - a.begun;
    }
    const char *who = routed ? "arrow" : "base";
    snprintf(what, sizeof what, "first ms, engine, %s, %zu words", who, n_words);
    print(what, 1e3 * quantile(own, TRIALS, 0.5));
    snprintf(what, sizeof what, "first ms, p50, %s, %zu words", who, n_words);
    print(what, 1e3 * quantile(served, TRIALS, 0.5));
    snprintf(what, sizeof what, "first ms, p99, %s, %zu words", who, n_words);
    print(what, 1e3 * quantile(served, TRIALS, 0.99));
    snprintf(what, sizeof what, "first, served / engine, %s, %zu words", who, n_words);
    print(what, quantile(served, TRIALS, 0.5) / quantile(own, TRIALS, 0.5));
}

static void compare_firsts(const qv_model *m, const char *place, unsigned port)
{
    static const size_t n_words[] = {15, 60, 120};
    char lib[64];
    struct client c;
    qv_reuse *reuse;
    qv_err err;
    snprintf(lib, sizeof lib, "%s/lib", place);
    if (qv_reuse_open(&reuse, m, &(qv_reuse_opts){.library = lib, .router = "arrow"},
                      &err) ||
        client_open(&c, port, &err))
        give_up(err.msg);
    for (size_t i = 0; i < QV_COUNT(n_words); i++) {
        compare_first(m, NULL, &c, n_words[i], false);
        compare_first(m, reuse, &c, n_words[i], true);
    }
    client_close(&c);
    qv_reuse_close(reuse);
}

/* ---- the load ---- */

static void print_resident(const struct server *server, double seconds)
{
    char what[64];
    snprintf(what, sizeof what, "resident MiB after %.0f s", seconds);
    print(what, resident(server->pid));
}

static void print_run(struct run *r, double seconds)
{
    print("answers", (double)atomic_load(&r->n_answers));
    print("tokens/s under load", (double)atomic_load(&r->n_tokens) / seconds);
    print("clients that vanished", (double)atomic_load(&r->n_vanished));
    print("changes of the library", (double)atomic_load(&r->n_changes));
    print("first ms under load, p50", 1e3 * quantile(r->first, r->n_first, 0.5));
    print("first ms under load, p99", 1e3 * quantile(r->first, r->n_first, 0.99));
    print("errors", (double)atomic_load(&r->n_errors));
    print("wrong answers", (double)atomic_load(&r->n_wrong));
}

/* Memory goes up and down with the generations of the library that answers hold on to. It
 * is flat if its mean over the last two fifths of the time is at most a twentieth more than
 * over the two before; of a short run that cannot be said. */
static size_t load(const struct plan *p, const struct options *o,
                   const struct server *server)
{
    enum { STEP = 60, LONG = 300, REST = 3 };
    struct run r = {.plan = p,
                    .port = server->port,
                    .step = 1,
                    .is_right = true,
                    .vanishes = true,
                    .pause = 1e-3 * (double)o->pause};
    const double seconds = (double)o->seconds;
    pthread_t changer;
    print_resident(server, 0);
    r.until = qv__seconds() + seconds;
    struct stream *s = begin_streams(&r, o->streams);
    if (pthread_create(&changer, NULL, change, &r))
        give_up("no thread for the changes");
    double sum[5] = {0};
    size_t n[5] = {0};
    for (size_t at = 1; at <= o->seconds; at++) {
        const size_t fifth = (at - 1) * 5 / o->seconds;
        sleep_until(r.from + (double)at);
        sum[fifth] += resident(server->pid);
        n[fifth]++;
        if (at % STEP == 0)
            print_resident(server, (double)at);
    }
    const double early = (sum[1] + sum[2]) / (double)(n[1] + n[2]);
    const double late = (sum[3] + sum[4]) / (double)(n[3] + n[4]);
    end_streams(&r, s, o->streams);
    pthread_join(changer, NULL);
    print_run(&r, qv__seconds() - r.from);
    print("resident MiB, mean of the 2nd and 3rd fifth", early);
    print("resident MiB, mean of the 4th and 5th", late);
    sleep_until(qv__seconds() + REST);
    print("resident MiB at rest", resident(server->pid));
    size_t n_bad = atomic_load(&r.n_errors) + atomic_load(&r.n_wrong);
    if (o->seconds >= LONG && late > 1.05 * early) {
        fprintf(stderr, "bench: memory grew from %.0f to %.0f MiB\n", early, late);
        n_bad++;
    }
    end_run(&r);
    return n_bad;
}

/* ---- all of it ---- */

static void read_options(struct options *o, int argc, char **argv)
{
    const struct {
        const char *name;
        size_t *to;
    } number[] = {
        {"seconds=", &o->seconds},   {"streams=", &o->streams}, {"experts=", &o->experts},
        {"requests=", &o->requests}, {"tokens=", &o->tokens},   {"window=", &o->window},
        {"chunk=", &o->chunk},       {"pause=", &o->pause},     {"rival=", &o->rival},
    };
    for (int i = 1; i < argc; i++) {
        const char *value = strchr(argv[i], '=');
        size_t k = 0;
        while (value && k < QV_COUNT(number) &&
               strncmp(argv[i], number[k].name, strlen(number[k].name)) != 0)
            k++;
        if (value && k < QV_COUNT(number))
            *number[k].to = strtoul(value + 1, NULL, 10);
        else if (value && strncmp(argv[i], "quiver=", 7) == 0)
            o->quiver = value + 1;
        else if (value && strncmp(argv[i], "model=", 6) == 0)
            o->model = value + 1;
        else {
            fprintf(stderr, "bench: what is %s?\n", argv[i]);
            exit(2);
        }
    }
    if (!o->seconds || !o->streams || !o->chunk || o->experts < 64 ||
        o->requests < ASK_KINDS || o->tokens < 2) {
        fprintf(stderr, "bench: at least 64 experts and %d requests, of 2 tokens\n",
                ASK_KINDS);
        exit(2);
    }
}

static void tell_problem(void *arg, const char *expert, const char *sentence)
{
    (void)arg;
    fprintf(stderr, "bench: %s: %s\n", expert ? expert : "-", sentence);
}

/* What is wrong with the library that the server leaves. */
static size_t verify(const char *place)
{
    char path[64];
    qv_library *lib;
    size_t n = 0;
    qv_err err;
    snprintf(path, sizeof path, "%s/lib", place);
    if (qv_library_open(&lib, path, &err) ||
        qv_library_verify(lib, tell_problem, NULL, &n, &err))
        give_up(err.msg);
    qv_library_close(lib);
    return n;
}

int main(int argc, char **argv)
{
    struct options o = {.quiver = "./quiver",
                        .model = "models/base",
                        .seconds = 600,
                        .streams = 64,
                        .experts = 256,
                        .requests = 96,
                        .tokens = 64,
                        .window = 8,
                        .chunk = 128,
                        .pause = 500};
    struct plan plan;
    qv_model *m;
    qv_err err;
    read_options(&o, argc, argv);
    wait_as_quiver_does(argv);
    const char *place = make_place();
    if (qv_model_open(&m, o.model, NULL, &err))
        give_up(err.msg);
    make_library(m, o.experts);
    make_changes(m);
    struct server server = begin_server(o.quiver, o.model, o.streams, o.chunk);
    printf("what,value\n");
    print("experts", (double)o.experts);
    print("streams", (double)o.streams);
    learn(&plan, &o, server.port);
    if (o.window)
        compare_firsts(m, place, server.port);
    size_t n_bad = o.window ? compare_rates(&plan, &o, &server) : 0;
    n_bad += load(&plan, &o, &server);
    int code = end_server(&server);
    if (code)
        fprintf(stderr, "bench: the server ended with %d\n", code);
    n_bad += (code != 0) + verify(place);
    free(plan.ask);
    free(plan.want);
    end_changes();
    qv_model_close(m);
    remove_place();
    return n_bad > 0;
}
