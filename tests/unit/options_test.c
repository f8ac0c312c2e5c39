/* options_test.c - options that share their prompt score as options alone do, by a session
 * that reads each from its first token. */
#include "data/dataset.h"
#include "eval/options.h"
#include "library/library.h"
#include "model/model.h"
#include "model/reuse.h"
#include "route/route.h"
#include "support/place.h"
#include "support/scratch.h"
#include "support/tiny.h"

#include "base/file.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>

/* Four experts of ranks 1 to 4, whose task is "t" for one of them. */
static void make_library(void)
{
    qv_library *lib;
    qv_err err;
    assert_works(qv_library_create(&lib, at("lib"), NULL, &err), &err);
    for (size_t k = 0; k < 4; k++) {
        const char *name = qv__arena_fmt(&names, "e%zu", k);
        put_drawn(lib, name, k ? name : "t", k + 1, 70 + k);
    }
    qv_library_close(lib);
}

static int set_up(void **state)
{
    open_place(state);
    model = tiny_model(at("model"), 5);
    make_library();
    return 0;
}

/* ---- examples ---- */

/* Ids below every vocabulary here: how many are shared is plain to see. BOS is 1, as the
 * model has it. */
#define IDS(...)                                                                           \
    {                                                                                      \
        (const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int), 0, 0 \
    }

static struct qv_sequence two[] = {IDS(1, 20, 21, 22, 30, 31, 0),
                                   IDS(1, 20, 21, 22, 40, 0)};
static struct qv_sequence alike[] = { // options that begin alike, and one that ends early
    IDS(1, 50, 51, 52, 53, 0), IDS(1, 50, 51, 52, 54, 55, 0), IDS(1, 50, 51, 52)};
static struct qv_sequence apart[] = {IDS(1, 7, 8, 9, 0), IDS(2, 7, 8, 9, 0)};
static struct qv_sequence same[] = {IDS(1, 45, 46, 0), IDS(1, 45, 46, 0),
                                    IDS(1, 45, 46, 0)};
static struct qv_sequence alone[] = {IDS(1, 33, 34, 35, 36, 0)};
static struct qv_sequence later[] = { // prompts that part before their end
    IDS(1, 11, 12, 13, 14, 15, 0), IDS(1, 11, 12, 59, 14, 15, 0)};

static const struct {
    struct qv_sequence *s;
    size_t n, n_prompt, shared;
} example[] = {
    {two, 2, 4, 4},  {alike, 3, 3, 3}, {apart, 2, 3, 0},
    {same, 3, 2, 3}, {alone, 1, 2, 0}, {later, 2, 5, 3},
};
enum { N_EXAMPLES = QV_COUNT(example), MOST = 16 };

static size_t make_groups(struct qv_group *g)
{
    size_t n = 0;
    for (size_t i = 0; i < N_EXAMPLES; i++) {
        for (size_t j = 0; j < example[i].n; j++)
            example[i].s[j].n_prompt = example[i].n_prompt;
        g[i] = (struct qv_group){example[i].s, example[i].n};
        n += example[i].n;
    }
    assert_true(n <= MOST);
    return n;
}

/* The log-probability of a sequence's targets, from the logits of all its rows. */
static double from_scratch(const qv_model *m, const qv_reuse *reuse,
                           const struct qv_sequence *s)
{
    struct qv_update u;
    qv_err err;
    assert_works(qv__reuse_update(&u, reuse, "t", s->n, &err), &err);
    float *logits = logits_after(m, &u, s->ids, s->n, s->n_prompt);
    double sum = 0;
    for (size_t i = s->n_prompt; i < s->n; i++) {
        const float *l = logits + (i - 1) * m->c.V;
        double all = 0;
        for (size_t v = 0; v < m->c.V; v++)
            all += exp((double)l[v]);
        sum += (double)l[s->ids[i]] - log(all);
    }
    free(logits);
    qv__update_end(&u);
    return sum;
}

static void check_options(const qv_model *m, const qv_reuse *reuse, const char *who)
{
    struct qv_group g[N_EXAMPLES];
    size_t n = make_groups(g), at_once[] = {1, 9, 1000};
    double got[MOST], want[MOST];
    for (size_t i = 0, k = 0; i < N_EXAMPLES; i++)
        for (size_t j = 0; j < g[i].n; j++)
            want[k++] = from_scratch(m, reuse, &g[i].s[j]);
    for (size_t i = 0; i < QV_COUNT(at_once); i++) {
        qv_err err;
        assert_works(qv__score_groups(got, m, reuse, "t", g, N_EXAMPLES, at_once[i], &err),
                     &err);
        for (size_t k = 0; k < n; k++)
            if (!(fabs(got[k] - want[k]) <= 1e-5 + 1e-5 * fabs(want[k])))
                fail_msg("%s, passes of %zu: sequence %zu has %.9g, alone %.9g", who,
                         at_once[i], k, got[k], want[k]);
    }
}

/* ---- tests ---- */

static void options_share_what_all_of_them_begin_with(void **state)
{
    (void)state;
    struct qv_group g[N_EXAMPLES];
    make_groups(g);
    for (size_t i = 0; i < N_EXAMPLES; i++)
        assert_int_equal(qv__group_shares(&g[i]), example[i].shared);
}

static void the_base_scores_options_as_it_does_alone(void **state)
{
    (void)state;
    check_options(model, NULL, "base");
}

/* Windows of a few positions, learned positions, and attention beside the feed-forward. */
static void every_family_scores_options_as_it_does_alone(void **state)
{
    (void)state;
    char **family;
    size_t n;
    qv_err err;
    assert_works(qv__list_dir(&family, &n, &names, "tests/golden/families", &err), &err);
    for (size_t i = 0; i < n; i++) {
        const char *dir = qv__arena_fmt(&names, "tests/golden/families/%s", family[i]);
        qv_model *m;
        if (!qv__is_dir(dir))
            continue;
        assert_works(
            qv_model_open(&m, dir, &(qv_model_opts){.compute = QV_COMPUTE_F32}, &err),
            &err);
        check_options(m, NULL, family[i]);
        qv_model_close(m);
    }
}

/* Every router there is, so that one that looks at more than the tokens before cannot be
 * added unnoticed; but for those that want more stored beside experts than lies here. */
static void every_router_scores_options_as_it_does_alone(void **state)
{
    (void)state;
    double base = from_scratch(model, NULL, two);
    size_t n = 0;
    for (const struct qv_router_ops *const *r = qv__routers(); *r; r++)
        for (int compose = QV_COMPOSE_FACTOR; compose <= QV_COMPOSE_OUTPUT; compose++) {
            const qv_reuse_opts opts = {.library = at("lib"),
                                        .router = (*r)->name,
                                        .top_k = 2,
                                        .compose = (qv_composition)compose};
            qv_reuse *reuse;
            qv_err err;
            qv_status result = qv_reuse_open(&reuse, model, &opts, &err);
            if (result == QV_ENOTFOUND)
                continue;
            assert_works(result, &err);
            n++;
            check_options(model, reuse, (*r)->name);
            assert_true(fabs(from_scratch(model, reuse, two) - base) >
                        1e-3); // it matters who
            qv_reuse_close(reuse);
        }
    assert_true(n >= 6); // uniform, oracle and arrow, composed in two ways
}

static void threads_and_passes_change_nothing_that_matters(void **state)
{
    (void)state;
    struct qv_group g[N_EXAMPLES];
    size_t n = make_groups(g);
    double one[MOST], four[MOST];
    qv_err err;
    int had = omp_get_max_threads();
    omp_set_num_threads(1);
    assert_works(qv__score_groups(one, model, NULL, NULL, g, N_EXAMPLES, 8, &err), &err);
    omp_set_num_threads(4);
    assert_works(qv__score_groups(four, model, NULL, NULL, g, N_EXAMPLES, 8, &err), &err);
    omp_set_num_threads(had);
    for (size_t k = 0; k < n; k++)
        assert_true(fabs(one[k] - four[k]) <= 2e-5);
}

static void no_examples_are_no_work_and_no_expert_is_a_refusal(void **state)
{
    (void)state;
    struct qv_group g[N_EXAMPLES];
    double got[MOST];
    qv_reuse *oracle;
    qv_err err;
    assert_works(qv__score_groups(got, model, NULL, NULL, NULL, 0, 8, &err), &err);
    make_groups(g);
    assert_works(qv_reuse_open(&oracle, model,
                               &(qv_reuse_opts){.library = at("lib"), .router = "oracle"},
                               &err),
                 &err);
    assert_fails(qv__score_groups(got, model, oracle, "u", g, N_EXAMPLES, 8, &err),
                 QV_ENOTFOUND, &err, "the oracle has no expert for task 'u'");
    qv_reuse_close(oracle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_share_what_all_of_them_begin_with),
        cmocka_unit_test(the_base_scores_options_as_it_does_alone),
        cmocka_unit_test(every_family_scores_options_as_it_does_alone),
        cmocka_unit_test(every_router_scores_options_as_it_does_alone),
        cmocka_unit_test(threads_and_passes_change_nothing_that_matters),
        cmocka_unit_test(no_examples_are_no_work_and_no_expert_is_a_refusal),
    };
    return cmocka_run_group_tests(tests, set_up, close_place);
}
