/* joint_test.c - pairs of tasks learnt together: which are drawn, that each is what
 * building and scoring by hand gives, and that what was stopped goes on.
 */
#include "eval/joint.h"

#include <quiver/build.h>

#include "base/rng.h"
#include "support/adapted.h"
#include "support/scratch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of the pairs 01, 02, 03, 12, 13, 23, in five bins of .1 each from .1 to .6, the last two
 * share the last bin. */
static void one_pair_is_drawn_from_each_bin_of_likeness(void **state)
{
    (void)state;
    static const float sim[] = {1,    .1f,  .22f, .33f, .1f,  1,    .45f, .57f,
                                .22f, .45f, 1,    .6f,  .33f, .57f, .6f,  1};
    static const struct qv_pair want[] = {{0, 1}, {0, 2}, {0, 3}, {1, 2}};
    struct qv_pair pair[50];
    bool drawn[2] = {false, false};
    for (uint64_t seed = 0; seed < 20; seed++) {
        assert_int_equal(qv__pairs_by_bins(pair, 5, sim, 4, seed), 5);
        assert_memory_equal(pair, want, sizeof want);
        bool last = pair[4].i == 2 && pair[4].j == 3;
        assert_true(last || (pair[4].i == 1 && pair[4].j == 3));
        drawn[last] = true;
    }
    assert_true(drawn[0] && drawn[1]);
    // Narrow bins: empty ones have none, and every pair its own.
    assert_int_equal(qv__pairs_by_bins(pair, 50, sim, 4, 0), 6);
    // All alike: one bin.
    static const float alike[] = {1, .3f, .3f, .3f, 1, .3f, .3f, .3f, 1};
    assert_int_equal(qv__pairs_by_bins(pair, 50, alike, 3, 0), 1);
}

static int by_value(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

static void a_correlations_interval_is_that_of_pairs_drawn_again(void **state)
{
    (void)state;
    enum { N = 9, DRAWS = 2000 };
    static const double x[N] = {.1, .2, .3, .35, .5, .6, .65, .8, .9};
    static const double y[N] = {.3, -.2, .1, .6, .2, .9, .4, .7, 1.1};
    double *r = calloc(DRAWS, sizeof *r);
    size_t n_r = 0;
    assert_non_null(r);
    for (size_t k = 0; k < DRAWS; k++) {
        double again[2][N];
        for (size_t i = 0; i < N; i++) {
            size_t j = qv__below(qv__seed_of(0, k), i, N);
            again[0][i] = x[j];
            again[1][i] = y[j];
        }
        double one = qv__correlation(again[0], again[1], N);
        if (isfinite(one))
            r[n_r++] = one;
    }
    qsort(r, n_r, sizeof *r, by_value);
    struct qv_correlation c = qv__correlation_of_pairs(x, y, N);
    assert_int_equal(c.n, N);
    assert_true(fabs(c.r - qv__correlation(x, y, N)) < 1e-12);
    assert_true(fabs(c.low - r[n_r / 40]) < 1e-9);
    assert_true(fabs(c.high - r[n_r - 1 - n_r / 40]) < 1e-9);
    c = qv__correlation_of_pairs(x, y, 0);
    assert_true(isnan(c.r) && isnan(c.low) && isnan(c.high));
    free(r);
}

static qv_status joint(struct qv_joint *j, const char *work, qv_progress progress,
                       qv_err *err)
{
    const char *const tasks[] = {at("tasks")};
    const struct qv_joint_opts opts = {.bins = 2,
                                       .work = at(work),
                                       .eval = {.metric = "loglik", .split = "valid"},
                                       .progress = progress};
    return qv__joint(j, model, at("lib"), tasks, 1, &opts, err);
}

/* The log-likelihood of a library's expert on a task's validation examples. */
static double score(const char *lib, const char *who, const char *task)
{
    qv_reuse *reuse;
    qv_eval_result *r;
    qv_err err = {0};
    const char *const paths[] = {task_at(task)};
    const qv_eval_opts opts = {.metric = "loglik", .split = "valid"};
    assert_works(qv_reuse_open(&reuse, model,
                               &(qv_reuse_opts){.library = at(lib), .expert = who}, &err),
                 &err);
    assert_works(qv_eval(&r, model, reuse, paths, 1, &opts, &err), &err);
    double mean = qv_eval_task(r, 0)->mean;
    qv_eval_free(r);
    qv_reuse_close(reuse);
    return mean;
}

static void a_pair_is_what_building_and_scoring_it_by_hand_gives(void **state)
{
    (void)state;
    struct qv_joint j;
    qv_err err = {0};
    assert_works(joint(&j, "pairs", (qv_progress){0}, &err), &err);
    assert_int_equal(j.n, 2);
    assert_int_equal(j.correlation.n, 2);
    assert_string_equal(j.metric, "loglik");
    assert_true(j.pair[0].similarity < j.pair[1].similarity);
    for (size_t i = 0; i < j.n; i++) {
        const struct qv_joint_pair *p = &j.pair[i];
        const char *hand = qv__arena_fmt(&names, "hand-%d", (int)i);
        // As make_library trained the private ones.
        const qv_build_opts o = {.method = "shared",
                                 .train = {.steps = 24, .batch = 4, .lr = 2e-2f}};
        const char *const both[] = {task_at(p->task[0]), task_at(p->task[1])};
        assert_works(qv_build(model, both, 2, at(hand), &o, &err), &err);
        double apart = 0, together = 0;
        for (size_t k = 0; k < 2; k++) {
            apart += score("lib", p->task[k], p->task[k]) / 2;
            together += score(hand, "shared", p->task[k]) / 2;
        }
        assert_true(fabs(p->apart - apart) < 1e-9);
        assert_true(fabs(p->together - together) < 1e-9);
        assert_true(fabs(apart - together) > 1e-6);
    }
    qv__joint_end(&j);
}

/* Stops as soon as it is told anything, or without `arg` fails the test. */
static bool stop(void *arg, const char *what, double done, double of, const char *unit)
{
    (void)done, (void)of, (void)unit;
    size_t *told = arg;
    assert_non_null(told);
    assert_non_null(strstr(what, "pair 1/2 "));
    ++*told;
    return true;
}

static void what_is_stopped_goes_on_and_what_is_done_stays(void **state)
{
    (void)state;
    struct qv_joint first, again;
    qv_err err = {0};
    size_t told = 0;
    assert_fails(joint(&first, "stopped", (qv_progress){.fn = stop, .arg = &told}, &err),
                 QV_ECANCEL, &err, "stopped");
    assert_int_equal(told, 1);
    qv__joint_end(&first);
    assert_works(joint(&first, "stopped", (qv_progress){0}, &err), &err);
    // Nothing is trained: nobody is told.
    assert_works(joint(&again, "stopped", (qv_progress){.fn = stop}, &err), &err);
    for (size_t i = 0; i < 2; i++) {
        assert_true(first.pair[i].together == again.pair[i].together);
        assert_true(first.pair[i].apart == again.pair[i].apart);
    }
    qv__joint_end(&first);
    qv__joint_end(&again);
}

static void what_has_no_pairs_is_refused(void **state)
{
    (void)state;
    struct qv_joint j;
    qv_err err = {0};
    const char *const one[] = {task_at("owl")};
    const struct qv_joint_opts opts = {.work = at("none")};
    assert_fails(qv__joint(&j, model, at("lib"), one, 1, &opts, &err), QV_ENOTFOUND, &err,
                 "1 of the tasks have an expert of their own, pairs need two");
    qv__joint_end(&j);

    qv_library *lib;
    const char *const owl[] = {"owl"};
    const qv_library_opts facts = {.base_name = "model",
                                   .base_hash = qv_model_identity(model)};
    const qv_expert_opts taught = {.meta = {.task = owl, .n_tasks = 1}};
    assert_works(qv_library_create(&lib, at("silent"), &facts, &err), &err);
    assert_works(qv_library_add(lib, "quiet", at("lib/owl"), &taught, &err), &err);
    qv_library_close(lib);
    assert_fails(qv__joint(&j, model, at("silent"), one, 1, &opts, &err), QV_ENOTFOUND,
                 &err, "expert 'quiet': it does not say how it was trained");
    qv__joint_end(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_pair_is_drawn_from_each_bin_of_likeness),
        cmocka_unit_test(a_correlations_interval_is_that_of_pairs_drawn_again),
        cmocka_unit_test(a_pair_is_what_building_and_scoring_it_by_hand_gives),
        cmocka_unit_test(what_is_stopped_goes_on_and_what_is_done_stays),
        cmocka_unit_test(what_has_no_pairs_is_refused),
    };
    return cmocka_run_group_tests(tests, make_library, close_place);
}
