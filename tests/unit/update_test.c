/* update_test.c - what the forward pass adds: published cases, the paper's Arrow
 * in float64 numpy, and that batching changes nothing. */
#include "route/update.h"

#include "format/safetensors.h"
#include "kern/kern.h"
#include "lora/peft.h"
#include "lora/thin.h"
#include "op/rmsnorm.h"
#include "support/experts.h"
#include "support/near.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* y [T, D_out] = the update alone, by the router of `opts`, or dense. */
static void update(float *y, const float *x, size_t T, struct qv_bank *b, size_t site,
                   const struct qv_router_opts *opts, enum qv_compose how)
{
    struct qv_router *r = NULL;
    struct qv_update u;
    if (opts)
        assert_int_equal(qv__router_open(&r, qv__router_find("arrow"), b, opts, NULL),
                         QV_OK);
    assert_int_equal(qv__update_init(&u, b, r, how, T, NULL), QV_OK);
    memset(y, 0, T * b->site[site].D_out * sizeof *y);
    qv__update_apply(&u, site, y, x, T);
    qv__update_end(&u);
    qv__router_close(r);
}

static const struct qv_site plane[] = {{.path = "k", .D_in = 2, .D_out = 3},
                                       {.path = "q", .D_in = 2, .D_out = 2}};

/* The authors' numbers: rank 1, s = 2, A = e1, B = e1 and A = e2, B = 2 e2, so the
 * prototypes are e1 and e2; tokens (1, 2) and (3, -1). */
static void arrow_updates_as_the_authors_compute(void **state)
{
    (void)state;
    struct qv_expert *e[] = {
        expert_of("a", "q", 2, 2, 1, 2, (float[]){1, 0}, (float[]){1, 0}),
        expert_of("b", "q", 2, 2, 1, 2, (float[]){0, 1}, (float[]){0, 2})};
    struct qv_sites sites = sites_of(plane, 2);
    struct qv_bank *b = bank_of(&sites, e, 2);
    const float x[] = {1, 2, 3, -1};
    float y[4];
    update(y, x, 2, b, 1, &(struct qv_router_opts){0}, QV_FACTOR);
    assert_close(y, ((float[]){.931107f, 5.062021f, 4.444834f, 1.203086f}), 4, 2e-6, 0);
    update(y, x, 2, b, 1, &(struct qv_router_opts){0}, QV_OUTPUT);
    assert_close(y, ((float[]){.537883f, 5.848469f, 5.284782f, -.476812f}), 4, 2e-6, 0);
    for (enum qv_compose how = QV_FACTOR; how <= QV_OUTPUT; how++) {
        update(y, x, 2, b, 1, &(struct qv_router_opts){.top_k = 1}, how);
        assert_close(y, ((float[]){0, 8, 6, 0}), 4, 2e-6, 0);
    }
    qv__bank_free(b);
    free_experts(e, 2);
}

static void tensor(float *out, const struct qv_st *st, const char *name, size_t n)
{
    const struct qv_tensor *t = qv__st_find(st, name);
    assert_non_null(t);
    assert_int_equal(t->n, n);
    qv__st_f32(out, t, 0, n);
}

enum { IN = 24, OUT = 20, TOKENS = 9, EXPERTS = 6 };

static const struct qv_site wide[] = {{.path = "q", .D_in = IN, .D_out = OUT}};

/* Expert 3 has B = 0, expert 5 is expert 1 at another scale. */
static void read_experts(struct qv_expert *e[EXPERTS], const struct qv_st *given)
{
    static const size_t rank[EXPERTS] = {2, 5, 3, 4, 3, 5};
    static const float scale[EXPERTS] = {4, 2, .5f, 3, 1.25f, .75f};
    for (size_t k = 0; k < EXPERTS; k++) {
        char name[16];
        float A[5 * IN], B[OUT * 5];
        snprintf(name, sizeof name, "expert%zu.A", k);
        tensor(A, given, name, rank[k] * IN);
        snprintf(name, sizeof name, "expert%zu.B", k);
        tensor(B, given, name, rank[k] * OUT);
        e[k] = expert_of(name, "q", IN, OUT, rank[k], scale[k], A, B);
    }
}

struct seen {
    float weights[TOKENS * EXPERTS];
    size_t calls;
};

/* Scatters a routing over all experts. */
static void watch(void *arg, size_t site, size_t T, const struct qv_routing *r)
{
    struct seen *s = arg;
    assert_int_equal(site, 0);
    s->calls++;
    memset(s->weights, 0, sizeof s->weights);
    for (size_t i = 0; i < T * r->k; i++)
        s->weights[i / r->k * EXPERTS + (size_t)r->expert[i]] = r->weight[i];
}

static void check_golden(struct qv_bank *b, const struct qv_st *expect, const float *x,
                         size_t k, float temperature)
{
    struct qv_router *r;
    const struct qv_router_opts opts = {.top_k = k, .temperature = temperature};
    assert_int_equal(qv__router_open(&r, qv__router_find("arrow"), b, &opts, NULL), QV_OK);
    for (enum qv_compose how = QV_FACTOR; how <= QV_OUTPUT; how++) {
        struct qv_update u;
        struct seen seen = {.calls = 0};
        float y[TOKENS * OUT] = {0}, want[TOKENS * OUT];
        char name[32];
        assert_int_equal(qv__update_init(&u, b, r, how, TOKENS, NULL), QV_OK);
        u.watch = watch, u.watch_arg = &seen;
        qv__update_apply(&u, 0, y, x, TOKENS);
        qv__update_end(&u);

        assert_int_equal(seen.calls, 1);
        snprintf(name, sizeof name, "k%zu_t%g.weights", k, (double)temperature);
        tensor(want, expect, name, TOKENS * EXPERTS);
        assert_close(seen.weights, want, TOKENS * EXPERTS, 5e-6, 0);
        snprintf(name, sizeof name, "k%zu_t%g.%s", k, (double)temperature,
                 how == QV_FACTOR ? "factor" : "output");
        tensor(want, expect, name, TOKENS * OUT);
        assert_close_to_scale(y, want, TOKENS * OUT, 1e-5);
    }
    qv__router_close(r);
}

static void arrow_equals_the_paper_in_numpy(void **state)
{
    (void)state;
    struct qv_st given, expect;
    assert_int_equal(
        qv__st_open(&given, "tests/golden/arrow/paper/given.safetensors", NULL), QV_OK);
    assert_int_equal(
        qv__st_open(&expect, "tests/golden/arrow/paper/expect.safetensors", NULL), QV_OK);
    struct qv_expert *e[EXPERTS];
    read_experts(e, &given);
    struct qv_sites sites = sites_of(wide, 1);
    struct qv_bank *b = bank_of(&sites, e, EXPERTS);
    float x[TOKENS * IN], want[TOKENS * IN];
    tensor(x, &given, "x", TOKENS * IN);

    assert_int_equal(qv__bank_prototypes(b, NULL), QV_OK);
    tensor(want, &expect, "prototypes", EXPERTS * IN);
    for (size_t k = 0; k < EXPERTS; k++)
        assert_close(b->site[0].proto[k], want + k * IN, IN, 1e-6, 0);
    tensor(want, &expect, "sigma", EXPERTS * 2);
    for (size_t k = 0; k < EXPERTS; k++)
        assert_close(b->site[0].sigma[k], want + 2 * k, 2, 1e-6, 1e-6);

    const size_t top_k[] = {1, 2, 4, 6};
    for (size_t i = 0; i < QV_COUNT(top_k); i++) {
        check_golden(b, &expect, x, top_k[i], 1);
        check_golden(b, &expect, x, top_k[i], .5f);
    }
    qv__bank_free(b);

    // Uniform is folded, and costs what one LoRA costs.
    float w[EXPERTS], y[TOKENS * OUT];
    qv__router_find("uniform")->weigh(w, EXPERTS, 0);
    for (enum qv_compose how = QV_FACTOR; how <= QV_OUTPUT; how++) {
        struct qv_expert *mean;
        assert_int_equal(qv__fold(&mean, "mean", e, w, EXPERTS, how, NULL), QV_OK);
        b = bank_of(&sites, &mean, 1);
        update(y, x, TOKENS, b, 0, NULL, how);
        tensor(want, &expect, how == QV_FACTOR ? "uniform.factor" : "uniform.output",
               TOKENS * OUT);
        assert_close_to_scale(y, want, TOKENS * OUT, 1e-5);
        qv__bank_free(b);
        qv__expert_free(mean);
    }
    free_experts(e, EXPERTS);
    qv__st_close(&given);
    qv__st_close(&expect);
}

/* PEFT's golden model: width, tokens, experts. */
enum { P_D = 36, P_T = 12, P_K = 5 };

/* The input of layer 0's q_proj: the normalised embeddings of the tokens. */
static void first_input(float *x)
{
    static const size_t id[P_T] = {1, 61, 14, 90, 35, 7, 72, 48, 22, 99, 56, 3};
    struct qv_st model;
    float w[P_D];
    assert_int_equal(
        qv__st_open(&model, "tests/golden/llama/gqa_untied/model.safetensors", NULL),
        QV_OK);
    const struct qv_tensor *rows = qv__st_find(&model, "model.embed_tokens.weight");
    assert_non_null(rows);
    for (size_t t = 0; t < P_T; t++)
        qv__st_f32(x + t * P_D, rows, id[t] * P_D, P_D);
    tensor(w, &model, "model.layers.0.input_layernorm.weight", P_D);
    qv__rmsnorm(x, NULL, x, w, 1e-5f, P_T, P_D);
    qv__st_close(&model);
}

static void read_adapters(struct qv_expert *e[P_K])
{
    for (size_t k = 0; k < P_K; k++) {
        char dir[64];
        snprintf(dir, sizeof dir, "tests/golden/arrow/peft/expert%zu", k);
        assert_int_equal(qv__peft_read(&e[k], dir, NULL, NULL), QV_OK);
    }
}

static struct qv_sites sites_like(struct qv_site at[64], const struct qv_expert *e)
{
    assert_true(e->n_sites <= 64);
    for (size_t i = 0; i < e->n_sites; i++)
        at[i] = (struct qv_site){
            .path = e->site[i].path, .D_in = e->site[i].D_in, .D_out = e->site[i].D_out};
    return sites_of(at, e->n_sites);
}

static void arrow_routes_adapters_as_peft_does(void **state)
{
    (void)state;
    struct qv_expert *e[P_K];
    struct qv_site at[64];
    struct qv_st expect;
    read_adapters(e);
    struct qv_sites sites = sites_like(at, e[0]);
    struct qv_bank *b = bank_of(&sites, e, P_K);
    size_t site = qv__site_find(&sites, "model.layers.0.self_attn.q_proj");
    float x[P_T * P_D], want[P_K * P_D];
    first_input(x);
    assert_int_equal(
        qv__st_open(&expect, "tests/golden/arrow/peft/expect.safetensors", NULL), QV_OK);

    const struct qv_router_opts opts[] = {{.top_k = 2}, {.top_k = 3, .temperature = .5f}};
    for (size_t i = 0; i < 2; i++) {
        const char *run = i == 0 ? "arrow" : "top3";
        char name[64];
        struct qv_router *r;
        int expert[P_T * 3];
        float weight[P_T * 3], scratch[P_K * (P_T + P_D)], got[P_T * P_K] = {0};
        struct qv_routing to = {.expert = expert, .weight = weight};
        assert_int_equal(qv__router_open(&r, qv__router_find("arrow"), b, &opts[i], NULL),
                         QV_OK);
        r->ops->route(r, site, x, P_T, scratch, &to);
        for (size_t j = 0; j < P_T * to.k; j++)
            got[j / to.k * P_K + (size_t)expert[j]] = weight[j];

        snprintf(name, sizeof name, "%s.layer0.q_proj.prototypes", run);
        tensor(want, &expect, name, P_K * P_D);
        for (size_t k = 0; k < P_K; k++)
            assert_close(b->site[site].proto[k], want + k * P_D, P_D, 2e-5, 0);
        snprintf(name, sizeof name, "%s.layer0.q_proj.weights", run);
        tensor(want, &expect, name, P_T * P_K);
        assert_close(got, want, P_T * P_K, 2e-5, 0);
        qv__router_close(r);
    }
    qv__st_close(&expect);
    qv__bank_free(b);
    free_experts(e, P_K);
}

/* More tokens than a router scores at once. */
enum { MANY = 2 * QV_ROUTE_BLOCK + 3 };

static void a_token_is_routed_alike_alone_and_among_many(void **state)
{
    (void)state;
    const struct qv_expert_shape shape[] = {{"q", IN, OUT, 2, 2}};
    struct qv_expert *e[] = {expert_drawn("a", shape, 1, 1), expert_drawn("b", shape, 1, 2),
                             expert_drawn("c", shape, 1, 3),
                             expert_drawn("d", shape, 1, 4)};
    struct qv_sites sites = sites_of(wide, 1);
    struct qv_bank *b = bank_of(&sites, e, 4);
    const struct qv_router_opts opts = {.top_k = 2};
    float *x = normals(MANY * IN, 1), *y = normals(MANY * OUT, 2), alone[OUT];
    update(y, x, MANY, b, 0, &opts, QV_FACTOR);
    for (size_t t = 0; t < MANY; t += 17) {
        update(alone, x + t * IN, 1, b, 0, &opts, QV_FACTOR);
        assert_close_to_scale(y + t * OUT, alone, OUT, 1e-5);
    }
    free(x);
    free(y);
    qv__bank_free(b);
    free_experts(e, 4);
}

/* Ranks that fours of rows do and do not fill, and a row of zeros. The bound: half a step
 * of each number, z's and its own. */
static void a_narrowed_lora_is_off_by_half_its_steps_at_most(void **state)
{
    (void)state;
    const size_t ranks[] = {1, 4, 7, 16};
    float *x = normals(IN, 3), got[OUT], again[OUT], want[OUT];
    for (size_t i = 0; i < QV_COUNT(ranks); i++) {
        const size_t R = ranks[i];
        const struct qv_expert_shape shape[] = {{"q", IN, OUT, R, 2}};
        struct qv_expert *e = expert_drawn("a", shape, 1, 5 + i);
        struct qv_sites sites = sites_of(wide, 1);
        if (R == 7)
            memset(e->site[0].A + 2 * IN, 0, IN * sizeof(float));
        struct qv_bank *b = bank_of(&sites, &e, 1);
        update(want, x, 1, b, 0, NULL, QV_FACTOR);
        assert_int_equal(qv__bank_thin(b, NULL), QV_OK);
        const struct qv_bank_site *s = &b->site[0];
        const bool is_ref = qv__kern() == &qv__kern_ref; // which narrows nothing
        assert_true(!s->thin == is_ref);
        update(got, x, 1, b, 0, NULL, QV_FACTOR);
        omp_set_num_threads(1);
        update(again, x, 1, b, 0, NULL, QV_FACTOR);
        omp_set_num_threads(omp_get_num_procs());
        assert_memory_equal(got, again, sizeof got);
        float most = 0;
        for (size_t o = 0; o < OUT; o++) {
            double bound = 1e-6;
            for (size_t r = 0; r < R && !is_ref; r++) {
                double z = 0, size = 0;
                for (size_t d = 0; d < IN; d++) {
                    z += (double)s->A[0][r * IN + d] * (double)x[d];
                    size += fabs((double)x[d]);
                }
                bound += (double)s->scale[0] * (size * (double)s->thin->step_A[r] / 2 *
                                                    fabs((double)s->Bt[0][r * OUT + o]) +
                                                fabs(z) * (double)s->thin->step_B[r] / 2);
            }
            assert_true(fabs((double)got[o] - (double)want[o]) <= 1.001 * bound);
            most = fmaxf(most, fabsf(got[o] - want[o]));
        }
        assert_true((most > 0) == !is_ref);
        qv__bank_free(b);
        free_experts(&e, 1);
    }
    free(x);
}

/* b has the larger prototype score but adapts q alone: at k only a is listed. */
static void experts_that_do_not_adapt_a_site_take_no_part_there(void **state)
{
    (void)state;
    const struct qv_expert_shape both[] = {{"q", 2, 2, 1, 1}, {"k", 2, 3, 1, 1}},
                                 one[] = {{"q", 2, 2, 1, 1}};
    struct qv_expert *e[] = {expert_drawn("b", one, 1, 1), expert_drawn("a", both, 2, 2)};
    struct qv_sites sites = sites_of(plane, 2);
    struct qv_bank *b = bank_of(&sites, e, 2), *only = bank_of(&sites, e + 1, 1);
    const float x[] = {1, 2};
    float y[3], want[3];
    update(y, x, 1, b, 0, &(struct qv_router_opts){0}, QV_FACTOR);
    update(want, x, 1, only, 0, NULL, QV_FACTOR);
    assert_close(y, want, 3, 1e-6, 1e-6);
    qv__bank_free(b);
    qv__bank_free(only);

    // And where nobody adapts, or there is no update at all, nothing changes.
    b = bank_of(&sites, e, 1);
    struct qv_update u;
    assert_int_equal(qv__update_init(&u, b, NULL, QV_FACTOR, 1, NULL), QV_OK);
    memcpy(y, want, sizeof y);
    qv__update_apply(&u, 0, y, x, 1);
    qv__update_apply(NULL, 0, y, x, 1);
    assert_close(y, want, 3, 0, 0);
    qv__update_end(&u);
    qv__update_end(NULL);
    qv__bank_free(b);
    free_experts(e, 2);
}

static void an_untrained_expert_changes_nothing_under_top_one(void **state)
{
    (void)state;
    const struct qv_expert_shape shape[] = {{"q", IN, OUT, 2, 2}};
    struct qv_expert *e[] = {expert_drawn("a", shape, 1, 1), expert_drawn("b", shape, 1, 2),
                             expert_drawn("new", shape, 1, 3)};
    memset(e[2]->site[0].B, 0, 2 * OUT * sizeof *e[2]->w);
    struct qv_sites sites = sites_of(wide, 1);
    struct qv_bank *two = bank_of(&sites, e, 2), *three = bank_of(&sites, e, 3);
    const struct qv_router_opts opts = {.top_k = 1};
    float *x = normals(TOKENS * IN, 5), y[TOKENS * OUT], z[TOKENS * OUT];
    update(y, x, TOKENS, two, 0, &opts, QV_FACTOR);
    update(z, x, TOKENS, three, 0, &opts, QV_FACTOR);
    assert_close(y, z, TOKENS * OUT, 0, 0);
    free(x);
    qv__bank_free(two);
    qv__bank_free(three);
    free_experts(e, 3);
}

static void too_many_tokens_are_refused(void **state)
{
    (void)state;
    const struct qv_expert_shape shape[] = {{"q", IN, OUT, 2, 2}};
    struct qv_expert *e[] = {expert_drawn("a", shape, 1, 1)};
    struct qv_sites sites = sites_of(wide, 1);
    struct qv_bank *b = bank_of(&sites, e, 1);
    struct qv_update u;
    qv_err err = {0};
    assert_int_equal(qv__update_init(&u, b, NULL, QV_FACTOR, SIZE_MAX / 2, &err),
                     QV_ENOMEM);
    assert_string_equal(err.msg, "no memory to route 9223372036854775807 tokens");
    qv__update_end(&u);
    qv__bank_free(b);
    free_experts(e, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrow_updates_as_the_authors_compute),
        cmocka_unit_test(arrow_equals_the_paper_in_numpy),
        cmocka_unit_test(arrow_routes_adapters_as_peft_does),
        cmocka_unit_test(a_token_is_routed_alike_alone_and_among_many),
        cmocka_unit_test(a_narrowed_lora_is_off_by_half_its_steps_at_most),
        cmocka_unit_test(experts_that_do_not_adapt_a_site_take_no_part_there),
        cmocka_unit_test(an_untrained_expert_changes_nothing_under_top_one),
        cmocka_unit_test(too_many_tokens_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
