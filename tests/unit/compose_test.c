/* compose_test.c - weighted experts as one update: hand-worked and published
 * cases, and a slow twin that forms every matrix. */
#include "lora/compose.h"

#include "base/rng.h"
#include "op/gemm.h"
#include "support/experts.h"
#include "support/near.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

/* Two rank-1 experts on 2 -> 2 with s = 2:
 *   a: A = (1, 0), B = (1, 0)', so  s B A x = (2 x0, 0)
 *   b: A = (0, 1), B = (0, 2)', so  s B A x = (0, 4 x1) */
static const struct qv_site plane[] = {{.path = "q", .D_in = 2, .D_out = 2}};

static void make_pair(struct qv_expert *e[2])
{
    e[0] = expert_of("a", "q", 2, 2, 1, 2, (float[]){1, 0}, (float[]){1, 0});
    e[1] = expert_of("b", "q", 2, 2, 1, 2, (float[]){0, 1}, (float[]){0, 2});
}

/* qv__compose with room of its own. */
static void compose(float *y, const float *x, size_t T, const struct qv_bank_site *s,
                    const struct qv_routing *r, enum qv_compose how)
{
    struct qv_compose_room room;
    qv_carve need = {0};
    qv__compose_carve(&room, &need, T, r->k, s->K, s->R_max);
    void *mem = qv__carve_alloc(&need);
    assert_non_null(mem);
    qv_carve c = {.base = mem};
    qv__compose_carve(&room, &c, T, r->k, s->K, s->R_max);
    qv__compose(y, x, T, s, r, how, &room);
    free(mem);
}

/* y [T, D_out] from zero, with the same experts and weights for every token. */
static void compose_all(float *y, const float *x, size_t T, const struct qv_bank_site *s,
                        const int *expert, const float *weight, size_t k,
                        enum qv_compose how)
{
    struct qv_routing r = {.k = k,
                           .expert = malloc(T * k * sizeof *r.expert),
                           .weight = malloc(T * k * sizeof *r.weight)};
    assert_true(r.expert && r.weight);
    for (size_t t = 0; t < T; t++) {
        memcpy(r.expert + t * k, expert, k * sizeof *expert);
        memcpy(r.weight + t * k, weight, k * sizeof *weight);
    }
    memset(y, 0, T * s->D_out * sizeof *y);
    compose(y, x, T, s, &r, how);
    free(r.expert);
    free(r.weight);
}

/* Half of each, x = (1, 2). output: (2 x0, 4 x1) / 2 = (1, 4). factor: the mean A
 * gives 1/2 + 2/2 = 1.5, the mean B is (1/2, 1), s = 2: (1.5, 3). */
static void two_experts_compose_as_the_authors_compute(void **state)
{
    (void)state;
    struct qv_expert *e[2];
    make_pair(e);
    struct qv_sites sites = sites_of(plane, 1);
    struct qv_bank *b = bank_of(&sites, e, 2);
    const float x[] = {1, 2, 3, -1}, half[] = {.5f, .5f};
    const int both[] = {0, 1};
    float y[4];
    compose_all(y, x, 2, &b->site[0], both, half, 2, QV_FACTOR);
    assert_close(y, ((float[]){1.5f, 3, 1, 2}), 4, 1e-6, 0);
    compose_all(y, x, 2, &b->site[0], both, half, 2, QV_OUTPUT);
    assert_close(y, ((float[]){1, 4, 3, -2}), 4, 1e-6, 0);
    qv__bank_free(b);
    free_experts(e, 2);
}

/* A = 1 and 2, B = (1, 1)': factor, half each, x = 1: 1.5 in both outputs. Rank 3
 * with all entries 1 and all entries 2, s = 1/3, output: (1 + 4) / 2 = 2.5; with
 * weights (0, 1): 4. */
static void experts_on_one_input_compose_as_the_authors_test(void **state)
{
    (void)state;
    const struct qv_site line[] = {{.path = "q", .D_in = 1, .D_out = 2}};
    struct qv_sites sites = sites_of(line, 1);
    const float ones[] = {1, 1, 1, 1, 1, 1}, twos[] = {2, 2, 2, 2, 2, 2};
    const float half[] = {.5f, .5f};
    const int both[] = {0, 1};
    float y[2], x = 1;

    struct qv_expert *thin[] = {expert_of("a", "q", 1, 2, 1, 1, ones, ones),
                                expert_of("b", "q", 1, 2, 1, 1, twos, ones)};
    struct qv_bank *b = bank_of(&sites, thin, 2);
    compose_all(y, &x, 1, &b->site[0], both, half, 2, QV_FACTOR);
    assert_close(y, ((float[]){1.5f, 1.5f}), 2, 1e-6, 0);
    qv__bank_free(b);
    free_experts(thin, 2);

    struct qv_expert *thick[] = {expert_of("a", "q", 1, 2, 3, 1.f / 3, ones, ones),
                                 expert_of("b", "q", 1, 2, 3, 1.f / 3, twos, twos)};
    b = bank_of(&sites, thick, 2);
    compose_all(y, &x, 1, &b->site[0], both, half, 2, QV_OUTPUT);
    assert_close(y, ((float[]){2.5f, 2.5f}), 2, 1e-6, 0);
    compose_all(y, &x, 1, &b->site[0], both, (float[]){0, 1}, 2, QV_OUTPUT);
    assert_close(y, ((float[]){4, 4}), 2, 1e-6, 0);
    qv__bank_free(b);
    free_experts(thick, 2);
}

enum { D_IN = 37, D_OUT = 21, N = 5, TOKENS = 33 };

static const size_t ranks[N] = {3, 1, 4, 4, 2};
static const struct qv_site square[] = {{.path = "q", .D_in = D_IN, .D_out = D_OUT}};

static void draw_five(struct qv_expert *e[N])
{
    static const char *const name[N] = {"a", "b", "c", "d", "e"};
    for (size_t k = 0; k < N; k++) {
        struct qv_expert_shape shape = {"q", D_IN, D_OUT, ranks[k], (float)(k + 1)};
        e[k] = expert_drawn(name[k], &shape, 1, k);
    }
}

/* y [D_out] += B (A x), the product of two padded sums of factors. */
static void slow(double *y, const double *A, const double *B, const float *x)
{
    for (size_t o = 0; o < D_OUT; o++)
        for (size_t r = 0; r < 4; r++)
            for (size_t d = 0; d < D_IN; d++)
                y[o] += B[o * 4 + r] * A[r * D_IN + d] * x[d];
}

/* What the formulas of compose.h say, forming every matrix, for one token. */
static void slow_compose(float *y, const float *x, struct qv_expert *const *e,
                         const int *expert, const float *w, size_t k, enum qv_compose how)
{
    double A[4 * D_IN], B[D_OUT * 4], sum[D_OUT] = {0};
    for (size_t pass = 0; pass < (how == QV_FACTOR ? 1 : k); pass++) {
        memset(A, 0, sizeof A);
        memset(B, 0, sizeof B);
        for (size_t j = 0; j < k; j++) {
            const struct qv_expert_site *s = &e[expert[j]]->site[0];
            double a = how == QV_FACTOR ? w[j] : j == pass ? 1 : 0;
            double b = how == QV_FACTOR || j == pass ? (double)w[j] * s->scale : 0;
            for (size_t r = 0; r < s->R; r++) {
                for (size_t d = 0; d < D_IN; d++)
                    A[r * D_IN + d] += a * s->A[r * D_IN + d];
                for (size_t o = 0; o < D_OUT; o++)
                    B[o * 4 + r] += b * s->B[o * s->R + r];
            }
        }
        slow(sum, A, B, x);
    }
    for (size_t o = 0; o < D_OUT; o++)
        y[o] = (float)sum[o];
}

static void composing_equals_forming_every_matrix(void **state)
{
    (void)state;
    struct qv_expert *e[N];
    draw_five(e);
    struct qv_sites sites = sites_of(square, 1);
    struct qv_bank *b = bank_of(&sites, e, N);
    float *x = normals(TOKENS * D_IN, 77), y[TOKENS * D_OUT] = {0}, want[D_OUT];
    for (size_t k = 1; k <= N; k++)
        for (enum qv_compose how = QV_FACTOR; how <= QV_OUTPUT; how++) {
            int expert[TOKENS * N];
            float weight[TOKENS * N];
            for (size_t t = 0; t < TOKENS; t++)
                for (size_t j = 0; j < k; j++) {
                    expert[t * k + j] = (int)((t * 3 + j) % N);
                    weight[t * k + j] = qv__uniform(k, t * k + j);
                }
            memset(y, 0, sizeof y);
            struct qv_routing r = {k, expert, weight};
            compose(y, x, TOKENS, &b->site[0], &r, how);
            for (size_t t = 0; t < TOKENS; t++) {
                slow_compose(want, x + t * D_IN, e, expert + t * k, weight + t * k, k, how);
                assert_close_to_scale(y + t * D_OUT, want, D_OUT, 1e-5);
            }
        }
    free(x);
    qv__bank_free(b);
    free_experts(e, N);
}

/* Forty tokens, which are counted and shared by threads and blocks of columns, and each of
 * them alone. */
static void a_token_gets_the_same_bits_alone_and_among_others(void **state)
{
    (void)state;
    enum { WIDE = 640, HIGH = 600, MANY = 40, USED = 3 };
    static const struct qv_site big[] = {{.path = "q", .D_in = WIDE, .D_out = HIGH}};
    struct qv_expert *e[N];
    static const char *const name[N] = {"a", "b", "c", "d", "e"};
    for (size_t k = 0; k < N; k++) {
        struct qv_expert_shape shape = {"q", WIDE, HIGH, ranks[k], (float)(k + 1)};
        e[k] = expert_drawn(name[k], &shape, 1, k);
    }
    struct qv_sites sites = sites_of(big, 1);
    struct qv_bank *b = bank_of(&sites, e, N);
    float *x = normals(MANY * WIDE, 7), *y = malloc(MANY * HIGH * sizeof *y), alone[HIGH];
    int expert[MANY * USED];
    float weight[MANY * USED];
    assert_non_null(y);
    for (size_t i = 0; i < MANY * USED; i++) {
        expert[i] = (int)((i / USED * 2 + i % USED * 3) % N);
        weight[i] = qv__uniform(3, i);
    }
    for (int threads = 1; threads <= 3; threads++)
        for (enum qv_compose how = QV_FACTOR; how <= QV_OUTPUT; how++) {
            struct qv_routing all = {USED, expert, weight};
            omp_set_num_threads(threads);
            memset(y, 0, MANY * HIGH * sizeof *y);
            compose(y, x, MANY, &b->site[0], &all, how);
            omp_set_num_threads(1);
            for (size_t t = 0; t < MANY; t++) {
                struct qv_routing one = {USED, expert + t * USED, weight + t * USED};
                memset(alone, 0, sizeof alone);
                compose(alone, x + t * WIDE, 1, &b->site[0], &one, how);
                assert_memory_equal(alone, y + t * HIGH, sizeof alone);
            }
        }
    free(x);
    free(y);
    qv__bank_free(b);
    free_experts(e, N);
}

static void with_one_expert_factor_and_output_agree(void **state)
{
    (void)state;
    struct qv_expert *e[N];
    draw_five(e);
    struct qv_sites sites = sites_of(square, 1);
    struct qv_bank *b = bank_of(&sites, e, N);
    float *x = normals(D_IN, 5), y[D_OUT], z[D_OUT], alone[D_OUT];
    compose_all(y, x, 1, &b->site[0], (int[]){2, 0, 4}, (float[]){0, 1, 0}, 3, QV_FACTOR);
    compose_all(z, x, 1, &b->site[0], (int[]){2, 0, 4}, (float[]){0, 1, 0}, 3, QV_OUTPUT);
    compose_all(alone, x, 1, &b->site[0], (int[]){0}, (float[]){1}, 1, QV_FACTOR);
    assert_close_to_scale(y, z, D_OUT, 1e-6);
    assert_close_to_scale(y, alone, D_OUT, 1e-6);
    free(x);
    qv__bank_free(b);
    free_experts(e, N);
}

static void the_update_is_added_to_what_is_there(void **state)
{
    (void)state;
    struct qv_expert *e[2];
    make_pair(e);
    struct qv_sites sites = sites_of(plane, 1);
    struct qv_bank *b = bank_of(&sites, e, 2);
    float y[] = {10, 20};
    struct qv_routing r = {1, (int[]){1}, (float[]){1}};
    compose(y, (float[]){1, 2}, 1, &b->site[0], &r, QV_FACTOR);
    assert_close(y, ((float[]){10, 28}), 2, 1e-6, 0);
    qv__bank_free(b);
    free_experts(e, 2);
}

/* y [T, D_out] = scale B A x of the expert's only site. */
static void apply(float *y, const struct qv_expert *e, const float *x, size_t T)
{
    const struct qv_expert_site *s = &e->site[0];
    float *z = malloc(T * s->R * sizeof *z);
    assert_non_null(z);
    qv__sgemm(false, true, T, s->R, s->D_in, 1, x, s->D_in, s->A, s->D_in, 0, z, s->R);
    qv__sgemm(false, true, T, s->D_out, s->R, s->scale, z, s->R, s->B, s->R, 0, y,
              s->D_out);
    free(z);
}

static void a_folded_expert_does_what_its_experts_do_together(void **state)
{
    (void)state;
    struct qv_expert *e[N];
    draw_five(e);
    struct qv_sites sites = sites_of(square, 1);
    struct qv_bank *b = bank_of(&sites, e, N);
    const int all[] = {0, 1, 2, 3, 4};
    const float w[] = {.3f, -.2f, 1.5f, .125f, .4f};
    float *x = normals(TOKENS * D_IN, 9), y[TOKENS * D_OUT], z[TOKENS * D_OUT];
    for (enum qv_compose how = QV_FACTOR; how <= QV_OUTPUT; how++) {
        struct qv_expert *one;
        assert_int_equal(qv__fold(&one, "mean", e, w, N, how, NULL), QV_OK);
        assert_string_equal(one->name, "mean");
        assert_int_equal(one->site[0].R, how == QV_FACTOR ? 4 : 14);
        assert_close(&one->site[0].scale, ((float[]){1}), 1, 0, 0);
        compose_all(y, x, TOKENS, &b->site[0], all, w, N, how);
        apply(z, one, x, TOKENS);
        assert_close_to_scale(z, y, TOKENS * D_OUT, 1e-5);
        qv__expert_free(one);
    }
    free(x);
    qv__bank_free(b);
    free_experts(e, N);
}

static void folding_copies_of_an_expert_changes_nothing(void **state)
{
    (void)state;
    struct qv_expert_shape shape = {"q", D_IN, D_OUT, 3, 3};
    struct qv_expert *e[3];
    for (size_t k = 0; k < 3; k++)
        e[k] = expert_drawn("a", &shape, 1, 7);
    struct qv_expert *one;
    const float third[] = {1.f / 3, 1.f / 3, 1.f / 3};
    assert_int_equal(qv__fold(&one, "mean", e, third, 3, QV_FACTOR, NULL), QV_OK);
    assert_int_equal(one->n_w, e[0]->n_w);
    assert_close(one->w, e[0]->w, one->n_w, 1e-6, 1e-6);
    qv__expert_free(one);
    free_experts(e, 3);
}

/* a adapts q and v, b adapts v and k. At q the fold is half of a's factors. */
static void an_expert_counts_as_zero_where_it_adapts_nothing(void **state)
{
    (void)state;
    const struct qv_expert_shape qv[] = {{"q", 3, 2, 1, 5}, {"v", 3, 4, 2, 2}},
                                 vk[] = {{"v", 3, 4, 3, 3}, {"k", 2, 2, 1, 1}};
    struct qv_expert *e[] = {expert_drawn("a", qv, 2, 1), expert_drawn("b", vk, 2, 2)};
    const float half[] = {.5f, .5f};
    struct qv_expert *one;
    assert_int_equal(qv__fold(&one, "mean", e, half, 2, QV_FACTOR, NULL), QV_OK);
    assert_int_equal(one->n_sites, 3);
    assert_string_equal(one->site[0].path, "q");
    assert_string_equal(one->site[1].path, "v");
    assert_string_equal(one->site[2].path, "k");
    assert_int_equal(one->site[1].R, 3);
    for (size_t i = 0; i < 3; i++)
        assert_close(&one->site[0].A[i], ((float[]){e[0]->site[0].A[i] / 2}), 1, 0, 1e-6);
    for (size_t i = 0; i < 2; i++) // alpha / R = 5 is folded into B
        assert_close(&one->site[0].B[i], ((float[]){e[0]->site[0].B[i] * 2.5f}), 1, 0,
                     1e-6);
    qv__expert_free(one);

    assert_int_equal(qv__fold(&one, "mean", e, half, 2, QV_OUTPUT, NULL), QV_OK);
    assert_int_equal(one->site[1].R, 5);
    qv__expert_free(one);

    // b has no weight, so its site k is not there at all.
    const float first[] = {1, 0};
    assert_int_equal(qv__fold(&one, "first", e, first, 2, QV_OUTPUT, NULL), QV_OK);
    assert_int_equal(one->n_sites, 2);
    assert_int_equal(one->site[1].R, 2);
    qv__expert_free(one);
    free_experts(e, 2);
}

static void folds_that_mean_nothing_are_refused(void **state)
{
    (void)state;
    const struct qv_expert_shape small[] = {{"q", 3, 2, 1, 1}},
                                 large[] = {{"q", 3, 4, 1, 1}};
    struct qv_expert *e[] = {expert_drawn("a", small, 1, 1),
                             expert_drawn("b", large, 1, 2)};
    struct qv_expert *one;
    qv_err err = {0};
    const float half[] = {.5f, .5f}, none[] = {0, 0}, bad[] = {1, NAN};
    assert_int_equal(qv__fold(&one, "m", e, half, 2, QV_FACTOR, &err), QV_EFORMAT);
    assert_string_equal(err.msg,
                        "expert 'b': site 'q' maps 3 to 4, another expert's 3 to 2");
    assert_null(one);
    assert_int_equal(qv__fold(&one, "m", e, none, 2, QV_FACTOR, &err), QV_EFORMAT);
    assert_string_equal(err.msg, "'m': no expert has a weight");
    assert_int_equal(qv__fold(&one, "m", e, bad, 2, QV_FACTOR, &err), QV_EFORMAT);
    assert_string_equal(err.msg, "expert 'b': its weight is not finite");
    free_experts(e, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_experts_compose_as_the_authors_compute),
        cmocka_unit_test(experts_on_one_input_compose_as_the_authors_test),
        cmocka_unit_test(composing_equals_forming_every_matrix),
        cmocka_unit_test(a_token_gets_the_same_bits_alone_and_among_others),
        cmocka_unit_test(with_one_expert_factor_and_output_agree),
        cmocka_unit_test(the_update_is_added_to_what_is_there),
        cmocka_unit_test(a_folded_expert_does_what_its_experts_do_together),
        cmocka_unit_test(folding_copies_of_an_expert_changes_nothing),
        cmocka_unit_test(an_expert_counts_as_zero_where_it_adapts_nothing),
        cmocka_unit_test(folds_that_mean_nothing_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
