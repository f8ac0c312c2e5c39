/* report_test.c - a run directory becomes numbers, worked out by hand here, and a
 * page that claims what they say and no more. */
#include "plot/report.h"
#include "base/file.h"
#include "library/library.h"
#include "support/experts.h"
#include "support/scratch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define assert_near(got, want) assert_true(fabs((got) - (want)) < 1e-9)

/* "sub/name" in the run, with its directory. */
static void put(void **state, const char *name, const char *text)
{
    qv_err err = {0};
    qv_arena a = {0};
    char *dir = qv__arena_str(&a, scratch_path(state, name));
    *strrchr(dir, '/') = '\0';
    assert_works(qv__make_dir(dir, &err), &err);
    write_text(scratch_path(state, name), text);
    qv__arena_free(&a);
}

static void read_run(struct qv_report *r, void **state)
{
    qv_err err = {0};
    assert_works(qv__report_read(r, *state, &err), &err);
}

/* The page of the run. The caller frees it. */
static char *page_of(void **state)
{
    struct qv_report r;
    char *text;
    size_t size;
    read_run(&r, state);
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    qv__report_write(out, &r);
    assert_int_equal(fclose(out), 0);
    qv__report_end(&r);
    return text;
}

#define assert_says(text, what)                                                            \
    do {                                                                                   \
        if (!strstr(text, what))                                                           \
            fail_msg("no '%s' in:\n%s", what, text);                                       \
    } while (0)
#define assert_silent_on(text, what)                                                       \
    do {                                                                                   \
        if (strstr(text, what))                                                            \
            fail_msg("'%s' is in the page", what);                                         \
    } while (0)

/* Two tasks of a system, with these ROUGE-L. */
static void put_scores(void **state, const char *name, double a, double b)
{
    qv_arena arena = {0};
    put(state, qv__arena_fmt(&arena, "eval/%s.json", name),
        qv__arena_fmt(&arena,
                      "{\"tasks\":{\"a\":{\"rougeL\":%g,\"loglik\":-2,\"n\":7},"
                      "\"b\":{\"rougeL\":%g,\"n\":5}}}",
                      a, b));
    qv__arena_free(&arena);
}

static void put_systems(void **state, double arrow)
{
    put_scores(state, "private-oracle.upstream", 0.8, 0.6);
    put_scores(state, "private-uniform.upstream", 0.4, 0.2);
    put_scores(state, "private-arrow.upstream", arrow, arrow);
    put_scores(state, "base.upstream", 0.1, 0.2);
}

static void systems_stand_in_the_order_of_the_table(void **state)
{
    static const char *const want[] = {"base",          "shared",       "private-uniform",
                                       "private-arrow", "private-zeta", "private-oracle",
                                       "mbc-arrow",     "my-own-arrow"};
    for (size_t i = QV_COUNT(want); i-- > 0;) {
        char name[64];
        snprintf(name, sizeof name, "%s.%s", want[i], i % 2 ? "upstream" : "held_out");
        put_scores(state, name, 0.5, 0.5);
    }
    struct qv_report r;
    read_run(&r, state);
    assert_int_equal(r.n_systems, QV_COUNT(want));
    for (size_t i = 0; i < QV_COUNT(want); i++)
        assert_string_equal(r.system[i].name, want[i]);
    assert_string_equal(r.system[7].library, "my-own");
    assert_string_equal(r.system[7].router, "arrow");
    assert_string_equal(r.system[0].router, "");
    assert_string_equal(r.suite[0].name, "upstream");
    assert_string_equal(r.suite[1].name, "held_out");
    qv__report_end(&r);
}

static void means_and_differences_are_over_the_tasks_measured(void **state)
{
    put_systems(state, 0.5);
    put(state, "eval/shared.upstream.json",
        "{\"tasks\":{\"b\":{\"rougeL\":0.9,\"n\":5},\"c\":{\"rougeL\":0.1,\"n\":1}}}");
    struct qv_report r;
    read_run(&r, state);
    size_t base = qv__report_system(&r, "base"), shared = qv__report_system(&r, "shared");
    assert_int_equal(r.suite[0].n_tasks, 3);
    assert_int_equal(r.suite[0].n[0], 7);

    struct qv_estimate e = qv__report_mean(&r, 0, QV_REPORT_ROUGE_L, base);
    assert_near(e.value, 15);
    assert_near(e.low, 10); // both draws fell on the same task
    assert_near(e.high, 20);
    e = qv__report_mean(&r, 0, QV_REPORT_LOGLIK, base);
    assert_near(e.value, -2);
    assert_true(e.low > e.high); // one task has no interval
    e = qv__report_difference(&r, 0, QV_REPORT_ROUGE_L, shared, base);
    assert_near(e.value, 70); // on task b alone
    e = qv__report_difference(&r, 0, QV_REPORT_ROUGE_L,
                              qv__report_system(&r, "private-oracle"), base);
    assert_near(e.value, 55);
    assert_near(e.low, 40);
    assert_near(e.high, 70);
    assert_true(isnan(qv__report_mean(&r, 0, QV_REPORT_ROUGE_L, r.n_systems).value));
    assert_true(isnan(qv__report_mean(&r, 9, QV_REPORT_ROUGE_L, base).value));
    qv__report_end(&r);
}

static void the_gap_is_closed_by_as_much_as_the_means_say(void **state)
{
    put_systems(state, 0.55);
    struct qv_report r;
    read_run(&r, state);
    size_t uniform = qv__report_system(&r, "private-uniform"),
           arrow = qv__report_system(&r, "private-arrow"),
           oracle = qv__report_system(&r, "private-oracle");
    // (55 - 30) / (70 - 30); on task a alone 15 / 40, on task b alone 35 / 40
    struct qv_estimate e = qv__report_closed(&r, 0, uniform, arrow, oracle);
    assert_near(e.value, 0.625);
    assert_near(e.low, 0.375);
    assert_near(e.high, 0.875);
    assert_true(isnan(qv__report_closed(&r, 0, oracle, arrow, uniform).value));
    assert_true(isnan(qv__report_closed(&r, 0, uniform, arrow, r.n_systems).value));
    qv__report_end(&r);
}

static void the_page_claims_what_the_numbers_say(void **state)
{
    put_systems(state, 0.55);
    char *page = page_of(state);
    assert_says(page, "rises at every step from the base to the oracle: base 15.0, "
                      "private-uniform 30.0, private-arrow 55.0, private-oracle 70.0.");
    assert_says(page, "arrow covers 63% of the way");
    assert_silent_on(page, "less than half");
    free(page);

    put_systems(state, 0.4);
    page = page_of(state);
    assert_says(page, "arrow covers 25% of the way");
    assert_says(page, "That is less than half.");
    free(page);

    put_systems(state, 0.29);
    page = page_of(state);
    assert_says(page, "does not rise at every step from the base to the oracle");
    free(page);
}

static void what_a_run_lacks_is_said_in_a_sentence(void **state)
{
    put(state, "run.json", "{\"title\":\"A < B\"}");
    char *page = page_of(state);
    assert_says(page, "<h1>A &lt; B</h1>");
    assert_says(page, "The run has no results of <code>quiver eval</code>.");
    assert_says(page, "The run does not say which family a task is of");
    assert_says(page, "The run has no library with at least three experts");
    assert_says(page, "The run has no results of <code>quiver route</code>.");
    assert_says(page, "The run has no results of <code>quiver study</code>.");
    assert_says(page, "The run asks for no tables of its own");
    assert_says(page, "The run&#39;s libraries hold no training curves.");
    assert_says(page, "The run has no libraries.");
    assert_says(page, "The run does not say which commands made it.");
    assert_silent_on(page, "<svg");
    assert_silent_on(page, "nan");
    free(page);
}

/* A library of one-site experts; expert i learnt tasks[i]. */
static void put_library(void **state, const char *name, size_t n, const char *const *names,
                        const char *const *const *tasks, const size_t *n_tasks)
{
    static const struct qv_expert_shape shape = {"model.layers.0.q_proj", 8, 8, 2, 4};
    qv_library *lib;
    qv_err err = {0};
    const char *dir = scratch_path(state, name);
    assert_works(qv__make_dir(dir, &err), &err);
    const qv_library_opts facts = {.base_name = "tiny", .base_hash = "0123456789abcdef01"};
    assert_works(qv_library_create(&lib, dir, &facts, &err), &err);
    for (size_t i = 0; i < n; i++) {
        // Experts of one family (two in a row) are near one another.
        struct qv_expert *e = expert_drawn(names[i], &shape, 1, i / 2);
        e->w[i] += 0.1f;
        const qv_expert_opts opts = {
            .meta = {.task = tasks[i],
                     .n_tasks = n_tasks[i],
                     .settings =
                         "{\"steps\":20,\"tokens\":600,\"seconds\":3,\"lr\":0.01}"}};
        assert_works(qv__library_put(lib, e, &opts, &err), &err);
        char hash[65];
        float loss[40], valid[] = {20, 1.5f, 40, 1.25f};
        for (size_t k = 0; k < 40; k++)
            loss[k] = (float)k;
        qv__expert_hash(hash, e);
        const struct qv_tensor_out curve[] = {{"loss", QV_F32, 1, {40}, loss},
                                              {"valid", QV_F32, 2, {2, 2}, valid}};
        assert_works(qv__library_put_artifact(lib, names[i], "curve", hash, curve, 2, &err),
                     &err);
        qv__expert_free(e);
    }
    qv_library_close(lib);
}

static const char *const tasks[] = {"a_1", "a_2", "b_1", "b_2", "c_1", "c_2", "e_1", "e_2"};

static void put_libraries(void **state)
{
    static const char *const *const own[] = {&tasks[0], &tasks[1], &tasks[2], &tasks[3],
                                             &tasks[4], &tasks[5], &tasks[6], &tasks[7]};
    static const char *const *const pairs[] = {&tasks[0], &tasks[2], &tasks[4], &tasks[6]};
    static const char *const clusters[] = {"mbc_00", "mbc_01", "mbc_02", "mbc_03"};
    put(state, "tasks.json",
        "{\"tasks\":{\"a_1\":{\"family\":\"a\"},\"a_2\":{\"family\":\"a\"},"
        "\"b_1\":{\"family\":\"b\"},\"b_2\":{\"family\":\"b\"},\"c_1\":{\"family\":\"c\"},"
        "\"c_2\":{\"family\":\"c\"},\"e_1\":{\"family\":\"e\"},\"e_2\":{\"family\":\"e\"},"
        "\"c_3\":{\"family\":\"c\"},\"d\":{\"family\":\"d\"}}}");
    put_library(state, "libraries/mbc", 4, clusters, pairs, (const size_t[]){2, 2, 2, 2});
    put_library(state, "libraries/private", 8, tasks, own,
                (const size_t[]){1, 1, 1, 1, 1, 1, 1, 1});
}

static void clusters_are_read_off_the_experts_that_learnt_them(void **state)
{
    put_libraries(state);
    struct qv_report r;
    read_run(&r, state);
    assert_int_equal(r.n_libraries, 2);
    assert_string_equal(r.library[0].name, "private");
    assert_string_equal(r.library[1].name, "mbc");
    assert_string_equal(r.library[0].base_name, "tiny");
    assert_string_equal(r.library[1].expert[2].family, "c");
    const struct qv_report_expert *e = &r.library[0].expert[3];
    assert_int_equal(e->n_loss, 40);
    assert_near(e->step[0], 1);
    assert_near(e->loss[39], 39);
    assert_near(e->at[1], 40);
    assert_near(e->valid[1], 1.25);
    assert_near(e->seconds, 3);

    assert_int_equal(r.map.n, 8);
    assert_int_equal(r.map.n_clusters, 4);
    assert_int_equal(r.map.cluster[3], 1);
    assert_false(r.map.is_first);
    assert_near(r.map.rand, 1); // clusters are the families
    assert_true(r.map.chance < 1 && r.map.chance > 0);
    assert_true(r.map.sim[0 * 8 + 1] > 0.8f && r.map.sim[0 * 8 + 2] < 0.8f);
    qv__report_end(&r);
}

static void the_experts_that_were_clustered_are_shown_if_they_are_kept(void **state)
{
    static const char *const *const own[] = {&tasks[0], &tasks[1], &tasks[2]};
    put_libraries(state);
    put_library(state, "libraries/mbc/.build/first", 3, tasks, own,
                (const size_t[]){1, 1, 1});
    struct qv_report r;
    read_run(&r, state);
    assert_true(r.map.is_first);
    assert_int_equal(r.map.n, 3);
    qv__report_end(&r);
}

static void the_page_shows_libraries_and_how_they_were_made(void **state)
{
    put_libraries(state);
    put(state, "commands.tsv", "90\tquiver build <x>\n30\tquiver eval\n");
    char *page = page_of(state);
    assert_says(page, "<b>8</b><span>experts, each trained on one task, of 4 families");
    assert_says(page, "A map of the experts.");
    assert_says(page, "Which cluster each family went to.");
    assert_says(page, "How alike the experts are.");
    assert_says(page, "adjusted Rand index of 1.00");
    assert_says(page, "Training of the library private.");
    assert_says(page, "Training of the library mbc.");
    assert_says(page, "with identity <code>0123456789abcdef</code>");
    assert_says(page, "<td>4800</td>"); // tokens of eight experts
    assert_says(page, "lr <code>0.01</code>");
    assert_says(page, "in 2.0 minutes");
    assert_says(page, "<pre>quiver build &lt;x&gt;\nquiver eval</pre>");
    free(page);
}

#define SITE(path)                                                                         \
    "{\"site\":\"" path "\",\"experts\":[[\"a_1\",\"b_1\"],[\"b_1\"]],"                    \
    "\"weights\":[[0.25,0.75],[1]]}"

static void a_route_is_read_with_the_heaviest_expert_and_all_shares(void **state)
{
    put_libraries(state);
    put(state, "routes/private-arrow.a_1.json",
        "{\"tokens\":[\"x\",\" y\"],\"sites\":[" SITE(
            "model.layers.12.self_attn.q_proj") "," SITE("else") "]}");
    struct qv_report r;
    read_run(&r, state);
    const struct qv_report_route *t = &r.route[0];
    assert_string_equal(t->system, "private-arrow");
    assert_string_equal(t->name, "a_1");
    assert_int_equal(t->T, 2);
    assert_string_equal(t->site[0], "12 q");
    assert_string_equal(t->site[1], "else");
    assert_int_equal(t->K, 8); // all of the library
    assert_string_equal(t->expert[t->top[0]], "b_1");
    assert_true(t->weight[0] == 0.75f && t->weight[1] == 1);
    assert_near(t->share[0], 0.125);
    assert_near(t->share[2], 0.875);
    qv__report_end(&r);

    char *page = page_of(state);
    assert_says(page,
                "The expert of this task got 12.5% of all weight (an even share is "
                "12.5%). The 2 experts of the family <code>a</code> got 12.5% (an even "
                "share is 25.0%).");
    free(page);
}

static void a_text_of_a_task_nobody_learnt_is_called_so(void **state)
{
    put_libraries(state);
    put(state, "routes/private-arrow.c_3.json",
        "{\"tokens\":[\"x\",\" y\"],\"sites\":[" SITE("s") "]}");
    put(state, "routes/private-arrow.d.json",
        "{\"tokens\":[\"x\",\" y\"],\"sites\":[" SITE("s") "]}");
    char *page = page_of(state);
    assert_says(page, "No expert was trained on this task. The 2 experts of the family "
                      "<code>c</code> got 0.0%");
    assert_says(page, "No expert was trained on this task or one of its family.");
    free(page);
}

static void families_are_compared_by_the_means_of_their_tasks(void **state)
{
    put(state, "tasks.json",
        "{\"tasks\":{\"a\":{\"family\":\"f\"},\"b\":{\"family\":\"f\"}}}");
    put_systems(state, 0.5);
    char *page = page_of(state);
    assert_says(page, "ROUGE-L by family, upstream.");
    assert_says(page, "f (2), private-oracle: 70.0");
    free(page);
}

static void parts_of_a_suite_are_averaged_task_by_task(void **state)
{
    put(state, "eval/base.up.1.json",
        "{\"tasks\":{\"a\":{\"rougeL\":0.1,\"n\":2},\"b\":{\"choice\":0.5,\"n\":2}}}");
    put(state, "eval/base.up.2.json", "{\"tasks\":{\"a\":{\"rougeL\":0.4,\"n\":2}}}");
    put(state, "eval/base.up.3.json", "{\"tasks\":{\"a\":{\"rougeL\":0.7,\"n\":2}}}");
    put(state, "eval/base.up.3-c.json", "{\"tasks\":{\"c\":{\"rougeL\":0.8,\"n\":9}}}");
    struct qv_report r;
    read_run(&r, state);
    assert_int_equal(r.n_systems, 1);
    assert_int_equal(r.n_suites, 1);
    assert_int_equal(r.suite[0].n_tasks, 3);
    assert_near(r.suite[0].score[QV_REPORT_ROUGE_L][0], 0.4);
    assert_near(r.suite[0].score[QV_REPORT_ACCURACY][1], 0.5);
    assert_near(r.suite[0].score[QV_REPORT_ROUGE_L][2], 0.8);
    assert_near(qv__report_mean(&r, 0, QV_REPORT_ROUGE_L, 0).value, 60);
    assert_near(qv__report_mean(&r, 0, QV_REPORT_ACCURACY, 0).value, 50);
    qv__report_end(&r);
}

static void a_table_that_is_asked_for_is_made_of_the_scores(void **state)
{
    put_systems(state, 0.55);
    put(state, "tables.json",
        "{\"tables\":[{\"title\":\"Table 9.\",\"suite\":\"upstream\",\"against\":\"base\","
        "\"rows\":[{\"label\":\"The base\",\"system\":\"base\",\"paper\":63.8},"
        "{\"system\":\"private-arrow\"},{\"label\":\"No one\",\"system\":\"none\"}]},"
        "{\"title\":\"Table 10.\",\"rows\":[{\"system\":\"base\"}],"
        "\"columns\":[{\"label\":\"up\",\"suite\":\"upstream\",\"metric\":\"loglik\"}]}],"
        "\"figures\":[{\"title\":\"Figure 7.\",\"suite\":\"upstream\",\"x_label\":\"k\","
        "\"series\":[{\"name\":\"a curve\",\"points\":[[1,\"base\"],[2,\"private-arrow\"],"
        "[3,\"none\"]]}]}]}");
    char *page = page_of(state);
    assert_says(page, "Table 9.");
    assert_says(page, "The base");
    assert_says(page, "\xe2\x88\x92 base"); // the column of differences
    assert_says(page, "63.8");
    assert_says(page, "40.0"); // 55 - 15, the mean difference
    assert_says(page, "No one");
    assert_says(page, "Table 10.");
    assert_says(page, "\xe2\x88\x92"
                      "2.00");
    assert_says(page, "Figure 7.");
    assert_says(page, "a curve");
    assert_silent_on(page, "nan");
    free(page);
}

static void each_study_is_drawn_as_what_it_is(void **state)
{
    put(state, "studies/t-1.json",
        "{\"study\":\"transfer\",\"experts\":[\"a\",\"b\"],\"tasks\":[\"x\",\"y\"],"
        "\"own\":[\"a\",null],\"base\":[-2,-3],\"score\":[[-1,-3],[-1.5,null]],"
        "\"similarity\":[[1,0.5],[0.5,1]],\"correlation\":{\"r\":0.625,\"low\":0.25,"
        "\"high\":null,\"n_pairs\":1}}");
    put(state, "studies/j.json",
        "{\"study\":\"joint\",\"pairs\":[{\"a\":\"x\",\"b\":\"y\",\"similarity\":0.5,"
        "\"gain\":-0.25},{\"a\":\"x\",\"b\":\"z\",\"similarity\":0.75,\"gain\":null}],"
        "\"correlation\":{\"r\":0.375,\"low\":-0.125,\"high\":0.5,\"n_pairs\":2}}");
    put(state, "studies/n.json",
        "{\"study\":\"norms\",\"ratios\":[1.5,1.25,0.5],\"mean_ratio\":1.0833,"
        "\"share_above_1\":0.6667,\"tasks\":[{\"task\":\"x\",\"n\":3,\"own\":0.25,"
        "\"others\":0.125,\"ratio\":1.0833}]}");
    put(state, "studies/r.json",
        "{\"study\":\"routing\",\"router\":\"arrow\",\"top_k\":4,\"temperature\":1,"
        "\"layers\":[{\"layer\":5,\"entropy\":0.321,\"agreement\":null,\"n\":9}],\"maps\":["
        "]}");
    put(state, "studies/s.json",
        "{\"study\":\"spectra\",\"experts\":[{\"expert\":\"a\",\"mean_gap\":0.75,"
        "\"least_gap\":0.125}]}");
    char *page = page_of(state);
    assert_says(page, "Every expert on every task (t-1).");
    assert_says(page, "r = 0.63 (interval over tasks: 0.25 to");
    assert_says(page, "Figure 2: likeness and learning together (j).");
    assert_says(page, "r = 0.38 (95% of resampled pairs: −0.13 to 0.50), 2 pairs.");
    assert_says(page, "Its mean is 1.083, and it is above 1 for 67% of examples");
    assert_says(page, "Router <code>arrow</code>, k = 4, temperature 1.00.");
    assert_says(page, "0.321");
    assert_says(page, "0.125");
    assert_silent_on(page, "nan");
    free(page);
}

static const struct {
    const char *file, *text, *says;
} lie[] = {
    {"run.json", "[]", "run.json: not an object"},
    {"run.json", "{\"title\":1}", "run.json: 'title' is not a string"},
    {"run.json", "{", "not JSON"},
    {"tasks.json", "{\"tasks\":[]}", "tasks.json: 'tasks' is not an object"},
    {"tasks.json", "{\"tasks\":{\"a\":{\"family\":1}}}",
     "task 'a': 'family' is not a string"},
    {"commands.tsv", "ten\tls\n", "'ten\tls' is not seconds, a tab and a command"},
    {"commands.tsv", "10 ls\n", "'10 ls' is not seconds, a tab and a command"},
    {"eval/base.json", "{}", "eval/base.json: not named SYSTEM.SUITE.json"},
    {"eval/base.up.json", "{}", "eval/base.up.json: 'tasks' is not an object"},
    {"eval/base.up.json", "{\"tasks\":{\"a\":1}}", "task 'a': not an object"},
    {"eval/base.up.json", "{\"tasks\":{\"a\":{\"n\":-1}}}", "task 'a': 'n' is not"},
    {"eval/base.up.json", "{\"tasks\":{\"a\":{\"loglik\":\"x\"}}}",
     "task 'a': 'loglik' is not a number"},
    {"eval/base.up.json", "{\"tasks\":{\"a\":{\"exact\":\"x\"}}}",
     "task 'a': 'exact' is not a number"},
    {"studies/a.json", "{\"study\":\"tea\"}", "a.json: 'study' names none that is known"},
    {"tables.json", "{\"tables\":[{}]}", "table 0: 'rows' is not a list"},
    {"tables.json", "{\"tables\":[{\"rows\":[]}]}",
     "table 0: it has neither 'suite' nor 'columns'"},
    {"tables.json", "{\"tables\":[{\"suite\":\"s\",\"rows\":[{}]}]}",
     "table 0: row 0 names no 'system'"},
    {"tables.json", "{\"tables\":[{\"rows\":[],\"columns\":[{}]}]}",
     "table 0: column 0 names no 'suite'"},
    {"tables.json", "{\"figures\":[{\"metric\":\"f1\"}]}",
     "figure 0: metric 'f1' is not rougeL, loglik or accuracy"},
    {"tables.json", "{\"figures\":[{}]}", "figure 0: it has no 'suite'"},
    {"tables.json", "{\"figures\":[{\"suite\":\"s\",\"series\":[{\"points\":[[1]]}]}]}",
     "point 0 of series 0 is not [x, system]"},
    {"routes/arrow.json", "{}", "arrow.json: not named SYSTEM.NAME.json"},
    {"routes/l-r.t.json", "{\"tokens\":[]}", "'tokens' or 'sites' is not a list"},
    {"routes/l-r.t.json", "{\"tokens\":[1],\"sites\":[]}", "token 0 is not a string"},
    {"routes/l-r.t.json", "{\"tokens\":[\"x\"],\"sites\":[{\"site\":\"s\"}]}",
     "site 0: no name, or not a list of experts and one of weights for each of 1 tokens"},
    {"routes/l-r.t.json",
     "{\"tokens\":[\"x\"],\"sites\":[{\"site\":\"s\",\"experts\":[[\"a\"]],\"weights\":[[]]"
     "}]}",
     "site 's', token 0: not as many weights as experts"},
    {"routes/l-r.t.json",
     "{\"tokens\":[\"x\"],\"sites\":[{\"site\":\"s\",\"experts\":[[1]],\"weights\":[[1]]}]"
     "}",
     "site 's', token 0: no name or no number"},
};

static void each_lie_of_a_run_has_its_sentence(void **state)
{
    for (size_t i = 0; i < QV_COUNT(lie); i++) {
        struct qv_report r;
        qv_err err = {0};
        put(state, lie[i].file, lie[i].text);
        assert_fails(qv__report_read(&r, *state, &err), QV_EFORMAT, &err, lie[i].says);
        qv__report_end(&r);
        assert_works(qv__remove_tree(scratch_path(state, lie[i].file), &err), &err);
    }
}

static void a_route_through_too_many_experts_is_refused(void **state)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    fputs("{\"tokens\":[\"x\"],\"sites\":[{\"site\":\"s\",\"experts\":[[\"0\"", out);
    for (int i = 1; i <= 4096; i++)
        fprintf(out, ",\"%d\"", i);
    fputs("]],\"weights\":[[1", out);
    for (int i = 1; i <= 4096; i++)
        fputs(",0", out);
    fputs("]]}]}", out);
    assert_int_equal(fclose(out), 0);
    put(state, "routes/l-r.t.json", text);
    free(text);
    struct qv_report r;
    qv_err err = {0};
    assert_fails(qv__report_read(&r, *state, &err), QV_ELIMIT, &err,
                 "more than 4096 experts");
    qv__report_end(&r);
}

static void what_is_no_run_is_refused(void **state)
{
    struct qv_report r;
    qv_err err = {0};
    assert_fails(qv__report_read(&r, scratch_path(state, "none"), &err), QV_ENOTFOUND, &err,
                 "none: no such directory");
    qv__report_end(&r);
    assert_fails(qv__report_read(&r, *state, &err), QV_ENOTFOUND, &err, "not a run");
    qv__report_end(&r);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_scratch, remove_scratch)

int main(void)
{
    const struct CMUnitTest all[] = {
        TEST(systems_stand_in_the_order_of_the_table),
        TEST(means_and_differences_are_over_the_tasks_measured),
        TEST(the_gap_is_closed_by_as_much_as_the_means_say),
        TEST(the_page_claims_what_the_numbers_say),
        TEST(what_a_run_lacks_is_said_in_a_sentence),
        TEST(clusters_are_read_off_the_experts_that_learnt_them),
        TEST(the_experts_that_were_clustered_are_shown_if_they_are_kept),
        TEST(the_page_shows_libraries_and_how_they_were_made),
        TEST(a_route_is_read_with_the_heaviest_expert_and_all_shares),
        TEST(a_text_of_a_task_nobody_learnt_is_called_so),
        TEST(families_are_compared_by_the_means_of_their_tasks),
        TEST(parts_of_a_suite_are_averaged_task_by_task),
        TEST(a_table_that_is_asked_for_is_made_of_the_scores),
        TEST(each_study_is_drawn_as_what_it_is),
        TEST(each_lie_of_a_run_has_its_sentence),
        TEST(a_route_through_too_many_experts_is_refused),
        TEST(what_is_no_run_is_refused),
    };
    return cmocka_run_group_tests(all, NULL, NULL);
}
