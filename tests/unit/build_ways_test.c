/* build_ways_test.c - the ways to build beside private, shared and mbc: poly, mhr,
 * examples at random, tasks by their prompts, and the number of clusters by trial.
 */
#include <quiver/build.h>

#include "base/file.h"
#include "base/json.h"
#include "build/build.h"
#include "library/library.h"
#include "lora/mixture.h"
#include "support/golden.h"
#include "support/place.h"
#include "support/scratch.h"
#include "support/tiny.h"

#include <math.h>
#include <stdlib.h>

enum { STEPS = 8, TASKS = 4 };

/* Two tasks whose prompts begin with words, two with digits. */
static int set_up(void **state)
{
    static const char *const name[TASKS] = {"cow", "elm", "fir", "owl"};
    static const char *const opening[TASKS] = {"aa ab ba aa ab ba", "7 77 7 77 7 77 7 77",
                                               "77 7 77 7 77 7 77 7", "ba aa ab ba aa ab"};
    static const char *const answer[] = {"aa", "7", "banana", "ba"};
    open_place(state);
    model = tiny_model(at("model"), 1);
    for (size_t i = 0; i < TASKS; i++)
        write_tiny_task(task_at(name[i]), 40, opening[i], answer + i / 2 * 2, 2);
    return 0;
}

static qv_build_opts options(const char *method)
{
    return (qv_build_opts){.method = method,
                           .clusters = 2,
                           .skills = 3,
                           .train = {.steps = STEPS, .batch = 4, .lr = 5e-3f, .lanes = 2}};
}

static qv_status build_with(const char *lib, const char *tasks, const qv_build_opts *o,
                            qv_err *err)
{
    const char *const paths[] = {at(tasks)};
    return qv_build(model, paths, 1, at(lib), o, err);
}

static void build(const char *lib, const qv_build_opts *o)
{
    qv_err err = {0};
    assert_works(build_with(lib, "tasks", o, &err), &err);
}

static void assert_same(const char *x, const char *y)
{
    struct listing a = list(x), b = list(y);
    assert_int_equal(a.n, b.n);
    for (size_t i = 0; i < a.n; i++) {
        const qv_expert_info *p = qv_snapshot_info(a.snap, i);
        const qv_expert_info *q = qv_snapshot_info(b.snap, i);
        assert_string_equal(p->name, q->name);
        assert_string_equal(p->hash, q->hash);
    }
    end_list(&a);
    end_list(&b);
}

/* The skills of a library, and each one's logits [tasks, sites, heads], which moved from
 * where they started. */
static void check_skills(const char *lib, size_t heads)
{
    struct listing l = list(lib);
    assert_int_equal(l.n, 3);
    for (size_t s = 0; s < 3; s++) {
        const qv_expert_info *info = qv_snapshot_info(l.snap, s);
        assert_string_equal(info->name, qv__arena_fmt(&names, "skill_%02zu", s));
        assert_int_equal(info->meta.n_tasks, TASKS);
        assert_int_equal(setting_of(info, "steps"), TASKS * STEPS);
        assert_int_equal(setting_of(info, "skills"), 3);
        assert_int_equal(setting_of(info, "heads"), heads);
        struct qv_st st;
        qv_err err = {0};
        assert_works(qv__library_artifact(&st, l.lib, info->name, "poly", info->hash, &err),
                     &err);
        const struct qv_tensor *z = qv__st_find(&st, "logit");
        const size_t want[] = {TASKS, info->n_sites, heads};
        float logit[1024], most = 0;
        assert_true(z->rank == 3 && z->n <= 1024);
        assert_memory_equal(z->shape, want, sizeof want);
        qv__st_f32(logit, z, 0, z->n);
        for (size_t i = 0; i < z->n; i++) {
            assert_true(isfinite(logit[i]));
            most = fmaxf(most, fabsf(logit[i]));
        }
        assert_true(most > 0.01f); // they start within 0.001
        qv__st_close(&st);
        assert_works(
            qv__library_artifact(&st, l.lib, info->name, "curve", info->hash, &err), &err);
        const float *loss = qv__st_find(&st, "loss")->data;
        assert_true(loss[TASKS * STEPS - 1] < loss[0]);
        qv__st_close(&st);
    }
    end_list(&l);
}

/* What a library keeps is all there is: skills and logits, read back, have the validation
 * loss that the training ended with. */
static void check_what_is_kept(const char *lib, size_t heads)
{
    struct listing l = list(lib);
    struct qv_expert *e[3];
    struct qv_mixture *m;
    struct qv_objective obj;
    qv_err err = {0};
    for (size_t s = 0; s < 3; s++)
        assert_works(qv__library_read(&e[s], l.lib, qv_snapshot_info(l.snap, s)->name,
                                      &model->sites, &err),
                     &err);
    const struct qv_mixture_opts o = {.n_tasks = TASKS, .heads = heads};
    assert_works(qv__mixture_new(&m, e, 3, &o, &err), &err);
    const qv_expert_info *info = qv_snapshot_info(l.snap, 0);
    for (size_t s = 0; s < 3; s++) {
        struct qv_st st;
        const char *name = qv_snapshot_info(l.snap, s)->name;
        assert_works(qv__library_artifact(&st, l.lib, name, "poly",
                                          qv_snapshot_info(l.snap, s)->hash, &err),
                     &err);
        for (size_t i = 0; i < m->n_logit / 3; i++)
            qv__st_f32(&m->logit[i * 3 + s], qv__st_find(&st, "logit"), i, 1);
        qv__st_close(&st);
    }
    struct qv_task *task[TASKS];
    const struct qv_sequence *valid[TASKS * 40];
    size_t n = 0;
    for (size_t t = 0; t < TASKS; t++) {
        const char *path = at(qv__arena_fmt(&names, "tasks/%s.jsonl", info->meta.task[t]));
        const struct qv_task_opts opts = {.max_tokens = model->c.n_ctx};
        assert_works(qv__task_read(&task[t], path, model->tokenizer, &opts, &err), &err);
        for (size_t i = 0; i < task[t]->n_valid; i++) {
            task[t]->valid[i].task = t;
            valid[n++] = &task[t]->valid[i];
        }
    }
    const struct qv_objective_of of = {.m = model, .mixture = m};
    double loss;
    assert_works(qv__objective_init(&obj, &of, model->c.n_ctx, 256, 1, &err), &err);
    assert_works(qv__loss(&loss, &obj, valid, n, NULL, &err), &err);
    assert_true(fabs(loss - info->meta.score[0].value) < 1e-5 * loss);
    qv__objective_end(&obj);
    for (size_t t = 0; t < TASKS; t++)
        qv__task_free(task[t]);
    for (size_t s = 0; s < 3; s++)
        qv__expert_free(e[s]);
    qv__mixture_free(m);
    end_list(&l);
}

static void poly_trains_skills_and_how_each_task_mixes_them(void **state)
{
    (void)state;
    const qv_build_opts o = options("poly");
    build("poly", &o);
    check_skills("poly", 1);
    check_what_is_kept("poly", 1);
}

static void mhr_mixes_each_head_for_itself(void **state)
{
    (void)state;
    qv_build_opts o = options("mhr");
    o.heads = 4;
    build("mhr", &o);
    check_skills("mhr", 4);
    check_what_is_kept("mhr", 4);
}

static void skills_start_apart_and_with_random_Bs(void **state)
{
    (void)state;
    qv_build_opts o = options("poly");
    o.train.lr = 1e-30f; // so small that nothing moves
    o.train.warmup = -1;
    build("poly-start", &o);
    struct listing l = list("poly-start");
    struct qv_expert *e[3];
    qv_err err = {0};
    for (size_t s = 0; s < 3; s++) {
        assert_works(qv__library_read(&e[s], l.lib, qv_snapshot_info(l.snap, s)->name,
                                      &model->sites, &err),
                     &err);
        const struct qv_expert_site *q = &e[s]->site[0];
        float bound = 1 / sqrtf(3 * (float)q->D_in), most = 0;
        for (size_t i = 0; i < q->D_out * q->R; i++)
            most = fmaxf(most, fabsf(q->B[i]));
        assert_true(most <= bound && most > 0.9f * bound);
        assert_true(q->A[0] != q->B[0] && q->A[1] != q->B[1]);
    }
    for (size_t s = 1; s < 3; s++)
        for (size_t i = 0; i < e[s]->n_w; i++)
            assert_true(e[s]->w[i] != e[0]->w[i]);
    for (size_t s = 0; s < 3; s++)
        qv__expert_free(e[s]);
    end_list(&l);
}

static void what_is_built_stays_and_what_was_stopped_goes_on(void **state)
{
    (void)state;
    static const char *const method[] = {"poly", "mhr", "random-example", "embedding"};
    for (size_t i = 0; i < QV_COUNT(method); i++) {
        const char *whole = qv__arena_fmt(&names, "whole-%s", method[i]);
        const char *torn = qv__arena_fmt(&names, "torn-%s", method[i]);
        qv_build_opts o = options(method[i]);
        qv_err err = {0};
        build(whole, &o);
        int calls = 0;
        o.train.progress = (qv_progress){stop_at_once, &calls};
        assert_fails(build_with(torn, "tasks", &o, &err), QV_ECANCEL, &err,
                     "stopped after 1 of ");
        o.train.progress = (qv_progress){0};
        build(torn, &o);
        assert_same(whole, torn);
        calls = 0;
        o.train.progress = (qv_progress){stop_at_once, &calls};
        build(torn, &o);
        assert_int_equal(calls, 0);
    }
    // A poly build killed between two skills.
    qv_build_opts o = options("poly");
    qv_err err = {0};
    assert_works(qv__remove_tree(at("torn-poly/skill_01/artifacts/poly.safetensors"), &err),
                 &err);
    assert_works(qv__remove_tree(at("torn-poly/skill_02"), &err), &err);
    build("torn-poly", &o);
    assert_same("torn-poly", "whole-poly");
    check_skills("torn-poly", 1);
    o.skills = 2;
    assert_fails(build_with("torn-poly", "tasks", &o, &err), QV_EEXIST, &err,
                 "expert 'skill_00': one is there from another run");
}

static void each_example_is_dealt_to_one_expert_whatever_its_task(void **state)
{
    (void)state;
    qv_build_opts o = options("random-example");
    build("examples", &o);
    struct listing l = list("examples");
    assert_int_equal(l.n, 2);
    for (size_t k = 0; k < 2; k++) {
        const qv_expert_info *info = qv_snapshot_info(l.snap, k);
        assert_string_equal(info->name, qv__arena_fmt(&names, "example_%02zu", k));
        assert_int_equal(info->meta.n_tasks, TASKS);
        assert_int_equal(setting_of(info, "steps"), TASKS * STEPS / 2);
    }
    end_list(&l);

    // One pass over the parts is one over the whole: as many tokens.
    o.train = (qv_train_opts){.epochs = 1, .batch = 1, .lanes = 1};
    size_t n = 0;
    for (size_t i = 0; i < 40; i++)
        n += qv__part_of("owl", i) == QV_TRAIN;
    o.clusters = n % 2 ? n : 2; // a number that divides them
    qv_err err = {0};
    assert_works(build_with("parts", "tasks/owl.jsonl", &o, &err), &err);
    o.method = "shared";
    assert_works(build_with("all", "tasks/owl.jsonl", &o, &err), &err);
    json_int_t parts = 0;
    l = list("parts");
    assert_int_equal(l.n, o.clusters);
    for (size_t k = 0; k < l.n; k++) {
        assert_int_equal(setting_of(qv_snapshot_info(l.snap, k), "steps"), n / l.n);
        parts += setting_of(qv_snapshot_info(l.snap, k), "tokens");
    }
    end_list(&l);
    l = list("all");
    assert_int_equal(parts, setting_of(qv_snapshot_info(l.snap, 0), "tokens"));
    end_list(&l);
}

/* Tokens that each of two experts of random examples was trained on, in one pass. */
static void tokens_of_parts(size_t tokens[2], const char *lib, const char *tasks)
{
    qv_build_opts o = options("random-example");
    qv_err err = {0};
    o.train = (qv_train_opts){.epochs = 1, .batch = 1, .lanes = 1};
    assert_works(build_with(lib, tasks, &o, &err), &err);
    struct listing l = list(lib);
    assert_int_equal(l.n, 2);
    for (size_t k = 0; k < 2; k++)
        tokens[k] = (size_t)setting_of(qv_snapshot_info(l.snap, k), "tokens");
    end_list(&l);
}

static void examples_are_not_dealt_in_the_order_of_the_file(void **state)
{
    (void)state;
    struct qv_task *t;
    qv_err err = {0};
    const struct qv_task_opts opts = {.max_tokens = model->c.n_ctx};
    assert_works(qv__task_read(&t, at("tasks/owl.jsonl"), model->tokenizer, &opts, &err),
                 &err);
    size_t in_turn[2] = {0}, got[2];
    for (size_t i = 0; i < t->n_train; i++)
        in_turn[i % 2] += t->train[i].n;
    tokens_of_parts(got, "not-in-turn", "tasks/owl.jsonl");
    if (t->n_train % 2 == 0)
        assert_int_equal(got[0] + got[1], in_turn[0] + in_turn[1]);
    assert_int_not_equal(in_turn[0], in_turn[1]);
    assert_int_not_equal(got[0], in_turn[0]);
    assert_int_not_equal(got[0], in_turn[1]);
    qv__task_free(t);
}

static void tasks_of_one_example_do_not_all_go_to_one_expert(void **state)
{
    (void)state;
    static const char *const answer[] = {"aa"};
    size_t n = 0, got[2];
    qv_err err = {0};
    assert_works(qv__make_dir(at("small"), &err), &err);
    for (size_t i = 0; n < 8; i++) {
        const char *name = qv__arena_fmt(&names, "small%d", (int)i);
        if (qv__part_of(name, 0) != QV_TRAIN)
            continue;
        write_tiny_task(at(qv__arena_fmt(&names, "small/%s.jsonl", name)), 1, "aa", answer,
                        1);
        n++;
    }
    tokens_of_parts(got, "of-small", "small");
    assert_true(got[0] > 0 && got[1] > 0);
}

static void embedding_groups_tasks_whose_prompts_are_alike(void **state)
{
    (void)state;
    static const char *const want[2][2] = {{"cow", "owl"}, {"elm", "fir"}};
    const qv_build_opts o = options("embedding");
    build("embedding", &o);
    struct listing l = list("embedding");
    assert_int_equal(l.n, 2);
    for (size_t k = 0; k < 2; k++) {
        const qv_expert_info *info = qv_snapshot_info(l.snap, k);
        assert_string_equal(info->name, qv__arena_fmt(&names, "embedding_%02zu", k));
        assert_int_equal(info->meta.n_tasks, 2);
        for (size_t i = 0; i < 2; i++)
            assert_string_equal(info->meta.task[i], want[k][i]);
        assert_int_equal(setting_of(info, "steps"), 2 * STEPS);
    }
    end_list(&l);
}

/* The mean of transformers' hidden states of seven tokens, and of those alone that are a
 * prompt, at length 1. */
static void an_embedding_is_the_direction_of_what_the_last_layer_sees(void **state)
{
    (void)state;
#define LLAMA "tests/golden/llama/gqa_untied"
    qv_model *m;
    qv_err err = {0};
    assert_works(
        qv_model_open(&m, LLAMA, &(qv_model_opts){.compute = QV_COMPUTE_F32}, &err), &err);
    int ids[7];
    size_t n, D = m->c.D;
    assert_int_equal(golden_ids(ids, 7, LLAMA "/expect.json", "ids_a"), 7);
    float *hidden = golden_tensor(&n, LLAMA "/expect.safetensors", "hidden_a");
    assert_int_equal(n, (m->c.L + 1) * 7 * D);
    const float *seen = hidden + (m->c.L - 1) * 7 * D; // what all layers but one give out
    struct qv_sequence s[] = {{.ids = ids, .n = 7, .n_prompt = 7},
                              {.ids = ids, .n = 7, .n_prompt = 3},
                              {.ids = ids, .n = 7, .n_prompt = 5}};
    const struct qv_task t = {.train = s, .n_train = 3};
    float want[64] = {0}, got[64], square = 0;
    assert_true(D <= 64);
    for (size_t i = 0; i < 7 * D; i++)
        want[i % D] += seen[i] / 14 + (i < 3 * D ? seen[i] / 6 : 0);
    for (size_t d = 0; d < D; d++)
        square += want[d] * want[d];
    for (size_t d = 0; d < D; d++)
        want[d] /= sqrtf(square);
    assert_works(qv__task_embedding(got, m, &t, 2, &err), &err);
    assert_close_to_scale(got, want, D, 1e-5);
    free(hidden);
    qv_model_close(m);
}

/* The mean of a trial's validation losses, each weighing as many examples as it saw. */
static double loss_of(const char *lib)
{
    struct listing l = list(lib);
    double sum = 0, all = 0;
    for (size_t k = 0; k < l.n; k++) {
        const qv_expert_info *info = qv_snapshot_info(l.snap, k);
        size_t n = 0;
        for (size_t j = 0; j < info->meta.n_tasks; j++)
            for (size_t i = 0; i < 40; i++)
                n += qv__part_of(info->meta.task[j], i) == QV_VALID;
        sum += (double)n * info->meta.score[0].value;
        all += (double)n;
    }
    end_list(&l);
    return sum / all;
}

static void the_number_of_clusters_is_that_of_the_lowest_validation_loss(void **state)
{
    (void)state;
    static const char *const method[] = {"mbc", "random", "embedding"};
    for (size_t i = 0; i < QV_COUNT(method); i++) {
        qv_build_opts o = options(method[i]);
        const char *lib = qv__arena_fmt(&names, "auto-%s", method[i]);
        o.tries_clusters = true;
        build(lib, &o);
        const char *two = qv__arena_fmt(&names, "%s/.build/%s-2", lib, method[i]);
        const char *four = qv__arena_fmt(&names, "%s/.build/%s-4", lib, method[i]);
        assert_same(lib, loss_of(four) < loss_of(two) ? four : two);
        // What a kill between expert and artifact left out is put there.
        qv_err err = {0};
        const char *part = qv__arena_fmt(
            &names, "%s/%s_00/artifacts/prototypes.safetensors", lib, method[i]);
        assert_works(qv__remove_tree(at(part), &err), &err);
        int calls = 0;
        o.train.progress = (qv_progress){stop_at_once, &calls};
        build(lib, &o);
        assert_int_equal(calls, 0);
        assert_true(qv__is_file(at(part)));
    }
    // What was built by number is what was tried by that number.
    const qv_build_opts two = options("mbc");
    build("mbc-2", &two);
    assert_same("mbc-2", "auto-mbc/.build/mbc-2");

    // Another run's experts are not replaced.
    qv_build_opts o = options("mbc");
    qv_err err = {0};
    o.tries_clusters = true;
    o.train.seed = 9;
    build("auto-other", &o);
    assert_works(qv__remove_tree(at("auto-other/.build"), &err), &err);
    o.train.seed = 10;
    assert_fails(build_with("auto-other", "tasks", &o, &err), QV_EEXIST, &err,
                 "expert 'mbc_00': one is there from another run");
}

static void what_a_way_has_no_use_for_is_refused(void **state)
{
    (void)state;
    qv_build_opts o = options("random-example");
    qv_err err = {0};
    o.tries_clusters = true;
    assert_fails(build_with("no", "tasks", &o, &err), QV_EUNSUPPORTED, &err,
                 "random-example needs a number of clusters");
    o = options("mhr");
    o.heads = 5;
    assert_fails(build_with("no", "tasks", &o, &err), QV_EFORMAT, &err,
                 "which 5 heads do not divide");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(poly_trains_skills_and_how_each_task_mixes_them),
        cmocka_unit_test(mhr_mixes_each_head_for_itself),
        cmocka_unit_test(skills_start_apart_and_with_random_Bs),
        cmocka_unit_test(what_is_built_stays_and_what_was_stopped_goes_on),
        cmocka_unit_test(each_example_is_dealt_to_one_expert_whatever_its_task),
        cmocka_unit_test(examples_are_not_dealt_in_the_order_of_the_file),
        cmocka_unit_test(tasks_of_one_example_do_not_all_go_to_one_expert),
        cmocka_unit_test(embedding_groups_tasks_whose_prompts_are_alike),
        cmocka_unit_test(an_embedding_is_the_direction_of_what_the_last_layer_sees),
        cmocka_unit_test(the_number_of_clusters_is_that_of_the_lowest_validation_loss),
        cmocka_unit_test(what_a_way_has_no_use_for_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, close_place);
}
