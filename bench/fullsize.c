/* fullsize.c - what a model of full size costs: to open, to read, to write, to route, to
 * train on.
 *
 *     build/release/bench/fullsize MODEL library LIB [EXPERTS]  make 256 random experts
 *     build/release/bench/fullsize MODEL open|decode|prompt|score|train
 *     build/release/bench/fullsize MODEL decode|prompt LIB      each token routed by Arrow
 *
 * Experts have rank 4 at the attention's four maps. MODEL may have random weights
 * (random_model.c) and needs no tokenizer. One thing a process, because a line of output
 * ends with the most memory the process held: all of it, and what of it is its own (the
 * rest is the mapped file).
 */
#include "base/base.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/rng.h"
#include "eval/score.h"
#include "library/library.h"
#include "model/model.h"
#include "model/reuse.h"
#include "train/trainer.h"

#include <quiver/session.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RANK = 4, TOP_K = 4, PROMPT = 512, SHORT = 16, DECODED = 24, STEPS = 2 };

static _Noreturn void stop(const char *what)
{
    fprintf(stderr, "fullsize: %s\n", what);
    exit(1);
}

/* "VmHWM" and the like of this process, in MiB. */
static double status_mib(const char *key)
{
    char line[256];
    double kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, key, strlen(key)) == 0)
            kib = strtod(line + strlen(key) + 1, NULL);
    if (f)
        fclose(f);
    return kib / 1024;
}

static void tell(const char *what, double value, const char *unit)
{
    printf("%s,%.2f,%s,%.0f,%.0f\n", what, value, unit, status_mib("VmHWM"),
           status_mib("RssAnon"));
}

/* The attention's sites of the model, as an expert of this benchmark has them. */
static size_t attention(struct qv_expert_shape *shape, const qv_model *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->sites.n; i++)
        if (strstr(m->sites.at[i].path, "self_attn"))
            shape[n++] = (struct qv_expert_shape){m->sites.at[i].path, m->sites.at[i].D_in,
                                                  m->sites.at[i].D_out, RANK, 4 * RANK};
    return n;
}

static struct qv_expert *new_expert(const qv_model *m, const char *name)
{
    struct qv_expert_shape *shape = calloc(m->sites.n, sizeof *shape);
    struct qv_expert *e;
    qv_err err;
    if (!shape)
        stop("no memory");
    if (qv__expert_new(&e, name, shape, attention(shape, m), false, &err))
        stop(err.msg);
    free(shape);
    return e;
}

/* As building a library keeps them; returns the seconds that computing them took. */
static double put_prototypes(qv_library *lib, const struct qv_expert *e)
{
    char hash[QV_HASH_TEXT];
    struct qv_prototypes p;
    qv_err err;
    const double begun = qv__seconds();
    if (qv__prototypes_of(&p, e, &err))
        stop(err.msg);
    const double took = qv__seconds() - begun;
    const struct qv_tensor_out out[] = {{"v", QV_F32, 1, {p.first[p.n_sites]}, p.v},
                                        {"sigma", QV_F32, 2, {p.n_sites, 2}, p.sigma}};
    qv__expert_hash(hash, e);
    if (qv__library_put_artifact(lib, e->name, "prototypes", hash, out, 2, &err))
        stop(err.msg);
    qv__prototypes_end(&p);
    return took;
}

static void make_library(const qv_model *m, const char *dir, size_t n)
{
    qv_library *lib;
    qv_err err;
    if (qv_library_create(&lib, dir, NULL, &err))
        stop(err.msg);
    double t = qv__seconds(), prototypes = 0;
    for (size_t k = 0; k < n; k++) {
        char name[32];
        snprintf(name, sizeof name, "expert-%04zu", k);
        struct qv_expert *e = new_expert(m, name);
        for (size_t i = 0; i < e->n_w; i++)
            e->w[i] = (qv__uniform(k, i) - 0.5f) * 0.01f;
        if (qv__library_put(lib, e, NULL, &err))
            stop(err.msg);
        prototypes += put_prototypes(lib, e);
        qv__expert_free(e);
    }
    tell("library", qv__seconds() - t, "s");
    tell("of it, computing prototypes", prototypes, "s");
    qv_library_close(lib);
}

/* A session, after reading n tokens. */
static qv_session *read_tokens(const qv_model *m, const qv_reuse *reuse, int *token,
                               size_t n)
{
    qv_session *s;
    qv_err err;
    for (size_t i = 0; i < PROMPT; i++)
        token[i] = (int)(qv__bits(7, i) % m->c.V);
    if (qv_session_new(&s, m, reuse, PROMPT, &err) || qv_session_sync(s, token, n, &err))
        stop(err.msg);
    return s;
}

static void decode(const qv_model *m, const qv_reuse *reuse)
{
    int token[PROMPT];
    qv_err err;
    qv_session *s = read_tokens(m, reuse, token, SHORT);
    double t = qv__seconds();
    for (size_t n = SHORT; n < SHORT + DECODED; n++) {
        token[n] = qv_sample(qv_session_logits(s), m->c.V, NULL, n);
        if (qv_session_sync(s, token, n + 1, &err))
            stop(err.msg);
    }
    tell(reuse ? "decode, routed" : "decode", DECODED / (qv__seconds() - t), "tokens/s");
    qv_session_free(s);
}

static void prompt(const qv_model *m, const qv_reuse *reuse)
{
    int token[PROMPT];
    double t = qv__seconds();
    qv_session *s = read_tokens(m, reuse, token, PROMPT);
    tell(reuse ? "prompt, routed" : "prompt", PROMPT / (qv__seconds() - t), "tokens/s");
    qv_session_free(s);
}

static void score(const qv_model *m)
{
    int token[PROMPT];
    float logprob[PROMPT];
    qv_err err;
    for (size_t i = 0; i < PROMPT; i++)
        token[i] = (int)(qv__bits(7, i) % m->c.V);
    double t = qv__seconds();
    if (qv__score(logprob, m, NULL, token, PROMPT, NULL, &err))
        stop(err.msg);
    tell("score", PROMPT / (qv__seconds() - t), "tokens/s");
}

static void train(const qv_model *m)
{
    int token[PROMPT];
    qv_err err;
    for (size_t i = 0; i < PROMPT; i++)
        token[i] = (int)(qv__bits(7, i) % m->c.V);
    struct qv_sequence seq[] = {{token, PROMPT / 2, 1, 0},
                                {token + PROMPT / 2, PROMPT / 2, 1, 0}};
    struct qv_source src;
    struct qv_train_log log = {0};
    const struct qv_train_opts o = {.steps = STEPS, .dropout = -1, .save_every = 1e6f};
    struct qv_expert *e = new_expert(m, "trained");
    if (qv__source_init(&src, seq, 2, 2, 1, &err) ||
        qv__train_expert(e, m, &src, NULL, 0, &o, NULL, &log, &err))
        stop(err.msg);
    tell("train", (double)log.tokens / log.seconds, "tokens/s");
    qv__train_log_end(&log);
    qv__source_end(&src);
    qv__expert_free(e);
}

static qv_reuse *routed(const qv_model *m, const char *library)
{
    qv_reuse *reuse;
    qv_err err;
    const qv_reuse_opts o = {.library = library, .router = "arrow", .top_k = TOP_K};
    double t = qv__seconds();
    if (qv_reuse_open(&reuse, m, &o, &err))
        stop(err.msg);
    tell("open the library", qv__seconds() - t, "s");
    return reuse;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        stop("give a model, and open, decode, prompt, score, train or library");
    const char *what = argv[2], *library = argc > 3 ? argv[3] : NULL;
    qv_model *m;
    qv_err err;
    double t = qv__seconds();
    if (qv_model_open(&m, argv[1], NULL, &err))
        stop(err.msg);
    printf("what,value,unit,MiB,MiB of its own\n");
    tell("open", qv__seconds() - t, "s");
    if (strcmp(what, "library") == 0) {
        if (!library)
            stop("give the library's directory");
        make_library(m, library, argc > 4 ? strtoul(argv[4], NULL, 10) : 256);
    } else if (strcmp(what, "open") == 0) {
        int token[PROMPT];
        qv_session_free(read_tokens(m, NULL, token, 1));
        tell("first token", qv__seconds() - t, "s");
    } else if (strcmp(what, "score") == 0) {
        score(m);
    } else if (strcmp(what, "train") == 0) {
        train(m);
    } else if (strcmp(what, "decode") == 0 || strcmp(what, "prompt") == 0) {
        qv_reuse *reuse = library ? routed(m, library) : NULL;
        (what[0] == 'd' ? decode : prompt)(m, reuse);
        qv_reuse_close(reuse);
    } else {
        stop("what is to be measured is open, decode, prompt, score, train or library");
    }
    qv_model_close(m);
    return 0;
}
