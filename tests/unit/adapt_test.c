/* adapt_test.c - ways to adapt: what each starts from, what it makes of what it learnt,
 * what it finds near, and that nothing is lost when it is stopped.
 */
#include <quiver/adapt.h>
#include <quiver/build.h>

#include "adapt/adapt.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/rng.h"
#include "build/build.h"
#include "lora/peft.h"
#include "model/model.h"
#include "support/scratch.h"
#include "support/tiny.h"
#include "train/objective.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 8, K = 4, LINES = 60 };

static char *root;
static qv_model *model, *other_model;
static qv_arena names;
static const char *const expert[K] = {"cow", "elm", "fir", "owl"};

static const char *at(const char *name)
{
    return qv__arena_fmt(&names, "%s/%s", root, name);
}

static void write_tasks(void)
{
    static const char *const answer[] = {"aa", "7", "banana", "ba"};
    for (size_t i = 0; i < K; i++)
        write_tiny_task(qv__arena_fmt(&names, "%s/tasks/%s.jsonl", root, expert[i]), LINES,
                        expert[i], answer + i % 3, 2);
    write_tiny_task(at("fox.jsonl"), LINES, "fir", answer + 2, 2); // what fir is, too
}

/* Four private experts, and the task "fox" that is one of theirs under another name. */
static int set_up(void **state)
{
    (void)state;
    root = new_library_place();
    if (qv__make_dir(at("tasks"), NULL))
        return -1;
    model = tiny_model(at("model"), 1);
    other_model = tiny_model(at("other"), 2);
    write_tasks();
    const qv_build_opts o = {.method = "private",
                             .train = {.steps = 24, .batch = 4, .lr = 2e-2f, .lanes = 1}};
    const char *const tasks[] = {at("tasks")};
    return qv_build(model, tasks, 1, at("lib"), &o, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    qv_model_close(model);
    qv_model_close(other_model);
    int result = qv__remove_tree(root, NULL);
    qv__arena_free(&names);
    free(root);
    return result;
}

static qv_adapt_opts options(const char *method)
{
    return (qv_adapt_opts){.method = method,
                           .library = strcmp(method, "lora") == 0 ? NULL : at("lib"),
                           .expert = strcmp(method, "shared") == 0 ? "owl" : NULL,
                           .heads = strcmp(method, "mhr") == 0 ? 4 : 0,
                           .evaluations = strcmp(method, "lorahub") == 0 ? 12 : 0,
                           .train = {.steps = STEPS, .batch = 4, .lr = 5e-3f, .lanes = 2}};
}

/* The same, at rates so small that no weight moves. */
static qv_adapt_opts still(const char *method)
{
    qv_adapt_opts o = options(method);
    o.train.lr = o.train.mix_lr = 1e-30f;
    o.train.warmup = -1;
    return o;
}

static qv_status adapt_with(const char *out, const qv_adapt_opts *o, qv_err *err)
{
    const char *const data[] = {at("fox.jsonl")};
    return qv_adapt(model, data, 1, at(out), o, err);
}

static json_t *adapt(const char *out, const qv_adapt_opts *o)
{
    qv_err err = {0};
    json_t *learnt;
    assert_works(adapt_with(out, o, &err), &err);
    assert_works(qv__json_read(&learnt,
                               at(qv__arena_fmt(&names, "%s/adaptation.json", out)),
                               1 << 20, &err),
                 &err);
    assert_string_equal(json_string_value(json_object_get(learnt, "method")), o->method);
    return learnt;
}

static struct qv_expert *read_adapter(const char *dir)
{
    struct qv_expert *e;
    qv_err err = {0};
    assert_works(qv__peft_read(&e, at(dir), &model->sites, &err), &err);
    return e;
}

static struct qv_expert *library_expert(const char *name)
{
    return read_adapter(qv__arena_fmt(&names, "lib/%s", name));
}

/* The factors of `got` are the sums, over experts, of w(site, head, k) times theirs: heads
 * are Q equal parts of the inputs and of the outputs. */
static void assert_mixed(const struct qv_expert *got, const char *const *who, size_t n,
                         size_t Q, double (*w)(void *arg, size_t site, size_t q, size_t k),
                         void *arg)
{
    float *want = calloc(got->n_w, sizeof *want);
    assert_non_null(want);
    for (size_t k = 0; k < n; k++) {
        struct qv_expert *e = library_expert(who[k]);
        assert_int_equal(e->n_w, got->n_w);
        for (size_t i = 0; i < e->n_sites; i++) {
            const struct qv_expert_site *s = &e->site[i];
            assert_string_equal(s->path, got->site[i].path);
            assert_true(s->scale == got->site[i].scale);
            float *A = want + (s->A - e->w), *B = want + (s->B - e->w);
            for (size_t j = 0; j < s->R * s->D_in; j++)
                A[j] += (float)w(arg, i, j % s->D_in * Q / s->D_in, k) * s->A[j];
            for (size_t j = 0; j < s->D_out * s->R; j++)
                B[j] += (float)w(arg, i, j / s->R * Q / s->D_out, k) * s->B[j];
        }
        qv__expert_free(e);
    }
    assert_close_to_scale(got->w, want, got->n_w, 1e-5);
    free(want);
}

static double evenly(void *arg, size_t site, size_t q, size_t k)
{
    (void)arg, (void)site, (void)q, (void)k;
    return 1. / K;
}

/* arg is "weights" of adaptation.json: by site, or one list for all. */
static double as_learnt(void *arg, size_t site, size_t q, size_t k)
{
    const json_t *w = arg;
    if (json_is_object(w)) {
        struct qv_expert *e = library_expert(expert[0]);
        w = json_object_get(w, e->site[site].path);
        qv__expert_free(e);
    }
    if (json_is_array(json_array_get(w, 0)))
        w = json_array_get(w, q);
    const json_t *number = json_array_get(w, k);
    assert_true(json_is_number(number));
    return json_number_value(number);
}

static void lora_starts_from_nothing_and_learns(void **state)
{
    (void)state;
    qv_adapt_opts o = still("lora");
    json_t *learnt = adapt("lora-still", &o);
    struct qv_expert *e = read_adapter("lora-still"), *fresh;
    qv_err err = {0};
    assert_works(qv__build_expert(&fresh, "x", model, &o.train, &err), &err);
    assert_close(e->w, fresh->w, e->n_w, 1e-20, 0);
    double before = json_number_value(json_object_get(learnt, "loss"));
    json_decref(learnt);
    qv__expert_free(e);
    qv__expert_free(fresh);
    o = options("lora");
    learnt = adapt("lora", &o);
    assert_true(json_number_value(json_object_get(learnt, "loss")) < before);
    assert_int_equal(json_integer_value(json_object_get(learnt, "steps")), STEPS);
    assert_null(json_object_get(learnt, "experts"));
    json_decref(learnt);
}

static void shared_starts_from_one_expert(void **state)
{
    (void)state;
    const qv_adapt_opts o = still("shared");
    json_t *learnt = adapt("shared", &o);
    assert_string_equal(json_string_value(json_object_get(learnt, "start")), "owl");
    json_decref(learnt);
    struct qv_expert *e = read_adapter("shared"), *owl = library_expert("owl");
    assert_memory_equal(e->w, owl->w, e->n_w * sizeof *e->w);
    assert_true(e->site[0].scale == owl->site[0].scale);
    qv__expert_free(e);
    qv__expert_free(owl);
}

static void mu_starts_from_the_mean_of_the_factors_at_the_experts_scale(void **state)
{
    (void)state;
    const qv_adapt_opts o = still("mu");
    json_decref(adapt("mu", &o));
    struct qv_expert *e = read_adapter("mu");
    assert_mixed(e, expert, K, 1, evenly, NULL);
    qv__expert_free(e);
}

static void polyz_mixes_experts_that_stay_by_weights_it_learns(void **state)
{
    (void)state;
    const qv_adapt_opts o = options("polyz");
    json_t *learnt = adapt("polyz", &o), *w = json_object_get(learnt, "weights");
    struct qv_expert *e = read_adapter("polyz");
    double furthest = 0;
    for (size_t i = 0; i < e->n_sites; i++) {
        double sum = 0;
        for (size_t k = 0; k < K; k++) {
            sum += as_learnt(w, i, 0, k);
            furthest = fmax(furthest, fabs(as_learnt(w, i, 0, k) - 1. / K));
        }
        assert_true(fabs(sum - 1) < 1e-5);
    }
    assert_int_equal(json_object_size(w), e->n_sites);
    assert_true(furthest > 0.01);
    assert_mixed(e, expert, K, 1, as_learnt, w);
    qv__expert_free(e);
    json_decref(learnt);
}

static void poly_and_mhr_start_near_the_mean_and_train_the_experts_too(void **state)
{
    (void)state;
    static const char *const method[] = {"poly", "mhr"};
    for (size_t i = 0; i < 2; i++) {
        qv_adapt_opts o = still(method[i]);
        const char *out = qv__arena_fmt(&names, "%s-still", method[i]);
        json_t *learnt = adapt(out, &o), *w = json_object_get(learnt, "weights");
        struct qv_expert *e = read_adapter(out), *moved;
        size_t Q = i ? 4 : 1;
        for (size_t q = 0; q < Q; q++)
            for (size_t k = 0; k < K; k++)
                assert_true(fabs(as_learnt(w, 0, q, k) - 1. / K) < 1e-3);
        assert_mixed(e, expert, K, Q, as_learnt, w);
        json_decref(learnt);
        o = options(method[i]);
        learnt = adapt(method[i], &o);
        w = json_object_get(learnt, "weights");
        moved = read_adapter(method[i]);
        bool differ = false;
        for (size_t j = 0; j < e->n_w; j++)
            differ = differ || moved->w[j] != e->w[j];
        assert_true(differ && fabs(as_learnt(w, 0, Q - 1, 0) - 1. / K) > 1e-3);
        json_decref(learnt);
        qv__expert_free(e);
        qv__expert_free(moved);
    }
}

/* The loss of the adapter in `dir` on the first half of fox's permuted examples. */
static double loss_on_half(const char *dir)
{
    struct qv_task *t;
    struct qv_expert *e = read_adapter(dir);
    struct qv_objective o;
    qv_err err = {0};
    size_t order[LINES], longest = 0;
    const struct qv_task_opts opts = {.max_tokens = model->c.n_ctx};
    const struct qv_sequence *half[LINES];
    double loss;
    assert_works(qv__task_read(&t, at("fox.jsonl"), model->tokenizer, &opts, &err), &err);
    qv__shuffle(order, t->n_train, qv__seed_named(0, "fox"));
    size_t n = (t->n_train + 1) / 2;
    for (size_t i = 0; i < n; i++) {
        half[i] = &t->train[order[i]];
        longest = qv__max(longest, half[i]->n);
    }
    const struct qv_objective_of of = {.m = model, .expert = e};
    assert_works(qv__objective_init(&o, &of, longest, 500, 1, &err), &err);
    assert_works(qv__loss(&loss, &o, half, n, NULL, &err), &err);
    qv__objective_end(&o);
    qv__expert_free(e);
    qv__task_free(t);
    return loss;
}

static void lorahub_finds_one_weight_an_expert_by_the_loss_and_their_size(void **state)
{
    (void)state;
    qv_adapt_opts o = options("lorahub");
    o.evaluations = 0; // the paper's
    json_t *learnt = adapt("lorahub", &o), *w = json_object_get(learnt, "weights");
    struct qv_expert *e = read_adapter("lorahub");
    double sum = 0, objective = json_number_value(json_object_get(learnt, "objective"));
    assert_int_equal(json_array_size(w), K);
    assert_int_equal(json_integer_value(json_object_get(learnt, "evaluations")), 30);
    for (size_t k = 0; k < K; k++) {
        assert_true(fabs(as_learnt(w, 0, 0, k)) <= 1.5);
        sum += fabs(as_learnt(w, 0, 0, k));
    }
    assert_mixed(e, expert, K, 1, as_learnt, w);
    double loss = loss_on_half("lorahub");
    assert_true(fabs(objective - (loss + 0.05 * sum / K)) < 1e-5 * objective);
    json_decref(learnt);

    o.evaluations = 1; // at zero, where it starts
    learnt = adapt("lorahub-1", &o);
    double start = json_number_value(json_object_get(learnt, "objective"));
    assert_true(objective < start && fabs(start - loss_on_half("lorahub-1")) < 1e-5);
    for (size_t k = 0; k < K; k++)
        assert_true(as_learnt(json_object_get(learnt, "weights"), 0, 0, k) == 0);
    json_decref(learnt);
    qv__expert_free(e);
}

/* An expert that has learnt a little of the task: the more of it the better. */
static void lorahub_goes_as_far_as_the_bound(void **state)
{
    (void)state;
    qv_err err = {0};
    const char *const tasks[] = {at("fox.jsonl")};
    const qv_build_opts weak = {.method = "private",
                                .train = {.steps = 6, .batch = 4, .lr = 1e-2f}};
    assert_works(qv_build(model, tasks, 1, at("weak"), &weak, &err), &err);
    qv_adapt_opts o = options("lorahub");
    o.library = at("weak");
    json_t *learnt = adapt("bound", &o);
    double w = as_learnt(json_object_get(learnt, "weights"), 0, 0, 0);
    assert_true(fabs(w) == 1.5);
    json_decref(learnt);
}

static void fisher_is_the_mean_of_squared_gradients(void **state)
{
    (void)state;
    struct qv_task *t;
    struct qv_expert *e = library_expert("elm");
    struct qv_objective o;
    qv_err err = {0};
    const struct qv_task_opts opts = {.max_tokens = model->c.n_ctx};
    enum { N = 3 };
    assert_works(qv__task_read(&t, at("fox.jsonl"), model->tokenizer, &opts, &err), &err);
    float *F = malloc(e->n_w * sizeof *F), most = 0;
    assert_non_null(F);
    assert_works(qv__fisher(F, e, model, t->train, N, &err), &err);
    for (size_t i = 0; i < e->n_w; i++)
        most = fmaxf(most, F[i]);
    const struct qv_objective_of of = {.m = model, .expert = e};
    assert_works(qv__objective_init(&o, &of, 64, 64, 1, &err), &err);
    for (size_t j = 0; j < e->n_w; j += e->n_w / 12) {
        float was = e->w[j], want = 0;
        for (size_t i = 0; i < N; i++) {
            const struct qv_sequence *one = &t->train[i];
            double loss[2];
            for (size_t side = 0; side < 2; side++) {
                e->w[j] = was + (side ? 5e-3f : -5e-3f);
                assert_works(qv__loss(&loss[side], &o, &one, 1, NULL, &err), &err);
            }
            double slope = (loss[1] - loss[0]) / 1e-2;
            want += (float)(slope * slope / N);
        }
        e->w[j] = was;
        assert_close(&F[j], &want, 1, 2e-3 * (double)most, 2e-2);
    }
    qv__objective_end(&o);
    free(F);
    qv__expert_free(e);
    qv__task_free(t);
}

static void what_is_retrieved_is_what_is_most_alike(void **state)
{
    (void)state;
    static const char *const way[] = {"lora", "svd", "gauge", "fisher"};
    for (size_t i = 0; i < QV_COUNT(way); i++) {
        qv_adapt_opts o = options("mu");
        o.retrieve = way[i];
        o.nearest = 2;
        o.train.steps = 24;
        o.train.lr = 2e-2f;
        json_t *learnt = adapt(qv__arena_fmt(&names, "near-%s", way[i]), &o);
        const json_t *who = json_object_get(learnt, "experts");
        const json_t *near = json_object_get(learnt, "similarity");
        assert_int_equal(json_array_size(who), 2);
        assert_string_equal(json_string_value(json_array_get(who, 0)), "fir");
        double first = json_number_value(json_array_get(near, 0));
        double second = json_number_value(json_array_get(near, 1));
        assert_true(first > second && first <= 1 + 1e-6 && second >= -1);
        assert_string_equal(json_string_value(json_object_get(learnt, "retrieve")), way[i]);
        json_decref(learnt);
    }
}

static double by_half(void *arg, size_t site, size_t q, size_t k)
{
    (void)arg, (void)site, (void)q, (void)k;
    return .5;
}

static void experts_at_random_are_distinct_and_by_the_seed(void **state)
{
    (void)state;
    char seen[2][64];
    bool differ = false;
    for (size_t seed = 0; seed < 5; seed++)
        for (size_t again = 0; again < 2; again++) {
            qv_adapt_opts o = still("mu");
            o.retrieve = "random";
            o.nearest = 2;
            o.train.seed = seed;
            o.train.steps = 1;
            json_t *learnt = adapt("random", &o);
            const json_t *who = json_object_get(learnt, "experts");
            const char *two[] = {json_string_value(json_array_get(who, 0)),
                                 json_string_value(json_array_get(who, 1))};
            assert_int_equal(json_array_size(who), 2);
            assert_string_not_equal(two[0], two[1]);
            snprintf(seen[again], sizeof seen[0], "%s %s", two[0], two[1]);
            if (again)
                assert_string_equal(seen[0], seen[1]);
            differ = differ || strcmp(seen[again], "cow elm") != 0;
            struct qv_expert *e = read_adapter("random"); // no others are in it
            assert_mixed(e, two, 2, 1, by_half, NULL);
            qv__expert_free(e);
            json_decref(learnt);
        }
    assert_true(differ);
}

static void pi_mixes_a_fresh_lora_with_the_experts_nearest_by_fisher(void **state)
{
    (void)state;
    qv_adapt_opts o = still("pi");
    o.nearest = 2;
    json_t *learnt = adapt("pi", &o), *w = json_object_get(learnt, "weights");
    const json_t *who = json_object_get(learnt, "experts");
    assert_int_equal(json_array_size(w), 3);
    assert_int_equal(json_array_size(who), 2);
    double sum = 0;
    for (size_t k = 0; k < 3; k++)
        sum += as_learnt(w, 0, 0, k);
    assert_true(fabs(sum - 1) < 1e-6);
    // Of a softmax the ratios of weights are exponentials of differences of logits, which
    // are where they started.
    uint64_t stream = qv__seed_named(o.train.seed, "logits");
    for (size_t k = 1; k < 3; k++) {
        double z = 2e-3 * ((double)qv__uniform(stream, k) - (double)qv__uniform(stream, 0));
        assert_true(fabs(z) > 1e-4);
        assert_true(fabs(log(as_learnt(w, 0, 0, k) / as_learnt(w, 0, 0, 0)) - z) < 1e-6);
    }
    // Nothing has moved: the fresh LoRA is the start, whose B is zero.
    struct qv_expert *e = read_adapter("pi"), *fresh, *near[2];
    qv_err err = {0};
    assert_works(qv__build_expert(&fresh, "x", model, &o.train, &err), &err);
    for (size_t k = 0; k < 2; k++)
        near[k] = library_expert(json_string_value(json_array_get(who, k)));
    float *want = calloc(e->n_w, sizeof *want);
    assert_non_null(want);
    for (size_t j = 0; j < e->n_w; j++)
        want[j] = (float)(as_learnt(w, 0, 0, 0) * (double)fresh->w[j] +
                          as_learnt(w, 0, 0, 1) * (double)near[0]->w[j] +
                          as_learnt(w, 0, 0, 2) * (double)near[1]->w[j]);
    assert_close_to_scale(e->w, want, e->n_w, 1e-5);
    free(want);
    qv__expert_free(near[0]);
    qv__expert_free(near[1]);
    qv__expert_free(fresh);
    qv__expert_free(e);
    json_decref(learnt);

    o = options("pi");
    learnt = adapt("pi-trained", &o);
    w = json_object_get(learnt, "weights");
    assert_int_equal(json_array_size(w), 1 + K); // no more than there are
    assert_true(fabs(as_learnt(w, 0, 0, 0) - 1. / (1 + K)) > 1e-3);
    json_decref(learnt);
}

static void a_fraction_is_of_the_training_examples(void **state)
{
    (void)state;
    size_t n = 0;
    for (size_t i = 0; i < LINES; i++)
        n += qv__part_of("fox", i) == QV_TRAIN;
    static const double fraction[] = {1, 0.5, 0.05, 0.001};
    for (size_t i = 0; i < QV_COUNT(fraction); i++) {
        qv_adapt_opts o = still("lora");
        o.fraction = fraction[i];
        o.train.steps = 1;
        json_t *learnt = adapt("fraction", &o);
        double want = fmax(1, round(fraction[i] * (double)n));
        assert_true(json_number_value(json_object_get(learnt, "examples")) == want);
        json_decref(learnt);
    }
}

static void what_is_written_is_an_expert_that_a_library_takes(void **state)
{
    (void)state;
    const qv_adapt_opts o = options("mu");
    qv_err err = {0};
    const char *const data[] = {at("fox.jsonl")};
    qv_library *lib;
    qv_snapshot *snap;
    size_t problems;
    const qv_library_opts facts = {.base_name = "model",
                                   .base_hash = qv_model_identity(model)};
    assert_works(qv_library_create(&lib, at("taken"), &facts, &err), &err);
    assert_works(qv_adapt(model, data, 1, at("taken/new"), &o, &err), &err);
    assert_works(qv_library_verify(lib, NULL, NULL, &problems, &err), &err);
    assert_int_equal(problems, 0);
    assert_works(qv_library_snapshot(&snap, lib, &err), &err);
    const qv_expert_info *info = qv_snapshot_info(snap, qv_snapshot_find(snap, "new"));
    assert_string_equal(info->meta.task[0], "fox");
    assert_string_equal(info->meta.base_hash, qv_model_identity(model));
    assert_non_null(strstr(info->meta.settings, "\"steps\":8"));
    assert_string_equal(info->meta.data[0].path, data[0]);
    qv_snapshot_release(snap);
    qv_library_close(lib);
}

static bool stop(void *arg, const char *what, double done, double total, const char *note)
{
    (void)what, (void)done, (void)total, (void)note;
    return ++*(int *)arg >= 0;
}

static void assert_same_files(const char *x, const char *y)
{
    static const char *const file[] = {"adapter_config.json", "adapter_model.safetensors",
                                       "adaptation.json"};
    for (size_t i = 0; i < QV_COUNT(file); i++) {
        char a[QV_HASH_TEXT], b[QV_HASH_TEXT];
        qv_err err = {0};
        assert_works(qv__hash_file(a, at(qv__arena_fmt(&names, "%s/%s", x, file[i])), &err),
                     &err);
        assert_works(qv__hash_file(b, at(qv__arena_fmt(&names, "%s/%s", y, file[i])), &err),
                     &err);
        if (strcmp(a, b) != 0)
            fail_msg("%s of %s and %s", file[i], x, y);
    }
}

static void what_was_stopped_goes_on_to_the_same_bytes(void **state)
{
    (void)state;
    for (const struct qv_adapter_ops *const *m = qv__adapters(); *m; m++) {
        const char *whole = qv__arena_fmt(&names, "whole-%s", (*m)->name);
        const char *torn = qv__arena_fmt(&names, "torn-%s", (*m)->name);
        qv_adapt_opts o = options((*m)->name);
        qv_err err = {0};
        json_decref(adapt(whole, &o));
        // Each time one step or evaluation further; in pi through two trainings.
        size_t times = 0;
        do {
            int calls = 0;
            o.train.progress = (qv_progress){stop, &calls};
            qv_status result = adapt_with(torn, &o, &err);
            if (!result)
                break;
            assert_fails(result, QV_ECANCEL, &err, "stopped after ");
            assert_true(qv__is_dir(at(qv__arena_fmt(&names, "%s.checkpoint", torn))));
        } while (++times < 100);
        assert_in_range(times, STEPS, 99);
        assert_same_files(whole, torn);
        assert_false(qv__is_dir(at(qv__arena_fmt(&names, "%s.checkpoint", torn))));
    }
}

static void a_search_for_another_task_is_not_gone_on_with(void **state)
{
    (void)state;
    qv_adapt_opts o = options("lorahub");
    qv_err err = {0};
    int calls = 0;
    o.train.progress = (qv_progress){stop, &calls};
    assert_fails(adapt_with("search", &o, &err), QV_ECANCEL, &err,
                 "stopped after 1 of 12 evaluations");
    o.evaluations = 5;
    assert_fails(
        adapt_with("search", &o, &err), QV_EFORMAT, &err,
        "evaluations.safetensors: belongs to a search with other data or settings");

    // The right search, but for a file that does not hold it.
    struct qv_st st;
    const char *path = at("search.checkpoint/evaluations.safetensors");
    assert_works(qv__st_open(&st, path, &err), &err);
    const char *const meta[][2] = {{"fingerprint", qv__st_meta(&st, "fingerprint")}};
    const double two[2] = {0};
    const struct qv_tensor_out out[] = {{"w", QV_F64, 1, {2}, two},
                                        {"f", QV_F64, 1, {2}, two}};
    assert_works(qv__st_write(path, out, 2, meta, 1, &err), &err);
    qv__st_close(&st);
    o.evaluations = 12;
    assert_fails(adapt_with("search", &o, &err), QV_EFORMAT, &err,
                 "evaluations.safetensors: evaluations of other sizes");
}

static void what_nothing_can_be_learnt_from_is_refused(void **state)
{
    (void)state;
    qv_err err = {0};
    qv_adapt_opts o = options("lorahub");
    // One line that happens to be for validation.
    size_t i = 0;
    char name[64];
    do
        snprintf(name, sizeof name, "lone%zu", i++);
    while (qv__part_of(name, 0) == QV_TRAIN);
    const char *const only[] = {at(qv__arena_fmt(&names, "%s.jsonl", name))};
    write_text(only[0], "{\"prompt\":\"p\",\"completion\":\"c\"}\n");
    assert_fails(qv_adapt(model, only, 1, at("no-data"), &o, &err), QV_EFORMAT, &err,
                 "no examples to search by");
    o = options("mu");
    assert_fails(qv_adapt(model, only, 1, at("no-data"), &o, &err), QV_EFORMAT, &err,
                 "no examples to train on");

    const char *const data[] = {at("fox.jsonl")};
    const qv_model_opts opts = {.trainable = true};
    qv_model *broken;
    assert_works(qv_model_open(&broken, at("model"), &opts, &err), &err);
    for (size_t j = 0; j < broken->n_own; j++)
        broken->own[j] = NAN;
    o = options("lorahub");
    assert_fails(qv_adapt(broken, data, 1, at("no-loss"), &o, &err), QV_EFORMAT, &err,
                 "no weights have a finite loss");
    qv_model_close(broken);
}

static void options_of_another_method_are_refused(void **state)
{
    (void)state;
    qv_err err = {0};
    qv_adapt_opts o = options("lora");
    static const char *const words[] = {"lora has no use for a library",
                                        "lora has no use for an expert's name",
                                        "lora has no use for a way to retrieve experts",
                                        "lora has no use for a number of nearest experts",
                                        "lora has no use for heads",
                                        "lora has no use for evaluations"};
    for (size_t i = 0; i < QV_COUNT(words); i++) {
        o = options("lora");
        o.library = i == 0 ? "lib" : NULL;
        o.expert = i == 1 ? "owl" : NULL;
        o.retrieve = i == 2 ? "random" : NULL;
        o.nearest = i == 3;
        o.heads = i == 4;
        o.evaluations = i == 5;
        assert_fails(adapt_with("no", &o, &err), QV_EFORMAT, &err, words[i]);
    }
    o = options("mu");
    o.library = NULL;
    assert_fails(adapt_with("no", &o, &err), QV_EFORMAT, &err, "mu needs a library");
    o = options("lora");
    o.fraction = 1.5;
    assert_fails(adapt_with("no", &o, &err), QV_EFORMAT, &err,
                 "a fraction of 1.5 is not above 0 and up to 1");
    o.method = "magic";
    assert_fails(adapt_with("no", &o, &err), QV_ENOTFOUND, &err,
                 "no way to adapt is named 'magic'");
}

static void what_the_library_cannot_give_is_refused(void **state)
{
    (void)state;
    qv_err err = {0};
    qv_adapt_opts o = options("shared");
    o.expert = "yak";
    assert_fails(adapt_with("no", &o, &err), QV_ENOTFOUND, &err,
                 "no expert is named 'yak'");
    o.expert = NULL;
    assert_fails(adapt_with("no", &o, &err), QV_ENOTFOUND, &err,
                 "none of the 4 experts is named 'shared': name the one to start from");
    o = options("mu");
    o.retrieve = "smell";
    assert_fails(adapt_with("no", &o, &err), QV_ENOTFOUND, &err,
                 "no way to retrieve experts is named 'smell' (random, lora, svd, gauge");
    o = options("mhr");
    o.heads = 5;
    assert_fails(adapt_with("no", &o, &err), QV_EFORMAT, &err,
                 "which 5 heads do not divide");
    o = options("mu");
    const char *const data[] = {at("fox.jsonl")};
    assert_fails(qv_adapt(other_model, data, 1, at("no"), &o, &err), QV_EFORMAT, &err,
                 "base model '");
    qv_library *lib;
    assert_works(qv_library_create(&lib, at("empty"), NULL, &err), &err);
    qv_library_close(lib);
    o.library = at("empty");
    assert_fails(adapt_with("no", &o, &err), QV_ENOTFOUND, &err,
                 "/empty: the library has no experts");
}

/* Experts of rank 4; data that is gone or changed; an expert that came from outside. */
static void pi_needs_experts_of_its_shape_and_their_data(void **state)
{
    (void)state;
    qv_err err = {0};
    qv_adapt_opts o = options("pi");
    o.train.rank = 2;
    assert_fails(adapt_with("no-pi", &o, &err), QV_EFORMAT, &err,
                 "expert 'cow': its sites or ranks are not those of the new LoRA");
    o = options("pi");
    const char *const tasks[] = {at("tasks/cow.jsonl")};
    const qv_build_opts b = {.method = "private", .train = {.steps = 2, .batch = 4}};
    assert_works(qv_build(model, tasks, 1, at("moved"), &b, &err), &err);
    o.library = at("moved");
    write_tiny_task(tasks[0], LINES, "yak", expert, 2);
    assert_fails(adapt_with("no-pi2", &o, &err), QV_ENOTFOUND, &err,
                 "cow.jsonl: not what it was trained on any more");
    write_tasks();
    json_decref(adapt("pi-again", &o)); // and now it is kept
    assert_works(qv__remove_tree(tasks[0], &err), &err);
    json_decref(adapt("pi-kept", &o));
    assert_same_files("pi-again", "pi-kept");
    qv_library *moved;
    qv_snapshot *snap;
    const float one = 1;
    const struct qv_tensor_out F = {"F", QV_F32, 1, {1}, &one};
    assert_works(qv_library_open(&moved, at("moved"), &err), &err);
    assert_works(qv_library_snapshot(&snap, moved, &err), &err);
    assert_works(qv__library_put_artifact(moved, "cow", "fisher",
                                          qv_snapshot_info(snap, 0)->hash, &F, 1, &err),
                 &err);
    qv_snapshot_release(snap);
    qv_library_close(moved);
    assert_fails(adapt_with("no-pi5", &o, &err), QV_EFORMAT, &err,
                 "expert 'cow': artifact 'fisher' is not of its shape");
    assert_works(qv__remove_tree(at("moved/cow/artifacts"), &err), &err);
    assert_fails(adapt_with("no-pi3", &o, &err), QV_ENOTFOUND, &err, "expert 'cow': ");
    write_tasks();

    qv_library *lib;
    assert_works(qv_library_create(&lib, at("foreign"), NULL, &err), &err);
    assert_works(qv_library_add(lib, "owl", at("lib/owl"), NULL, &err), &err);
    qv_library_close(lib);
    o.library = at("foreign");
    assert_fails(adapt_with("no-pi4", &o, &err), QV_ENOTFOUND, &err,
                 "expert 'owl': it does not say what it was trained on");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lora_starts_from_nothing_and_learns),
        cmocka_unit_test(shared_starts_from_one_expert),
        cmocka_unit_test(mu_starts_from_the_mean_of_the_factors_at_the_experts_scale),
        cmocka_unit_test(polyz_mixes_experts_that_stay_by_weights_it_learns),
        cmocka_unit_test(poly_and_mhr_start_near_the_mean_and_train_the_experts_too),
        cmocka_unit_test(lorahub_finds_one_weight_an_expert_by_the_loss_and_their_size),
        cmocka_unit_test(lorahub_goes_as_far_as_the_bound),
        cmocka_unit_test(fisher_is_the_mean_of_squared_gradients),
        cmocka_unit_test(what_is_retrieved_is_what_is_most_alike),
        cmocka_unit_test(experts_at_random_are_distinct_and_by_the_seed),
        cmocka_unit_test(pi_mixes_a_fresh_lora_with_the_experts_nearest_by_fisher),
        cmocka_unit_test(a_fraction_is_of_the_training_examples),
        cmocka_unit_test(what_is_written_is_an_expert_that_a_library_takes),
        cmocka_unit_test(what_was_stopped_goes_on_to_the_same_bytes),
        cmocka_unit_test(a_search_for_another_task_is_not_gone_on_with),
        cmocka_unit_test(what_nothing_can_be_learnt_from_is_refused),
        cmocka_unit_test(options_of_another_method_are_refused),
        cmocka_unit_test(what_the_library_cannot_give_is_refused),
        cmocka_unit_test(pi_needs_experts_of_its_shape_and_their_data),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
