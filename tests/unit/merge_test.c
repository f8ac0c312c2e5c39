/* merge_test.c - merges against PEFT's and the written definitions, by hand, and
 * what the random ones must be on average. */
#include "base/file.h"
#include "base/json.h"
#include "library/library.h"
#include "lora/peft.h"
#include "merge/merge.h"
#include "support/experts.h"
#include "support/golden.h"
#include "support/scratch.h"

#include <quiver/merge.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- tests/golden/merge ---- */

#define GOLDEN "tests/golden/merge"

static struct qv_expert *golden_expert(const char *name)
{
    char path[64];
    struct qv_expert *e;
    qv_err err = {0};
    snprintf(path, sizeof path, GOLDEN "/%s", name);
    assert_works(qv__peft_read(&e, path, NULL, &err), &err);
    return e;
}

static double option(const json_t *c, const char *key, double otherwise)
{
    const json_t *v = json_object_get(c, key);
    return v ? json_number_value(v) : otherwise;
}

/* The expert that a case of expect.json asks for; the caller's. */
static struct qv_expert *merge_case(double *discarded, const json_t *c)
{
    struct qv_expert *e[8], *merged;
    double given[8], w[8];
    size_t K = 0;
    qv_err err = {0};
    const json_t *lists[] = {json_object_get(c, "experts"), json_object_get(c, "general")};
    const json_t *weights = json_object_get(c, "weights");
    for (size_t l = 0; l < 2; l++)
        for (size_t i = 0; i < json_array_size(lists[l]); i++, K++) {
            e[K] = golden_expert(json_string_value(json_array_get(lists[l], i)));
            given[K] = json_number_value(json_array_get(weights, i));
        }
    const struct qv_merge_ops *ops =
        qv__merger_find(json_string_value(json_object_get(c, "method")));
    const struct qv_merge_how how = {
        .density = option(c, "density", 0.2),
        .gamma = option(c, "gamma", 0.01),
        .rank = (size_t)option(c, "rank", 0),
        .seed = (uint64_t)option(c, "seed", 0),
        .count_signs = json_object_get(c, "elect"),
    };
    assert_non_null(ops);
    qv__merge_weights(w, ops, weights ? given : NULL, K);
    assert_works(qv__merge(&merged, discarded, "merged", ops, e, w, K, &how, &err), &err);
    for (size_t k = 0; k < K; k++)
        qv__expert_free(e[k]);
    return merged;
}

/* s B A [D_out, D_in], by the definition; the caller's. */
static float *update_of(const struct qv_expert_site *s)
{
    float *m = malloc(s->D_out * s->D_in * sizeof *m);
    assert_non_null(m);
    for (size_t o = 0; o < s->D_out; o++)
        for (size_t d = 0; d < s->D_in; d++) {
            double sum = 0;
            for (size_t r = 0; r < s->R; r++)
                sum += (double)s->B[o * s->R + r] * (double)s->A[r * s->D_in + d];
            m[o * s->D_in + d] = (float)((double)s->scale * sum);
        }
    return m;
}

static bool has_tensor(const char *name)
{
    struct qv_st st;
    assert_int_equal(qv__st_open(&st, GOLDEN "/expect.safetensors", NULL), QV_OK);
    bool found = qv__st_find(&st, name) != NULL;
    qv__st_close(&st);
    return found;
}

static void assert_tensor(const float *got, size_t n, const char *name)
{
    size_t size;
    float *want = golden_tensor(&size, GOLDEN "/expect.safetensors", name);
    if (size != n)
        fail_msg("%s has %zu numbers, should have %zu", name, n, size);
    assert_close_to_scale(got, want, n, 2e-6);
    free(want);
}

static void check_site(const char *name, const struct qv_expert_site *s)
{
    char key[96];
    assert_close(&s->scale, ((float[]){1}), 1, 0, 0);
    snprintf(key, sizeof key, "%s.%s.A", name, s->path);
    if (has_tensor(key)) {
        assert_tensor(s->A, s->R * s->D_in, key);
        snprintf(key, sizeof key, "%s.%s.B", name, s->path);
        assert_tensor(s->B, s->D_out * s->R, key);
        return;
    }
    float *m = update_of(s);
    snprintf(key, sizeof key, "%s.%s", name, s->path);
    assert_tensor(m, s->D_out * s->D_in, key);
    free(m);
}

/* Check the cases whose names start with PEFT's, or all others. */
static void check_cases(bool of_peft, size_t n_cases)
{
    json_t *all, *c;
    const char *name;
    size_t n = 0;
    qv_err err = {0};
    assert_works(qv__json_read(&all, GOLDEN "/expect.json", 1 << 20, &err), &err);
    json_object_foreach(all, name, c)
    {
        if ((strncmp(name, "peft_", 5) == 0) != of_peft)
            continue;
        double discarded;
        struct qv_expert *e = merge_case(&discarded, c);
        assert_int_equal(e->n_sites, 2);
        for (size_t i = 0; i < e->n_sites; i++)
            check_site(name, &e->site[i]);
        if (json_object_get(c, "energy"))
            assert_true(fabs(discarded - option(c, "lost", 0) / option(c, "energy", 1)) <
                        1e-7);
        qv__expert_free(e);
        n++;
    }
    json_decref(all);
    assert_int_equal(n, n_cases);
}

static void merges_are_those_of_peft_where_it_is_right(void **state)
{
    (void)state;
    check_cases(true, 6);
}

static void merges_are_what_their_definitions_say(void **state)
{
    (void)state;
    check_cases(false, 13);
}

/* ---- by hand ---- */

static const struct qv_merge_how usual = {.density = 0.2, .gamma = 0.01};

/* Merge, with the method's own weights if w is NULL; what fails fails the test. */
static struct qv_expert *merged(const char *method, struct qv_expert *const *e, size_t K,
                                const double *w, const struct qv_merge_how *how)
{
    double own[16];
    struct qv_expert *out;
    qv_err err = {0};
    const struct qv_merge_ops *ops = qv__merger_find(method);
    qv__merge_weights(own, ops, w, K);
    assert_works(qv__merge(&out, NULL, "m", ops, e, own, K, how, &err), &err);
    return out;
}

/* The authors' TIES on three tensors [5, 2], from a run of their code. Each is an
 * A here, and the same numbers again a B, which leaves every quantile in place. */
static void whole_experts_are_trimmed_as_the_authors_trim_them(void **state)
{
    (void)state;
    static const float w[3][10] = {
        {1, -2, 3, -4, 5, .5f, .1f, .2f, .3f, -.4f},
        {-1, 2, -6, 4, 5, -.5f, 7, .2f, .3f, .4f},
        {9, -2, 1, -1.5f, .2f, .5f, -8, .3f, .4f, .1f},
    };
    static const float want2[] = {9, 0, -6, -4, 5, 0, -8, 0, 0, 0};
    static const float want4[] = {9, -2, -6, -2.75f, 5, 0, -8, 0, 0, 0};
    struct qv_expert *e[3];
    for (size_t k = 0; k < 3; k++)
        e[k] = expert_of("e", "p", 2, 2, 5, 1, w[k], w[k]);
    struct qv_expert *two = merged("ties_whole", e, 3, NULL, &usual);
    struct qv_expert *four =
        merged("ties_whole", e, 3, NULL, &(struct qv_merge_how){.density = 0.4});
    assert_close(two->site[0].A, want2, 10, 0, 0);
    assert_close(two->site[0].B, want2, 10, 0, 0);
    assert_close(four->site[0].A, want4, 10, 0, 0);
    qv__expert_free(two);
    qv__expert_free(four);
    free_experts(e, 3);
}

/* The authors count a sum of zero as no sign, PEFT as +. */
static void a_draw_elects_plus_or_nothing(void **state)
{
    (void)state;
    const float a[] = {2, 1}, b[] = {-2, 1};
    struct qv_expert *e[] = {expert_of("a", "p", 2, 2, 1, 1, a, a),
                             expert_of("b", "p", 2, 2, 1, 1, b, b)};
    const struct qv_merge_how all = {.density = 1};
    struct qv_expert *peft = merged("ties", e, 2, NULL, &all);
    struct qv_expert *authors = merged("ties_whole", e, 2, NULL, &all);
    assert_close(peft->site[0].A, ((float[]){2, 1}), 2, 0, 0);
    assert_close(authors->site[0].A, ((float[]){0, 1}), 2, 0, 0);
    qv__expert_free(peft);
    qv__expert_free(authors);
    free_experts(e, 2);
}

static void of_equal_magnitudes_the_first_are_kept(void **state)
{
    (void)state;
    const float a[] = {1, -1, 1, -1, 1, 3, 0, 1, 1, 1}, b[] = {1};
    struct qv_expert *e = expert_of("a", "p", 10, 1, 1, 1, a, b);
    struct qv_expert *top =
        merged("magnitude_prune", &e, 1, NULL, &(struct qv_merge_how){.density = 0.3});
    struct qv_expert *middle = merged("breadcrumbs", &e, 1, NULL,
                                      &(struct qv_merge_how){.density = 0.3, .gamma = 0.2});
    assert_close(top->site[0].A, ((float[]){1, -1, 0, 0, 0, 3, 0, 0, 0, 0}), 10, 0, 0);
    assert_close(middle->site[0].A, ((float[]){0, -1, 1, -1, 0, 0, 0, 0, 0, 0}), 10, 0, 0);
    qv__expert_free(top);
    qv__expert_free(middle);
    qv__expert_free(e);
}

/* floor(0.2 * 4) entries are none: nothing is left, and nothing goes wrong. */
static void a_density_that_keeps_no_entry_leaves_zeros(void **state)
{
    (void)state;
    const float a[] = {1, 2, 3, 4};
    struct qv_expert *e = expert_of("a", "p", 4, 4, 1, 1, a, a);
    struct qv_expert *m = merged("ties", &e, 1, NULL, &usual);
    assert_close(m->site[0].A, ((float[4]){0}), 4, 0, 0);
    qv__expert_free(m);
    qv__expert_free(e);
}

static void a_negative_weight_takes_an_update_away(void **state)
{
    (void)state;
    const struct qv_expert_shape shape = {"p", 9, 7, 2, 3};
    struct qv_expert *e = expert_drawn("e", &shape, 1, 1);
    struct qv_expert *m = merged("linear", &e, 1, (double[]){-2}, &usual);
    float *got = update_of(&m->site[0]), *want = update_of(&e->site[0]);
    for (size_t i = 0; i < 63; i++)
        want[i] *= -2;
    assert_close_to_scale(got, want, 63, 1e-6);
    free(got), free(want);
    qv__expert_free(m);
    qv__expert_free(e);
}

static void what_one_expert_knows_is_gone_when_it_is_subtracted_from_itself(void **state)
{
    (void)state;
    const struct qv_expert_shape shape = {"p", 9, 7, 3, 5};
    struct qv_expert *e[] = {expert_drawn("e", &shape, 1, 1),
                             expert_drawn("f", &shape, 1, 1)};
    const float zero[63] = {0};
    static const char *const methods[] = {"subtract_exact", "subtract_factor"};
    for (size_t i = 0; i < 2; i++) {
        struct qv_expert *m = merged(methods[i], e, 2, NULL, &usual);
        float *got = update_of(&m->site[0]);
        assert_close(got, zero, 63, 1e-5, 0);
        free(got);
        qv__expert_free(m);
    }
    free_experts(e, 2);
}

/* ---- experts that differ ---- */

static void an_expert_counts_only_at_the_sites_it_adapts(void **state)
{
    (void)state;
    const struct qv_expert_shape one[] = {{"p", 5, 4, 2, 2}, {"q", 6, 3, 1, 1}};
    const struct qv_expert_shape two[] = {{"r", 4, 4, 2, 2}, {"p", 5, 4, 3, 6}};
    struct qv_expert *e[] = {expert_drawn("one", one, 2, 1),
                             expert_drawn("two", two, 2, 2)};
    struct qv_expert *m = merged("cat", e, 2, (double[]){1, 1}, &usual);
    static const char *const paths[] = {"p", "q", "r"};
    static const size_t ranks[] = {5, 1, 2};
    assert_int_equal(m->n_sites, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(m->site[i].path, paths[i]);
        assert_int_equal(m->site[i].R, ranks[i]);
    }
    float *got = update_of(&m->site[1]), *want = update_of(&e[0]->site[1]);
    assert_close_to_scale(got, want, 18, 1e-6);
    free(got), free(want);
    qv__expert_free(m);

    // What is subtracted factor by factor is the expert's own, and no more.
    m = merged("subtract_factor", (struct qv_expert *[]){e[0], e[0]}, 2, NULL, &usual);
    assert_int_equal(m->n_sites, 2);
    qv__expert_free(m);
    free_experts(e, 2);
}

static void what_has_no_meaning_is_refused_by_name(void **state)
{
    (void)state;
    struct qv_expert *e[] = {
        expert_drawn("a", &(struct qv_expert_shape){"p", 5, 4, 2, 2}, 1, 1),
        expert_drawn("b", &(struct qv_expert_shape){"p", 5, 4, 3, 3}, 1, 2),
        expert_drawn("c", &(struct qv_expert_shape){"p", 4, 5, 2, 2}, 1, 3)};
    struct qv_expert *out, *ac[] = {e[0], e[2]};
    const double w[] = {1, 1};
    qv_err err = {0};
    static const char *const equal_ranks[] = {
        "linear",    "ties",        "ties_whole",  "magnitude_prune",
        "dare_ties", "dare_linear", "breadcrumbs", "subtract_factor"};
    for (size_t i = 0; i < QV_COUNT(equal_ranks); i++) {
        const struct qv_merge_ops *ops = qv__merger_find(equal_ranks[i]);
        assert_fails(qv__merge(&out, NULL, "m", ops, e, w, 2, &usual, &err), QV_EFORMAT,
                     &err, "site 'p' has rank 2 in expert 'a', 3 in 'b'");
        assert_non_null(strstr(err.msg, equal_ranks[i]));
        assert_null(out);
    }
    for (const struct qv_merge_ops *const *m = qv__mergers(); *m; m++)
        assert_fails(qv__merge(&out, NULL, "m", *m, ac, w, 2, &usual, &err), QV_EFORMAT,
                     &err, "site 'p' maps 5 to 4 in expert 'a', 4 to 5 in 'c'");
    free_experts(e, 3);
}

/* ---- cut to a rank ---- */

/* Sizes where the stacked rank is below, between and above the dimensions. */
static const struct {
    size_t K, R, D_in, D_out, q;
} cut[] = {
    {2, 2, 9, 7, 3}, {4, 3, 9, 7, 2}, {4, 3, 10, 20, 10}, {6, 4, 5, 8, 4}, {1, 4, 6, 6, 1}};

static void a_cut_has_orthonormal_rows_and_orthogonal_columns(void **state)
{
    (void)state;
    for (size_t i = 0; i < QV_COUNT(cut); i++) {
        const struct qv_expert_shape shape = {"p", cut[i].D_in, cut[i].D_out, cut[i].R, 8};
        struct qv_expert *e[8];
        for (size_t k = 0; k < cut[i].K; k++)
            e[k] = expert_drawn("e", &shape, 1, 10 * i + k);
        struct qv_expert *m =
            merged("svd", e, cut[i].K, NULL, &(struct qv_merge_how){.rank = cut[i].q});
        const struct qv_expert_site *s = &m->site[0];
        size_t q = s->R;
        assert_int_equal(
            q, qv__min(cut[i].q, qv__min(cut[i].K * cut[i].R, qv__min(s->D_in, s->D_out))));
        double last = INFINITY, first = 0;
        for (size_t a = 0; a < q; a++)
            for (size_t b = 0; b <= a; b++) {
                double rows = 0, columns = 0;
                for (size_t d = 0; d < s->D_in; d++)
                    rows += (double)s->A[a * s->D_in + d] * (double)s->A[b * s->D_in + d];
                for (size_t o = 0; o < s->D_out; o++)
                    columns += (double)s->B[o * q + a] * (double)s->B[o * q + b];
                first = a == 0 ? columns : first;
                assert_true(fabs(rows - (a == b)) < 1e-5);
                assert_true(a == b || fabs(columns) < 1e-5 * first);
                assert_true(a != b || columns <= last);
                last = a == b ? columns : last;
            }
        qv__expert_free(m);
        free_experts(e, cut[i].K);
    }
}

static void a_cut_that_cuts_nothing_off_is_the_sum_itself(void **state)
{
    (void)state;
    const struct qv_expert_shape shape = {"p", 6, 5, 2, 3};
    struct qv_expert *e[3];
    for (size_t k = 0; k < 3; k++)
        e[k] = expert_drawn("e", &shape, 1, k);
    struct qv_expert *sum = merged("cat", e, 3, NULL, &usual), *same;
    double discarded, w[] = {1. / 3, 1. / 3, 1. / 3};
    qv_err err = {0};
    assert_works(qv__merge(&same, &discarded, "m", qv__merger_find("svd"), e, w, 3,
                           &(struct qv_merge_how){.rank = 5}, &err),
                 &err);
    float *got = update_of(&same->site[0]), *want = update_of(&sum->site[0]);
    assert_close_to_scale(got, want, 30, 1e-6);
    assert_true(discarded < 1e-12);
    free(got), free(want);
    qv__expert_free(sum);
    qv__expert_free(same);
    free_experts(e, 3);
}

/* Factors of very unequal size, which a naive product of Gram matrices drowns. */
static void a_cut_does_not_depend_on_how_a_factor_shares_its_size(void **state)
{
    (void)state;
    const struct qv_expert_shape shape = {"p", 9, 8, 2, 2};
    struct qv_expert *e[2], *f[2];
    for (size_t k = 0; k < 2; k++) {
        float by = k ? 1e6f : 1e-6f;
        e[k] = expert_drawn("e", &shape, 1, k);
        f[k] = expert_drawn("e", &shape, 1, k);
        for (size_t i = 0; i < 2 * 9; i++)
            f[k]->site[0].A[i] *= by;
        for (size_t i = 0; i < 2 * 8; i++)
            f[k]->site[0].B[i] /= by;
    }
    const struct qv_merge_how how = {.rank = 3};
    struct qv_expert *m = merged("svd", e, 2, NULL, &how),
                     *n = merged("svd", f, 2, NULL, &how);
    assert_close_to_scale(n->site[0].A, m->site[0].A, 27, 1e-5);
    assert_close_to_scale(n->site[0].B, m->site[0].B, 24, 1e-5);
    qv__expert_free(m);
    qv__expert_free(n);
    free_experts(e, 2);
    free_experts(f, 2);
}

static void experts_that_are_alike_or_zero_are_cut_without_harm(void **state)
{
    (void)state;
    const struct qv_expert_shape shape = {"p", 9, 8, 3, 3};
    struct qv_expert *e[] = {expert_drawn("e", &shape, 1, 1),
                             expert_drawn("f", &shape, 1, 1),
                             expert_drawn("g", &shape, 1, 2)};
    memset(e[2]->w, 0, e[2]->n_w * sizeof *e[2]->w);
    struct qv_expert *m =
        merged("svd", e, 3, (double[]){0.5, 0.5, 1}, &(struct qv_merge_how){.rank = 5});
    float *got = update_of(&m->site[0]), *want = update_of(&e[0]->site[0]);
    assert_close_to_scale(got, want, 72, 1e-6);
    assert_close(m->site[0].A + 3 * 9, ((float[18]){0}), 18, 0, 0);
    free(got), free(want);
    qv__expert_free(m);
    m = merged("svd", e + 2, 1, NULL, &usual);
    assert_close(m->w, ((float[51]){0}), 51, 0, 0);
    qv__expert_free(m);
    free_experts(e, 3);
}

/* ---- random pruning ---- */

enum { WIDE = 4096 };

static struct qv_expert *ones(const char *name, const char *path)
{
    static float x[WIDE];
    for (size_t i = 0; i < WIDE; i++)
        x[i] = 1;
    return expert_of(name, path, WIDE, WIDE, 1, 1, x, x);
}

static double mean(const float *x)
{
    double sum = 0;
    for (size_t i = 0; i < WIDE; i++)
        sum += (double)x[i];
    return sum / WIDE;
}

/* Entries that both keep, as a share. */
static double overlap(const float *x, const float *y)
{
    size_t n = 0;
    for (size_t i = 0; i < WIDE; i++)
        n += x[i] != 0 && y[i] != 0;
    return (double)n / WIDE;
}

static void dropped_entries_are_made_up_for_and_drawn_apart(void **state)
{
    (void)state;
    const double density = 0.25, keeps = 0.25; // deviation of a share: below 0.007
    const struct qv_merge_how how = {.density = density, .seed = 3};
    const struct qv_merge_how other = {.density = density, .seed = 4};
    struct qv_expert *a = ones("a", "p"), *b = ones("b", "p"), *q = ones("a", "q");
    struct qv_expert *m[] = {merged("dare_linear", &a, 1, NULL, &how),
                             merged("dare_linear", &b, 1, NULL, &how),
                             merged("dare_linear", &q, 1, NULL, &how),
                             merged("dare_linear", &a, 1, NULL, &other)};
    const float *draws[] = {m[0]->site[0].A, m[0]->site[0].B, m[1]->site[0].A,
                            m[2]->site[0].A, m[3]->site[0].A};
    for (size_t i = 0; i < QV_COUNT(draws); i++) {
        assert_true(fabs(overlap(draws[i], draws[i]) - keeps) < 0.03);
        assert_true(fabs(mean(draws[i]) - 1) < 0.12);
        for (size_t j = 0; j < i; j++)
            assert_true(fabs(overlap(draws[i], draws[j]) - keeps * keeps) < 0.02);
    }
    for (size_t i = 0; i < WIDE; i++)
        assert_true(draws[0][i] == 0 || fabsf(draws[0][i] - 4) < 1e-6f);
    free_experts(m, 4);
    qv__expert_free(a), qv__expert_free(b), qv__expert_free(q);
}

static void over_seeds_the_mean_of_dare_is_linear(void **state)
{
    (void)state;
    const struct qv_expert_shape shape = {"p", 6, 5, 2, 3};
    struct qv_expert *e[] = {expert_drawn("a", &shape, 1, 1),
                             expert_drawn("b", &shape, 1, 2)};
    struct qv_expert *want = merged("linear", e, 2, NULL, &usual);
    double sum[22] = {0};
    enum { SEEDS = 4000 };
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct qv_expert *m = merged("dare_linear", e, 2, NULL,
                                     &(struct qv_merge_how){.density = 0.5, .seed = seed});
        for (size_t i = 0; i < 22; i++)
            sum[i] += (double)m->w[i];
        qv__expert_free(m);
    }
    for (size_t i = 0; i < 22; i++) // deviation of a mean: about 0.02
        assert_true(fabs(sum[i] / SEEDS - (double)want->w[i]) < 0.12);
    qv__expert_free(want);
    free_experts(e, 2);
}

static void what_an_expert_keeps_does_not_depend_on_the_others(void **state)
{
    (void)state;
    struct qv_expert *e[] = {ones("a", "p"), ones("b", "p")};
    const struct qv_merge_how how = {.density = 0.5, .seed = 9};
    struct qv_expert *alone = merged("dare_linear", &e[1], 1, NULL, &how);
    struct qv_expert *both = merged("dare_linear", e, 2, (double[]){0, 1}, &how);
    assert_close(both->site[0].A, alone->site[0].A, WIDE, 0, 0);
    qv__expert_free(alone);
    qv__expert_free(both);
    free_experts(e, 2);
}

/* ---- a library's experts ---- */

/* Experts a, b (rank 2), c (rank 3) over one base, trained on tasks. */
static qv_library *make_library(void **state)
{
    qv_library *lib;
    qv_err err = {0};
    assert_works(qv_library_create(&lib, scratch_path(state, "lib"), NULL, &err), &err);
    static const char *const tasks[][2] = {{"add", "sort"}, {"sort", "spell"}, {"c"}};
    for (size_t k = 0; k < 3; k++) {
        char name[2] = {(char)('a' + k), '\0'};
        const struct qv_expert_shape shape = {"p", 6, 5, k < 2 ? 2 : 3, 3};
        struct qv_expert *e = expert_drawn(name, &shape, 1, k);
        const qv_expert_opts opts = {.meta = {.task = tasks[k],
                                              .n_tasks = k < 2 ? 2 : 1,
                                              .base_name = "base",
                                              .base_hash = k < 2 ? "77" : NULL}};
        assert_works(qv__library_put(lib, e, &opts, &err), &err);
        qv__expert_free(e);
    }
    return lib;
}

static void a_merged_adapter_is_also_what_a_library_keeps(void **state)
{
    qv_library *lib = make_library(state);
    qv_err err = {0};
    qv_merge_report report;
    const char *const names[] = {"b", "a"};
    const qv_merge_opts opts = {
        .method = "cat", .expert = names, .n_experts = 2, .weight = (double[]){2, -1}};
    assert_works(qv_merge(lib, scratch_path(state, "lib/ab"), &opts, &report, &err), &err);
    assert_int_equal(report.n_experts, 2);
    assert_int_equal(report.n_sites, 1);
    assert_int_equal(report.min_rank, 4);
    assert_int_equal(report.max_rank, 4);
    assert_true(report.discarded < 0);

    qv_snapshot *snap;
    size_t n;
    assert_works(qv_library_verify(lib, NULL, NULL, &n, &err), &err);
    assert_int_equal(n, 0);
    assert_works(qv_library_snapshot(&snap, lib, &err), &err);
    const qv_expert_info *info = qv_snapshot_info(snap, qv_snapshot_find(snap, "ab"));
    assert_non_null(info);
    static const char *const tasks[] = {"sort", "spell", "add"};
    assert_int_equal(info->meta.n_tasks, 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(info->meta.task[i], tasks[i]);
    assert_string_equal(info->meta.base_hash, "77");
    assert_non_null(strstr(info->meta.settings, "\"merge\":\"cat\""));
    qv_snapshot_release(snap);

    struct qv_expert *e;
    assert_works(qv__library_read(&e, lib, "ab", NULL, &err), &err);
    assert_close(&e->site[0].scale, ((float[]){1}), 1, 0, 0);
    qv__expert_free(e);
    qv_library_close(lib);
}

static void all_experts_are_merged_unless_some_are_named(void **state)
{
    qv_library *lib = make_library(state);
    qv_err err = {0};
    qv_merge_report report;
    const qv_merge_opts all = {.method = "svd"}, named = {.method = "subtract_exact",
                                                          .expert = (const char *[]){"c"},
                                                          .n_experts = 1,
                                                          .general = (const char *[]){"a"},
                                                          .n_general = 1};
    assert_works(qv_merge(lib, scratch_path(state, "all"), &all, &report, &err), &err);
    assert_int_equal(report.n_experts, 3);
    assert_int_equal(report.max_rank, 3);
    assert_true(report.discarded > 0 && report.discarded < 1);
    assert_works(qv_merge(lib, scratch_path(state, "sub"), &named, &report, &err), &err);
    assert_int_equal(report.max_rank, 5);
    qv_library_close(lib);
}

static void options_that_do_not_go_together_are_refused(void **state)
{
    static const char *const ab[] = {"a", "b"}, *const aa[] = {"a", "a"},
                             *const az[] = {"a", "z"};
    static const double w[] = {1, 2}, infinite[] = {1, INFINITY};
    const struct {
        qv_merge_opts o;
        qv_status code;
        const char *says;
    } wrong[] = {
        {{.method = "mean"}, QV_ENOTFOUND, "no merge method is named 'mean'"},
        {{.method = "ties_svd"}, QV_EUNSUPPORTED, "never formed here; ties prunes"},
        {{.method = "cat", .density = 0.1}, QV_EFORMAT, "cat has no use for a density"},
        {{.method = "ties", .gamma = 0.1}, QV_EFORMAT, "ties has no use for a gamma"},
        {{.method = "ties", .rank = 2}, QV_EFORMAT, "ties has no use for a rank"},
        {{.method = "svd", .seed = 2}, QV_EFORMAT, "svd has no use for a seed"},
        {{.method = "cat", .count_signs = true}, QV_EFORMAT, "no use for a way to elect"},
        {{.method = "cat", .general = ab, .n_general = 1},
         QV_EFORMAT,
         "cat has no use for general experts"},
        {{.method = "subtract_exact", .weight = w}, QV_EFORMAT, "has no use for weights"},
        {{.method = "ties", .density = 1.5}, QV_EFORMAT, "a density of 1.5 is not"},
        {{.method = "ties", .density = (double)NAN}, QV_EFORMAT, "a density of "},
        {{.method = "breadcrumbs", .gamma = 1}, QV_EFORMAT, "a gamma of 1 is not below 1"},
        {{.method = "breadcrumbs", .density = 0.9, .gamma = 0.2},
         QV_EFORMAT,
         "a density of 0.9 and a gamma of 0.2 are more than all"},
        {{.method = "cat", .expert = ab, .n_experts = 2, .weight = infinite},
         QV_EFORMAT,
         "expert 'b': its weight is not finite"},
        {{.method = "cat", .weight = w}, QV_EFORMAT, "weights need names of experts"},
        {{.method = "cat", .expert = aa, .n_experts = 2}, QV_EFORMAT, "'a' is named twice"},
        {{.method = "cat", .expert = az, .n_experts = 2},
         QV_ENOTFOUND,
         "no expert is named 'z'"},
        {{.method = "ties"}, QV_EFORMAT, "ties combines factors entry by entry"},
        {{.method = "subtract_exact"}, QV_EFORMAT, "changes one expert: name it"},
        {{.method = "subtract_exact", .expert = ab, .n_experts = 1},
         QV_EFORMAT,
         "needs general experts"},
    };
    qv_library *lib = make_library(state);
    qv_err err = {0};
    for (size_t i = 0; i < QV_COUNT(wrong); i++) {
        assert_fails(qv_merge(lib, scratch_path(state, "out"), &wrong[i].o, NULL, &err),
                     wrong[i].code, &err, wrong[i].says);
        assert_false(qv__is_dir(scratch_path(state, "out")));
    }
    const qv_merge_opts cat = {.method = "cat"};
    assert_works(qv_merge(lib, scratch_path(state, "out"), &cat, NULL, &err), &err);
    assert_fails(qv_merge(lib, scratch_path(state, "out"), &cat, NULL, &err), QV_EEXIST,
                 &err, "an adapter is there");
    qv_library_close(lib);

    assert_works(qv_library_create(&lib, scratch_path(state, "empty"), NULL, &err), &err);
    assert_fails(qv_merge(lib, scratch_path(state, "none"), &cat, NULL, &err), QV_ENOTFOUND,
                 &err, "the library has no experts");
    qv_library_close(lib);
}

static void experts_of_different_models_are_refused(void **state)
{
    qv_library *lib = make_library(state);
    qv_err err = {0};
    struct qv_expert *e =
        expert_drawn("d", &(struct qv_expert_shape){"p", 6, 5, 2, 3}, 1, 8);
    const qv_merge_opts cat = {.method = "cat"};
    qv_expert_opts opts = {.meta = {.base_name = "base", .base_hash = "88"}};
    assert_works(qv__library_put(lib, e, &opts, &err), &err);
    assert_fails(qv_merge(lib, scratch_path(state, "out"), &cat, NULL, &err), QV_EFORMAT,
                 &err,
                 "expert 'a' was trained over the model 'base' (77), 'd' over 'base' (88)");
    opts = (qv_expert_opts){.meta = {.base_name = "else"}, .replace = true};
    assert_works(qv__library_put(lib, e, &opts, &err), &err);
    assert_fails(qv_merge(lib, scratch_path(state, "out"), &cat, NULL, &err), QV_EFORMAT,
                 &err, "'d' over 'else' (no hash)");
    opts.meta.base_name = "/models/base";
    assert_works(qv__library_put(lib, e, &opts, &err), &err);
    assert_works(qv_merge(lib, scratch_path(state, "out"), &cat, NULL, &err), &err);
    qv__expert_free(e);
    qv_library_close(lib);
}

int main(void)
{
#define in_scratch(test) cmocka_unit_test_setup_teardown(test, make_scratch, remove_scratch)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_are_those_of_peft_where_it_is_right),
        cmocka_unit_test(merges_are_what_their_definitions_say),
        cmocka_unit_test(whole_experts_are_trimmed_as_the_authors_trim_them),
        cmocka_unit_test(a_draw_elects_plus_or_nothing),
        cmocka_unit_test(of_equal_magnitudes_the_first_are_kept),
        cmocka_unit_test(a_density_that_keeps_no_entry_leaves_zeros),
        cmocka_unit_test(a_negative_weight_takes_an_update_away),
        cmocka_unit_test(what_one_expert_knows_is_gone_when_it_is_subtracted_from_itself),
        cmocka_unit_test(an_expert_counts_only_at_the_sites_it_adapts),
        cmocka_unit_test(what_has_no_meaning_is_refused_by_name),
        cmocka_unit_test(a_cut_has_orthonormal_rows_and_orthogonal_columns),
        cmocka_unit_test(a_cut_that_cuts_nothing_off_is_the_sum_itself),
        cmocka_unit_test(a_cut_does_not_depend_on_how_a_factor_shares_its_size),
        cmocka_unit_test(experts_that_are_alike_or_zero_are_cut_without_harm),
        cmocka_unit_test(dropped_entries_are_made_up_for_and_drawn_apart),
        cmocka_unit_test(over_seeds_the_mean_of_dare_is_linear),
        cmocka_unit_test(what_an_expert_keeps_does_not_depend_on_the_others),
        in_scratch(a_merged_adapter_is_also_what_a_library_keeps),
        in_scratch(all_experts_are_merged_unless_some_are_named),
        in_scratch(options_that_do_not_go_together_are_refused),
        in_scratch(experts_of_different_models_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
