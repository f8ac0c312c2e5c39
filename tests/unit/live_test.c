/* live_test.c - a library that changes under its readers: what was begun ends as it began,
 * what comes into the directory is seen, what is bad is refused, and memory is kept.
 *
 * Answers are compared to the last bit with those of a roster that was opened on the same
 * directory when nothing moved.
 */
#include "server/live.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/rng.h"
#include "base/watch.h"
#include "library/library.h"
#include "lora/peft.h"
#include "server/engine.h"
#include "support/experts.h"
#include "support/place.h"
#include "support/scratch.h"
#include "support/tiny.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PROMPT = 21, NEW = 12, CHUNK = 8, LINES = 64 };

/* A model, a library of the experts a, b and c, and the roster over it. */
struct stage {
    qv_model *m;
    const char *dir;
    char *path; // of the library, in it; owned
    qv_library *lib;
    struct qv_roster *roster;
    struct qv_live *live;
    struct qv_engine *engine;
    pthread_mutex_t lock;
    char line[LINES][256]; // of the log
    size_t n_lines;
};

static struct qv_expert *expert_over(const qv_model *m, const char *name, uint64_t seed)
{
    struct qv_expert_shape shape[64];
    size_t n = 0;
    for (size_t i = 0; i < m->sites.n && n < QV_COUNT(shape); i++)
        if (qv__below(seed, i, 4)) // not every site
            shape[n++] = (struct qv_expert_shape){.path = m->sites.at[i].path,
                                                  .D_in = m->sites.at[i].D_in,
                                                  .D_out = m->sites.at[i].D_out,
                                                  .R = 1 + seed % 3,
                                                  .alpha = 0.05f};
    return expert_drawn(name, shape, n, seed);
}

static void put(const struct stage *s, const char *name, uint64_t seed)
{
    struct qv_expert *e = expert_over(s->m, name, seed);
    qv_err err;
    assert_works(qv__library_put(s->lib, e, &(qv_expert_opts){.replace = true}, &err),
                 &err);
    qv__expert_free(e);
}

static void on_line(void *arg, const char *sentence)
{
    struct stage *s = arg;
    pthread_mutex_lock(&s->lock);
    if (s->n_lines < LINES)
        snprintf(s->line[s->n_lines++], sizeof s->line[0], "%s", sentence);
    pthread_mutex_unlock(&s->lock);
}

static void go_live(struct stage *s, size_t memory)
{
    const struct qv_live_opts o = {.memory = memory, .log = on_line, .arg = s};
    qv_err err;
    assert_works(qv__roster_open(&s->roster, s->m, s->lib, &err), &err);
    assert_works(qv__live_open(&s->live, s->roster, s->lib, s->m, &o, &err), &err);
}

static struct qv_engine *engine_of(const qv_model *m, size_t prefix_bytes)
{
    const struct qv_engine_opts o = {
        .n_slots = 6, .chunk = CHUNK, .prefix_bytes = prefix_bytes};
    struct qv_engine *e;
    qv_err err;
    assert_works(qv__engine_new(&e, m, &o, &err), &err);
    return e;
}

static void open_stage(struct stage *s, void **state, size_t memory)
{
    qv_err err;
    *s = (struct stage){.m = tiny_model(scratch_path(state, "m"), 1), .dir = at("stage")};
    assert_works(qv__make_dir(s->dir, &err), &err);
    pthread_mutex_init(&s->lock, NULL);
    s->path = malloc(256);
    assert_non_null(s->path);
    snprintf(s->path, 256, "%s/lib", s->dir);
    assert_works(qv_library_create(&s->lib, s->path, NULL, &err), &err);
    put(s, "a", 1), put(s, "b", 2), put(s, "c", 3);
    go_live(s, memory);
    s->engine = engine_of(s->m, (size_t)64 << 20);
}

static void end_stage(struct stage *s)
{
    qv_err err;
    qv__engine_free(s->engine);
    qv__live_close(s->live);
    qv__roster_close(s->roster);
    qv_library_close(s->lib);
    qv_model_close(s->m);
    assert_works(qv__remove_tree(s->dir, &err), &err);
    pthread_mutex_destroy(&s->lock);
    free(s->path);
}

/* Who can be asked for, by number. */
enum { SOME = 4, BY_HAND = 5 };
static struct qv_choice choices[] = {
    {.router = "arrow", .top_k = 2},
    {.router = "arrow"},
    {.expert = "a"},
    {.router = "uniform"},
    [SOME] = {.router = "arrow", .top_k = 2},
    [BY_HAND] = {.compose = QV_COMPOSE_FACTOR},
    {.router = "arrow_vote"},
    {.router = "spectr"},
    {.router = "arrow_mean"},
    {.router = "lag"},
    {.router = "arrow_norm"},
    {.router = "arrow_wide"},
};

static json_t *some, *by_hand;

static int make_choices(void **state)
{
    qv_err err;
    static const char like[] = "[\"a*\",\"c\"]", weights[] = "{\"a\":0.5,\"c\":1}";
    assert_works(qv__json_parse(&some, like, strlen(like), &err), &err);
    assert_works(qv__json_parse(&by_hand, weights, strlen(weights), &err), &err);
    choices[SOME].wanted.experts = some;
    choices[BY_HAND].wanted.weights = by_hand;
    return open_place(state);
}

static int end_choices(void **state)
{
    json_decref(some), json_decref(by_hand);
    return close_place(state);
}

static struct qv_who *who_of(const struct stage *s, struct qv_choice choice)
{
    struct qv_who *w;
    const char *param;
    qv_err err;
    assert_works(qv__roster_bind(&w, s->roster, &choice, &param, &err), &err);
    return w;
}

/* A job that shares `who`, taken by the engine. */
static struct qv_job *begun(const struct stage *s, struct qv_who *who, uint64_t seed)
{
    int prompt[PROMPT];
    struct qv_job *job;
    qv_err err;
    for (size_t i = 0; i < PROMPT; i++)
        prompt[i] = (int)qv__below(seed, i, s->m->c.V);
    const struct qv_job_opts o = {.prompt = prompt,
                                  .n_prompt = PROMPT,
                                  .max_new = NEW,
                                  .end = {-1, -1},
                                  .wants_logprobs = true,
                                  .reuse = qv__who_reuse(who),
                                  .who_id = qv__who_id(who),
                                  .who = who,
                                  .keep = qv__who_keep,
                                  .let_go = qv__who_let_go};
    assert_works(qv__job_new(&job, &o, &err), &err);
    assert_works(qv__engine_submit(s->engine, &job, 1, &err), &err);
    return job;
}

struct said {
    struct qv_likely at[NEW];
};

static struct said ended(struct qv_job *job)
{
    struct said said;
    enum qv_finish finish;
    assert_int_equal(qv__job_wait(job, NEW - 1, 100, &finish), NEW);
    qv__job_wait(job, SIZE_MAX - 1, 100, &finish);
    assert_int_equal(finish, QV_FINISH_LENGTH);
    memset(&said, 0, sizeof said);
    for (size_t i = 0; i < NEW; i++)
        said.at[i] = qv__job_said(job, i);
    qv__job_release(job);
    return said;
}

static struct said asked(const struct stage *s, struct qv_choice choice, uint64_t seed)
{
    struct qv_who *who = who_of(s, choice);
    struct said said = ended(begun(s, who, seed));
    qv__who_let_go(who);
    return said;
}

/* What a roster says that is opened on the directory as it is now, to an engine that has
 * read nothing before. */
static struct said said_anew(const struct stage *s, struct qv_choice choice, uint64_t seed)
{
    struct stage anew = {.m = s->m, .lib = s->lib, .engine = engine_of(s->m, 0)};
    pthread_mutex_init(&anew.lock, NULL);
    go_live(&anew, 0);
    struct said said = asked(&anew, choice, seed);
    qv__engine_free(anew.engine);
    qv__live_close(anew.live);
    qv__roster_close(anew.roster);
    pthread_mutex_destroy(&anew.lock);
    return said;
}

#define assert_same_said(x, y)                                                             \
    do {                                                                                   \
        struct said x_ = (x), y_ = (y);                                                    \
        assert_memory_equal(&x_, &y_, sizeof x_);                                          \
    } while (0)

/* An adapter's directory in the scratch one, of an expert with that seed. */
static const char *adapter(void **state, const struct stage *s, const char *name,
                           uint64_t seed)
{
    const char *dir = scratch_path(state, name);
    struct qv_expert *e = expert_over(s->m, name, seed);
    qv_err err;
    assert_works(qv__make_dir(dir, &err), &err);
    assert_works(qv__peft_write(e, dir, &err), &err);
    qv__expert_free(e);
    return dir;
}

static size_t add(const struct stage *s, const char *name, const char *dir, bool is_new)
{
    bool was_new;
    size_t generation;
    qv_err err;
    assert_works(qv__live_add(s->live, name, &(struct qv_arrival){.dir = dir}, &was_new,
                              &generation, &err),
                 &err);
    assert_int_equal(was_new, is_new);
    return generation;
}

static size_t removed(const struct stage *s, const char *name)
{
    size_t generation;
    qv_err err;
    assert_works(qv__live_remove(s->live, name, &generation, &err), &err);
    return generation;
}

static size_t generation_now(const struct stage *s)
{
    struct qv_generation *g = qv__roster_now(s->roster);
    size_t n = qv__generation_number(g);
    qv__roster_back(s->roster, g);
    return n;
}

static bool knows(const struct stage *s, const char *name)
{
    struct qv_generation *g = qv__roster_now(s->roster);
    bool is_there = qv__generation_find(g, name) < qv__generation_size(g);
    qv__roster_back(s->roster, g);
    return is_there;
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
}

static void await_generation(const struct stage *s, size_t least)
{
    for (double until = qv__seconds() + 30; generation_now(s) < least; nap())
        if (qv__seconds() > until)
            fail_msg("the generation is still %zu", generation_now(s));
}

static size_t lines_with(struct stage *s, const char *words)
{
    size_t n = 0;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->n_lines; i++)
        n += strstr(s->line[i], words) != NULL;
    pthread_mutex_unlock(&s->lock);
    return n;
}

static void await_line(struct stage *s, const char *words)
{
    for (double until = qv__seconds() + 30; !lines_with(s, words); nap())
        if (qv__seconds() > until)
            fail_msg("the log never says '%s'; it ends with '%s'", words,
                     s->n_lines ? s->line[s->n_lines - 1] : "");
}

/* ---- generations ---- */

static void what_was_begun_ends_under_its_generation(void **state)
{
    struct stage s;
    open_stage(&s, state, 0);
    for (size_t i = 0; i < QV_COUNT(choices); i++) {
        struct qv_who *before = who_of(&s, choices[i]);
        struct said first = ended(begun(&s, before, i));
        assert_same_said(first, said_anew(&s, choices[i], i));
        size_t number = add(&s, "aa", adapter(state, &s, "x", 4), true);
        assert_int_equal(number, qv__who_generation(before) + 1);
        struct said with = asked(&s, choices[i], i);
        assert_same_said(first, ended(begun(&s, before, i)));
        assert_same_said(with, said_anew(&s, choices[i], i));
        if (choices[i].router)
            assert_memory_not_equal(&with, &first, sizeof with);
        add(&s, "aa", adapter(state, &s, "y", 5), false);
        struct said other = asked(&s, choices[i], i);
        assert_same_said(other, said_anew(&s, choices[i], i));
        if (choices[i].router)
            assert_memory_not_equal(&other, &with, sizeof with);
        assert_int_equal(removed(&s, "aa"), number + 2);
        assert_same_said(first, asked(&s, choices[i], i));
        assert_same_said(first, ended(begun(&s, before, i)));
        qv__who_let_go(before);
    }
    end_stage(&s);
}

static size_t recalled(const struct stage *s, struct qv_choice choice)
{
    struct qv_who *who = who_of(s, choice);
    struct qv_job *job = begun(s, who, 1);
    enum qv_finish finish;
    qv__job_wait(job, SIZE_MAX - 1, 100, &finish);
    size_t n = qv__job_recalled(job);
    ended(job);
    qv__who_let_go(who);
    return n;
}

/* An expert by itself, and weights, are what they were in every generation. */
static void what_a_prompt_left_lasts_as_long_as_who_answered_it(void **state)
{
    struct stage s;
    open_stage(&s, state, 0);
    for (size_t i = 0; i < QV_COUNT(choices); i++)
        assert_int_equal(recalled(&s, choices[i]), 0);
    for (size_t i = 0; i < QV_COUNT(choices); i++)
        assert_int_equal(recalled(&s, choices[i]), PROMPT / CHUNK * CHUNK);
    add(&s, "d", adapter(state, &s, "x", 4), true);
    for (size_t i = 0; i < QV_COUNT(choices); i++)
        assert_int_equal(recalled(&s, choices[i]),
                         choices[i].router ? 0 : PROMPT / CHUNK * CHUNK);
    add(&s, "a", adapter(state, &s, "y", 5), false);
    for (size_t i = 0; i < QV_COUNT(choices); i++)
        assert_int_equal(recalled(&s, choices[i]), 0);
    end_stage(&s);
}

/* What the thread below does meanwhile. */
struct changer {
    struct stage *s;
    const char *dir[2];
    atomic_bool stops;
    size_t n;
};

static void *change(void *arg)
{
    struct changer *c = arg;
    bool is_new;
    size_t generation;
    for (; !atomic_load(&c->stops); c->n++) {
        const struct qv_arrival from = {.dir = c->dir[c->n % 2]};
        qv_status result =
            c->n % 3 == 2
                ? qv__live_remove(c->s->live, "aa", &generation, NULL)
                : qv__live_add(c->s->live, "aa", &from, &is_new, &generation, NULL);
        qv_check(!result);
        nap();
    }
    return NULL;
}

/* The library goes through the same six contents again and again, so that the number of a
 * generation says what its answers are. */
static void answers_are_right_while_experts_come_and_go(void **state)
{
    enum { JOBS = 120, CONTENTS = 6, WAYS = 6 };
    struct stage s;
    struct said want[CONTENTS][WAYS];
    open_stage(&s, state, 0);
    struct changer c = {.s = &s,
                        .dir = {adapter(state, &s, "x", 4), adapter(state, &s, "y", 5)}};
    const size_t start = generation_now(&s);
    for (size_t i = 0; i < CONTENTS; i++) {
        for (size_t k = 0; k < WAYS; k++)
            want[i][k] = asked(&s, choices[k], k);
        if (i % 3 == 2)
            removed(&s, "aa");
        else
            add(&s, "aa", c.dir[i % 2], i % 3 == 0);
    }
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, change, &c), 0);
    for (size_t i = 0; i < JOBS; i += 6) {
        struct qv_job *job[6];
        size_t content[6];
        for (size_t j = 0; j < 6; j++) {
            struct qv_who *who = who_of(&s, choices[(i + j) % WAYS]);
            content[j] = (qv__who_generation(who) - start) % CONTENTS;
            job[j] = begun(&s, who, (i + j) % WAYS);
            qv__who_let_go(who);
        }
        for (size_t j = 0; j < 6; j++)
            assert_same_said(ended(job[j]), want[content[j]][(i + j) % WAYS]);
    }
    atomic_store(&c.stops, true);
    pthread_join(thread, NULL);
    assert_true(c.n > 1);
    end_stage(&s);
}

static void a_router_says_which_expert_lacks_what_it_needs(void **state)
{
    struct stage s;
    struct qv_who *w;
    const char *param;
    qv_err err;
    open_stage(&s, state, 0);
    assert_fails(qv__roster_bind(&w, s.roster, &(struct qv_choice){.router = "centroid"},
                                 &param, &err),
                 QV_ENOTFOUND, &err, "expert 'a' has no artifact 'centroid'");
    assert_fails(qv__roster_bind(&w, s.roster, &(struct qv_choice){.router = "oracle"},
                                 &param, &err),
                 QV_ENOTFOUND, &err, "no router is named 'oracle' here");
    assert_fails(qv__roster_bind(&w, s.roster,
                                 &(struct qv_choice){.router = "uniform", .top_k = 2},
                                 &param, &err),
                 QV_EFORMAT, &err, "the router 'uniform' has no top-k and no temperature");
    assert_fails(
        qv__roster_bind(&w, s.roster, &(struct qv_choice){.expert = "z"}, &param, &err),
        QV_ENOTFOUND, &err, "no expert is named 'z'");
    end_stage(&s);
}

static void the_map_puts_twins_together_and_lasts_a_generation(void **state)
{
    struct stage s;
    const float *xy, *again;
    qv_err err;
    open_stage(&s, state, 0);
    add(&s, "b2", adapter(state, &s, "x", 2), true); // the same weights as b
    struct qv_generation *g = qv__roster_now(s.roster);
    assert_works(qv__generation_map(&xy, g, &err), &err);
    assert_works(qv__generation_map(&again, g, &err), &err);
    assert_ptr_equal(xy, again);
    assert_close(xy + 2, xy + 4, 2, 1e-3, 0); // b and b2
    double apart = 0;
    for (size_t i = 0; i < 2; i++)
        apart += (double)((xy[i] - xy[2 + i]) * (xy[i] - xy[2 + i]));
    assert_true(apart > 0.01);
    qv__roster_back(s.roster, g);
    end_stage(&s);
}

/* ---- the directory ---- */

static void copy(const char *from, const char *to, size_t most)
{
    struct qv_map map;
    qv_err err;
    assert_works(qv__map(&map, from, &err), &err);
    assert_works(qv__write_file(to, map.bytes, qv__min(map.size, most), &err), &err);
    qv__unmap(&map);
}

static const char *const files[] = {"adapter_config.json", "expert.json",
                                    "adapter_model.safetensors"};

/* The first n files of expert `from` as expert `to`, the last with `most` bytes. */
static void copy_expert(const struct stage *s, const char *from, const char *to, size_t n,
                        size_t most)
{
    char was[300], is[300];
    qv_err err;
    snprintf(is, sizeof is, "%s/%s", s->path, to);
    assert_works(qv__make_dir(is, &err), &err);
    for (size_t i = 0; i < n; i++) {
        snprintf(was, sizeof was, "%s/%s/%s", s->path, from, files[i]);
        snprintf(is, sizeof is, "%s/%s/%s", s->path, to, files[i]);
        copy(was, is, i + 1 < n ? SIZE_MAX : most);
    }
}

static void a_directory_that_comes_changes_or_goes_is_seen(void **state)
{
    struct stage s;
    qv_err err;
    char other[300], gone[300];
    open_stage(&s, state, 0);
    size_t n = generation_now(&s);
    copy_expert(&s, "a", "d", 3, SIZE_MAX); // copied, as with cp
    await_generation(&s, n + 1);
    assert_true(knows(&s, "d"));
    assert_same_said(asked(&s, choices[1], 1), said_anew(&s, choices[1], 1));
    n = generation_now(&s);
    put(&s, "d", 7); // replaced, by another program
    await_generation(&s, n + 1);
    assert_same_said(asked(&s, (struct qv_choice){.expert = "d"}, 1),
                     said_anew(&s, (struct qv_choice){.expert = "d"}, 1));
    n = generation_now(&s);
    snprintf(other, sizeof other, "%s/d", s.path);
    snprintf(gone, sizeof gone, "%s/elsewhere", s.dir);
    assert_int_equal(rename(other, gone), 0); // moved away
    await_generation(&s, n + 1);
    assert_false(knows(&s, "d"));
    n = generation_now(&s);
    assert_int_equal(rename(gone, other), 0); // and back
    await_generation(&s, n + 1);
    assert_works(qv__remove_tree(other, &err), &err);
    await_generation(&s, n + 2);
    assert_false(knows(&s, "d"));
    n = generation_now(&s);
    assert_works(qv_library_set_score(s.lib, "b", &(qv_score){"t", "rouge_l", 0.5}, &err),
                 &err);
    await_generation(&s, n + 1);
    struct qv_generation *g = qv__roster_now(s.roster);
    assert_int_equal(qv__generation_held(g, 1)->info.meta.n_scores, 1);
    qv__roster_back(s.roster, g);
    assert_int_equal(s.n_lines, 0);
    struct qv_live_counts c = qv__live_counts(s.live);
    assert_int_equal(c.n_adds, 3 + 2);
    assert_int_equal(c.n_replaces, 2);
    assert_int_equal(c.n_removes, 2);
    end_stage(&s);
}

static void half_a_copy_is_refused_in_one_line_and_taken_when_it_is_whole(void **state)
{
    struct stage s;
    open_stage(&s, state, 0);
    size_t n = generation_now(&s);
    copy_expert(&s, "a", "half", 3, 1000);
    copy_expert(&s, "b", "bare", 1, SIZE_MAX); // only a config so far
    await_line(&s, "refused: expert 'half': adapter_model.safetensors:");
    await_line(&s, "refused: expert 'bare': expert.json: No such file");
    assert_int_equal(generation_now(&s), n);
    copy_expert(&s, "c", "d", 3, SIZE_MAX); // the others go on
    await_generation(&s, n + 1);
    for (int i = 0; i < 75; i++) // more than one look
        nap();
    assert_int_equal(lines_with(&s, "half"), 1);
    assert_int_equal(lines_with(&s, "bare"), 1);
    assert_int_equal(qv__live_counts(s.live).n_refusals, 2);
    copy_expert(&s, "a", "half", 3, SIZE_MAX);
    await_generation(&s, n + 2);
    assert_true(knows(&s, "half"));
    end_stage(&s);
}

static void a_bad_version_leaves_the_good_one_that_was_read(void **state)
{
    struct stage s;
    char path[300];
    open_stage(&s, state, 0);
    struct said was = asked(&s, choices[2], 1);
    size_t n = generation_now(&s);
    for (size_t i = 0; i < 3; i += 2) { // weights of b, facts of a
        char from[300];
        snprintf(from, sizeof from, "%s/b/%s", s.path, files[i]);
        snprintf(path, sizeof path, "%s/a/%s", s.path, files[i]);
        copy(from, path, SIZE_MAX);
    }
    await_line(&s, "refused: the version before stays: expert 'a': its hash is ");
    assert_int_equal(generation_now(&s), n);
    assert_same_said(was, asked(&s, choices[2], 1));
    end_stage(&s);
}

static void a_plain_adapter_becomes_an_expert_of_the_library(void **state)
{
    struct stage s;
    qv_err err;
    char to[300], meta[320];
    open_stage(&s, state, 0);
    size_t n = generation_now(&s);
    const char *from = adapter(state, &s, "x", 6);
    snprintf(to, sizeof to, "%s/plain", s.path);
    snprintf(meta, sizeof meta, "%s/expert.json", to);
    assert_works(qv__make_dir(to, &err), &err);
    for (size_t i = 0; i < 3; i += 2) {
        char a[300], b[600];
        snprintf(a, sizeof a, "%s/%s", from, files[i]);
        snprintf(b, sizeof b, "%s/%s", to, files[i]);
        copy(a, b, SIZE_MAX);
    }
    await_generation(&s, n + 1);
    assert_true(knows(&s, "plain"));
    assert_true(qv__is_file(meta));
    size_t n_problems;
    assert_works(qv_library_verify(s.lib, NULL, NULL, &n_problems, &err), &err);
    assert_int_equal(n_problems, 0);
    end_stage(&s);
}

static void at_the_start_what_is_bad_is_refused_and_the_rest_is_served(void **state)
{
    struct stage s;
    qv_err err;
    open_stage(&s, state, 0);
    qv__live_close(s.live);
    qv__roster_close(s.roster);
    copy_expert(&s, "a", "half", 3, 1000);
    char left[300], file[320];
    snprintf(left, sizeof left, "%s/.tmp/1-0", s.path); // of a writer that died
    snprintf(file, sizeof file, "%s/weights", left);
    assert_works(qv__make_dir(left, &err), &err);
    write_text(file, "half a file");
    go_live(&s, 0);
    assert_int_equal(lines_with(&s, "refused: expert 'half'"), 1);
    assert_true(knows(&s, "a") && knows(&s, "c") && !knows(&s, "half"));
    assert_false(qv__is_dir(left));
    assert_int_equal(generation_now(&s), 1);
    end_stage(&s);
}

static void a_library_over_another_model_is_none(void **state)
{
    struct stage s;
    struct qv_live *live;
    qv_library *lib;
    qv_err err;
    char path[300], hash[65];
    memset(hash, '7', sizeof hash - 1), hash[64] = '\0';
    open_stage(&s, state, 0);
    snprintf(path, sizeof path, "%s/other", s.dir);
    assert_works(qv_library_create(&lib, path, &(qv_library_opts){.base_hash = hash}, &err),
                 &err);
    assert_fails(qv__live_open(&live, s.roster, lib, s.m, &(struct qv_live_opts){0}, &err),
                 QV_EFORMAT, &err, "but the library's is '?' (777777777777)");
    qv_library_close(lib);
    struct qv_arrival from = {.dir = adapter(state, &s, "x", 4),
                              .meta = {.base_hash = hash}};
    bool is_new;
    size_t generation, n = generation_now(&s);
    assert_fails(qv__live_add(s.live, "x", &from, &is_new, &generation, &err), QV_EFORMAT,
                 &err, "its base model is 777777777777, the server's is ");
    from.meta.base_hash = NULL;
    from.hash = hash;
    assert_fails(qv__live_add(s.live, "x", &from, &is_new, &generation, &err), QV_EFORMAT,
                 &err, "expert.json says 777777777777");
    assert_int_equal(generation_now(&s), n);
    assert_fails(qv__live_remove(s.live, "x", &generation, &err), QV_ENOTFOUND, &err,
                 "no expert 'x'");
    end_stage(&s);
}

/* ---- memory ---- */

static void the_budget_of_memory_is_kept_and_changes_no_answer(void **state)
{
    enum { MORE = 9 };
    struct stage s;
    open_stage(&s, state, 0);
    for (size_t i = 0; i < MORE; i++) {
        char name[8];
        snprintf(name, sizeof name, "m%zu", i);
        put(&s, name, 10 + i);
    }
    struct said want[3];
    for (size_t i = 0; i < 3; i++)
        want[i] = said_anew(&s, choices[i], i);
    qv__live_close(s.live);
    qv__roster_close(s.roster);
    go_live(&s, 0);
    size_t all = qv__live_counts(s.live).resident;
    qv__live_close(s.live);
    qv__roster_close(s.roster);
    const size_t budget = all / 4;
    go_live(&s, budget);
    assert_int_equal(qv__live_counts(s.live).resident, 0); // none was used
    for (size_t round = 0; round < 4; round++) {
        for (size_t i = 0; i < 3; i++)
            assert_same_said(want[i], asked(&s, choices[i], i));
        for (int i = 0; i < 15; i++) // the keeper looks ten times a second
            nap();
        size_t now = qv__live_counts(s.live).resident;
        assert_true(now > 0 && now <= budget);
    }
    assert_true(qv__live_counts(s.live).n_rests > 0);
    end_stage(&s);
}

static void a_watch_tells_of_names_and_of_calls(void **state)
{
    struct qv_watch w;
    qv_err err;
    assert_works(qv__watch_init(&w, scratch_path(state, ""), &err), &err);
    assert_false(qv__watch_wait(&w, 0.001));
    qv__watch_call(&w);
    double begun = qv__seconds();
    assert_false(qv__watch_wait(&w, 20)); // called before
    write_text(scratch_path(state, "new"), "x");
    assert_true(w.events < 0 || qv__watch_wait(&w, 20));
    assert_true(qv__seconds() - begun < 15);
    assert_false(qv__watch_wait(&w, 0.001)); // told once
    qv__watch_end(&w);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_scratch, remove_scratch)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_begun_ends_under_its_generation),
        TEST(what_a_prompt_left_lasts_as_long_as_who_answered_it),
        TEST(answers_are_right_while_experts_come_and_go),
        TEST(a_router_says_which_expert_lacks_what_it_needs),
        TEST(the_map_puts_twins_together_and_lasts_a_generation),
        TEST(a_directory_that_comes_changes_or_goes_is_seen),
        TEST(half_a_copy_is_refused_in_one_line_and_taken_when_it_is_whole),
        TEST(a_bad_version_leaves_the_good_one_that_was_read),
        TEST(a_plain_adapter_becomes_an_expert_of_the_library),
        TEST(at_the_start_what_is_bad_is_refused_and_the_rest_is_served),
        TEST(a_library_over_another_model_is_none),
        TEST(the_budget_of_memory_is_kept_and_changes_no_answer),
        TEST(a_watch_tells_of_names_and_of_calls),
    };
    return cmocka_run_group_tests(tests, make_choices, end_choices);
}
