/* adapt_test.c - ways to adapt: what each starts from, what it makes of what it learnt,
 * and which experts it finds near.
 */
#include "adapt/adapt.h"
#include "base/file.h"
#include "base/rng.h"
#include "build/build.h"
#include "lora/peft.h"
#include "model/model.h"
#include "support/adapted.h"
#include "support/golden.h"
#include "support/scratch.h"
#include "train/objective.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void shared_starts_from_one_expert_and_trains_it(void **state)
{
    (void)state;
    qv_adapt_opts o = still("shared");
    json_t *learnt = adapt("shared", &o);
    assert_string_equal(json_string_value(json_object_get(learnt, "start")), "owl");
    json_decref(learnt);
    struct qv_expert *e = read_adapter("shared"), *owl = library_expert("owl");
    assert_memory_equal(e->w, owl->w, e->n_w * sizeof *e->w);
    assert_true(e->site[0].scale == owl->site[0].scale);
    qv__expert_free(e);
    o = options("shared");
    json_decref(adapt("shared-trained", &o));
    e = read_adapter("shared-trained");
    assert_memory_not_equal(e->w, owl->w, e->n_w * sizeof *e->w);
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

/* How many heads a site has weights for in adaptation.json. */
static size_t n_heads(json_t *weights)
{
    const json_t *site = json_object_iter_value(json_object_iter(weights));
    return json_is_array(json_array_get(site, 0)) ? json_array_size(site) : 1;
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
        assert_int_equal(n_heads(w), Q);
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

static void mhr_has_eight_heads_where_none_are_asked_for(void **state)
{
    (void)state;
    qv_adapt_opts o = still("mhr");
    o.heads = 0;
    json_t *learnt = adapt("mhr-eight", &o);
    assert_int_equal(n_heads(json_object_get(learnt, "weights")), 8);
    json_decref(learnt);
}

/* The loss of the adapter in `dir` on `most` of fox's examples: of the first half of the
 * permuted ones for training, or of those for validation. */
static double loss_on(const char *dir, enum qv_split part, size_t most)
{
    struct qv_task *t;
    struct qv_expert *e = read_adapter(dir);
    struct qv_objective o;
    qv_err err = {0};
    size_t order[LINES], longest = 0;
    const struct qv_task_opts opts = {.max_tokens = model->c.n_ctx};
    const struct qv_sequence *some[LINES];
    double loss;
    assert_works(qv__task_read(&t, at("fox.jsonl"), model->tokenizer, &opts, &err), &err);
    qv__shuffle(order, t->n_train, qv__seed_named(0, "fox"));
    size_t n = qv__min(part == QV_TRAIN ? (t->n_train + 1) / 2 : t->n_valid, most);
    for (size_t i = 0; i < n; i++) {
        some[i] = part == QV_TRAIN ? &t->train[order[i]] : &t->valid[i];
        longest = qv__max(longest, some[i]->n);
    }
    const struct qv_objective_of of = {.m = model, .expert = e};
    assert_works(qv__objective_init(&o, &of, longest, 500, 1, &err), &err);
    assert_works(qv__loss(&loss, &o, some, n, NULL, &err), &err);
    qv__objective_end(&o);
    qv__expert_free(e);
    qv__task_free(t);
    return loss;
}

static void lorahub_finds_one_weight_an_expert_by_the_loss_and_their_size(void **state)
{
    (void)state;
    qv_adapt_opts o = options("lorahub");
    o.evaluations = 0;  // the paper's
    o.train.seed = 173; // has no say in which examples are taken
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
    double loss = loss_on("lorahub", QV_TRAIN, LINES);
    assert_true(fabs(objective - (loss + 0.05 * sum / K)) < 1e-5 * objective);
    json_decref(learnt);

    o.evaluations = 1; // at zero, where it starts
    learnt = adapt("lorahub-1", &o);
    double start = json_number_value(json_object_get(learnt, "objective"));
    assert_true(objective < start &&
                fabs(start - loss_on("lorahub-1", QV_TRAIN, LINES)) < 1e-5);
    for (size_t k = 0; k < K; k++)
        assert_true(as_learnt(json_object_get(learnt, "weights"), 0, 0, k) == 0);
    json_decref(learnt);
    qv__expert_free(e);
}

static void
lorahub_is_judged_by_as_many_examples_as_asked_and_never_above_half(void **state)
{
    (void)state;
    qv_adapt_opts o = options("lorahub");
    for (size_t i = 0; i < 2; i++) {
        o.evaluations = 1; // at zero: the objective is the loss
        o.judged = i == 0 ? 3 : LINES;
        const char *dir = i == 0 ? "judged-by-3" : "judged-by-half";
        json_t *learnt = adapt(dir, &o);
        double start = json_number_value(json_object_get(learnt, "objective"));
        assert_true(fabs(start - loss_on(dir, QV_TRAIN, o.judged)) < 1e-5);
        json_decref(learnt);
    }
    double few = loss_on("judged-by-3", QV_TRAIN, 3);
    assert_true(fabs(few - loss_on("judged-by-3", QV_TRAIN, LINES)) > 1e-3);
}

static void
the_loss_is_that_of_the_first_validation_examples_if_some_are_asked(void **state)
{
    (void)state;
    qv_adapt_opts o = options("lora");
    o.train.valid_limit = 2;
    json_t *learnt = adapt("valid-by-2", &o);
    double loss = json_number_value(json_object_get(learnt, "loss"));
    assert_true(fabs(loss - loss_on("valid-by-2", QV_VALID, 2)) < 1e-5);
    assert_true(fabs(loss - loss_on("valid-by-2", QV_VALID, LINES)) > 1e-3);
    json_decref(learnt);
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

/* Σ_s w_s of each skill's factors, head by head, w from the logits that are kept. */
static void known_is_the_tasks_own_mix_of_the_skills(void **state)
{
    (void)state;
    static const char *const method[] = {"poly", "mhr"}, *const skill[] = {"skill_00",
                                                                           "skill_01"};
    const char *const tasks[] = {at("tasks")}, *const elm[] = {at("tasks/elm.jsonl")};
    for (size_t i = 0; i < 2; i++) {
        const size_t Q = i ? 4 : 1;
        qv_err err = {0};
        const char *lib = at(method[i]);
        const qv_build_opts b = {.method = method[i],
                                 .skills = 2,
                                 .heads = 4,
                                 .train = {.steps = 4, .batch = 4, .lr = 1e-2f}};
        assert_works(qv_build(model, tasks, 1, lib, &b, &err), &err);
        const qv_adapt_opts o = {.method = "known", .library = lib};
        assert_works(qv_adapt(model, elm, 1, at("known"), &o, &err), &err);
        struct qv_expert *got = read_adapter("known");
        float *want = calloc(got->n_w, sizeof *want);
        double *p[2];
        assert_non_null(want);
        for (size_t s = 0; s < 2; s++) { // σ(z) of elm, the second of the four tasks
            size_t n;
            float *z = golden_tensor(
                &n,
                qv__arena_fmt(&names, "%s/%s/artifacts/poly.safetensors", lib, skill[s]),
                "logit");
            assert_int_equal(n, K * got->n_sites * Q);
            p[s] = calloc(n / K, sizeof *p[s]);
            for (size_t j = 0; j < n / K; j++)
                p[s][j] = 1 / (1 + exp(-(double)z[n / K + j]));
            free(z);
        }
        for (size_t s = 0; s < 2; s++) {
            struct qv_expert *e =
                read_adapter(qv__arena_fmt(&names, "%s/%s", method[i], skill[s]));
            for (size_t l = 0; l < e->n_sites; l++) {
                const struct qv_expert_site *x = &e->site[l];
                float *A = want + (x->A - e->w), *B = want + (x->B - e->w);
                for (size_t j = 0; j < x->R * x->D_in; j++) {
                    size_t h = l * Q + j % x->D_in * Q / x->D_in;
                    A[j] += (float)(p[s][h] / (p[0][h] + p[1][h])) * x->A[j];
                }
                for (size_t j = 0; j < x->D_out * x->R; j++) {
                    size_t h = l * Q + j / x->R * Q / x->D_out;
                    B[j] += (float)(p[s][h] / (p[0][h] + p[1][h])) * x->B[j];
                }
            }
            qv__expert_free(e);
        }
        assert_close_to_scale(got->w, want, got->n_w, 1e-5);
        free(want);
        free(p[0]);
        free(p[1]);
        qv__expert_free(got);
    }
}

static void known_needs_a_library_that_knows_the_task(void **state)
{
    (void)state;
    qv_err err = {0};
    qv_adapt_opts o = {.method = "known", .library = at("poly")};
    const char *const two[] = {at("tasks/elm.jsonl"), at("tasks/fir.jsonl")};
    assert_fails(adapt_with("no", &o, &err), QV_ENOTFOUND, &err,
                 "expert 'skill_00': it was not trained on 'fox'");
    assert_fails(qv_adapt(model, two, 2, at("no"), &o, &err), QV_EFORMAT, &err,
                 "known is about one task, not 2");
    o.library = at("lib");
    assert_fails(qv_adapt(model, two, 1, at("no"), &o, &err), QV_ENOTFOUND, &err,
                 "expert 'cow': no logits are kept beside it: build the library by poly");

    // Logits of one head beside one skill, of four beside another; and of no shape.
    qv_library *lib;
    qv_snapshot *snap;
    const float z[1024] = {0};
    o.library = at("mhr");
    assert_works(qv_library_open(&lib, o.library, &err), &err);
    assert_works(qv_library_snapshot(&snap, lib, &err), &err);
    const qv_expert_info *info = qv_snapshot_info(snap, 1);
    struct qv_tensor_out out = {"logit", QV_F32, 3, {K, info->n_sites, 1}, z};
    assert_works(
        qv__library_put_artifact(lib, info->name, "poly", info->hash, &out, 1, &err), &err);
    assert_fails(qv_adapt(model, two, 1, at("no"), &o, &err), QV_EFORMAT, &err,
                 "experts 'skill_00' and 'skill_01' are not skills of one library");
    out.shape[0] = K - 1;
    assert_works(
        qv__library_put_artifact(lib, info->name, "poly", info->hash, &out, 1, &err), &err);
    assert_fails(qv_adapt(model, two, 1, at("no"), &o, &err), QV_EFORMAT, &err,
                 "expert 'skill_01': artifact 'poly' is not of its shape");
    qv_snapshot_release(snap);
    qv_library_close(lib);
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
    static const char *const way[] = {"lora", "svd", "gauge"};
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

/* The fresh LoRA has not moved from its start, so that its nearness is known. */
static void by_lora_nearness_is_the_cosine_of_all_factors(void **state)
{
    (void)state;
    qv_adapt_opts o = still("mu");
    o.retrieve = "lora";
    json_t *learnt = adapt("near-still", &o);
    const json_t *who = json_object_get(learnt, "experts");
    const json_t *near = json_object_get(learnt, "similarity");
    struct qv_expert *fresh;
    qv_err err = {0};
    assert_works(qv__build_expert(&fresh, "x", model, &o.train, &err), &err);
    assert_int_equal(json_array_size(who), K);
    for (size_t k = 0; k < K; k++) {
        struct qv_expert *e = library_expert(json_string_value(json_array_get(who, k)));
        double xy = 0, xx = 0, yy = 0;
        for (size_t i = 0; i < e->n_w; i++) {
            xy += (double)e->w[i] * (double)fresh->w[i];
            xx += (double)e->w[i] * (double)e->w[i];
            yy += (double)fresh->w[i] * (double)fresh->w[i];
        }
        double got = json_number_value(json_array_get(near, k));
        assert_true(fabs(got - xy / sqrt(xx * yy)) < 1e-5);
        qv__expert_free(e);
    }
    qv__expert_free(fresh);
    json_decref(learnt);
}

/* What a fresh LoRA was trained to before the adaptation to `out` was stopped: an expert of
 * the library, its factors times `sign`. */
static void leave_as_fresh(const char *out, const char *who, float sign)
{
    qv_err err = {0};
    const char *dir = at(qv__arena_fmt(&names, "%s.checkpoint/fresh", out));
    struct qv_expert *e = library_expert(who);
    for (size_t j = 0; j < e->n_w; j++)
        e->w[j] *= sign;
    assert_works(qv__make_dir(dir, &err), &err);
    assert_works(qv__peft_write(e, dir, &err), &err);
    qv__expert_free(e);
}

/* fox is fir's task. */
static void by_fisher_an_expert_is_as_near_as_what_its_task_leans_on(void **state)
{
    (void)state;
    qv_adapt_opts o = still("mu");
    o.retrieve = "fisher";
    leave_as_fresh("fir-by-fisher", "fir", 1);
    json_t *learnt = adapt("fir-by-fisher", &o);
    const json_t *who = json_object_get(learnt, "experts");
    const json_t *near = json_object_get(learnt, "similarity");
    assert_string_equal(json_string_value(json_array_get(who, 0)), "fir");
    assert_true(json_number_value(json_array_get(near, 0)) > 0.99);
    assert_true(json_number_value(json_array_get(near, 1)) < 0.5);
    json_decref(learnt);
}

static void by_gauge_an_expert_is_as_near_as_its_update_however_factored(void **state)
{
    (void)state;
    static const char *const way[] = {"gauge", "lora"};
    for (size_t i = 0; i < 2; i++) {
        qv_adapt_opts o = still("mu");
        o.retrieve = way[i];
        const char *out = qv__arena_fmt(&names, "owl-by-%s", way[i]);
        leave_as_fresh(out, "owl", -1);
        json_t *learnt = adapt(out, &o);
        const json_t *who = json_object_get(learnt, "experts");
        const json_t *near = json_object_get(learnt, "similarity");
        size_t place = i ? K - 1 : 0; // -1 is last
        assert_string_equal(json_string_value(json_array_get(who, place)), "owl");
        double got = json_number_value(json_array_get(near, place));
        assert_true(fabs(got - (i ? -1 : 1)) < 1e-5);
        json_decref(learnt);
    }
}

static void five_experts_are_retrieved_where_no_number_is_given(void **state)
{
    (void)state;
    static const char *const six[] = {"a", "b", "c", "d", "e", "f"};
    qv_library *lib;
    qv_err err = {0};
    const qv_library_opts facts = {.base_name = "model",
                                   .base_hash = qv_model_identity(model)};
    assert_works(qv_library_create(&lib, at("six"), &facts, &err), &err);
    for (size_t i = 0; i < QV_COUNT(six); i++)
        assert_works(qv_library_add(lib, six[i], at("lib/owl"), NULL, &err), &err);
    qv_library_close(lib);
    qv_adapt_opts o = still("mu");
    o.library = at("six");
    o.retrieve = "random";
    json_t *learnt = adapt("of-six", &o);
    assert_int_equal(json_array_size(json_object_get(learnt, "experts")), 5);
    json_decref(learnt);
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
    assert_string_equal(json_string_value(json_object_get(learnt, "retrieve")), "fisher");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lora_starts_from_nothing_and_learns),
        cmocka_unit_test(shared_starts_from_one_expert_and_trains_it),
        cmocka_unit_test(mu_starts_from_the_mean_of_the_factors_at_the_experts_scale),
        cmocka_unit_test(polyz_mixes_experts_that_stay_by_weights_it_learns),
        cmocka_unit_test(poly_and_mhr_start_near_the_mean_and_train_the_experts_too),
        cmocka_unit_test(mhr_has_eight_heads_where_none_are_asked_for),
        cmocka_unit_test(lorahub_finds_one_weight_an_expert_by_the_loss_and_their_size),
        cmocka_unit_test(
            the_loss_is_that_of_the_first_validation_examples_if_some_are_asked),
        cmocka_unit_test(
            lorahub_is_judged_by_as_many_examples_as_asked_and_never_above_half),
        cmocka_unit_test(lorahub_goes_as_far_as_the_bound),
        cmocka_unit_test(known_is_the_tasks_own_mix_of_the_skills),
        cmocka_unit_test(known_needs_a_library_that_knows_the_task),
        cmocka_unit_test(fisher_is_the_mean_of_squared_gradients),
        cmocka_unit_test(what_is_retrieved_is_what_is_most_alike),
        cmocka_unit_test(by_lora_nearness_is_the_cosine_of_all_factors),
        cmocka_unit_test(by_fisher_an_expert_is_as_near_as_what_its_task_leans_on),
        cmocka_unit_test(by_gauge_an_expert_is_as_near_as_its_update_however_factored),
        cmocka_unit_test(five_experts_are_retrieved_where_no_number_is_given),
        cmocka_unit_test(experts_at_random_are_distinct_and_by_the_seed),
        cmocka_unit_test(pi_mixes_a_fresh_lora_with_the_experts_nearest_by_fisher),
        cmocka_unit_test(a_fraction_is_of_the_training_examples),
        cmocka_unit_test(what_is_written_is_an_expert_that_a_library_takes),
    };
    return cmocka_run_group_tests(tests, make_library, close_place);
}
