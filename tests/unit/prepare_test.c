/* prepare_test.c - what routers need, made of the experts' own tasks: that it is what it
 * is said to be, is made once, belongs to one expert, and is missed when it is not there.
 */
#include "build/build.h"
#include "build/prepare.h"
#include "library/library.h"
#include "model/generate.h"
#include "model/reading.h"
#include "model/reuse.h"
#include "support/experts.h"
#include "support/place.h"
#include "support/scratch.h"
#include "support/tiny.h"
#include "train/objective.h"

#include <quiver/session.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXPERTS = 3, LIMIT = 20 };

static const char *const task[EXPERTS] = {"ash", "cow", "sum"};

/* Three tasks that begin differently, and a private library of them. */
static int set_up(void **state)
{
    static const char *const answer[] = {"aa", "ab", "77"};
    static const char *const opening[] = {"Which tree, which leaf?",
                                          "a cow on a farm, a cow", "12 + 34 + 56 + 78 ="};
    open_place(state);
    model = tiny_model(at("model"), 1);
    other_model = tiny_model(at("other"), 2);
    for (size_t i = 0; i < EXPERTS; i++)
        write_tiny_task(task_at(task[i]), 98, opening[i], answer + i, 1);
    return 0;
}

/* A fresh library of that name. */
static const char *library(const char *name)
{
    const char *const tasks[] = {at("tasks")};
    const qv_build_opts o = {
        .method = "private",
        .train = {.steps = 10, .batch = 4, .lr = 2e-2f, .sites = "q_proj|down_proj"}};
    qv_err err;
    assert_works(qv_build(model, tasks, 1, at(name), &o, &err), &err);
    return at(name);
}

static qv_status try_prepare(size_t *made, const char *lib, const char *router, qv_err *err)
{
    const char *const tasks[] = {at("tasks")};
    const qv_prepare_opts o = {.router = router, .limit = LIMIT, .train = {.steps = 8}};
    return qv_prepare(made, model, lib, tasks, 1, &o, err);
}

static size_t prepare(const char *lib, const char *router)
{
    size_t made;
    qv_err err;
    assert_works(try_prepare(&made, lib, router, &err), &err);
    return made;
}

static qv_reuse *reuse(const char *lib, const char *router, size_t top_k)
{
    qv_reuse *r;
    qv_err err;
    const qv_reuse_opts o = {.library = lib, .router = router, .top_k = top_k};
    assert_works(qv_reuse_open(&r, model, &o, &err), &err);
    return r;
}

static struct qv_task *read_task(const char *name)
{
    struct qv_task *t;
    qv_err err;
    const struct qv_task_opts o = {.max_tokens = model->c.n_ctx, .limit = LIMIT};
    const char *path = task_at(name);
    assert_works(qv__task_read(&t, path, model->tokenizer, &o, &err), &err);
    assert_true(t->n_train > 0 && t->n_valid > 0);
    return t;
}

/* The input of layer 0's q_proj is the normed embedding, whoever is at work. */
static void a_centroid_is_the_mean_input_of_the_experts_own_task(void **state)
{
    (void)state;
    const char *lib = library("centroid");
    const size_t D = model->c.D;
    assert_int_equal(prepare(lib, "centroid"), EXPERTS);
    qv_reuse *r = reuse(lib, "centroid", 0);
    const struct qv_bank_site *q = &r->bank->site[0];
    assert_int_equal(q->K, EXPERTS);
    for (size_t k = 0; k < EXPERTS; k++) {
        struct qv_task *t = read_task(task[k]);
        double mean[32] = {0};
        size_t n = 0;
        for (size_t i = 0; i < t->n_train; i++)
            for (size_t j = 0; j + 1 < t->train[i].n; j++, n++) {
                const float *row = model->embed.f32 + (size_t)t->train[i].ids[j] * D;
                double squares = 0;
                for (size_t d = 0; d < D; d++)
                    squares += (double)row[d] * (double)row[d];
                for (size_t d = 0; d < D; d++)
                    mean[d] += (double)row[d] * (double)model->layer[0].norm1.w.f32[d] /
                               sqrt(squares / (double)D + (double)model->c.eps);
            }
        float want[32];
        for (size_t d = 0; d < D; d++)
            want[d] = (float)(mean[d] / (double)n);
        assert_close(q->proto[k], want, D, 1e-5, 1e-5);
        qv__task_free(t);
    }
    qv_reuse_close(r);
}

/* Deeper down the expert's own work is in it: the means of one sequence after another. */
struct seen {
    double sum[64];
    size_t site, n;
};

static void add_input(void *arg, size_t site, size_t T, const float *x)
{
    struct seen *s = arg;
    size_t D = model->sites.at[site].D_in;
    if (site != s->site)
        return;
    for (size_t i = 0; i < T * D; i++)
        s->sum[i % D] += (double)x[i];
    s->n += T;
}

static void a_centroid_is_taken_with_its_expert_at_work(void **state)
{
    (void)state;
    const char *lib = library("at_work");
    prepare(lib, "centroid");
    qv_reuse *r = reuse(lib, "centroid", 0), *own;
    qv_err err;
    const qv_reuse_opts o = {.library = lib, .expert = "cow"};
    assert_works(qv_reuse_open(&own, model, &o, &err), &err);
    struct qv_task *t = read_task("cow");
    struct qv_update u;
    struct seen s = {.site = model->sites.n - 1}; // the last layer's down_proj
    assert_works(qv__reuse_update(&u, own, NULL, model->c.n_ctx, &err), &err);
    u.see = add_input;
    u.watch_arg = &s;
    for (size_t i = 0; i < t->n_train; i++)
        free(logits_of(model, &u, t->train[i].ids, t->train[i].n - 1));
    const struct qv_bank_site *site = &r->bank->site[s.site];
    float want[64];
    for (size_t d = 0; d < site->D_in; d++)
        want[d] = (float)(s.sum[d] / (double)s.n);
    assert_close_to_scale(site->proto[1], want, site->D_in, 1e-5);
    qv__update_end(&u);
    qv__task_free(t);
    qv_reuse_close(own);
    qv_reuse_close(r);
}

/* The mean over a prompt's tokens of what the first layer makes of them; the tiny model
 * has two. */
static void embed(float *f, const int *ids, size_t n)
{
    struct qv_acts acts;
    qv_err err;
    int pos[128];
    for (size_t i = 0; i < n; i++)
        pos[i] = (int)i;
    assert_works(qv__acts_init(&acts, model, n, n, 1, false, 0, &err), &err);
    struct qv_seq seq = {.n = n};
    struct qv_batch b = {.T = n, .token = ids, .pos = pos, .seq = &seq, .n_seq = 1};
    const float *x =
        qv__decoder_hidden(&(struct qv_pass){.m = model, .a = &acts, .b = &b}, 1);
    for (size_t d = 0; d < model->c.D; d++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += (double)x[i * model->c.D + d];
        f[d] = (float)(sum / (double)n);
    }
    qv__acts_end(&acts);
}

static void an_embedding_is_the_mean_of_the_prompts_means(void **state)
{
    (void)state;
    const char *lib = library("embedding");
    const size_t D = model->c.D;
    assert_int_equal(prepare(lib, "retrieval"), EXPERTS);
    qv_reuse *r = reuse(lib, "retrieval", 0);
    assert_int_equal(r->texts.n_layers, 1);
    for (size_t k = 0; k < EXPERTS; k++) {
        struct qv_task *t = read_task(task[k]);
        float want[32] = {0}, f[32];
        for (size_t i = 0; i < t->n_train; i++) {
            embed(f, t->train[i].ids, t->train[i].n_prompt);
            for (size_t d = 0; d < D; d++)
                want[d] += f[d] / (float)t->n_train;
        }
        assert_close_to_scale(r->texts.v + k * D, want, D, 1e-5);
        qv__task_free(t);
    }
    qv_reuse_close(r);
}

/* Each router by text, on prompts that it has not been trained on. */
static void a_text_goes_to_the_expert_of_its_task(void **state)
{
    (void)state;
    static const char *const routers[] = {"retrieval", "tp", "tp_ngrams"};
    const char *lib = library("texts");
    for (size_t i = 0; i < QV_COUNT(routers); i++) {
        prepare(lib, routers[i]);
        qv_reuse *r = reuse(lib, routers[i], 1);
        for (size_t k = 0; k < EXPERTS; k++) {
            struct qv_task *t = read_task(task[k]);
            qv_err err;
            const qv_reuse_opts o = {.library = lib, .expert = task[k]};
            qv_reuse *own;
            struct qv_update u[2];
            assert_works(qv_reuse_open(&own, model, &o, &err), &err);
            assert_works(qv__reuse_update(&u[0], r, NULL, 128, &err), &err);
            assert_works(qv__reuse_update(&u[1], own, NULL, 128, &err), &err);
            const struct qv_sequence *s = &t->valid[0];
            float *got = logits_of(model, &u[0], s->ids, s->n_prompt);
            float *want = logits_of(model, &u[1], s->ids, s->n_prompt);
            assert_close_to_scale(got, want, s->n_prompt * model->c.V, 1e-5);
            free(got);
            free(want);
            qv__update_end(&u[0]);
            qv__update_end(&u[1]);
            qv_reuse_close(own);
            qv__task_free(t);
        }
        qv_reuse_close(r);
    }
}

/* The likelihood of targets after their prompts: side by side in a pass; and token by
 * token after the prompt in a session, and in a session that was elsewhere before. */
static void read_once_wherever_it_stands(const char *lib, const char *router)
{
    qv_reuse *r = reuse(lib, router, 2);
    struct qv_sequence s[EXPERTS];
    const struct qv_sequence *list[EXPERTS];
    struct qv_task *t[EXPERTS];
    struct qv_update u;
    struct qv_objective obj;
    float nll[EXPERTS];
    double loss;
    qv_err err;
    for (size_t k = 0; k < EXPERTS; k++) {
        t[k] = read_task(task[k]);
        s[k] = t[k]->valid[0];
        list[k] = &s[k];
    }
    assert_works(qv__reuse_update(&u, r, NULL, 256, &err), &err);
    const struct qv_objective_of of = {.m = model, .updates = &u};
    assert_works(qv__objective_init(&obj, &of, 64, 192, 1, &err), &err);
    assert_works(qv__loss(&loss, &obj, list, EXPERTS, nll, &err), &err);
    qv__objective_end(&obj);
    qv__update_end(&u);

    qv_session *session;
    assert_works(qv_session_new(&session, model, r, 0, &err), &err);
    for (size_t k = 0; k < EXPERTS; k++) {
        float mean = 0;
        for (size_t i = s[k].n_prompt; i < s[k].n; i++) {
            assert_works(qv_session_sync(session, s[k].ids, i, &err), &err);
            const float *l = qv_session_logits(session);
            double sum = 0;
            for (size_t j = 0; j < model->c.V; j++)
                sum += exp((double)l[j]);
            mean += (float)(log(sum) - (double)l[s[k].ids[i]]) /
                    (float)(s[k].n - s[k].n_prompt);
        }
        assert_close(&mean, &nll[k], 1, 1e-4, 1e-4);
    }
    qv_session_free(session);
    for (size_t k = 0; k < EXPERTS; k++)
        qv__task_free(t[k]);
    qv_reuse_close(r);
}

static void a_prompt_is_read_once_wherever_it_stands(void **state)
{
    (void)state;
    const char *lib = library("sessions");
    prepare(lib, "tp");
    read_once_wherever_it_stands(lib, "tp");
    read_once_wherever_it_stands(lib, "arrow_vote");
}

/* What is generated beside other texts is what is generated alone. */
static void not_shared(const char *lib, const char *router)
{
    qv_reuse *r = reuse(lib, router, 1);
    int out[2][EXPERTS][6];
    struct qv_task *t[EXPERTS];
    struct qv_request request[2][EXPERTS];
    qv_err err;
    for (size_t k = 0; k < EXPERTS; k++) {
        t[k] = read_task(task[k]);
        const struct qv_sequence *s = &t[k]->valid[0];
        for (size_t way = 0; way < 2; way++)
            request[way][k] = (struct qv_request){.prompt = s->ids,
                                                  .n_prompt = s->n_prompt,
                                                  .max_new = 6,
                                                  .out = out[way][k]};
    }
    for (size_t k = 0; k <= EXPERTS; k++) { // each alone, then all
        struct qv_update u;
        struct qv_request *first = k < EXPERTS ? &request[0][k] : request[1];
        assert_works(qv__reuse_update(&u, r, NULL, 128, &err), &err);
        assert_works(
            qv__generate(model, &u, 128, first, k < EXPERTS ? 1 : EXPERTS, -1, NULL, &err),
            &err);
        qv__update_end(&u);
    }
    assert_memory_equal(out[0], out[1], sizeof out[0]);
    assert_memory_not_equal(out[0][0], out[0][2], sizeof out[0][0]);
    for (size_t k = 0; k < EXPERTS; k++)
        qv__task_free(t[k]);
    qv_reuse_close(r);
}

static void generated_texts_do_not_share_what_was_read(void **state)
{
    (void)state;
    const char *lib = library("generated");
    prepare(lib, "tp_ngrams");
    not_shared(lib, "tp_ngrams");
    not_shared(lib, "arrow_vote");
}

/* The loss of the expert's own task under its gates, or with gates of zero. */
static double gated_loss(const struct qv_expert *own, struct qv_prototypes *gates)
{
    struct qv_task *t = read_task(own->name);
    struct qv_objective obj;
    struct qv_expert *e;
    const struct qv_sequence *list[LIMIT];
    double loss;
    qv_err err;
    assert_works(qv__expert_copy(&e, own, &err), &err);
    for (size_t i = 0; i < t->n_train; i++)
        list[i] = &t->train[i];
    const struct qv_objective_of of = {.m = model, .expert = e, .gates = gates};
    assert_works(qv__objective_init(&obj, &of, 128, 128, 1, &err), &err);
    assert_works(qv__loss(&loss, &obj, list, t->n_train, NULL, &err), &err);
    qv__objective_end(&obj);
    qv__expert_free(e);
    qv__task_free(t);
    return loss;
}

/* The gates of sum's expert [*n], trained with some options; the caller's. */
static float *gates_by(size_t *n, const char *lib, const qv_train_opts *train)
{
    const char *const tasks[] = {at("tasks")};
    const qv_prepare_opts o = {.router = "phatgoose", .limit = LIMIT, .train = *train};
    qv_library *l;
    struct qv_expert *e;
    struct qv_st st;
    char hash[65];
    size_t made;
    qv_err err;
    assert_works(qv_prepare(&made, model, lib, tasks, 1, &o, &err), &err);
    assert_int_equal(made, EXPERTS);
    assert_works(qv_library_open(&l, lib, &err), &err);
    assert_works(qv__library_read(&e, l, "sum", &model->sites, &err), &err);
    qv__expert_hash(hash, e);
    assert_works(qv__library_artifact(&st, l, "sum", "gate", hash, &err), &err);
    const struct qv_tensor *t = qv__st_find(&st, "v");
    float *v = calloc(t->n, sizeof *v);
    assert_non_null(v);
    *n = t->n;
    qv__st_f32(v, t, 0, t->n);
    qv__st_close(&st);
    qv__expert_free(e);
    qv_library_close(l);
    return v;
}

static void gates_are_trained_as_their_paper_says_where_nothing_else_is(void **state)
{
    (void)state;
    const char *lib = library("gates-by-default");
    size_t n, n_said;
    float *v = gates_by(&n, lib, &(qv_train_opts){0});
    float *said = gates_by(
        &n_said, lib, &(qv_train_opts){.steps = 100, .batch = 16, .lr = 5e-3f, .clip = 1});
    assert_int_equal(n, n_said);
    assert_memory_equal(v, said, n * sizeof *v);
    free(said);
    free(v);
}

static void gates_are_trained_to_open_for_their_experts_task(void **state)
{
    (void)state;
    const char *lib = library("gates");
    size_t n;
    float *v = gates_by(&n, lib, &(qv_train_opts){.steps = 8});
    qv_library *l;
    struct qv_expert *e;
    struct qv_prototypes trained, zero;
    qv_err err;
    assert_works(qv_library_open(&l, lib, &err), &err);
    assert_works(qv__library_read(&e, l, "sum", &model->sites, &err), &err);
    assert_works(qv__prototypes_init(&trained, e, &err), &err);
    assert_works(qv__prototypes_init(&zero, e, &err), &err);
    assert_int_equal(n, trained.first[trained.n_sites]);
    memcpy(trained.v, v, n * sizeof *v);
    assert_true(gated_loss(e, &trained) < gated_loss(e, &zero) - 1e-3);
    qv__prototypes_end(&trained);
    qv__prototypes_end(&zero);
    qv__expert_free(e);
    qv_library_close(l);
    qv_reuse_close(reuse(lib, "phatgoose", 0));
    free(v);
}

static void what_is_made_stays_until_what_it_was_made_of_changes(void **state)
{
    (void)state;
    static const char *const routers[] = {"centroid", "retrieval", "phatgoose"};
    const char *lib = library("stays");
    qv_library *l;
    qv_err err;
    assert_works(qv_library_open(&l, lib, &err), &err);
    for (size_t i = 0; i < QV_COUNT(routers); i++) {
        assert_int_equal(prepare(lib, routers[i]), EXPERTS);
        assert_int_equal(prepare(lib, routers[i]), 0);
    }
    assert_int_equal(prepare(lib, "avg_act"), 0); // as centroid needs
    assert_int_equal(prepare(lib, "tp"), EXPERTS);
    assert_int_equal(prepare(lib, "tp"), 0);

    // One expert more: the others' stay, but for what is trained on all at once.
    const char *const own[] = {"cow"};
    const qv_expert_opts again = {.meta = {.task = own, .n_tasks = 1}, .replace = true};
    const char *dir = at("stays/ash");
    assert_works(qv_library_add(l, "more", dir, &again, &err), &err);
    for (size_t i = 0; i < QV_COUNT(routers); i++) {
        char words[128];
        qv_reuse *r;
        const qv_reuse_opts o = {.library = lib, .router = routers[i]};
        const char *kind = qv__router_find(routers[i])->artifact;
        snprintf(words, sizeof words,
                 "expert 'more' has no artifact '%s': 'quiver library prepare LIB --router "
                 "%s --model M --tasks DIR' makes it",
                 kind, routers[i]);
        assert_fails(qv_reuse_open(&r, model, &o, &err), QV_ENOTFOUND, &err, words);
        assert_int_equal(prepare(lib, routers[i]), 1);
        qv_reuse_close(reuse(lib, routers[i], 0));
    }
    assert_int_equal(prepare(lib, "tp"), EXPERTS + 1);

    // One fewer: nothing is missed, not even by the classifier.
    assert_works(qv_library_remove(l, "more", &err), &err);
    for (size_t i = 0; i < QV_COUNT(routers); i++)
        qv_reuse_close(reuse(lib, routers[i], 0));
    qv_reuse_close(reuse(lib, "tp", 0));

    // Another in its place.
    assert_works(qv_library_add(l, "sum", dir, &again, &err), &err);
    assert_int_equal(prepare(lib, "centroid"), 1);
    qv_library_close(l);
}

static void what_a_router_misses_is_named_with_the_command_that_makes_it(void **state)
{
    (void)state;
    const char *lib = library("missed");
    qv_reuse *r;
    qv_err err;
    size_t made;
    const qv_reuse_opts o = {.library = lib, .router = "tp"};
    prepare(lib, "tp");

    // Of another expert, or of this one before it changed.
    const qv_reuse_opts near = {.library = lib, .router = "centroid"};
    prepare(lib, "centroid");
    assert_int_equal(rename(at("missed/cow/artifacts/centroid.safetensors"),
                            at("missed/ash/artifacts/centroid.safetensors")),
                     0);
    assert_fails(qv_reuse_open(&r, model, &near, &err), QV_ENOTFOUND, &err,
                 "expert 'ash': artifact 'centroid' is of another version: 'quiver library "
                 "prepare LIB --router centroid --model M --tasks DIR' makes it");

    // Made for another model.
    const qv_library_opts any = {.base_name = NULL};
    qv_library *from, *to;
    assert_works(qv_library_open(&from, lib, &err), &err);
    assert_works(qv_library_create(&to, at("any"), &any, &err), &err);
    const char *const own[] = {"ash"};
    const qv_expert_opts facts = {.meta = {.task = own, .n_tasks = 1}};
    assert_works(qv_library_add(to, "ash", at("missed/ash"), &facts, &err), &err);
    assert_works(try_prepare(&made, at("any"), "tp", &err), &err);
    const qv_reuse_opts elsewhere = {.library = at("any"), .router = "tp"};
    assert_fails(qv_reuse_open(&r, other_model, &elsewhere, &err), QV_ENOTFOUND, &err,
                 "expert 'ash': artifact 'tp' is of another model: 'quiver library prepare "
                 "LIB --router tp --model M --tasks DIR' makes it");

    // A part of another training.
    qv_err why;
    struct qv_st st;
    char hash[65];
    struct qv_expert *e;
    assert_works(qv__library_read(&e, to, "ash", &model->sites, &err), &err);
    qv__expert_hash(hash, e);
    qv__expert_free(e);
    assert_works(qv__library_artifact(&st, to, "ash", "tp", hash, &err), &err);
    const struct qv_tensor *v = qv__st_find(&st, "v"), *b = qv__st_find(&st, "bias");
    const struct qv_tensor_out t[] = {{"v", QV_F32, 1, {v->n}, v->data},
                                      {"bias", QV_F32, 1, {1}, b->data}};
    const char *const meta[][2] = {
        {"model", model->origin}, {"run", "another"}, {"layers", "1"}};
    assert_works(qv__library_put_facts(from, "ash", "tp", hash, meta, 3, t, 2, &why), &why);
    assert_fails(qv_reuse_open(&r, model, &o, &err), QV_ENOTFOUND, &err,
                 "expert 'cow': artifact 'tp' was made apart from the other experts'");

    // Damaged.
    const char *const mute[][2] = {{"model", model->origin}};
    assert_works(qv__library_put_facts(from, "ash", "tp", hash, mute, 1, t, 2, &why), &why);
    assert_fails(qv_reuse_open(&r, model, &o, &err), QV_EFORMAT, &err,
                 "expert 'ash': artifact 'tp' does not say how it was made");
    assert_works(qv__library_put_facts(from, "ash", "tp", hash, meta, 3, t, 1, &why), &why);
    assert_fails(qv_reuse_open(&r, model, &o, &err), QV_EFORMAT, &err,
                 "expert 'ash': artifact 'tp' is not of its shape");
    float nan[32] = {NAN};
    const struct qv_tensor_out bad[] = {{"v", QV_F32, 1, {32}, nan}, t[1]};
    assert_works(qv__library_put_facts(from, "ash", "tp", hash, meta, 3, bad, 2, &why),
                 &why);
    assert_fails(qv_reuse_open(&r, model, &o, &err), QV_EFORMAT, &err,
                 "expert 'ash': artifact 'tp' has a number that is not finite");
    qv__st_close(&st);
    qv_library_close(from);
    qv_library_close(to);
}

static bool stop(void *arg, const char *what, double done, double total, const char *note)
{
    (void)arg, (void)what, (void)total, (void)note;
    return done > 0;
}

static void preparing_stops_when_asked_and_goes_on_from_there(void **state)
{
    (void)state;
    const char *lib = library("stopped"), *const tasks[] = {at("tasks")};
    const qv_prepare_opts o = {.router = "retrieval",
                               .limit = LIMIT,
                               .train = {.steps = 8, .progress = {stop, NULL}}};
    size_t made;
    qv_err err;
    assert_fails(qv_prepare(&made, model, lib, tasks, 1, &o, &err), QV_ECANCEL, &err,
                 "stopped after 1 of 3 experts");
    assert_int_equal(made, 1);
    assert_int_equal(prepare(lib, "retrieval"), EXPERTS - 1);
}

static void what_cannot_be_prepared_is_refused(void **state)
{
    (void)state;
    const char *lib = library("refused"), *const tasks[] = {at("tasks")};
    qv_library *l;
    qv_err err;
    size_t made;
    const struct {
        qv_prepare_opts opts;
        qv_status status;
        const char *says;
    } lie[] = {
        {{.router = "arrow"},
         QV_EUNSUPPORTED,
         "router 'arrow' needs nothing but the experts: there is nothing to prepare"},
        {{.router = "bow"}, QV_ENOTFOUND, "no router is named 'bow'"},
        {{.router = NULL}, QV_ENOTFOUND, "no router is named ''"},
        {{.router = "tp", .layers = 3},
         QV_ELIMIT,
         "the output of layer 3, the model has 2"},
    };
    for (size_t i = 0; i < QV_COUNT(lie); i++)
        assert_fails(qv_prepare(&made, model, lib, tasks, 1, &lie[i].opts, &err),
                     lie[i].status, &err, lie[i].says);

    assert_works(qv_library_create(&l, at("none"), NULL, &err), &err);
    assert_fails(try_prepare(&made, at("none"), "tp", &err), QV_ENOTFOUND, &err,
                 "/none: the library has no experts");
    assert_works(qv_library_add(l, "x", at("refused/ash"), NULL, &err), &err);
    assert_fails(try_prepare(&made, at("none"), "tp", &err), QV_ENOTFOUND, &err,
                 "expert 'x' does not say which task it was trained on");
    const char *const own[] = {"ash", "elm"};
    const qv_expert_opts facts = {.meta = {.task = own, .n_tasks = 2}, .replace = true};
    assert_works(qv_library_add(l, "x", at("refused/ash"), &facts, &err), &err);
    assert_fails(try_prepare(&made, at("none"), "tp", &err), QV_ENOTFOUND, &err,
                 "expert 'x' was trained on 'elm', of which there is no task file");

    // A task whose only example is not for training.
    char name[] = "a";
    while (qv__part_of(name, 0) == QV_TRAIN)
        name[0]++;
    write_text(at("one.jsonl"), "{\"prompt\":\"a\",\"completion\":\"b\"}\n");
    const char *path = at(qv__arena_fmt(&names, "%s.jsonl", name));
    assert_int_equal(rename(at("one.jsonl"), path), 0);
    const char *const its[] = {name};
    const qv_expert_opts bare = {.meta = {.task = its, .n_tasks = 1}, .replace = true};
    const qv_prepare_opts tp = {.router = "tp"};
    assert_works(qv_library_add(l, "x", at("refused/ash"), &bare, &err), &err);
    assert_fails(qv_prepare(&made, model, at("none"), &path, 1, &tp, &err), QV_EFORMAT,
                 &err, "expert 'x': its tasks have no training examples");
    qv_library_close(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_centroid_is_the_mean_input_of_the_experts_own_task),
        cmocka_unit_test(a_centroid_is_taken_with_its_expert_at_work),
        cmocka_unit_test(an_embedding_is_the_mean_of_the_prompts_means),
        cmocka_unit_test(a_text_goes_to_the_expert_of_its_task),
        cmocka_unit_test(a_prompt_is_read_once_wherever_it_stands),
        cmocka_unit_test(generated_texts_do_not_share_what_was_read),
        cmocka_unit_test(gates_are_trained_as_their_paper_says_where_nothing_else_is),
        cmocka_unit_test(gates_are_trained_to_open_for_their_experts_task),
        cmocka_unit_test(what_is_made_stays_until_what_it_was_made_of_changes),
        cmocka_unit_test(what_a_router_misses_is_named_with_the_command_that_makes_it),
        cmocka_unit_test(preparing_stops_when_asked_and_goes_on_from_there),
        cmocka_unit_test(what_cannot_be_prepared_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, close_place);
}
