/* reuse_test.c - a whole model with adapters, libraries and routers, against PEFT's
 * numbers and against slower ways to say the same. */
#include "model/reuse.h"
#include "base/file.h"
#include "base/json.h"
#include "library/library.h"
#include "lora/peft.h"
#include "lora/prototypes.h"
#include "model/subtract.h"
#include "support/experts.h"
#include "support/scratch.h"
#include "support/tiny.h"

#include <quiver/session.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PEFT  "tests/golden/peft/"
#define ARROW "tests/golden/arrow/peft/"

static qv_model *base; // PEFT's: tests/golden/llama/gqa_untied

static int open_base(void **state)
{
    (void)state;
    return qv_model_open(&base, "tests/golden/llama/gqa_untied",
                         &(qv_model_opts){.compute = QV_COMPUTE_F32}, NULL);
}

static int close_base(void **state)
{
    (void)state;
    qv_model_close(base);
    return 0;
}

static qv_reuse *reuse(const qv_model *m, const qv_reuse_opts *opts)
{
    qv_reuse *r;
    qv_err err;
    assert_works(qv_reuse_open(&r, m, opts, &err), &err);
    return r;
}

/* Logits [n, V] of a text of `task`, in one pass. */
static float *passed(const qv_model *m, const qv_reuse *r, const char *task, const int *ids,
                     size_t n)
{
    struct qv_update u;
    qv_err err;
    assert_works(qv__reuse_update(&u, r, task, n, &err), &err);
    float *logits = logits_of(m, &u, ids, n);
    qv__update_end(&u);
    return logits;
}

/* The same token by token through a session's cache. */
static float *said(const qv_model *m, const qv_reuse *r, const int *ids, size_t n)
{
    qv_session *s;
    qv_err err;
    size_t V = m->c.V;
    float *logits = malloc(n * V * sizeof *logits);
    assert_non_null(logits);
    assert_works(qv_session_new(&s, m, r, n, &err), &err);
    for (size_t i = 0; i < n; i++) {
        assert_works(qv_session_sync(s, ids, i + 1, &err), &err);
        memcpy(logits + i * V, qv_session_logits(s), V * sizeof *logits);
    }
    qv_session_free(s);
    return logits;
}

static float *golden(const char *path, const char *tensor, size_t n)
{
    struct qv_st st;
    qv_err err;
    assert_works(qv__st_open(&st, path, &err), &err);
    const struct qv_tensor *t = qv__st_find(&st, tensor);
    assert_non_null(t);
    assert_int_equal(t->n, n);
    float *x = malloc(n * sizeof *x);
    assert_non_null(x);
    qv__st_f32(x, t, 0, n);
    qv__st_close(&st);
    return x;
}

static size_t golden_ids(int ids[64], const char *path)
{
    json_t *o, *v;
    qv_err err;
    size_t i;
    assert_works(qv__json_read(&o, path, 1 << 20, &err), &err);
    json_t *list = json_object_get(o, "ids");
    size_t n = json_array_size(list);
    assert_in_range(n, 1, 64);
    json_array_foreach(list, i, v) ids[i] = (int)json_integer_value(v);
    json_decref(o);
    return n;
}

/* Both ways to run the model give `want`. */
static void assert_says(const qv_reuse *r, const int *ids, size_t n, const float *want)
{
    float *at_once = passed(base, r, NULL, ids, n), *one_by_one = said(base, r, ids, n);
    assert_close_to_scale(at_once, want, n * base->c.V, 1e-4);
    assert_close_to_scale(one_by_one, want, n * base->c.V, 1e-4);
    free(at_once);
    free(one_by_one);
}

static void every_adapter_of_peft_gives_pefts_logits(void **state)
{
    (void)state;
    static const char *const names[] = {
        "plain", "dropout",    "rslora",      "patterns", "patterns_rslora",
        "regex", "all_linear", "some_layers", "excluded", "dora"};
    int ids[64];
    size_t n = golden_ids(ids, PEFT "ids.json"), V = base->c.V;
    float *want = golden(PEFT "base.safetensors", "logits", n * V);
    qv_reuse *r = reuse(base, NULL);
    assert_int_equal(qv_reuse_experts(r), 0);
    assert_says(r, ids, n, want);
    assert_says(NULL, ids, n, want);
    qv_reuse_close(r);
    free(want);
    for (size_t i = 0; i < QV_COUNT(names); i++) {
        char dir[64], file[96];
        snprintf(dir, sizeof dir, PEFT "%s", names[i]);
        snprintf(file, sizeof file, "%s/expect.safetensors", dir);
        want = golden(file, "logits", n * V);
        r = reuse(base, &(qv_reuse_opts){.adapter = dir});
        assert_int_equal(qv_reuse_experts(r), 1);
        assert_string_equal(qv_reuse_expert(r, 0), names[i]);
        assert_null(qv_reuse_expert(r, 1));
        assert_says(r, ids, n, want);
        qv_reuse_close(r);
        free(want);
    }
}

/* A library in the scratch directory of the adapters <from>0 .. <from>n-1. */
static const char *library_of(void **state, const char *from, size_t n)
{
    qv_library *lib;
    qv_err err;
    const char *dir = scratch_path(state, "lib");
    assert_works(qv_library_create(&lib, dir, NULL, &err), &err);
    for (size_t i = 0; i < n; i++) {
        char path[64];
        snprintf(path, sizeof path, "%s%zu", from, i);
        assert_works(qv_library_add(lib, qv__base_name(path), path, NULL, &err), &err);
    }
    qv_library_close(lib);
    return dir;
}

static void arrow_over_a_library_of_pefts_adapters_gives_pefts_logits(void **state)
{
    static const struct {
        const char *tensor;
        size_t top_k;
        float temperature;
    } run[] = {{"arrow.logits", 2, 1}, {"top3.logits", 3, .5f}};
    int ids[64];
    size_t n = golden_ids(ids, ARROW "expect.json");
    const char *lib = library_of(state, ARROW "expert", 5);
    for (size_t i = 0; i < 2; i++) {
        float *want = golden(ARROW "expect.safetensors", run[i].tensor, n * base->c.V);
        qv_reuse *r = reuse(base, &(qv_reuse_opts){.library = lib,
                                                   .router = "arrow",
                                                   .top_k = run[i].top_k,
                                                   .temperature = run[i].temperature,
                                                   .compose = QV_COMPOSE_OUTPUT});
        assert_int_equal(qv_reuse_experts(r), 5);
        assert_string_equal(qv_reuse_expert(r, 4), "expert4");
        assert_says(r, ids, n, want);
        qv_reuse_close(r);
        free(want);
    }
}

static void add_experts(const char *dir, const char *from, size_t n)
{
    qv_library *lib;
    qv_err err;
    assert_works(qv_library_open(&lib, dir, &err), &err);
    for (size_t i = 0; i < n; i++) {
        char path[64];
        snprintf(path, sizeof path, "%s%zu", from, i);
        assert_works(qv_library_add(lib, qv__base_name(path), path, NULL, &err), &err);
    }
    qv_library_close(lib);
}

static void experts_less_general_knowledge_give_pefts_logits(void **state)
{
    int ids[64];
    size_t n = golden_ids(ids, ARROW "expect.json");
    const char *lib = library_of(state, ARROW "expert", 5);
    add_experts(lib, ARROW "general", 2);
    float *want = golden(ARROW "expect.safetensors", "subtracted.logits", n * base->c.V);
    qv_reuse *r = reuse(base, &(qv_reuse_opts){.library = lib,
                                               .router = "arrow",
                                               .top_k = 2,
                                               .general = "general1,general0",
                                               .compose = QV_COMPOSE_OUTPUT});
    assert_int_equal(qv_reuse_experts(r), 5);
    assert_says(r, ids, n, want);
    qv_reuse_close(r);
    free(want);

    qv_err err;
    assert_fails(qv_reuse_open(&r, base,
                               &(qv_reuse_opts){.library = lib,
                                                .router = "arrow",
                                                .general = "general0,nobody"},
                               &err),
                 QV_ENOTFOUND, &err,
                 "1 experts among 'general0,nobody', which names 2 general ones");
    assert_fails(qv_reuse_open(&r, base, &(qv_reuse_opts){.general = "a"}, &err),
                 QV_EFORMAT, &err, "general experts need a library");
}

/* A router for tests: says weights of its own for every token. */
static void uniform_route(const struct qv_router *router, size_t site, const float *x,
                          size_t T, float *scratch, struct qv_routing *to)
{
    (void)x, (void)scratch;
    const struct qv_bank_site *s = &router->bank->site[site];
    to->k = s->K;
    for (size_t i = 0; i < T * s->K; i++) {
        to->expert[i] = (int)(i % s->K);
        to->weight[i] = 1 / (float)router->bank->K; // who does not adapt adds nothing
    }
}

/* Where B A stretches most, by power iteration in double. */
static void direction(double *v, const float *A, const float *Bt, size_t R, size_t D_in,
                      size_t D_out)
{
    double z[8], y[64];
    for (size_t i = 0; i < D_in; i++)
        v[i] = 1 + 0.1 * (double)(i % 7);
    for (int round = 0; round < 4000; round++) {
        double norm = 0;
        for (size_t r = 0; r < R; r++) {
            z[r] = 0;
            for (size_t i = 0; i < D_in; i++)
                z[r] += (double)A[r * D_in + i] * v[i];
        }
        for (size_t o = 0; o < D_out; o++) {
            y[o] = 0;
            for (size_t r = 0; r < R; r++)
                y[o] += (double)Bt[r * D_out + o] * z[r];
        }
        for (size_t r = 0; r < R; r++) {
            z[r] = 0;
            for (size_t o = 0; o < D_out; o++)
                z[r] += (double)Bt[r * D_out + o] * y[o];
        }
        for (size_t i = 0; i < D_in; i++) {
            v[i] = 0;
            for (size_t r = 0; r < R; r++)
                v[i] += (double)A[r * D_in + i] * z[r];
            norm += v[i] * v[i];
        }
        for (size_t i = 0; i < D_in; i++)
            v[i] /= sqrt(norm);
    }
}

/* Arrow as the paper writes it: all scores, all but the best struck out, softmax. */
static void slow_arrow(const struct qv_router *router, size_t site, const float *x,
                       size_t T, float *scratch, struct qv_routing *to)
{
    (void)scratch;
    const struct qv_bank_site *s = &router->bank->site[site];
    size_t k = qv__min(router->top_k, s->K);
    double v[8][64];
    assert_true(s->K <= 8 && s->D_in <= 64 && s->D_out <= 64 && s->R_max <= 8);
    for (size_t e = 0; e < s->K; e++)
        direction(v[e], s->A[e], s->Bt[e], s->first[e + 1] - s->first[e], s->D_in,
                  s->D_out);
    to->k = k;
    for (size_t t = 0; t < T; t++) {
        double score[8], sum = 0;
        for (size_t e = 0; e < s->K; e++) {
            score[e] = 0;
            for (size_t i = 0; i < s->D_in; i++)
                score[e] += v[e][i] * (double)x[t * s->D_in + i];
            score[e] = fabs(score[e]);
        }
        for (size_t j = 0; j < k; j++) {
            size_t best = 0;
            for (size_t e = 1; e < s->K; e++)
                if (score[e] > score[best])
                    best = e;
            to->expert[t * k + j] = (int)best;
            to->weight[t * k + j] = (float)exp(score[best] / (double)router->temperature);
            sum += (double)to->weight[t * k + j];
            score[best] = -1;
        }
        for (size_t j = 0; j < k; j++)
            to->weight[t * k + j] /= (float)sum;
    }
}

/* Experts on the golden base whose ranks, scales and sites differ. */
enum { MIXED = 4, TOKENS = 20 };

static void mixed(struct qv_expert *e[MIXED])
{
    static const char *const names[MIXED] = {"a", "b", "c", "d"};
    static const char *const sites[MIXED] = {"q_proj|v_proj", ".*proj", "gate_proj|q_proj",
                                             "model.layers.1..*"};
    for (size_t k = 0; k < MIXED; k++) {
        struct qv_expert_shape shape[32];
        bool chosen[32];
        size_t n_chosen, n = 0;
        assert_true(base->sites.n <= 32);
        assert_int_equal(qv__sites_match(chosen, &n_chosen, &base->sites, sites[k], NULL),
                         QV_OK);
        for (size_t i = 0; i < base->sites.n; i++)
            if (chosen[i])
                shape[n++] = (struct qv_expert_shape){
                    base->sites.at[i].path, base->sites.at[i].D_in, base->sites.at[i].D_out,
                    1 + k + i % 2, .5f + 2 * (float)k};
        e[k] = expert_drawn(names[k], shape, n, 70 + k);
        for (size_t i = 0; i < e[k]->n_w; i++)
            e[k]->w[i] *= .15f;
    }
}

static void free_mixed(struct qv_expert *e[MIXED])
{
    for (size_t k = 0; k < MIXED; k++)
        qv__expert_free(e[k]);
}

static void an_exact_subtraction_is_one_of_updates(void **state)
{
    struct qv_expert *e[MIXED], *less[2];
    struct qv_bank *b[4];
    float y[4][64], *x = normals(64, 5);
    (void)state;
    mixed(e);
    assert_int_equal(qv__subtract_general(less, e, 2, e + 2, 2, true, NULL), QV_OK);
    struct qv_expert *const one[] = {e[0], less[0], e[2], e[3]};
    for (size_t site = 0; site < base->sites.n; site++) {
        for (size_t i = 0; i < 4; i++) {
            struct qv_update u;
            memset(y[i], 0, sizeof y[i]);
            b[i] = bank_of(&base->sites, &one[i], 1);
            assert_int_equal(qv__update_init(&u, b[i], NULL, QV_FACTOR, 1, NULL), QV_OK);
            qv__update_apply(&u, site, y[i], x, 1);
            qv__update_end(&u);
            qv__bank_free(b[i]);
        }
        for (size_t o = 0; o < 64; o++)
            y[0][o] -= (y[2][o] + y[3][o]) / 2;
        assert_close_to_scale(y[1], y[0], 64, 1e-5);
    }
    for (size_t i = 0; i < 2; i++)
        qv__expert_free(less[i]);
    free_mixed(e);
    free(x);
}

/* The mixed experts in a library, each trained on a task of its own. */
static const char *mixed_library(void **state)
{
    static const char *const task[MIXED][1] = {{"sums"}, {"dates"}, {"names"}, {"verbs"}};
    const char *dir = scratch_path(state, "mixed");
    struct qv_expert *e[MIXED];
    qv_library *lib;
    qv_err err;
    mixed(e);
    assert_works(qv_library_create(&lib, dir, NULL, &err), &err);
    for (size_t k = 0; k < MIXED; k++) {
        const qv_expert_opts opts = {.meta = {.task = task[k], .n_tasks = 1}};
        assert_works(qv__library_put(lib, e[k], &opts, &err), &err);
    }
    qv_library_close(lib);
    free_mixed(e);
    return dir;
}

/* What all of them read. */
static const int text[TOKENS] = {1,  48, 85, 21, 58, 95, 31, 68, 4,  41,
                                 78, 14, 51, 88, 24, 61, 98, 34, 71, 7};

/* Logits with a router of the test's own over the mixed experts. */
static float *routed_by(void (*route)(const struct qv_router *, size_t, const float *,
                                      size_t, float *, struct qv_routing *),
                        size_t top_k, float temperature, enum qv_compose compose)
{
    struct qv_expert *e[MIXED];
    struct qv_update u;
    qv_err err;
    mixed(e);
    struct qv_bank *bank = bank_of(&base->sites, e, MIXED);
    const struct qv_router_ops ops = {.name = "test", .route = route};
    const struct qv_router router = {
        .ops = &ops, .bank = bank, .top_k = top_k, .temperature = temperature};
    assert_works(qv__update_init(&u, bank, &router, compose, TOKENS, &err), &err);
    float *logits = logits_of(base, &u, text, TOKENS);
    qv__update_end(&u);
    qv__bank_free(bank);
    free_mixed(e);
    return logits;
}

static void uniform_folded_is_uniform_routed(void **state)
{
    const char *lib = mixed_library(state);
    for (int how = 0; how < 2; how++) {
        enum qv_compose compose = how ? QV_OUTPUT : QV_FACTOR;
        float *want = routed_by(uniform_route, MIXED, 1, compose);
        qv_reuse *r = reuse(
            base, &(qv_reuse_opts){.library = lib,
                                   .router = "uniform",
                                   .compose = how ? QV_COMPOSE_OUTPUT : QV_COMPOSE_FACTOR});
        assert_int_equal(qv_reuse_experts(r), MIXED);
        assert_says(r, text, TOKENS, want);
        qv_reuse_close(r);
        free(want);
    }
}

static void arrow_over_experts_of_any_rank_scale_and_sites_is_the_papers(void **state)
{
    static const struct {
        size_t top_k;
        float temperature;
    } run[] = {{1, 1}, {2, 1}, {3, .25f}, {9, 2}};
    const char *lib = mixed_library(state);
    for (size_t i = 0; i < 2 * QV_COUNT(run); i++) {
        size_t k = run[i / 2].top_k;
        float t = run[i / 2].temperature;
        float *want = routed_by(slow_arrow, k, t, i % 2 ? QV_OUTPUT : QV_FACTOR);
        qv_reuse *r = reuse(base, &(qv_reuse_opts){.library = lib,
                                                   .router = "arrow",
                                                   .top_k = k,
                                                   .temperature = t,
                                                   .compose = i % 2 ? QV_COMPOSE_OUTPUT
                                                                    : QV_COMPOSE_FACTOR});
        assert_says(r, text, TOKENS, want);
        qv_reuse_close(r);
        free(want);
    }
}

static void arrow_mean_is_arrow_over_the_experts_less_their_average(void **state)
{
    struct qv_expert *e[MIXED], *less[MIXED];
    struct qv_reuse_from from = {.experts = less, .n = MIXED, .router = "arrow"};
    qv_reuse *r[2];
    (void)state;
    mixed(e);
    assert_int_equal(qv__subtract_mean(less, e, MIXED, NULL), QV_OK);
    from.top_k = 2;
    assert_int_equal(qv__reuse_new(&r[0], base, &from, NULL), QV_OK);
    from.experts = e, from.router = "arrow_mean";
    assert_int_equal(qv__reuse_new(&r[1], base, &from, NULL), QV_OK);
    float *want = passed(base, r[0], NULL, text, TOKENS);
    assert_says(r[1], text, TOKENS, want);
    for (size_t i = 0; i < 2; i++)
        qv_reuse_close(r[i]);
    free(want);
    free_mixed(less);
    free_mixed(e);
}

static float most_apart(const float *x, const float *y, size_t n)
{
    float most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmaxf(most, fabsf(x[i] - y[i]));
    return most;
}

static void the_oracle_takes_the_expert_of_the_texts_task(void **state)
{
    static const char *const task[MIXED] = {"sums", "dates", "names", "verbs"};
    const char *lib = mixed_library(state);
    size_t n = TOKENS * base->c.V;
    qv_reuse *oracle = reuse(base, &(qv_reuse_opts){.library = lib, .router = "oracle"});
    assert_int_equal(qv_reuse_experts(oracle), MIXED);
    float *last = NULL;
    for (size_t k = 0; k < MIXED; k++) {
        qv_reuse *one = reuse(
            base, &(qv_reuse_opts){.library = lib, .expert = qv_reuse_expert(oracle, k)});
        assert_int_equal(qv_reuse_experts(one), 1);
        float *want = passed(base, one, NULL, text, TOKENS);
        float *got = passed(base, oracle, task[k], text, TOKENS);
        assert_close_to_scale(got, want, n, 1e-5);
        assert_true(!last || most_apart(last, got, n) > .1f); // experts differ
        free(last);
        free(want);
        last = got;
        qv_reuse_close(one);
    }
    free(last);

    struct qv_update u;
    qv_session *s;
    qv_err err;
    assert_fails(qv__reuse_update(&u, oracle, "sport", 1, &err), QV_ENOTFOUND, &err,
                 "the oracle has no expert for task 'sport'");
    assert_fails(qv_session_new(&s, base, oracle, 0, &err), QV_ENOTFOUND, &err,
                 "the oracle has no expert for task ''");
    assert_null(s);
    qv_reuse_close(oracle);
}

static void a_library_of_one_is_its_adapter_whoever_routes(void **state)
{
    int ids[64];
    size_t n = golden_ids(ids, PEFT "ids.json");
    float *want = golden(PEFT "patterns/expect.safetensors", "logits", n * base->c.V);
    const char *dir = scratch_path(state, "one");
    static const char *const task[] = {"its", "other"};
    const qv_expert_opts facts = {.meta = {.task = task, .n_tasks = 2}};
    qv_library *lib;
    qv_err err;
    assert_works(qv_library_create(&lib, dir, NULL, &err), &err);
    assert_works(qv_library_add(lib, "p", PEFT "patterns", &facts, &err), &err);
    qv_library_close(lib);
    const qv_reuse_opts opts[] = {
        {.library = dir, .expert = "p"},
        {.library = dir, .router = "uniform"},
        {.library = dir, .router = "uniform", .compose = QV_COMPOSE_OUTPUT},
        {.library = dir, .router = "arrow"},
        {.library = dir, .router = "arrow", .compose = QV_COMPOSE_OUTPUT},
        {.library = dir, .router = "oracle"},
    };
    for (size_t i = 0; i < QV_COUNT(opts); i++) {
        qv_reuse *r = reuse(base, &opts[i]);
        float *got = passed(base, r, task[1], ids, n);
        assert_close_to_scale(got, want, n * base->c.V, 1e-4);
        free(got);
        qv_reuse_close(r);
    }
    free(want);
}

/* ---- prototypes ---- */

/* Store prototypes for the library's expert `name`: its own with every direction
 * turned into another, or `v` alone of that many numbers; stamped with its hash. */
static void store_prototypes(const char *dir, const char *name, size_t n_v, float fill)
{
    qv_library *lib;
    struct qv_expert *e;
    qv_err err;
    char hash[65];
    assert_works(qv_library_open(&lib, dir, &err), &err);
    assert_works(qv__library_read(&e, lib, name, &base->sites, &err), &err);
    qv__expert_hash(hash, e);
    struct qv_prototypes p;
    assert_works(qv__prototypes_of(&p, e, &err), &err);
    for (size_t i = 0; i < p.first[p.n_sites]; i++)
        p.v[i] = fill;
    const struct qv_tensor_out t[] = {
        {"v", QV_F32, 1, {n_v ? n_v : p.first[p.n_sites]}, p.v},
        {"sigma", QV_F32, 2, {p.n_sites, 2}, p.sigma},
    };
    assert_works(qv__library_put_artifact(lib, name, "prototypes", hash, t, 2, &err), &err);
    qv__prototypes_end(&p);
    qv__expert_free(e);
    qv_library_close(lib);
}

static const qv_reuse_opts *arrow_two(const char *dir)
{
    static qv_reuse_opts opts;
    opts = (qv_reuse_opts){.library = dir, .router = "arrow", .top_k = 2};
    return &opts;
}

static void prototypes_kept_with_an_expert_are_used_while_they_are_its_own(void **state)
{
    const char *dir = mixed_library(state);
    size_t n = TOKENS * base->c.V;
    qv_reuse *r = reuse(base, arrow_two(dir));
    float *computed = passed(base, r, NULL, text, TOKENS);
    qv_reuse_close(r);

    // Zero prototypes keep the expert out wherever two others can be chosen.
    store_prototypes(dir, "b", 0, 0);
    r = reuse(base, arrow_two(dir));
    const struct qv_bank_site *site = &r->bank->site[0];
    assert_int_equal(site->K, 3); // a, b, c
    const struct qv_prototypes *kept = &r->bank->vectors[1];
    const uintptr_t mapped = (uintptr_t)kept->file.bytes, at_v = (uintptr_t)kept->v;
    assert_true(mapped && !r->bank->vectors[0].file.bytes); // b's stay where they are
    assert_true(at_v > mapped && at_v < mapped + kept->file.size);
    for (size_t i = 0; i < site->D_in; i++)
        assert_true(site->proto[1][i] == 0);
    float *stored = passed(base, r, NULL, text, TOKENS);
    assert_true(most_apart(stored, computed, n) > .1f);
    qv_reuse_close(r);

    // The same file under another expert's stamp is nobody's.
    const char *file = scratch_path(state, "mixed/b/artifacts/prototypes.safetensors");
    struct qv_st st;
    qv_err err;
    assert_works(qv__st_open(&st, file, &err), &err);
    const struct qv_tensor *v = qv__st_find(&st, "v"), *s = qv__st_find(&st, "sigma");
    const struct qv_tensor_out t[] = {{"v", QV_F32, 1, {v->n}, v->data},
                                      {"sigma", QV_F32, 2, {s->n / 2, 2}, s->data}};
    const char *const stamp[][2] = {{"expert", "of a version before"}};
    const char *stale = scratch_path(state, "stale");
    assert_works(qv__st_write(stale, t, 2, stamp, 1, &err), &err);
    qv__st_close(&st);
    assert_int_equal(rename(stale, file), 0);
    r = reuse(base, arrow_two(dir));
    float *again = passed(base, r, NULL, text, TOKENS);
    assert_memory_equal(again, computed, n * sizeof *again);
    qv_reuse_close(r);
    free(computed);
    free(stored);
    free(again);
}

static void an_experts_own_prototypes_are_the_ones_that_are_computed(void **state)
{
    const char *dir = mixed_library(state);
    qv_library *lib;
    struct qv_expert *e;
    struct qv_prototypes p;
    qv_err err;
    char hash[65];
    qv_reuse *r = reuse(base, arrow_two(dir));
    float *want = passed(base, r, NULL, text, TOKENS);
    qv_reuse_close(r);
    assert_works(qv_library_open(&lib, dir, &err), &err);
    for (size_t k = 0; k < MIXED; k++) {
        const char name[] = {(char)('a' + k), '\0'};
        assert_works(qv__library_read(&e, lib, name, &base->sites, &err), &err);
        qv__expert_hash(hash, e);
        assert_works(qv__prototypes_of(&p, e, &err), &err);
        const struct qv_tensor_out t[] = {{"v", QV_F32, 1, {p.first[p.n_sites]}, p.v},
                                          {"sigma", QV_F32, 2, {p.n_sites, 2}, p.sigma}};
        assert_works(qv__library_put_artifact(lib, name, "prototypes", hash, t, 2, &err),
                     &err);
        qv__prototypes_end(&p);
        qv__expert_free(e);
    }
    qv_library_close(lib);
    r = reuse(base, arrow_two(dir));
    float *got = passed(base, r, NULL, text, TOKENS);
    assert_memory_equal(got, want, TOKENS * base->c.V * sizeof *got);
    qv_reuse_close(r);
    free(want);
    free(got);
}

static void damaged_prototypes_are_refused(void **state)
{
    const char *dir = mixed_library(state);
    qv_reuse *r;
    qv_err err;
    store_prototypes(dir, "b", 3, 0);
    assert_fails(qv_reuse_open(&r, base, arrow_two(dir), &err), QV_EFORMAT, &err,
                 "/mixed: expert 'b': artifact 'prototypes' is not of its shape");
    assert_null(r);
    store_prototypes(dir, "b", 0, NAN);
    assert_fails(qv_reuse_open(&r, base, arrow_two(dir), &err), QV_EFORMAT, &err,
                 "/mixed: expert 'b': a prototype is not finite");
    write_text(scratch_path(state, "mixed/b/artifacts/prototypes.safetensors"), "short");
    assert_fails(qv_reuse_open(&r, base, arrow_two(dir), &err), QV_EFORMAT, &err,
                 "too short for a safetensors file");
}

static void what_does_not_fit_together_is_refused(void **state)
{
    const char *mixed = mixed_library(state), *empty = scratch_path(state, "empty");
    const char *strange = scratch_path(state, "strange");
    qv_library *lib;
    qv_err err;
    assert_works(qv_library_create(&lib, empty, NULL, &err), &err);
    qv_library_close(lib);
    const qv_library_opts other = {.base_hash = "1234567890"};
    assert_works(qv_library_create(&lib, strange, &other, &err), &err);
    qv_library_close(lib);
    const struct {
        qv_reuse_opts opts;
        qv_status status;
        const char *says;
    } lie[] = {
        {{.adapter = PEFT "plain", .library = mixed},
         QV_EFORMAT,
         "an adapter and a library: choose one"},
        {{.library = mixed},
         QV_EFORMAT,
         "a library needs a router or an expert, one of them"},
        {{.library = mixed, .router = "arrow", .expert = "a"},
         QV_EFORMAT,
         "a library needs a router or an expert, one of them"},
        {{.router = "arrow"}, QV_EFORMAT, "a router or an expert needs a library"},
        {{.adapter = PEFT "plain", .expert = "a"},
         QV_EFORMAT,
         "a router or an expert needs a library"},
        {{.library = mixed, .router = "compass"},
         QV_ENOTFOUND,
         "/mixed: no router is named 'compass'"},
        {{.library = mixed, .expert = "z"}, QV_ENOTFOUND, "/mixed: no expert is named 'z'"},
        {{.library = empty, .router = "arrow"},
         QV_ENOTFOUND,
         "/empty: no experts to route to"},
        {{.library = empty, .router = "oracle"},
         QV_ENOTFOUND,
         "/empty: no experts to route to"},
        {{.library = empty, .expert = "a"}, QV_ENOTFOUND, "/empty: no expert is named 'a'"},
        {{.library = mixed, .router = "arrow", .temperature = -1},
         QV_EFORMAT,
         "/mixed: arrow: a temperature of -1 is not positive"},
        {{.library = strange, .router = "arrow"}, QV_EFORMAT, "/strange: base model"},
        {{.library = "/nowhere", .router = "arrow"},
         QV_ENOTFOUND,
         "/nowhere: No such file or directory"},
        {{.adapter = "/nowhere"}, QV_ENOTFOUND, "/nowhere/adapter_config.json"},
        {{.adapter = "tests/golden/llama/odd"}, QV_ENOTFOUND, "odd/adapter_config.json"},
    };
    for (size_t i = 0; i < QV_COUNT(lie); i++) {
        qv_reuse *r;
        assert_fails(qv_reuse_open(&r, base, &lie[i].opts, &err), lie[i].status, &err,
                     lie[i].says);
        assert_null(r);
    }
}

static void an_expert_of_another_shape_of_model_is_refused_by_name(void **state)
{
    const char *dir = scratch_path(state, "tiny"), *lib = mixed_library(state);
    qv_model *m = tiny_model(dir, 1);
    qv_reuse *r;
    qv_err err;
    const struct {
        qv_reuse_opts opts;
        const char *says, *why;
    } lie[] = {
        {{.library = lib, .router = "uniform"},
         "/mixed: expert 'a': adapter_model.",
         "the model has no site 'model.layers.2."},
        {{.library = lib, .expert = "c"},
         "/mixed: expert 'c': adapter_model.",
         "the model has no site 'model.layers.2."},
        {{.adapter = PEFT "plain"},
         PEFT "plain/adapter_model.safetensors: tensor ",
         ", but the model's site has "},
    };
    for (size_t i = 0; i < QV_COUNT(lie); i++) {
        assert_fails(qv_reuse_open(&r, m, &lie[i].opts, &err), QV_EFORMAT, &err,
                     lie[i].says);
        assert_non_null(strstr(err.msg, lie[i].why));
    }
    qv_model_close(m);
}

#define in_scratch(test) cmocka_unit_test_setup_teardown(test, make_scratch, remove_scratch)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_adapter_of_peft_gives_pefts_logits),
        in_scratch(arrow_over_a_library_of_pefts_adapters_gives_pefts_logits),
        in_scratch(experts_less_general_knowledge_give_pefts_logits),
        cmocka_unit_test(an_exact_subtraction_is_one_of_updates),
        in_scratch(uniform_folded_is_uniform_routed),
        in_scratch(arrow_over_experts_of_any_rank_scale_and_sites_is_the_papers),
        cmocka_unit_test(arrow_mean_is_arrow_over_the_experts_less_their_average),
        in_scratch(the_oracle_takes_the_expert_of_the_texts_task),
        in_scratch(a_library_of_one_is_its_adapter_whoever_routes),
        in_scratch(prototypes_kept_with_an_expert_are_used_while_they_are_its_own),
        in_scratch(an_experts_own_prototypes_are_the_ones_that_are_computed),
        in_scratch(damaged_prototypes_are_refused),
        in_scratch(what_does_not_fit_together_is_refused),
        in_scratch(an_expert_of_another_shape_of_model_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, open_base, close_base);
}
