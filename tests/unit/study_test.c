/* study_test.c - the studies of a library, against sums worked out here from the model's
 * own passes, and by hand. */
#include "base/rng.h"
#include "data/task.h"
#include "eval/norms.h"
#include "eval/routing.h"
#include "eval/transfer.h"
#include "kern/kern.h"
#include "library/library.h"
#include "model/reuse.h"
#include "support/experts.h"
#include "support/scratch.h"
#include "support/tiny.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define assert_near(got, want, by) assert_true(fabs((got) - (want)) <= (by))

enum { TASKS = 3 };

static const char *const name[TASKS] = {"red", "green", "blue"};

/* A model "m", a task a name, and a library "lib" of an expert for each, at q and v of the
 * first layer and o of the second. */
static qv_model *make_all(void **state)
{
    static const char *const answers[] = {"yes", "no"};
    static const char *const path[] = {"model.layers.0.self_attn.q_proj",
                                       "model.layers.0.self_attn.v_proj",
                                       "model.layers.1.self_attn.o_proj"};
    qv_err err = {0};
    qv_model *m = tiny_model(scratch_path(state, "m"), 1);
    struct qv_expert_shape shape[3];
    for (size_t i = 0; i < 3; i++) {
        const struct qv_site *s = &m->sites.at[qv__site_find(&m->sites, path[i])];
        shape[i] = (struct qv_expert_shape){path[i], s->D_in, s->D_out, 2, 4};
    }
    const char *place = scratch_path(state, "lib");
    qv_library *lib;
    const qv_library_opts facts = {.base_hash = m->origin};
    assert_works(qv_library_create(&lib, place, &facts, &err), &err);
    for (size_t i = 0; i < TASKS; i++) {
        char file[32];
        snprintf(file, sizeof file, "%s.jsonl", name[i]);
        write_tiny_task(scratch_path(state, file), 60, name[i], answers, 2);
        for (size_t j = 0; j < 3; j++)
            shape[j].alpha = 4 + 3 * (float)i; // each scales its updates its own way
        struct qv_expert *e = expert_drawn(name[i], shape, 3, i + 7);
        const qv_expert_opts opts = {.meta = {.task = &name[i], .n_tasks = 1}};
        assert_works(qv__library_put(lib, e, &opts, &err), &err);
        qv__expert_free(e);
    }
    qv_library_close(lib);
    return m;
}

/* One task's file. */
static const char *task_at(void **state, size_t i)
{
    char file[32];
    snprintf(file, sizeof file, "%s.jsonl", name[i]);
    return scratch_path(state, file);
}

/* ---- routing, once more and slowly ---- */

struct slow {
    const qv_reuse *reuse;
    size_t first, last;
    double entropy, own;
    size_t n, agrees;
    const char *task;
};

static void watch(void *arg, size_t site, size_t T, const struct qv_routing *r)
{
    struct slow *s = arg;
    assert_int_equal(T, s->last);
    for (size_t t = s->first; t < s->last; t++, s->n++)
        for (size_t j = 0; j < r->k; j++) {
            double w = (double)r->weight[t * r->k + j];
            int e = s->reuse->bank->site[site].expert[r->expert[t * r->k + j]];
            bool is_own = strcmp(s->reuse->name[e], s->task) == 0;
            s->entropy -= w * log(w);
            s->own += is_own ? w : 0;
            s->agrees += j == 0 && is_own;
        }
}

static void routing_is_what_a_pass_an_example_shows(void **state)
{
    qv_model *m = make_all(state);
    qv_err err = {0};
    const qv_reuse_opts who = {
        .library = scratch_path(state, "lib"), .router = "arrow", .top_k = 2};
    struct qv_routing_study got;
    const char *const paths[] = {task_at(state, 2)};
    assert_works(qv__routing_study(&got, m, &who, paths, 1,
                                   &(struct qv_routing_opts){.limit = 2}, &err),
                 &err);
    struct slow s = {.task = "blue"};
    qv_reuse *reuse;
    struct qv_task *task;
    struct qv_update u;
    assert_works(qv_reuse_open(&reuse, m, &who, &err), &err);
    s.reuse = reuse;
    const struct qv_task_opts opts = {.max_tokens = m->c.n_ctx};
    assert_works(qv__task_read(&task, paths[0], m->tokenizer, &opts, &err), &err);
    assert_true(task->n_valid >= 2);
    for (size_t i = 0; i < 2; i++) {
        assert_works(qv__reuse_update(&u, reuse, NULL, m->c.n_ctx, &err), &err);
        u.watch = watch;
        u.watch_arg = &s;
        s.first = task->valid[i].n_prompt - 1;
        s.last = task->valid[i].n - 1;
        free(logits_of(m, &u, task->valid[i].ids, s.last));
        qv__update_end(&u);
    }
    const double n = (double)s.n;
    assert_int_equal(got.all.n, s.n);
    assert_int_equal(got.all.n_known, s.n);
    assert_near(got.all.entropy, s.entropy / n, 1e-9);
    assert_near(got.all.own, s.own / n, 1e-9);
    assert_near(got.all.agreement, (double)s.agrees / n, 1e-12);
    assert_near(got.all.chance, 1.0 / TASKS, 1e-12);
    assert_int_equal(got.n_sites, 3);
    assert_int_equal(got.n_maps, 3);
    assert_int_equal(got.by_layer[0].n, 2 * s.n / 3);
    assert_string_equal(got.map_name[got.map[2]], "o_proj");
    assert_near(got.share[0] + got.share[1] + got.share[2], 1, 1e-6);
    qv__routing_study_end(&got);
    qv__task_free(task);
    qv_reuse_close(reuse);
    qv_model_close(m);
}

static void a_task_nobody_learnt_has_an_entropy_and_no_agreement(void **state)
{
    static const char *const answers[] = {"x"};
    qv_model *m = make_all(state);
    qv_err err = {0};
    write_tiny_task(scratch_path(state, "grey.jsonl"), 30, "grey", answers, 1);
    const qv_reuse_opts who = {.library = scratch_path(state, "lib"), .router = "arrow"};
    const char *const paths[] = {scratch_path(state, "grey.jsonl")};
    struct qv_routing_study got;
    assert_works(qv__routing_study(&got, m, &who, paths, 1, NULL, &err), &err);
    assert_true(got.all.n > 0 && got.all.entropy > 0);
    assert_int_equal(got.all.n_known, 0);
    assert_true(isnan(got.all.agreement) && isnan(got.all.own) && isnan(got.all.chance));
    assert_int_equal(got.prompts.n, 0);
    assert_true(isnan(got.prompts.tokens) && isnan(got.prompts.vote));
    qv__routing_study_end(&got);
    qv_model_close(m);
}

/* A model in whose first layer the site of q, k and v is given e1 at the last token of the
 * prompt "sun rain", and e0 at all others: both sqrt(32) long. *n is the prompt's tokens.
 */
static qv_model *model_of_two_tokens(void **state, const char *task, size_t *n)
{
    qv_model *m;
    qv_err err = {0};
    write_tiny_model(scratch_path(state, "two"), 1);
    assert_works(qv_model_open(&m, scratch_path(state, "two"),
                               &(qv_model_opts){.trainable = true}, &err),
                 &err);
    const struct qv_task_opts opts = {.max_tokens = m->c.n_ctx};
    struct qv_task *t;
    assert_works(qv__task_read(&t, task, m->tokenizer, &opts, &err), &err);
    *n = t->valid[0].n_prompt;
    assert_true(*n > 2);
    const int last = t->valid[0].ids[*n - 1];
    for (size_t i = 0; i + 1 < *n; i++)
        assert_int_not_equal(t->valid[0].ids[i], last);
    qv__task_free(t);
    float *embed = m->own + (m->embed.f32 - m->own);
    memset(embed, 0, m->c.V * m->c.D * sizeof *embed);
    for (size_t i = 0; i < m->c.V; i++)
        embed[i * m->c.D + (i == (size_t)last)] = 1;
    return m;
}

/* An expert of rank 1 at q, v and k of the first layer, whose prototypes there are the
 * given axes. */
static void put_listener(qv_library *lib, const qv_model *m, const char *as,
                         const size_t axis[3])
{
    static const char *const path[] = {"model.layers.0.self_attn.q_proj",
                                       "model.layers.0.self_attn.v_proj",
                                       "model.layers.0.self_attn.k_proj"};
    struct qv_expert_shape shape[3];
    qv_err err;
    for (size_t i = 0; i < 3; i++) {
        const struct qv_site *s = &m->sites.at[qv__site_find(&m->sites, path[i])];
        shape[i] = (struct qv_expert_shape){path[i], s->D_in, s->D_out, 1, 1};
    }
    struct qv_expert *e = expert_drawn(as, shape, 3, 1);
    for (size_t i = 0; i < 3; i++) {
        size_t j = 0;
        while (strcmp(e->site[j].path, path[i]) != 0)
            j++;
        memset(e->site[j].A, 0, e->site[j].D_in * sizeof(float));
        e->site[j].A[axis[i]] = 1;
    }
    const qv_expert_opts opts = {.meta = {.task = &as, .n_tasks = 1}};
    assert_works(qv__library_put(lib, e, &opts, &err), &err);
    qv__expert_free(e);
}

/* Of each token's pairs at q, v and k, with |v.x| of "early" and of "late":
 *
 *                        q         v         k
 *     a token x = e0    s, 0      s, 0      0, 0 (equal: the first expert's)
 *     the last, e1      0, s      0, s      s, 0       s = sqrt(32)
 *
 * By one expert a pair, "late" has 2 of the 3 n pairs of a prompt of n tokens: 2 of 3 at
 * the last token, which elect it, and nothing else. */
static void where_in_a_prompt_an_expert_can_be_told_is_worked_out_by_hand(void **state)
{
    static const char *const answer = "yes";
    qv_err err = {0};
    qv_library *lib;
    size_t n;
    const char *const paths[] = {scratch_path(state, "late.jsonl"),
                                 scratch_path(state, "early.jsonl")};
    for (size_t i = 0; i < 2; i++) {
        FILE *f = fopen(paths[i], "w");
        assert_non_null(f);
        for (size_t j = 0; j < 60; j++)
            fprintf(f, "{\"prompt\":\"sun rain\",\"completion\":\"%s\"}\n", answer);
        assert_int_equal(fclose(f), 0);
    }
    qv_model *m = model_of_two_tokens(state, paths[0], &n);
    const char *place = scratch_path(state, "listeners");
    assert_works(
        qv_library_create(&lib, place, &(qv_library_opts){.base_hash = m->origin}, &err),
        &err);
    put_listener(lib, m, "early", (const size_t[]){0, 0, 1});
    put_listener(lib, m, "late", (const size_t[]){1, 1, 5});
    qv_library_close(lib);

    const qv_reuse_opts who = {.library = place, .router = "arrow", .top_k = 1};
    const struct qv_routing_opts two = {.limit = 2};
    const double pairs = 3 * (double)n;
    struct qv_routing_study late, early, both;
    assert_works(qv__routing_study(&late, m, &who, paths, 1, &two, &err), &err);
    assert_true(late.has_prompts && late.prompts.n == 2);
    assert_near(late.prompts.tokens, 2 / pairs, 1e-12);
    assert_near(late.prompts.last, 2.0 / 3, 1e-12);
    assert_near(late.prompts.vote, 1, 0);
    assert_near(late.prompts.vote_of_all, 0, 0);
    assert_works(qv__routing_study(&early, m, &who, paths + 1, 1, &two, &err), &err);
    assert_near(early.prompts.tokens, 1 - 2 / pairs, 1e-12);
    assert_near(early.prompts.last, 1.0 / 3, 1e-12);
    assert_near(early.prompts.vote, 0, 0);
    assert_near(early.prompts.vote_of_all, 1, 0);
    assert_works(qv__routing_study(&both, m, &who, paths, 2, &two, &err), &err);
    assert_int_equal(both.prompts.n, 4);
    assert_near(both.prompts.tokens, .5, 1e-12);
    assert_near(both.prompts.vote, .5, 0);
    qv__routing_study_end(&late);
    qv__routing_study_end(&early);
    qv__routing_study_end(&both);
    qv_model_close(m);
}

/* ---- norms ---- */

/* |s B A x| and |W x| summed over rows, by whole matrices. */
struct norms {
    const qv_model *m;
    struct qv_expert *e[TASKS];
    size_t first, last, own;
    double ratio;
    size_t n_sites;
};

static double length_of(const struct qv_expert_site *s, const float *x)
{
    double all = 0;
    for (size_t o = 0; o < s->D_out; o++) {
        double sum = 0;
        for (size_t r = 0; r < s->R; r++)
            for (size_t d = 0; d < s->D_in; d++)
                sum += (double)s->B[o * s->R + r] * (double)s->A[r * s->D_in + d] *
                       (double)x[d];
        all += sum * sum;
    }
    return (double)s->scale * sqrt(all);
}

static void see(void *arg, size_t site, size_t T, const float *x)
{
    struct norms *s = arg;
    const struct qv_site *at = &s->m->sites.at[site];
    double own = 0, others = 0;
    (void)T;
    for (size_t k = 0; k < TASKS; k++)
        for (size_t i = 0; i < s->e[k]->n_sites; i++)
            for (size_t t = s->first;
                 t < s->last && strcmp(s->e[k]->site[i].path, at->path) == 0; t++)
                *(k == s->own ? &own : &others) +=
                    length_of(&s->e[k]->site[i], x + t * at->D_in);
    s->ratio += own / (others / (TASKS - 1));
    s->n_sites++;
}

static void norms_are_those_of_the_whole_updates_of_the_bases_inputs(void **state)
{
    qv_model *m = make_all(state);
    qv_err err = {0};
    const char *lib_at = scratch_path(state, "lib");
    const char *const paths[] = {task_at(state, 1)};
    struct qv_norms got;
    assert_works(
        qv__norms(&got, m, lib_at, paths, 1, &(struct qv_norms_opts){.limit = 1}, &err),
        &err);
    assert_int_equal(got.n, 1);
    assert_int_equal(got.n_tasks, 1);
    assert_string_equal(got.task[0].name, "green");

    struct norms s = {.m = m};
    qv_library *lib;
    assert_works(qv_library_open(&lib, lib_at, &err), &err);
    for (size_t k = 0; k < TASKS; k++) {
        assert_works(qv__library_read(&s.e[k], lib, name[k], &m->sites, &err), &err);
        s.own = strcmp(name[k], "green") == 0 ? k : s.own;
    }
    struct qv_expert *zero;
    struct qv_bank *bank;
    struct qv_update u;
    struct qv_task *task;
    assert_works(qv__expert_copy(&zero, s.e[0], &err), &err);
    memset(zero->w, 0, zero->n_w * sizeof *zero->w);
    bank = bank_of(&m->sites, &zero, 1);
    assert_works(qv__update_init(&u, bank, NULL, QV_FACTOR, m->c.n_ctx, &err), &err);
    u.see = see;
    u.watch_arg = &s;
    const struct qv_task_opts opts = {.max_tokens = m->c.n_ctx};
    assert_works(qv__task_read(&task, paths[0], m->tokenizer, &opts, &err), &err);
    s.first = task->valid[0].n_prompt - 1;
    s.last = task->valid[0].n - 1;
    free(logits_of(m, &u, task->valid[0].ids, s.last));
    assert_int_equal(s.n_sites, 3);
    assert_near(got.ratio[0], s.ratio / 3, 1e-4 * got.ratio[0]);
    assert_near(got.task[0].ratio, got.ratio[0], 1e-12);
    assert_true(got.task[0].own > 0 && got.task[0].others > 0);
    for (size_t k = 0; k < TASKS; k++)
        qv__expert_free(s.e[k]);
    qv__update_end(&u);
    qv__bank_free(bank);
    qv__expert_free(zero);
    qv__task_free(task);
    qv__norms_end(&got);
    qv_library_close(lib);
    qv_model_close(m);
}

/* The model's maps in bfloat16 alone, as a file of bfloat16 is where products are of it;
 * the caller frees what is returned. */
static uint16_t *narrow_maps(qv_model *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->c.L * QV_N_MAPS; i++)
        n += m->layer[i / QV_N_MAPS].map[i % QV_N_MAPS].w.D_out *
             m->layer[i / QV_N_MAPS].map[i % QV_N_MAPS].w.D_in;
    uint16_t *all = malloc(n * sizeof *all), *to = all;
    assert_non_null(all);
    for (size_t i = 0; i < m->c.L * QV_N_MAPS; i++) {
        struct qv_weight *w = &m->layer[i / QV_N_MAPS].map[i % QV_N_MAPS].w;
        if (!w->f32)
            continue;
        qv__kern()->to_bf16(to, w->f32, w->D_out * w->D_in);
        w->bf16 = to;
        w->f32 = NULL;
        to += w->D_out * w->D_in;
    }
    m->wants_bf16 = true;
    return all;
}

static void norms_over_a_base_in_bfloat16_differ_by_its_rounding_alone(void **state)
{
    // So long that the targets' rows are not the few that weights are read in place for.
    static const char *const answers[] = {"yes yes no yes yes", "no no yes no no"};
    qv_model *m = make_all(state);
    qv_err err = {0};
    const char *lib = scratch_path(state, "lib");
    const char *const paths[] = {task_at(state, 1)};
    const struct qv_norms_opts opts = {.limit = 4};
    struct qv_norms floats, narrow;
    write_tiny_task(paths[0], 60, "green", answers, 2);
    assert_works(qv__norms(&floats, m, lib, paths, 1, &opts, &err), &err);
    uint16_t *maps = narrow_maps(m);
    assert_works(qv__norms(&narrow, m, lib, paths, 1, &opts, &err), &err);
    assert_int_equal(narrow.n, 4);
    assert_near(narrow.task[0].own, floats.task[0].own, 1e-2 * floats.task[0].own);
    assert_near(narrow.task[0].others, floats.task[0].others, 1e-2 * floats.task[0].others);
    qv__norms_end(&floats);
    qv__norms_end(&narrow);
    qv_model_close(m);
    free(maps);
}

/* A copy of green's expert in the library, which learnt green, too. */
static void add_twin(void **state, const qv_model *m)
{
    qv_library *lib;
    struct qv_expert *e;
    qv_err err = {0};
    assert_works(qv_library_open(&lib, scratch_path(state, "lib"), &err), &err);
    assert_works(qv__library_read(&e, lib, "green", &m->sites, &err), &err);
    e->name = "twin";
    const qv_expert_opts opts = {.meta = {.task = &name[1], .n_tasks = 1}};
    assert_works(qv__library_put(lib, e, &opts, &err), &err);
    qv__expert_free(e);
    qv_library_close(lib);
}

static void of_experts_that_learnt_one_task_the_mean_counts(void **state)
{
    qv_model *m = make_all(state);
    qv_err err = {0};
    const char *lib = scratch_path(state, "lib");
    const char *const paths[] = {task_at(state, 1)};
    const struct qv_norms_opts opts = {.limit = 3};
    struct qv_norms one, two;
    assert_works(qv__norms(&one, m, lib, paths, 1, &opts, &err), &err);
    add_twin(state, m);
    assert_works(qv__norms(&two, m, lib, paths, 1, &opts, &err), &err);
    assert_near(two.task[0].own, one.task[0].own, 1e-6 * one.task[0].own);
    assert_near(two.task[0].others, one.task[0].others, 1e-6 * one.task[0].others);
    assert_near(two.task[0].ratio, one.task[0].ratio, 1e-6 * one.task[0].ratio);
    qv__norms_end(&one);
    qv__norms_end(&two);

    // By chance one of the four is theirs half of the time.
    const qv_reuse_opts who = {.library = lib, .router = "arrow", .top_k = 2};
    struct qv_routing_study got;
    assert_works(qv__routing_study(&got, m, &who, paths, 1,
                                   &(struct qv_routing_opts){.limit = 1}, &err),
                 &err);
    assert_near(got.all.chance, 0.5, 1e-12);
    qv__routing_study_end(&got);
    qv_model_close(m);
}

/* ---- transfer ---- */

static void the_transfer_matrix_is_what_eval_says_of_each_expert_alone(void **state)
{
    qv_model *m = make_all(state);
    qv_err err = {0};
    const char *lib = scratch_path(state, "lib");
    const char *const paths[] = {task_at(state, 0), task_at(state, 1)};
    const qv_eval_opts opts = {.metric = "loglik", .split = "valid"};
    struct qv_transfer t;
    assert_works(qv__transfer(&t, m, lib, paths, 2, &opts, &err), &err);
    assert_int_equal(t.K, 3);
    assert_int_equal(t.T, 2);
    assert_string_equal(t.metric, "loglik");
    for (size_t e = 0; e <= t.K; e++) {
        qv_reuse *reuse = NULL;
        qv_eval_result *r;
        const qv_reuse_opts who = {.library = lib, .expert = t.expert[e % t.K]};
        if (e < t.K)
            assert_works(qv_reuse_open(&reuse, m, &who, &err), &err);
        assert_works(qv_eval(&r, m, reuse, paths, 2, &opts, &err), &err);
        for (size_t i = 0; i < 2; i++)
            assert_near(e < t.K ? t.score[e * 2 + i] : t.base[i], qv_eval_task(r, i)->mean,
                        0);
        qv_eval_free(r);
        qv_reuse_close(reuse);
    }
    for (size_t i = 0; i < 2; i++)
        assert_string_equal(t.expert[t.own[i]], t.task[i]);
    assert_near((double)t.similarity[0], 1, 0);
    assert_int_equal(qv__transfer_correlation(&t).n, 4); // 2 tasks, 2 others each
    qv__transfer_end(&t);
    qv_model_close(m);
}

static int by_value(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

/* The interval of a correlation over pairs of K experts, expert i having learnt task i:
 * 2000 times, tasks are drawn with replacement, their experts with them, and a pair is in
 * the sample as often as both of it were drawn. */
static void slow_interval(double *low, double *high, const struct qv_transfer *t)
{
    enum { DRAWS = 2000, MOST = 4096 };
    double *r = calloc(DRAWS, sizeof *r), x[MOST], y[MOST];
    size_t n_r = 0;
    assert_non_null(r);
    for (size_t k = 0; k < DRAWS; k++) {
        size_t times[16] = {0}, n = 0;
        for (size_t i = 0; i < t->T; i++)
            times[qv__below(qv__seed_of(0, k), i, t->T)]++;
        for (size_t e = 0; e < t->K; e++)
            for (size_t i = 0; i < t->K; i++)
                for (size_t again = 0; e != i && again < times[e] * times[i]; again++) {
                    assert_true(n < MOST);
                    x[n] = (double)t->similarity[e * t->K + i];
                    y[n++] = t->score[e * t->T + i] - t->base[i];
                }
        double one = n ? qv__correlation(x, y, n) : (double)NAN;
        if (isfinite(one))
            r[n_r++] = one;
    }
    qsort(r, n_r, sizeof *r, by_value);
    *low = r[n_r / 40]; // 2.5% on either side
    *high = r[n_r - 1 - n_r / 40];
    free(r);
}

static void the_correlation_is_over_pairs_of_different_experts(void **state)
{
    (void)state;
    // The gain of expert e on the task of another is twice their likeness, less 1. Own
    // gains do not count, nor does the last task, which nobody learnt.
    enum { K = 6, T = 7 };
    const char *names[] = {"a", "b", "c", "d", "e", "f", "g"};
    int own[T] = {0, 1, 2, 3, 4, 5, -1};
    float sim[K * K];
    double base[T] = {-3, -2, -1, -9, 0, -5, -7}, score[K * T];
    for (size_t e = 0; e < K; e++)
        for (size_t i = 0; i < T; i++) {
            double like = e == i ? 1 : 1 / (double)(1 + e + i + e * i);
            if (i < K)
                sim[e * K + i] = (float)like;
            score[e * T + i] = base[i] + (i == T - 1 ? 77 : e == i ? -50 : 2 * like - 1);
        }
    struct qv_transfer t = {.expert = names,
                            .task = names,
                            .own = own,
                            .base = base,
                            .score = score,
                            .similarity = sim,
                            .K = K,
                            .T = T};
    struct qv_correlation c = qv__transfer_correlation(&t);
    assert_int_equal(c.n, K * (K - 1));
    assert_near(c.r, 1, 1e-6);
    assert_near(c.low, 1, 1e-6);
    assert_near(c.high, 1, 1e-6);
    score[1] += 1; // expert a on task b
    c = qv__transfer_correlation(&t);
    assert_true(c.low < c.r && c.r < 0.99 && c.r <= c.high);
    double low, high;
    slow_interval(&low, &high, &t);
    assert_near(c.low, low, 1e-9);
    assert_near(c.high, high, 1e-9);

    const double x[] = {1, 2, 4}, y[] = {2, 1, 0};
    // deviations -4/3, -1/3, 5/3 and 1, 0, -1: -3 over sqrt(42/9 * 2)
    assert_near(qv__correlation(x, y, 3), -3 / sqrt(42.0 / 9 * 2), 1e-12);
    assert_true(isnan(qv__correlation(x, (const double[]){5, 5, 5}, 3)));
}

static void what_cannot_be_studied_is_said_in_a_sentence(void **state)
{
    qv_model *m = make_all(state);
    qv_err err = {0};
    const char *lib = scratch_path(state, "lib");
    const char *const paths[] = {task_at(state, 0)};
    struct qv_routing_study r;
    struct qv_norms s;
    const qv_reuse_opts uniform = {.library = lib, .router = "uniform"};
    assert_fails(qv__routing_study(&r, m, &uniform, paths, 1, NULL, &err), QV_EUNSUPPORTED,
                 &err, "router 'uniform' does not look at tokens");
    qv__routing_study_end(&r);

    write_text(scratch_path(state, "odd.json"),
               "{\"tasks\":[{\"file\":\"red.jsonl\",\"prompt\":\"{prompt}\","
               "\"target\":\"{completion}\"}]}");
    const char *const odd[] = {scratch_path(state, "odd.json")};
    assert_fails(qv__norms(&s, m, lib, odd, 1, NULL, &err), QV_EUNSUPPORTED, &err,
                 "task 'red' has no training and validation parts");
    qv__norms_end(&s);

    static const char *const answers[] = {"x"};
    write_tiny_task(scratch_path(state, "grey.jsonl"), 30, "grey", answers, 1);
    const char *const grey[] = {scratch_path(state, "grey.jsonl")};
    assert_fails(qv__norms(&s, m, lib, grey, 1, NULL, &err), QV_ENOTFOUND, &err,
                 "no expert learnt any of the tasks, or none did not");
    qv__norms_end(&s);

    qv_tokenizer *kept = m->tokenizer;
    m->tokenizer = NULL;
    assert_fails(qv__norms(&s, m, lib, paths, 1, NULL, &err), QV_ENOTFOUND, &err,
                 "the model has no tokenizer to read tasks with");
    m->tokenizer = kept;
    qv__norms_end(&s);

    qv_library *few, *none;
    assert_works(qv_library_open(&few, lib, &err), &err);
    assert_works(qv_library_remove(few, "red", &err), &err);
    assert_works(qv_library_remove(few, "blue", &err), &err);
    qv_library_close(few);
    assert_fails(qv__norms(&s, m, lib, paths, 1, NULL, &err), QV_ENOTFOUND, &err,
                 "1 experts, norms are compared of two");
    qv__norms_end(&s);
    const char *empty = scratch_path(state, "none");
    assert_works(qv_library_create(&none, empty, NULL, &err), &err);
    qv_library_close(none);
    struct qv_transfer t;
    assert_fails(qv__transfer(&t, m, empty, paths, 1, NULL, &err), QV_ENOTFOUND, &err,
                 "the library has no experts");
    qv__transfer_end(&t);
    qv_model_close(m);
}

static bool stop(void *arg, const char *what, double done, double of, const char *unit)
{
    (void)arg;
    (void)what;
    (void)done;
    (void)of;
    (void)unit;
    return true;
}

static void a_study_can_be_stopped(void **state)
{
    qv_model *m = make_all(state);
    qv_err err = {0};
    const char *const paths[] = {task_at(state, 0)};
    struct qv_norms s;
    const struct qv_norms_opts opts = {.progress = {.fn = stop}};
    assert_fails(qv__norms(&s, m, scratch_path(state, "lib"), paths, 1, &opts, &err),
                 QV_ECANCEL, &err, "stopped after 0 of 1 tasks");
    qv__norms_end(&s);
    qv_model_close(m);
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, make_scratch, remove_scratch)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(routing_is_what_a_pass_an_example_shows),
        IN_SCRATCH(a_task_nobody_learnt_has_an_entropy_and_no_agreement),
        IN_SCRATCH(where_in_a_prompt_an_expert_can_be_told_is_worked_out_by_hand),
        IN_SCRATCH(norms_are_those_of_the_whole_updates_of_the_bases_inputs),
        IN_SCRATCH(norms_over_a_base_in_bfloat16_differ_by_its_rounding_alone),
        IN_SCRATCH(of_experts_that_learnt_one_task_the_mean_counts),
        IN_SCRATCH(the_transfer_matrix_is_what_eval_says_of_each_expert_alone),
        cmocka_unit_test(the_correlation_is_over_pairs_of_different_experts),
        IN_SCRATCH(what_cannot_be_studied_is_said_in_a_sentence),
        IN_SCRATCH(a_study_can_be_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
