/* cluster_test.c - similarities, agreement, maps and orders: the authors'
 * numbers, scikit-learn's, and twins that form every matrix. */
#include "cluster/cluster.h"

#include "base/json.h"
#include "format/safetensors.h"
#include "support/experts.h"
#include "support/near.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void similarity(float *sim, struct qv_expert *const *e, size_t K,
                       struct qv_similarity_opts opts)
{
    assert_int_equal(qv__similarity(sim, e, K, &opts, NULL), QV_OK);
}

/* An expert whose flattened weights are theta [R (D_in + D_out)]. */
static struct qv_expert *flat(const char *name, const float *theta, size_t R, size_t D_in,
                              size_t D_out)
{
    return expert_of(name, "q", D_in, D_out, R, 1, theta, theta + R * D_in);
}

static const float four[4][6] = {{3, -1, .5f, 2, -.25f, .1f},
                                 {2.5f, -1.2f, .4f, 2.2f, -.3f, .05f},
                                 {-.2f, 4, -3, .15f, 1, .6f},
                                 {.3f, 3.5f, -2.5f, -.1f, 1.4f, .7f}};

static void thresholds_are_those_of_the_authors(void **state)
{
    (void)state;
    const double want[] = {.75, .8, .8, 1.05};
    for (size_t k = 0; k < 4; k++) {
        double got;
        assert_int_equal(qv__magnitude_quantile(&got, four[k], 6, .5, NULL), QV_OK);
        assert_close(&(float){(float)got}, &(float){(float)want[k]}, 1, 1e-7, 0);
    }
}

static int ascending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void a_quantile_is_what_sorting_gives(void **state)
{
    (void)state;
    const size_t sizes[] = {1, 2, 3, 10, 1001};
    const double q[] = {0, .1, .25, .5, .8, .999, 1};
    for (size_t s = 0; s < QV_COUNT(sizes); s++) {
        size_t n = sizes[s];
        float *x = normals(n, s), *sorted = malloc(n * sizeof *sorted);
        assert_non_null(sorted);
        for (size_t i = 0; i < n; i++) {
            x[i] = i % 3 ? x[i] : roundf(4 * x[i]) / 4; // some ties, some zeros
            sorted[i] = fabsf(x[i]);
        }
        qsort(sorted, n, sizeof *sorted, ascending);
        for (size_t j = 0; j < QV_COUNT(q); j++) {
            double at = (double)(n - 1) * q[j], low = floor(at), got;
            size_t i = (size_t)low;
            double a = sorted[i], b = sorted[qv__min(i + 1, n - 1)];
            assert_int_equal(qv__magnitude_quantile(&got, x, n, q[j], NULL), QV_OK);
            assert_true(fabs(got - (a + (at - low) * (b - a))) < 1e-12);
        }
        free(x);
        free(sorted);
    }
}

static void mbc_similarities_are_those_of_the_authors(void **state)
{
    (void)state;
    struct qv_expert *e[4];
    for (size_t k = 0; k < 4; k++)
        e[k] = flat((const char *[]){"a", "b", "c", "d"}[k], four[k], 1, 4, 2);
    float sim[16];
    similarity(sim, e, 4, (struct qv_similarity_opts){.components = 2});
    assert_close(sim,
                 ((float[]){1, .998310f, -.210467f, -.207399f, //
                            .998310f, 1, -.266915f, -.263891f, //
                            -.210467f, -.266915f, 1, .999995f, //
                            -.207399f, -.263891f, .999995f, 1}),
                 16, 2e-6, 0);
    similarity(sim, e, 4, (struct qv_similarity_opts){.components = 3});
    assert_close(sim,
                 ((float[]){1, .998004f, -.209559f, -.207709f, //
                            .998004f, 1, -.267207f, -.262424f, //
                            -.209559f, -.267207f, 1, .993008f, //
                            -.207709f, -.262424f, .993008f, 1}),
                 16, 2e-6, 0);
    int label[4];
    assert_int_equal(qv__kmeans(label, NULL, sim, 4, 4, 2, 0, 1, NULL), QV_OK);
    assert_memory_equal(label, ((int[]){0, 0, 1, 1}), sizeof label);
    free_experts(e, 4);
}

/* The median of 1, 2, 3 is an entry itself, and is zeroed too: what is left of
 * (1, 2, 3) and (3, 2, 1) has nothing in common. */
static void a_weight_at_the_threshold_is_zeroed(void **state)
{
    (void)state;
    struct qv_expert *e[] = {flat("a", (float[]){1, 2, 3}, 1, 2, 1),
                             flat("b", (float[]){3, 2, 1}, 1, 2, 1)};
    float sim[4];
    similarity(sim, e, 2, (struct qv_similarity_opts){0});
    assert_close(sim, ((float[]){1, 0, 0, 1}), 4, 1e-7, 0);
    free_experts(e, 2);
}

enum { N = 12, WIDTH = 400 };

static void read_rows(float *out, const char *file, const char *name, size_t n)
{
    struct qv_st st;
    char path[96];
    snprintf(path, sizeof path, "tests/golden/cluster/%s.safetensors", file);
    assert_int_equal(qv__st_open(&st, path, NULL), QV_OK);
    const struct qv_tensor *t = qv__st_find(&st, name);
    assert_non_null(t);
    assert_int_equal(t->n, n);
    qv__st_f32(out, t, 0, n);
    qv__st_close(&st);
}

static void given_experts(struct qv_expert *e[N])
{
    static float theta[N * WIDTH];
    read_rows(theta, "given", "experts", N * WIDTH);
    for (size_t k = 0; k < N; k++) {
        char name[8];
        snprintf(name, sizeof name, "%zu", k);
        e[k] = flat(name, theta + k * WIDTH, 4, 60, 40);
    }
}

static json_t *expectations(void)
{
    json_t *all;
    assert_int_equal(qv__json_read(&all, "tests/golden/cluster/expect.json", 1 << 20, NULL),
                     QV_OK);
    return all;
}

static void ints_of(int *out, const json_t *array, size_t n)
{
    assert_int_equal(json_array_size(array), n);
    for (size_t i = 0; i < n; i++)
        out[i] = (int)json_integer_value(json_array_get(array, i));
}

static void mbc_equals_scikit_learn(void **state)
{
    (void)state;
    struct qv_expert *e[N];
    given_experts(e);
    float sim[N * N], want[N * N];
    similarity(sim, e, N, (struct qv_similarity_opts){0}); // 64 components of 12: all
    read_rows(want, "expect", "cosine_all", N * N);
    assert_close(sim, want, N * N, 1e-6, 0);
    similarity(sim, e, N, (struct qv_similarity_opts){.components = 8});
    read_rows(want, "expect", "cosine", N * N);
    assert_close(sim, want, N * N, 2e-6, 0);

    int label[N], theirs[N];
    double inertia;
    assert_int_equal(qv__kmeans(label, &inertia, sim, N, N, 3, 0, 42, NULL), QV_OK);
    json_t *expect = expectations();
    ints_of(theirs, json_object_get(expect, "labels"), N);
    assert_true(qv__adjusted_rand(label, theirs, N) == 1);
    assert_close(&(float){(float)inertia},
                 &(float){(float)json_number_value(json_object_get(expect, "inertia"))}, 1,
                 1e-5, 1e-5);
    json_decref(expect);
    free_experts(e, N);
}

static void agreement_is_what_scikit_learn_computes(void **state)
{
    (void)state;
    json_t *expect = expectations(), *cases = json_object_get(expect, "adjusted_rand");
    assert_true(json_array_size(cases) > 5);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *one = json_array_get(cases, i);
        size_t n = json_array_size(json_array_get(one, 0));
        int a[N], b[N];
        assert_true(n <= N);
        ints_of(a, json_array_get(one, 0), n);
        ints_of(b, json_array_get(one, 1), n);
        double want = json_number_value(json_array_get(one, 2));
        assert_true(fabs(qv__adjusted_rand(a, b, n) - want) < 1e-12);
    }
    json_decref(expect);
}

/* Reversing every row changes the place of each weight, and nothing else. */
static void mbc_does_not_depend_on_the_order_of_weights_or_experts(void **state)
{
    (void)state;
    struct qv_expert *e[N], *back[N];
    given_experts(e);
    for (size_t k = 0; k < N; k++) {
        float theta[WIDTH];
        for (size_t i = 0; i < WIDTH; i++)
            theta[i] = e[N - 1 - k]->w[WIDTH - 1 - i];
        back[k] = flat(e[N - 1 - k]->name, theta, 4, 60, 40);
    }
    float sim[N * N], other[N * N], want[N * N];
    similarity(sim, e, N, (struct qv_similarity_opts){.components = 8});
    similarity(other, back, N, (struct qv_similarity_opts){.components = 8});
    for (size_t i = 0; i < N * N; i++)
        want[i] = sim[N * N - 1 - i];
    assert_close(other, want, N * N, 2e-6, 0);
    free_experts(e, N);
    free_experts(back, N);
}

/* Without sparsity and with all components, MBC is the cosine of the weights. */
static void mbc_without_reduction_is_the_plain_cosine(void **state)
{
    (void)state;
    const struct qv_expert_shape shape[] = {{"q", 300, 200, 4, 4}, {"v", 300, 50, 2, 2}};
    struct qv_expert *e[] = {expert_drawn("a", shape, 2, 1), expert_drawn("b", shape, 2, 2),
                             expert_drawn("c", shape, 2, 3)};
    float sim[9], want[9];
    similarity(sim, e, 3, (struct qv_similarity_opts){.sparsity = -1});
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 3; j++) {
            double ij = 0, ii = 0, jj = 0;
            for (size_t n = 0; n < e[0]->n_w; n++) {
                ij += (double)e[i]->w[n] * e[j]->w[n];
                ii += (double)e[i]->w[n] * e[i]->w[n];
                jj += (double)e[j]->w[n] * e[j]->w[n];
            }
            want[i * 3 + j] = (float)(ij / sqrt(ii * jj));
        }
    assert_close(sim, want, 9, 1e-6, 0);
    free_experts(e, 3);
}

static void a_zero_expert_resembles_nobody(void **state)
{
    (void)state;
    struct qv_expert *e[N];
    given_experts(e);
    memset(e[5]->w, 0, WIDTH * sizeof *e[5]->w);
    for (enum qv_similarity kind = QV_SIM_MBC; kind <= QV_SIM_GAUGE; kind++) {
        float sim[N * N];
        similarity(sim, e, N, (struct qv_similarity_opts){.kind = kind});
        for (size_t k = 0; k < N; k++) {
            float want = k == 5;
            assert_close(&sim[5 * N + k], &want, 1, 0, 0);
            assert_close(&sim[k * N + 5], &want, 1, 0, 0);
        }
    }
    free_experts(e, N);
}

/* One entry of s B A. */
static double entry(const struct qv_expert_site *s, size_t o, size_t d)
{
    double sum = 0;
    for (size_t r = 0; r < s->R; r++)
        sum += (double)s->B[o * s->R + r] * s->A[r * s->D_in + d];
    return s->scale * sum;
}

/* <s B A, s' B' A'> over shared sites, forming each update. */
static double slow_inner(const struct qv_expert *e, const struct qv_expert *f)
{
    double sum = 0;
    for (size_t p = 0; p < e->n_sites * f->n_sites; p++) {
        const struct qv_expert_site *s = &e->site[p / f->n_sites];
        const struct qv_expert_site *t = &f->site[p % f->n_sites];
        if (strcmp(s->path, t->path) != 0)
            continue;
        for (size_t i = 0; i < s->D_out * s->D_in; i++)
            sum += entry(s, i / s->D_in, i % s->D_in) * entry(t, i / s->D_in, i % s->D_in);
    }
    return sum;
}

static void gauge_free_similarity_is_the_cosine_of_the_updates(void **state)
{
    (void)state;
    const struct qv_expert_shape two[] = {{"q", 7, 5, 3, 6}, {"v", 7, 2, 1, 4}},
                                 turned[] = {{"v", 7, 2, 2, 1}, {"q", 7, 5, 2, 2}},
                                 one[] = {{"q", 7, 5, 4, 2}}, other[] = {{"k", 3, 3, 1, 1}};
    struct qv_expert *e[] = {expert_drawn("a", two, 2, 1), expert_drawn("b", turned, 2, 2),
                             expert_drawn("c", one, 1, 3), expert_drawn("d", other, 1, 4),
                             expert_drawn("e", other, 1, 5)};
    float sim[25], want[25];
    similarity(sim, e, 5, (struct qv_similarity_opts){.kind = QV_SIM_GAUGE});
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < 5; j++)
            want[i * 5 + j] =
                (float)(slow_inner(e[i], e[j]) /
                        sqrt(slow_inner(e[i], e[i]) * slow_inner(e[j], e[j])));
    assert_close(sim, want, 25, 2e-6, 0);
    free_experts(e, 5);
}

/* More ranks than are multiplied at a time, and a rank above that number. */
static void gauge_free_similarity_holds_for_many_ranks(void **state)
{
    (void)state;
    enum { K = 9 };
    struct qv_expert *e[K];
    for (size_t k = 0; k < K; k++) {
        char name[8];
        snprintf(name, sizeof name, "%zu", k);
        struct qv_expert_shape shape = {"q", 11, 6, k == 4 ? 300 : 40 + 9 * k, 1};
        e[k] = expert_drawn(name, &shape, 1, k);
    }
    float sim[K * K], want[K * K];
    similarity(sim, e, K, (struct qv_similarity_opts){.kind = QV_SIM_GAUGE});
    for (size_t i = 0; i < K; i++)
        for (size_t j = 0; j < K; j++)
            want[i * K + j] =
                (float)(slow_inner(e[i], e[j]) /
                        sqrt(slow_inner(e[i], e[i]) * slow_inner(e[j], e[j])));
    assert_close(sim, want, K * K, 5e-6, 0);
    free_experts(e, K);
}

/* (A, B) and (M A, B M^-1) are one update, M = [[2, 1], [1, 1]]: similarity 1
 * between them, whatever MBC makes of it. */
static void gauge_free_similarity_sees_one_update_in_two_gauges(void **state)
{
    (void)state;
    const struct qv_expert_shape shape[] = {{"q", 8, 5, 2, 2}};
    struct qv_expert *e[] = {expert_drawn("a", shape, 1, 1),
                             expert_drawn("b", shape, 1, 2)};
    const float *A = e[0]->site[0].A, *B = e[0]->site[0].B;
    for (size_t d = 0; d < 8; d++) {
        e[1]->site[0].A[d] = 2 * A[d] + A[8 + d];
        e[1]->site[0].A[8 + d] = A[d] + A[8 + d];
    }
    for (size_t o = 0; o < 5; o++) {
        e[1]->site[0].B[2 * o] = B[2 * o] - B[2 * o + 1];
        e[1]->site[0].B[2 * o + 1] = -B[2 * o] + 2 * B[2 * o + 1];
    }
    float sim[4];
    similarity(sim, e, 2, (struct qv_similarity_opts){.kind = QV_SIM_GAUGE});
    assert_close(sim, ((float[]){1, 1, 1, 1}), 4, 1e-6, 0);
    similarity(sim, e, 2, (struct qv_similarity_opts){.kind = QV_SIM_MBC});
    assert_true(sim[1] < .9f);
    free_experts(e, 2);
}

/* Pairs that cannot be compared, by kind, and our words for it. */
static const struct {
    enum qv_similarity kind;
    struct qv_expert_shape shape[2];
    size_t n;
    const char *says;
} unlike[] = {
    {QV_SIM_MBC,
     {{"q", 3, 2, 2, 2}, {"v", 3, 2, 1, 1}},
     2,
     "experts 'a' and 'b' have 1 and 2 sites"},
    {QV_SIM_MBC,
     {{"v", 3, 2, 2, 2}},
     1,
     "experts 'a' and 'b' adapt different sites: 'q' and 'v'"},
    {QV_SIM_MBC,
     {{"q", 3, 2, 1, 1}},
     1,
     "experts 'a' and 'b' differ at site 'q': 3 to 2 by rank 2 and 3 to 2 by rank 1"},
    {QV_SIM_GAUGE,
     {{"q", 3, 4, 2, 2}},
     1,
     "experts 'a' and 'b' differ at site 'q': 3 to 2 and 3 to 4"},
};

static void experts_that_cannot_be_compared_are_refused(void **state)
{
    (void)state;
    const struct qv_expert_shape shape[] = {{"q", 3, 2, 2, 2}};
    float sim[4];
    qv_err err = {0};
    for (size_t i = 0; i < QV_COUNT(unlike); i++) {
        struct qv_expert *e[] = {expert_drawn("a", shape, 1, 1),
                                 expert_drawn("b", unlike[i].shape, unlike[i].n, 2)};
        const struct qv_similarity_opts opts = {.kind = unlike[i].kind};
        assert_int_equal(qv__similarity(sim, e, 2, &opts, &err), QV_EFORMAT);
        assert_string_equal(err.msg, unlike[i].says);
        free_experts(e, 2);
    }
    struct qv_expert *e[] = {expert_drawn("a", shape, 1, 1)};
    assert_int_equal(
        qv__similarity(sim, e, 1, &(struct qv_similarity_opts){.sparsity = 1}, &err),
        QV_EFORMAT);
    assert_string_equal(err.msg, "a sparsity of 1 leaves nothing to compare");
    e[0]->w[3] = INFINITY;
    assert_int_equal(qv__similarity(sim, e, 1, NULL, &err), QV_EFORMAT);
    assert_string_equal(err.msg, "expert 'a': a weight is not finite");
    assert_int_equal(qv__similarity(sim, NULL, 0, NULL, &err), QV_EFORMAT);
    assert_string_equal(err.msg, "there are no experts to compare");
    free_experts(e, 1);
}

/* Similarities made from points of the plane: the map finds their distances. */
static void a_map_keeps_distances_that_fit_a_plane(void **state)
{
    (void)state;
    const float point[5][2] = {{0, 0}, {.6f, 0}, {.6f, .8f}, {-.3f, .2f}, {.1f, -.5f}};
    float sim[25], xy[10], got[25], want[25];
    for (size_t i = 0; i < 25; i++) {
        const float *p = point[i / 5], *q = point[i % 5];
        want[i] = hypotf(p[0] - q[0], p[1] - q[1]);
        sim[i] = 1 - want[i];
    }
    assert_int_equal(qv__map2d(xy, sim, 5, NULL), QV_OK);
    for (size_t i = 0; i < 25; i++) {
        const float *p = xy + 2 * (i / 5), *q = xy + 2 * (i % 5);
        got[i] = hypotf(p[0] - q[0], p[1] - q[1]);
    }
    assert_close(got, want, 25, 2e-6, 0);
}

static void one_expert_is_the_origin_and_two_are_apart(void **state)
{
    (void)state;
    float xy[4];
    assert_int_equal(qv__map2d(xy, (float[]){1}, 1, NULL), QV_OK);
    assert_close(xy, ((float[]){0, 0}), 2, 0, 0);
    // Distance 1 - 0.5, half to each side.
    assert_int_equal(qv__map2d(xy, (float[]){1, .5f, .5f, 1}, 2, NULL), QV_OK);
    assert_close(&(float){fabsf(xy[0])}, &(float){.25f}, 1, 1e-6, 0);
    assert_close(&(float){xy[0] + xy[2]}, &(float){0}, 1, 1e-6, 0);
    assert_close(((float[]){xy[1], xy[3]}), ((float[]){0, 0}), 2, 1e-6, 0);
}

/* On a line at 0, 10, 1, 11, 2, 30 in clusters {0,2,4}, {1,3}, {5}. */
static void an_order_walks_each_cluster_and_then_the_nearest(void **state)
{
    (void)state;
    const float at[] = {0, 10, 1, 11, 2, 30};
    const int label[] = {0, 1, 0, 1, 0, 2};
    float sim[36];
    for (size_t i = 0; i < 36; i++)
        sim[i] = 1 - fabsf(at[i / 6] - at[i % 6]) / 30;
    size_t order[6];
    qv__cluster_order(order, sim, label, 6);
    assert_memory_equal(order, ((size_t[]){0, 2, 4, 1, 3, 5}), sizeof order);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thresholds_are_those_of_the_authors),
        cmocka_unit_test(a_quantile_is_what_sorting_gives),
        cmocka_unit_test(mbc_similarities_are_those_of_the_authors),
        cmocka_unit_test(a_weight_at_the_threshold_is_zeroed),
        cmocka_unit_test(mbc_equals_scikit_learn),
        cmocka_unit_test(agreement_is_what_scikit_learn_computes),
        cmocka_unit_test(mbc_does_not_depend_on_the_order_of_weights_or_experts),
        cmocka_unit_test(mbc_without_reduction_is_the_plain_cosine),
        cmocka_unit_test(a_zero_expert_resembles_nobody),
        cmocka_unit_test(gauge_free_similarity_is_the_cosine_of_the_updates),
        cmocka_unit_test(gauge_free_similarity_holds_for_many_ranks),
        cmocka_unit_test(gauge_free_similarity_sees_one_update_in_two_gauges),
        cmocka_unit_test(experts_that_cannot_be_compared_are_refused),
        cmocka_unit_test(a_map_keeps_distances_that_fit_a_plane),
        cmocka_unit_test(one_expert_is_the_origin_and_two_are_apart),
        cmocka_unit_test(an_order_walks_each_cluster_and_then_the_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
