/* routers_test.c - the routers besides Arrow against their formulas: in float64 numpy
 * on one site, by the authors' numbers, and worked out by hand. */
#include "format/safetensors.h"
#include "model/subtract.h"
#include "route/ngrams.h"
#include "route/route.h"
#include "route/spectral.h"
#include "route/text.h"
#include "route/update.h"
#include "support/experts.h"
#include "support/golden.h"
#include "support/near.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IN = 24, OUT = 20, TOKENS = 9, EXPERTS = 6 };

#define GIVEN  "tests/golden/arrow/paper/given.safetensors"
#define OWN    "tests/golden/routers/given.safetensors"
#define EXPECT "tests/golden/routers/expect.safetensors"

static const struct qv_site wide[] = {{.path = "q", .D_in = IN, .D_out = OUT}};

/* Ready to be routed to: the experts of arrow/paper with another last one, or what is left
 * of them. */
struct bench {
    struct qv_expert *e[EXPERTS];
    struct qv_bank *b;
    float *x; // [TOKENS, IN]
};

static void set_up(struct bench *t)
{
    static const size_t rank[EXPERTS] = {2, 5, 3, 4, 3, 5};
    static const float scale[EXPERTS] = {4, 2, .5f, 3, 1.25f, .75f};
    for (size_t k = 0; k < EXPERTS; k++) {
        char name[2][16];
        snprintf(name[0], sizeof name[0], "expert%zu.A", k);
        snprintf(name[1], sizeof name[1], "expert%zu.B", k);
        float *A = golden_tensor(NULL, k < 5 ? GIVEN : OWN, k < 5 ? name[0] : "A");
        float *B = golden_tensor(NULL, k < 5 ? GIVEN : OWN, k < 5 ? name[1] : "B");
        t->e[k] = expert_of(name[0], "q", IN, OUT, rank[k], scale[k], A, B);
        free(A);
        free(B);
    }
    struct qv_sites sites = sites_of(wide, 1);
    t->b = bank_of(&sites, t->e, EXPERTS);
    t->x = golden_tensor(NULL, GIVEN, "x");
}

static void tear_down(struct bench *t)
{
    for (size_t k = 0; k < EXPERTS; k++)
        qv__expert_free(t->e[k]);
    qv__bank_free(t->b);
    free(t->x);
}

/* Give the bank the vectors that stand for centroids and gates. */
static void give_vectors(struct bench *t)
{
    float *c = golden_tensor(NULL, OWN, "c");
    for (size_t k = 0; k < EXPERTS; k++) {
        struct qv_prototypes p;
        assert_int_equal(qv__prototypes_init(&p, t->e[k], NULL), QV_OK);
        memcpy(p.v, c + k * IN, IN * sizeof *c);
        assert_int_equal(qv__bank_set_prototypes(t->b, k, &p, QV_COPIES, NULL), QV_OK);
        qv__prototypes_end(&p);
    }
    free(c);
}

static void less_their_mean(struct bench *t)
{
    struct qv_expert *less[EXPERTS];
    assert_int_equal(qv__subtract_mean(less, t->e, EXPERTS, NULL), QV_OK);
    for (size_t k = 0; k < EXPERTS; k++) {
        qv__expert_free(t->e[k]);
        t->e[k] = less[k];
    }
    struct qv_sites sites = sites_of(wide, 1);
    qv__bank_free(t->b);
    t->b = bank_of(&sites, t->e, EXPERTS);
}

/* Scatters a routing over all experts. */
static void watch(void *arg, size_t site, size_t T, const struct qv_routing *r)
{
    float *weights = arg;
    assert_int_equal(site, 0);
    memset(weights, 0, T * EXPERTS * sizeof *weights);
    for (size_t i = 0; i < T * r->k; i++)
        weights[i / r->k * EXPERTS + (size_t)r->expert[i]] = r->weight[i];
}

/* Weights [TOKENS, EXPERTS] and the update y [TOKENS, OUT] of all tokens at once. */
static void route_all(float *weights, float *y, const char *router, struct bench *t,
                      size_t k, enum qv_compose how)
{
    struct qv_router *r;
    struct qv_update u;
    const struct qv_router_opts opts = {.top_k = k, .filter = 4};
    assert_int_equal(qv__router_open(&r, qv__router_find(router), t->b, &opts, NULL),
                     QV_OK);
    assert_int_equal(qv__update_init(&u, t->b, r, how, TOKENS, NULL), QV_OK);
    u.watch = watch, u.watch_arg = weights;
    memset(y, 0, TOKENS * OUT * sizeof *y);
    qv__update_apply(&u, 0, y, t->x, TOKENS);
    qv__update_end(&u);
    qv__router_close(r);
}

static void check_weights(const char *router, struct bench *t, size_t k)
{
    char name[32];
    float weights[TOKENS * EXPERTS], y[TOKENS * OUT];
    size_t n;
    snprintf(name, sizeof name, "%s.k%zu", router, k);
    float *want = golden_tensor(&n, EXPECT, name);
    route_all(weights, y, router, t, k, QV_FACTOR);
    assert_int_equal(n, TOKENS * EXPERTS);
    assert_close_at(weights, want, n, 5e-6, 0, name, __FILE__, __LINE__);
    free(want);
}

static void every_routers_weights_equal_its_formula_in_numpy(void **state)
{
    (void)state;
    static const struct {
        const char *router;
        void (*prepare)(struct bench *t);
        size_t k[2];
    } all[] = {
        {"arrow_unit", NULL, {2, 6}},
        {"arrow_norm", NULL, {2, 6}},
        {"arrow_across", NULL, {2, 6}},
        {"arrow_root", NULL, {2, 6}},
        {"arrow_sigma", NULL, {2, 6}},
        {"arrow_signed", NULL, {2, 6}},
        {"arrow_mean", less_their_mean, {2, 6}},
        {"centroid", give_vectors, {2, 6}},
        {"avg_act", give_vectors, {2, 6}},
        {"phatgoose", give_vectors, {2, 6}},
        {"spectr", NULL, {2, 6}},
        {"spectr_sigma", NULL, {2, 6}},
        {"lag", NULL, {1, 2}},
    };
    for (size_t i = 0; i < QV_COUNT(all); i++)
        for (size_t j = 0; j < 2; j++) {
            struct bench t;
            set_up(&t);
            if (all[i].prepare)
                all[i].prepare(&t);
            check_weights(all[i].router, &t, all[i].k[j]);
            tear_down(&t);
        }
}

static void what_is_added_equals_the_formula_in_numpy(void **state)
{
    (void)state;
    static const char *const routers[] = {"spectr", "spectr_sigma", "lag", "arrow_mean"};
    for (size_t i = 0; i < QV_COUNT(routers); i++) {
        struct bench t;
        char name[32];
        float weights[TOKENS * EXPERTS], y[TOKENS * OUT];
        snprintf(name, sizeof name, "%s.factor", routers[i]);
        float *want = golden_tensor(NULL, EXPECT, name);
        set_up(&t);
        if (strcmp(routers[i], "arrow_mean") == 0)
            less_their_mean(&t);
        route_all(weights, y, routers[i], &t, 2, QV_FACTOR);
        assert_close_to_scale(y, want, TOKENS * OUT, 1e-5);
        tear_down(&t);
        free(want);
    }
}

static void arrow_wide_is_arrow_of_eight_whose_outputs_are_added(void **state)
{
    (void)state;
    const struct qv_router_ops *wide_one = qv__router_find("arrow_wide");
    assert_int_equal(qv__router_top_k(wide_one, 0), 8);
    assert_int_equal(qv__router_compose(wide_one, QV_COMPOSE_DEFAULT), QV_OUTPUT);
    struct bench t;
    set_up(&t);
    float w[2][TOKENS * EXPERTS], y[2][TOKENS * OUT];
    route_all(w[0], y[0], "arrow", &t, 8, QV_OUTPUT);
    route_all(w[1], y[1], "arrow_wide", &t, 0, QV_OUTPUT);
    assert_memory_equal(w[1], w[0], sizeof w[0]);
    assert_memory_equal(y[1], y[0], sizeof y[0]);
    tear_down(&t);
}

static void a_bank_in_its_spectra_adds_what_it_did(void **state)
{
    (void)state;
    struct bench t;
    set_up(&t);
    // Ties and near-ties aside, Arrow says the same of a bank either way.
    float w[2][TOKENS * EXPERTS], y[2][TOKENS * OUT];
    route_all(w[0], y[0], "arrow", &t, EXPERTS, QV_OUTPUT);
    assert_int_equal(qv__bank_spectral(t.b, NULL), QV_OK);
    route_all(w[1], y[1], "arrow", &t, EXPERTS, QV_OUTPUT);
    assert_close(w[1], w[0], TOKENS * EXPERTS, 1e-6, 0);
    assert_close_to_scale(y[1], y[0], TOKENS * OUT, 1e-5);

    // Rows of A are orthonormal, the first is the prototype, and B = 0 has none.
    const struct qv_bank_site *s = &t.b->site[0];
    for (size_t e = 0; e < EXPERTS; e++) {
        assert_close(s->A[e], s->proto[e], IN, 1e-6, 0);
        for (size_t i = s->first[e]; i < s->first[e + 1]; i++)
            for (size_t j = s->first[e]; j <= i; j++) {
                float sum = 0;
                for (size_t d = 0; d < IN; d++)
                    sum += s->A[0][i * IN + d] * s->A[0][j * IN + d];
                assert_close(&sum, &(float){i == j && e != 3}, 1, 1e-5, 0);
            }
    }
    tear_down(&t);
}

/* The authors' numbers: prototypes e1, e2 and (1, 1, 1, 1) / 2 in R^4, tokens
 * (1, 0, 0, 0) and (0, -2, 0, 1). */
static const struct {
    const char *router;
    size_t top_k;
    float weight[6]; // by expert
} theirs[] = {
    {"arrow", 3, {.506480f, .186324f, .307196f, .099624f, .736125f, .164252f}},
    {"arrow_root", 3, {.419229f, .254275f, .326496f, .199908f, .543406f, .256687f}},
    {"arrow_unit", 3, {.506480f, .186324f, .307196f, .212924f, .520798f, .266278f}},
    {"arrow_norm", 3, {.919276f, .063884f, .016841f, .039053f, .937955f, .022992f}},
    {"arrow_across", 3, {.435950f, .435950f, .128101f, .171442f, .705093f, .123465f}},
    {"phatgoose", 2, {.880786f, 0, .119214f, .565840f, 0, .434160f}},
};

static void routers_weigh_as_the_authors_do(void **state)
{
    (void)state;
    static const float direction[3][4] = {{1, 0, 0, 0}, {0, 1, 0, 0}, {.5f, .5f, .5f, .5f}};
    static const float h[] = {1, 0, 0, 0, 0, -2, 0, 1};
    static const char *const name[] = {"a", "b", "c"};
    const struct qv_site space = {.path = "q", .D_in = 4, .D_out = 2};
    for (size_t i = 0; i < QV_COUNT(theirs); i++) {
        struct qv_expert *e[3];
        for (size_t k = 0; k < 3; k++)
            e[k] = expert_of(name[k], "q", 4, 2, 1, 1, direction[k], (float[]){1, 1});
        struct qv_sites sites = sites_of(&space, 1);
        struct qv_bank *b = bank_of(&sites, e, 3);
        assert_int_equal(qv__bank_prototypes(b, NULL), QV_OK);
        struct qv_router *r;
        const struct qv_router_opts opts = {.top_k = theirs[i].top_k};
        assert_int_equal(
            qv__router_open(&r, qv__router_find(theirs[i].router), b, &opts, NULL), QV_OK);
        int expert[6];
        float weight[6], scratch[64], got[6] = {0};
        struct qv_routing to = {.expert = expert, .weight = weight};
        r->ops->route(r, 0, h, 2, scratch, &to);
        for (size_t j = 0; j < 2 * to.k; j++)
            got[j / to.k * 3 + (size_t)expert[j]] = weight[j];
        assert_close_at(got, theirs[i].weight, 6, 2e-6, 0, theirs[i].router, __FILE__,
                        __LINE__);
        qv__router_close(r);
        qv__bank_free(b);
        for (size_t k = 0; k < 3; k++)
            qv__expert_free(e[k]);
    }
}

/* Two sites; expert "a" adapts both, "b" the second alone. */
static const struct qv_site pair[] = {{.path = "q", .D_in = 3, .D_out = 2},
                                      {.path = "v", .D_in = 3, .D_out = 2}};

static struct qv_bank *uneven(struct qv_expert *e[2])
{
    const struct qv_expert_shape shape[] = {
        {.path = "q", .D_in = 3, .D_out = 2, .R = 2, .alpha = 2},
        {.path = "v", .D_in = 3, .D_out = 2, .R = 1, .alpha = 1}};
    e[0] = expert_drawn("a", shape, 2, 1);
    e[1] = expert_drawn("b", shape + 1, 1, 2);
    struct qv_sites sites = sites_of(pair, 2);
    struct qv_bank *b = bank_of(&sites, e, 2);
    for (size_t k = 0; k < 2; k++) {
        struct qv_prototypes p;
        assert_int_equal(qv__prototypes_of(&p, e[k], NULL), QV_OK);
        assert_int_equal(qv__bank_set_prototypes(b, k, &p, QV_COPIES, NULL), QV_OK);
        qv__prototypes_end(&p);
    }
    return b;
}

static void
every_router_by_token_shares_a_site_among_the_experts_that_adapt_it(void **state)
{
    (void)state;
    const float x[] = {1, -2, .5f, 0, 0, 0}; // the second token is nothing at all
    for (const struct qv_router_ops *const *ops = qv__routers(); *ops; ops++) {
        if (!(*ops)->route)
            continue;
        struct qv_expert *e[2];
        struct qv_bank *b = uneven(e);
        struct qv_router *r;
        const struct qv_router_opts opts = {.top_k = 9};
        assert_int_equal(qv__router_open(&r, *ops, b, &opts, NULL), QV_OK);
        for (size_t site = 0; site < 2; site++) {
            int expert[4];
            float weight[4], scratch[64];
            struct qv_routing to = {.expert = expert, .weight = weight};
            r->ops->route(r, site, x, 2, scratch, &to);
            assert_int_equal(to.k, site + 1);
            for (size_t t = 0; t < 2; t++) {
                float sum = 0;
                for (size_t j = t * to.k; j < (t + 1) * to.k; j++) {
                    assert_in_range(expert[j], 0, site);
                    assert_true(weight[j] >= 0);
                    sum += weight[j];
                }
                assert_close(&sum, &(float){1}, 1, 1e-6, 0);
            }
            // All are alike to nothing, and the first comes first.
            assert_int_equal(expert[to.k], 0);
        }
        qv__router_close(r);
        qv__bank_free(b);
        qv__expert_free(e[0]);
        qv__expert_free(e[1]);
    }
}

static void each_router_has_its_own_number_of_experts_and_composition(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t k;
        enum qv_compose how;
    } all[] = {
        {"arrow", 4, QV_FACTOR},      {"arrow_mean", 4, QV_FACTOR},
        {"arrow_wide", 8, QV_OUTPUT}, {"arrow_vote", 4, QV_OUTPUT},
        {"centroid", 4, QV_FACTOR},   {"avg_act", 4, QV_FACTOR},
        {"spectr", 4, QV_FACTOR},     {"spectr_sigma", 4, QV_FACTOR},
        {"lag", 1, QV_FACTOR},        {"phatgoose", 2, QV_OUTPUT},
        {"retrieval", 3, QV_FACTOR},  {"tp", 4, QV_FACTOR},
    };
    for (size_t i = 0; i < QV_COUNT(all); i++) {
        const struct qv_router_ops *ops = qv__router_find(all[i].name);
        assert_int_equal(qv__router_top_k(ops, 0), all[i].k);
        assert_int_equal(qv__router_top_k(ops, 5), 5);
        assert_int_equal(qv__router_compose(ops, QV_COMPOSE_DEFAULT), all[i].how);
    }
}

static void lag_looks_closely_at_twenty_experts(void **state)
{
    (void)state;
    struct qv_expert *e[2];
    struct qv_bank *b = uneven(e);
    struct qv_router *r;
    assert_int_equal(qv__router_open(&r, qv__router_find("lag"), b, NULL, NULL), QV_OK);
    assert_int_equal(((const struct qv_spectral *)r)->filter, 20);
    qv__router_close(r);
    qv__bank_free(b);
    qv__expert_free(e[0]);
    qv__expert_free(e[1]);
}

static void what_a_router_cannot_do_is_refused(void **state)
{
    (void)state;
    static const struct qv_text_table one = {.K = 1};
    static const struct {
        const char *router;
        struct qv_router_opts opts;
        qv_status status;
        const char *says;
    } lie[] = {
        {"spectr",
         {.temperature = 1},
         QV_EFORMAT,
         "spectr: its experts share evenly, and a temperature has no use"},
        {"lag", {.filter = 257}, QV_ELIMIT, "lag: a filter of 257 experts, at most 256"},
        {"lag",
         {.filter = 2, .top_k = 3},
         QV_EFORMAT,
         "lag: top 3 of the 2 experts that the filter lets through"},
        {"lag",
         {.temperature = -1},
         QV_EFORMAT,
         "lag: a temperature of -1 is not positive"},
        {"centroid", {0}, QV_ENOTFOUND, "centroid: expert 'a' has no 'centroid'"},
        {"phatgoose", {0}, QV_ENOTFOUND, "phatgoose: expert 'a' has no 'gate'"},
        {"retrieval", {0}, QV_ENOTFOUND, "retrieval: knows 0 of 2 experts"},
        {"tp", {.texts = &one}, QV_ENOTFOUND, "tp: knows 1 of 2 experts"},
        {"tp", {.temperature = -1}, QV_EFORMAT, "tp: a temperature of -1 is not positive"},
    };
    for (size_t i = 0; i < QV_COUNT(lie); i++) {
        struct qv_expert *e[2];
        struct qv_bank *b = uneven(e);
        struct qv_router *r;
        qv_err err = {0};
        b->has_prototypes[0] = false;
        assert_int_equal(
            qv__router_open(&r, qv__router_find(lie[i].router), b, &lie[i].opts, &err),
            lie[i].status);
        assert_string_equal(err.msg, lie[i].says);
        assert_null(r);
        qv__bank_free(b);
        qv__expert_free(e[0]);
        qv__expert_free(e[1]);
    }
}

/* ---- by text ---- */

static void a_text_is_retrieved_by_its_cosine_with_the_experts(void **state)
{
    (void)state;
    // |(3, 4)| = 5: cosines with (1, 0), (6, 8), (-4, 3) and nothing.
    float v[] = {1, 0, 6, 8, -4, 3, 0, 0}, l[4];
    const struct qv_text_table table = {.v = v, .K = 4, .F = 2};
    const struct qv_router r = {.ops = qv__router_find("retrieval"), .texts = &table};
    r.ops->judge(&r, l, (float[]){3, 4});
    assert_close(l, ((float[]){.6f, 1, 0, 0}), 4, 1e-6, 0);
    r.ops->judge(&r, l, (float[]){0, 0});
    assert_close(l, ((float[]){0, 0, 0, 0}), 4, 0, 0);
}

static void the_task_predictor_is_linear_in_the_features(void **state)
{
    (void)state;
    static const char *const names[] = {"tp", "tp_ngrams"};
    float v[] = {1, 2, 0, -1, .5f, .5f}, bias[] = {0, 10, -1}, l[3];
    const struct qv_text_table table = {.v = v, .bias = bias, .K = 3, .F = 2};
    for (size_t i = 0; i < 2; i++) {
        const struct qv_router r = {.ops = qv__router_find(names[i]), .texts = &table};
        r.ops->judge(&r, l, (float[]){3, 4});
        assert_close(l, ((float[]){11, 6, 2.5f}), 3, 1e-6, 0);
    }
}

static void a_site_follows_the_text_among_the_experts_that_adapt_it(void **state)
{
    (void)state;
    struct qv_expert *e[2];
    struct qv_bank *b = uneven(e);
    // Of two texts; at site v both experts compete, at site q there is "a" alone.
    const float logit[] = {1, 3, 5, 2}, far = .880797f, near = .952574f;
    const size_t slot[] = {1, 1, 0, 0, 1};
    const struct qv_router r = {.bank = b, .top_k = 4, .temperature = 1};
    int expert[10];
    float weight[10], scratch[2];
    struct qv_routing to = {.expert = expert, .weight = weight};
    qv__text_route(&r, 1, logit, slot, 5, scratch, &to);
    assert_int_equal(to.k, 2);
    assert_memory_equal(expert, ((int[]){0, 1, 0, 1, 1, 0, 1, 0, 0, 1}), sizeof expert);
    assert_close(weight,
                 ((float[]){near, 1 - near, near, 1 - near, far, 1 - far, far, 1 - far,
                            near, 1 - near}),
                 10, 1e-6, 0);
    qv__text_route(&r, 0, logit, slot, 5, scratch, &to);
    assert_int_equal(to.k, 1);
    assert_memory_equal(expert, ((int[5]){0}), 5 * sizeof *expert);
    assert_close(weight, ((float[]){1, 1, 1, 1, 1}), 5, 0, 0);
    qv__bank_free(b);
    qv__expert_free(e[0]);
    qv__expert_free(e[1]);
}

static void a_bag_of_ngrams_counts_tokens_and_pairs(void **state)
{
    (void)state;
    enum { F = 1 << 20 }; // no two of so few share a bucket
    float *f = calloc(F, sizeof *f), *g = calloc(F, sizeof *g);
    assert_non_null(f);
    assert_non_null(g);
    // 7 7 7 9: token 7 thrice, 9 once; pair (7, 7) twice, (7, 9) once.
    qv__ngrams(f, F, (int[]){7, 7, 7, 9}, 4);
    double a = 1 + log(3), c = 1 + log(2), length = sqrt(a * a + c * c + 2), found[3] = {0};
    size_t n = 0;
    for (size_t i = 0; i < F; i++)
        if (f[i] > 0) {
            n++;
            found[0] += fabs((double)f[i] - a / length) < 1e-6;
            found[1] += fabs((double)f[i] - c / length) < 1e-6;
            found[2] += fabs((double)f[i] - 1 / length) < 1e-6;
        }
    assert_int_equal(n, 4);
    assert_true(found[0] == 1 && found[1] == 1 && found[2] == 2);

    // Order matters to pairs alone: of 2 + 2 buckets the tokens' are shared.
    qv__ngrams(f, F, (int[]){1, 2}, 2);
    qv__ngrams(g, F, (int[]){2, 1}, 2);
    float shared = 0;
    for (size_t i = 0; i < F; i++)
        shared += f[i] * g[i];
    assert_close(&shared, &(float){2.f / 3}, 1, 1e-6, 0);
    qv__ngrams(f, F, NULL, 0);
    for (size_t i = 0; i < F; i++)
        assert_true(f[i] == 0);
    free(f);
    free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_routers_weights_equal_its_formula_in_numpy),
        cmocka_unit_test(what_is_added_equals_the_formula_in_numpy),
        cmocka_unit_test(arrow_wide_is_arrow_of_eight_whose_outputs_are_added),
        cmocka_unit_test(a_bank_in_its_spectra_adds_what_it_did),
        cmocka_unit_test(routers_weigh_as_the_authors_do),
        cmocka_unit_test(
            every_router_by_token_shares_a_site_among_the_experts_that_adapt_it),
        cmocka_unit_test(each_router_has_its_own_number_of_experts_and_composition),
        cmocka_unit_test(lag_looks_closely_at_twenty_experts),
        cmocka_unit_test(what_a_router_cannot_do_is_refused),
        cmocka_unit_test(a_text_is_retrieved_by_its_cosine_with_the_experts),
        cmocka_unit_test(the_task_predictor_is_linear_in_the_features),
        cmocka_unit_test(a_site_follows_the_text_among_the_experts_that_adapt_it),
        cmocka_unit_test(a_bag_of_ngrams_counts_tokens_and_pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
