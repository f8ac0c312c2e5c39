/* prefix_test.c - what prompts begin with is computed once, and answers are those without
 * that, to the last bit, for everybody who can answer.
 */
#include "server/prefix.h"
#include "base/rng.h"
#include "server/engine.h"
#include "support/scratch.h"
#include "support/stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 8, NEW = 6, N_TOP = 2, MAX_PROMPT = 64, ROOM = 1 << 24 };

static struct stage stage;

static int open_stage(void **state)
{
    (void)state;
    stage.m = wide_model();
    bind_all(&stage);
    return 0;
}

static int close_stage(void **state)
{
    (void)state;
    end_stage(&stage);
    return 0;
}

static struct qv_engine *engine_of(size_t bytes)
{
    const struct qv_engine_opts opts = {.chunk = CHUNK, .prefix_bytes = bytes};
    struct qv_engine *e;
    qv_err err;
    assert_works(qv__engine_new(&e, stage.m, &opts, &err), &err);
    return e;
}

/* A prompt of n tokens: the first n_same as in every other, the rest its own. */
struct asks {
    size_t who, n, n_same;
    bool wants_prompt;
};

static struct qv_job *job_of(const struct asks *a)
{
    struct qv_job *job;
    int prompt[MAX_PROMPT];
    char id[16];
    qv_err err;
    snprintf(id, sizeof id, "who %zu", a->who);
    for (size_t i = 0; i < a->n; i++)
        prompt[i] =
            (int)qv__below(i < a->n_same ? 1 : 1000 * a->n + a->n_same, i, stage.m->c.V);
    const struct qv_job_opts o = {.prompt = prompt,
                                  .n_prompt = a->n,
                                  .max_new = NEW,
                                  .end = {-1, -1},
                                  .n_top = N_TOP,
                                  .wants_logprobs = true,
                                  .wants_prompt = a->wants_prompt,
                                  .reuse = stage.who[a->who],
                                  .who_id = strdup(id)};
    assert_works(qv__job_new(&job, &o, &err), &err);
    return job;
}

static void end_job(struct qv_job *job)
{
    free((void *)(uintptr_t)qv__job_opts(job)->who_id);
    qv__job_release(job);
}

static struct qv_job *answered(struct qv_engine *e, const struct asks *a)
{
    struct qv_job *job = job_of(a);
    enum qv_finish finish;
    qv_err err;
    assert_works(qv__engine_submit(e, &job, 1, &err), &err);
    assert_int_equal(qv__job_wait(job, SIZE_MAX, 100, &finish), NEW);
    assert_int_equal(finish, QV_FINISH_LENGTH);
    return job;
}

static void assert_same_answer(struct qv_job *a, struct qv_job *b)
{
    for (size_t i = 0; i < NEW; i++) {
        struct qv_likely x = qv__job_said(a, i), y = qv__job_said(b, i);
        assert_memory_equal(&x, &y, sizeof x);
        assert_memory_equal(qv__job_top(a, i), qv__job_top(b, i), N_TOP * sizeof x);
    }
}

/* On an engine that remembers, and on one that does not; how many tokens were recalled. */
static size_t checked(struct qv_engine *with, struct qv_engine *without,
                      const struct asks *a)
{
    struct qv_job *x = answered(with, a), *y = answered(without, a);
    size_t n = qv__job_recalled(x);
    assert_int_equal(qv__job_recalled(y), 0);
    assert_same_answer(x, y);
    end_job(x), end_job(y);
    return n;
}

static void prompts_that_begin_alike_answer_as_if_they_were_alone(void **state)
{
    (void)state;
    struct qv_engine *with = engine_of(ROOM), *without = engine_of(0);
    size_t n_all = 0;
    for (size_t i = 0; i < stage.n_who; i++) {
        const qv_reuse *r = stage.who[i];
        const bool reads = r && r->router && r->router->ops->reads;
        static const struct {
            struct asks asks;
            size_t n;       // tokens recalled
            size_t n_reads; // by a router that reads the prompt
        } as[] = {
            {{0, 20, 20, false}, 0, 0},   {{0, 20, 20, false}, 8, 8}, // its last has 12
            {{0, 30, 17, false}, 8, 0},   {{0, 24, 24, false}, 16, 0},
            {{0, 32, 24, false}, 24, 0},  {{0, 9, 3, false}, 0, 0},
            {{0, 20, 20, true}, 0, 0},    {{0, 40, 40, false}, 24, 0},
            {{0, 40, 40, false}, 32, 32}, {{0, 8, 8, false}, 0, 0},
        };
        for (size_t j = 0; j < QV_COUNT(as); j++) {
            struct asks a = as[j].asks;
            a.who = i;
            size_t n = checked(with, without, &a);
            assert_int_equal(n, reads ? as[j].n_reads : as[j].n);
            n_all += n;
        }
    }
    assert_int_equal(qv__engine_counts(with).n_recalled, n_all);
    assert_true(qv__engine_counts(with).prefix_bytes <= ROOM);
    assert_int_equal(qv__engine_counts(without).prefix_bytes, 0);
    qv__engine_free(with);
    qv__engine_free(without);
}

static size_t bytes_of_chunk(void)
{
    return 2 * stage.m->c.L * CHUNK * stage.m->c.Hk * stage.m->c.E * sizeof(float);
}

static void answers_are_right_while_chunks_come_and_go(void **state)
{
    (void)state;
    const size_t room = 5 * (bytes_of_chunk() + 512); // for five chunks
    struct qv_engine *with = engine_of(room), *without = engine_of(0);
    size_t n_all = 0;
    for (size_t i = 0; i < 60; i++) {
        const struct asks a = {.who = qv__below(1, i, 3) * 4,
                               .n = 1 + qv__below(2, i, MAX_PROMPT),
                               .n_same = qv__below(3, i, MAX_PROMPT)};
        n_all += checked(with, without, &a);
        assert_true(qv__engine_counts(with).prefix_bytes <= room);
    }
    assert_true(n_all > 0);
    qv__engine_free(with);
    qv__engine_free(without);
}

static void many_at_once_share_what_the_first_has_left(void **state)
{
    (void)state;
    enum { N = 12 };
    struct qv_engine *with = engine_of(ROOM), *without = engine_of(0);
    struct qv_job *x[N], *y[N];
    enum qv_finish finish;
    qv_err err;
    for (size_t i = 0; i < N; i++) {
        const struct asks a = {.who = 4, .n = 33 + i, .n_same = 33};
        x[i] = job_of(&a);
        y[i] = answered(without, &a);
    }
    assert_works(qv__engine_submit(with, x, N, &err), &err);
    for (size_t i = 0; i < N; i++) {
        qv__job_wait(x[i], SIZE_MAX, 100, &finish);
        assert_same_answer(x[i], y[i]);
        // From 37 tokens on the last chunk begins at 32.
        assert_int_equal(qv__job_recalled(x[i]), i == 0 ? 0 : i <= 4 ? 24 : 32);
        end_job(x[i]), end_job(y[i]);
    }
    qv__engine_free(with);
    qv__engine_free(without);
}

/* ---- the cache alone ---- */

/* Chunks named by letters, "ab" b after a: kept, or looked for; how many are there. */
static size_t put(struct qv_prefix *p, const char *name, bool keeps)
{
    struct qv_chain c;
    struct qv_cache cache;
    int token[4 * CHUNK];
    size_t n = strlen(name);
    qv_err err;
    assert_works(qv__cache_init(&cache, stage.m, 4 * CHUNK, &err), &err);
    for (size_t i = 0; i < n * CHUNK; i++)
        token[i] = name[i / CHUNK];
    qv__chain_begin(&c, "", NULL, 0);
    size_t found = qv__prefix_fetch(p, &c, token, n, &cache);
    for (size_t i = found; keeps && i < n; i++)
        qv__prefix_keep(p, &c, token + i * CHUNK, &cache, i * CHUNK);
    qv__cache_end(&cache);
    return found;
}

static void the_chunk_used_least_lately_goes_and_never_one_before_another(void **state)
{
    (void)state;
    struct qv_prefix *p;
    qv_err err;
    assert_works(qv__prefix_new(&p, stage.m, CHUNK, 3 * (bytes_of_chunk() + 512), &err),
                 &err);
    assert_int_equal(put(p, "abc", true), 0);
    assert_int_equal(put(p, "abcd", true), 3); // no room for d but c's, which it needs
    assert_int_equal(put(p, "abcd", false), 3);
    put(p, "x", true); // takes c's place
    assert_int_equal(put(p, "abc", false), 2);
    assert_int_equal(put(p, "x", false), 1);
    put(p, "y", true); // takes b's: a and x were used later
    assert_int_equal(put(p, "x", false), 1);
    assert_int_equal(put(p, "ab", false), 1);
    put(p, "ae", true); // takes y's
    assert_int_equal(put(p, "y", false), 0);
    assert_int_equal(put(p, "ae", false), 2);
    put(p, "z", true); // takes x's
    assert_int_equal(put(p, "x", false), 0);
    assert_int_equal(put(p, "ae", false), 2);
    qv__prefix_free(p);
}

static void room_for_no_chunk_keeps_none(void **state)
{
    (void)state;
    struct qv_prefix *p;
    qv_err err;
    assert_works(qv__prefix_new(&p, stage.m, CHUNK, 1, &err), &err);
    put(p, "abc", true);
    assert_int_equal(put(p, "abc", false), 0);
    assert_int_equal(qv__prefix_bytes(p), 0);
    qv__prefix_free(p);
}

static void a_chain_is_of_who_answers_and_of_all_tokens(void **state)
{
    (void)state;
    static const int token[] = {1, 2, 3, 4};
    struct qv_chain c[6];
    qv__chain_begin(&c[0], "a", NULL, 0);
    qv__chain_begin(&c[1], "b", NULL, 0);
    qv__chain_begin(&c[2], "a", token, 1);
    c[3] = c[4] = c[5] = c[0];
    qv__chain_add(&c[3], token, 2);
    qv__chain_add(&c[4], token + 1, 2);
    qv__chain_add(&c[5], token, 2), qv__chain_add(&c[5], token + 2, 2);
    for (size_t i = 0; i < 6; i++)
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(c[i].hash, c[j].hash);
    struct qv_chain again = c[0];
    qv__chain_add(&again, token, 2);
    assert_string_equal(again.hash, c[3].hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prompts_that_begin_alike_answer_as_if_they_were_alone),
        cmocka_unit_test(answers_are_right_while_chunks_come_and_go),
        cmocka_unit_test(many_at_once_share_what_the_first_has_left),
        cmocka_unit_test(the_chunk_used_least_lately_goes_and_never_one_before_another),
        cmocka_unit_test(room_for_no_chunk_keeps_none),
        cmocka_unit_test(a_chain_is_of_who_answers_and_of_all_tokens),
    };
    return cmocka_run_group_tests(tests, open_stage, close_stage);
}
