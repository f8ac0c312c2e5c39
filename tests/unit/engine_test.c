/* engine_test.c - many jobs on one engine: what each says is what it says alone, to the
 * last bit, whoever else is being answered.
 */
#include "server/engine.h"
#include "base/rng.h"
#include "kern/block.h"
#include "model/quantize.h"
#include "model/reuse.h"
#include "server/likely.h"
#include "support/scratch.h"
#include "support/stage.h"
#include "support/tiny.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 50, MAX_PROMPT = 50, MAX_NEW = 40, N_TOP = 3, CHUNK = 16 };

/* Request i, of a length, a way to draw and somebody to answer that depend on i. */
static struct qv_job *job_of(const struct stage *s, size_t i)
{
    int prompt[MAX_PROMPT];
    struct qv_job *job;
    qv_err err;
    struct qv_job_opts o = {
        .prompt = prompt,
        .n_prompt = 1 + qv__below(1, i, MAX_PROMPT),
        .max_new = 1 + qv__below(2, i, MAX_NEW),
        .sample = {.temperature = i % 4 == 3 ? 0.8f : 0, .seed = i},
        .end = {-1, -1},
        .n_top = N_TOP,
        .wants_logprobs = true,
        .wants_prompt = i % 3 == 0,
        .wants_mean = i % 5 == 0 ? s->m->c.D : 0,
        .reuse = s->n_who ? s->who[i % s->n_who] : NULL,
    };
    for (size_t j = 0; j < o.n_prompt; j++)
        prompt[j] = (int)qv__below(3, i * 1000 + j, s->m->c.V);
    assert_works(qv__job_new(&job, &o, &err), &err);
    return job;
}

static enum qv_finish finished(struct qv_job *job, size_t *n)
{
    enum qv_finish finish;
    *n = qv__job_wait(job, SIZE_MAX - 1, 100, &finish);
    return finish;
}

static struct qv_engine *engine_of(const qv_model *m, size_t n_slots)
{
    struct qv_engine *e;
    qv_err err;
    assert_works(
        qv__engine_new(&e, m, &(struct qv_engine_opts){.n_slots = n_slots, .chunk = CHUNK},
                       &err),
        &err);
    return e;
}

/* All N jobs on an engine of so many slots, all at once. */
static void answer_all(struct qv_job *job[N], const struct stage *s, size_t n_slots)
{
    struct qv_engine *e = engine_of(s->m, n_slots);
    qv_err err;
    size_t n;
    for (size_t i = 0; i < N; i++)
        job[i] = job_of(s, i);
    assert_works(qv__engine_submit(e, job, N, &err), &err);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(finished(job[i], &n), QV_FINISH_LENGTH);
    qv__engine_free(e);
}

/* Tokens and every number told of them. */
static void assert_same_answer(struct qv_job *a, struct qv_job *b)
{
    const struct qv_job_opts *o = qv__job_opts(a);
    for (size_t i = 0; i < o->max_new; i++) {
        struct qv_likely x = qv__job_said(a, i), y = qv__job_said(b, i);
        assert_memory_equal(&x, &y, sizeof x);
        assert_memory_equal(qv__job_top(a, i), qv__job_top(b, i), N_TOP * sizeof x);
    }
    for (size_t i = 1; o->wants_prompt && i < o->n_prompt; i++) {
        struct qv_likely x = qv__job_prompt(a, i), y = qv__job_prompt(b, i);
        assert_memory_equal(&x, &y, sizeof x);
    }
    if (o->wants_mean)
        assert_memory_equal(qv__job_mean(a), qv__job_mean(b),
                            o->wants_mean * sizeof(float));
}

static void check_mixes(const struct stage *s)
{
    static const size_t n_slots[] = {5, 50};
    struct qv_job *alone[N], *mixed[N];
    answer_all(alone, s, 1);
    for (size_t k = 0; k < QV_COUNT(n_slots); k++) {
        answer_all(mixed, s, n_slots[k]);
        for (size_t i = 0; i < N; i++) {
            assert_same_answer(alone[i], mixed[i]);
            qv__job_release(mixed[i]);
        }
    }
    for (size_t i = 0; i < N; i++)
        qv__job_release(alone[i]);
}

static void an_answer_is_the_same_alone_and_in_any_mix(void **state)
{
    (void)state;
    struct stage s = {.m = wide_model()};
    bind_all(&s);
    check_mixes(&s);
    end_stage(&s);
}

static void that_holds_with_bfloat16_and_with_blocks(void **state)
{
    static const struct {
        const char *type;
        qv_compute compute;
    } as[] = {
        {"bf16", QV_COMPUTE_BF16}, {"q8_0", QV_COMPUTE_AUTO}, {"q8_0", QV_COMPUTE_F32}};
    const char *path = scratch_path(state, "m.gguf");
    qv_model *m = tiny_model(scratch_path(state, "m"), 1);
    qv_err err;
    for (size_t i = 0; i < QV_COUNT(as); i++) {
        struct stage s = {0};
        assert_works(qv__model_quantize(m, path, qv__block_named(as[i].type),
                                        (qv_progress){0}, &err),
                     &err);
        assert_works(
            qv_model_open(&s.m, path, &(qv_model_opts){.compute = as[i].compute}, &err),
            &err);
        bind_all(&s);
        check_mixes(&s);
        end_stage(&s);
    }
    qv_model_close(m);
}

/* What sessions say one after another, whose products are other ones: rounding apart, the
 * logarithms are the same. */
static void every_answer_is_the_one_a_session_gives(void **state)
{
    struct stage s = {.m = tiny_model(scratch_path(state, "m"), 1)};
    struct qv_job *job[N];
    bind_all(&s);
    answer_all(job, &s, 8);
    for (size_t i = 0; i < N; i++) {
        const struct qv_job_opts *o = qv__job_opts(job[i]);
        int ids[MAX_PROMPT + MAX_NEW];
        qv_session *session;
        qv_err err;
        memcpy(ids, o->prompt, o->n_prompt * sizeof *ids);
        assert_works(qv_session_new(&session, s.m, o->reuse, 0, &err), &err);
        for (size_t j = 0; j < o->max_new; j++) {
            struct qv_likely got = qv__job_said(job[i], j), want = {.id = got.id};
            struct qv_likely top[N_TOP];
            assert_works(qv_session_sync(session, ids, o->n_prompt + j, &err), &err);
            qv__likely(&want, top, N_TOP, qv_session_logits(session), s.m->c.V);
            assert_close(&got.logprob, &want.logprob, 1, 1e-4, 0);
            assert_close(&qv__job_top(job[i], j)->logprob, &top->logprob, 1, 1e-4, 0);
            ids[o->n_prompt + j] = got.id;
        }
        qv_session_free(session);
        qv__job_release(job[i]);
    }
    end_stage(&s);
}

/* The head is linear: the mean hidden state has the mean of the logits. */
static void assert_mean_of_logits(const qv_model *m, const float *mean, const float *logits,
                                  size_t n)
{
    const size_t V = m->c.V;
    float *got = calloc(V, sizeof *got), *want = calloc(V, sizeof *want);
    assert_true(got && want && m->head.w.f32);
    for (size_t v = 0; v < V; v++) {
        for (size_t t = 0; t < n; t++)
            want[v] += logits[t * V + v] / (float)n;
        for (size_t i = 0; i < m->c.D; i++)
            got[v] += m->head.w.f32[v * m->c.D + i] * mean[i];
    }
    assert_close_to_scale(got, want, V, 1e-4);
    free(got);
    free(want);
}

static void prompts_are_told_how_likely_they_were_and_their_mean(void **state)
{
    struct stage s = {.m = tiny_model(scratch_path(state, "m"), 1)};
    struct qv_engine *e = engine_of(s.m, 2);
    struct qv_job *job = job_of(&s, 0);
    const struct qv_job_opts *o = qv__job_opts(job);
    qv_err err;
    size_t n, V = s.m->c.V;
    assert_true(o->n_prompt > CHUNK); // two chunks at least
    assert_works(qv__engine_submit(e, &job, 1, &err), &err);
    assert_int_equal(finished(job, &n), QV_FINISH_LENGTH);
    float *logits = logits_of(s.m, NULL, o->prompt, o->n_prompt);
    for (size_t i = 1; i < o->n_prompt; i++) {
        struct qv_likely want = {.id = o->prompt[i]}, got = qv__job_prompt(job, i);
        struct qv_likely top[N_TOP];
        qv__likely(&want, top, N_TOP, logits + (i - 1) * V, V);
        assert_int_equal(got.id, want.id);
        assert_close(&got.logprob, &want.logprob, 1, 1e-4, 0);
        assert_close(&qv__job_prompt_top(job, i)[1].logprob, &top[1].logprob, 1, 1e-4, 0);
    }
    assert_mean_of_logits(s.m, qv__job_mean(job), logits, o->n_prompt);
    free(logits);
    qv__job_release(job);
    qv__engine_free(e);
    qv_model_close(s.m);
}

static void likely_is_the_logarithm_of_softmax_and_ties_go_to_the_lower_id(void **state)
{
    (void)state;
    const float logits[] = {1, 3, 2, 3, -INFINITY};
    struct qv_likely one = {.id = 2}, top[3];
    double sum = exp(-2) + 1 + exp(-1) + 1;
    float want[] = {(float)(-1 - log(sum)), (float)-log(sum)};
    qv__likely(&one, top, 3, logits, 5);
    assert_close(&one.logprob, &want[0], 1, 1e-6, 0);
    assert_close(&top[0].logprob, &want[1], 1, 1e-6, 0);
    assert_int_equal(top[0].id, 1);
    assert_int_equal(top[1].id, 3);
    assert_int_equal(top[2].id, 2);
}

static void an_end_token_ends_the_text_and_is_left_out(void **state)
{
    struct stage s = {.m = tiny_model(scratch_path(state, "m"), 1)};
    struct qv_engine *e = engine_of(s.m, 2);
    struct qv_job *job = job_of(&s, 0), *again;
    qv_err err;
    size_t n, m, first = 0;
    assert_works(qv__engine_submit(e, &job, 1, &err), &err);
    assert_int_equal(finished(job, &n), QV_FINISH_LENGTH);
    assert_true(n > 1);
    struct qv_job_opts o = *qv__job_opts(job);
    o.end[1] = qv__job_said(job, n - 1).id;
    while (qv__job_said(job, first).id != o.end[1])
        first++;
    assert_works(qv__job_new(&again, &o, &err), &err);
    assert_works(qv__engine_submit(e, &again, 1, &err), &err);
    assert_int_equal(finished(again, &m), QV_FINISH_STOP);
    assert_int_equal(m, first);
    qv__job_release(job), qv__job_release(again);
    qv__engine_free(e);
    qv_model_close(s.m);
}

/* A job that goes on for a while. */
static struct qv_job *long_job(const struct stage *s)
{
    struct qv_job *job;
    qv_err err;
    const int prompt = 7;
    const struct qv_job_opts o = {
        .prompt = &prompt, .n_prompt = 1, .max_new = s->m->c.n_ctx - 1, .end = {-1, -1}};
    assert_works(qv__job_new(&job, &o, &err), &err);
    return job;
}

static void a_canceled_job_ends_and_the_others_go_on(void **state)
{
    struct stage s = {.m = tiny_model(scratch_path(state, "m"), 1)};
    struct qv_engine *e = engine_of(s.m, 1);
    struct qv_job *job[3];
    enum qv_finish finish;
    qv_err err;
    size_t n;
    for (size_t i = 0; i < 3; i++)
        job[i] = long_job(&s);
    qv__job_cancel(job[1]); // before it is in the queue
    assert_works(qv__engine_submit(e, job, 3, &err), &err);
    assert_true(qv__job_wait(job[0], 0, 100, &finish) > 0);
    qv__job_cancel(job[0]); // while it speaks
    assert_int_equal(finished(job[0], &n), QV_FINISH_FAILED);
    assert_string_equal(qv__job_error(job[0])->msg, "canceled");
    assert_true(n < s.m->c.n_ctx - 1);
    assert_int_equal(finished(job[1], &n), QV_FINISH_FAILED);
    assert_int_equal(n, 0);
    assert_int_equal(finished(job[2], &n), QV_FINISH_LENGTH);
    assert_int_equal(n, s.m->c.n_ctx - 1);
    for (size_t i = 0; i < 3; i++)
        qv__job_release(job[i]);
    qv__engine_free(e);
    qv_model_close(s.m);
}

static void what_is_too_long_or_too_much_is_refused_whole(void **state)
{
    struct stage s = {.m = tiny_model(scratch_path(state, "m"), 1)};
    const struct qv_engine_opts opts = {.n_slots = 1, .n_queue = 2, .n_ctx = 100};
    struct qv_engine *e;
    struct qv_job *job[3], *longest = long_job(&s);
    qv_err err;
    assert_fails(qv__engine_new(&e, s.m, &(struct qv_engine_opts){.n_ctx = 129}, &err),
                 QV_ELIMIT, &err, "a context of 129 positions, the model has 128");
    assert_works(qv__engine_new(&e, s.m, &opts, &err), &err);
    assert_fails(
        qv__engine_submit(e, &longest, 1, &err), QV_ELIMIT, &err,
        "a prompt of 1 tokens and an answer of up to 127 are more than the context "
        "of 100");
    for (size_t i = 0; i < 3; i++)
        job[i] = job_of(&s, i);
    assert_fails(qv__engine_submit(e, job, 3, &err), QV_ELIMIT, &err,
                 "3 texts in one request, at most 2");
    assert_fails(qv__engine_could(e, 3, 1, 1, &err), QV_ELIMIT, &err, "3 texts");
    assert_fails(qv__engine_could(e, 2, 1, 100, &err), QV_ELIMIT, &err, "context of 100");
    assert_works(qv__engine_could(e, 2, 1, 99, &err), &err);
    assert_int_equal(qv__engine_counts(e).n_refused, 4);
    assert_int_equal(qv__engine_counts(e).n_running + qv__engine_counts(e).n_waiting, 0);
    qv__engine_drain(e);
    assert_fails(qv__engine_submit(e, job, 1, &err), QV_ECANCEL, &err,
                 "the server is shutting down");
    for (size_t i = 0; i < 3; i++)
        qv__job_release(job[i]);
    qv__job_release(longest);
    qv__engine_free(e);
    qv_model_close(s.m);
}

static void a_full_queue_refuses_until_somebody_leaves_it(void **state)
{
    struct stage s = {.m = tiny_model(scratch_path(state, "m"), 1)};
    const struct qv_engine_opts opts = {.n_slots = 1, .n_queue = 2};
    struct qv_engine *e;
    struct qv_job *job[4];
    enum qv_finish finish;
    qv_err err;
    size_t n;
    assert_works(qv__engine_new(&e, s.m, &opts, &err), &err);
    for (size_t i = 0; i < 4; i++)
        job[i] = long_job(&s);
    assert_works(qv__engine_submit(e, &job[0], 1, &err), &err);
    assert_true(qv__job_wait(job[0], 0, 100, &finish) > 0); // it has left the queue
    assert_works(qv__engine_submit(e, &job[1], 2, &err), &err);
    assert_fails(qv__engine_submit(e, &job[3], 1, &err), QV_EEXIST, &err,
                 "2 requests are waiting, of at most 2");
    qv__job_cancel(job[1]);
    assert_works(qv__engine_submit(e, &job[3], 1, &err), &err);
    qv__engine_drain(e); // those that were taken go on
    assert_int_equal(finished(job[0], &n), QV_FINISH_LENGTH);
    assert_int_equal(finished(job[2], &n), QV_FINISH_LENGTH);
    assert_int_equal(finished(job[3], &n), QV_FINISH_LENGTH);
    for (size_t i = 0; i < 4; i++)
        qv__job_release(job[i]);
    qv__engine_free(e);
    qv_model_close(s.m);
}

static void jobs_end_when_the_engine_does(void **state)
{
    struct stage s = {.m = tiny_model(scratch_path(state, "m"), 1)};
    struct qv_engine *e = engine_of(s.m, 1);
    struct qv_job *job[2] = {long_job(&s), long_job(&s)};
    enum qv_finish finish;
    qv_err err;
    size_t n;
    assert_works(qv__engine_submit(e, job, 2, &err), &err);
    assert_true(qv__job_wait(job[0], 0, 100, &finish) > 0);
    qv__engine_free(e);
    assert_int_equal(finished(job[1], &n), QV_FINISH_FAILED);
    assert_string_equal(qv__job_error(job[1])->msg, "the server is shutting down");
    qv__job_release(job[0]), qv__job_release(job[1]);
    qv_model_close(s.m);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_scratch, remove_scratch)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_the_same_alone_and_in_any_mix),
        TEST(that_holds_with_bfloat16_and_with_blocks),
        TEST(every_answer_is_the_one_a_session_gives),
        TEST(prompts_are_told_how_likely_they_were_and_their_mean),
        cmocka_unit_test(likely_is_the_logarithm_of_softmax_and_ties_go_to_the_lower_id),
        TEST(an_end_token_ends_the_text_and_is_left_out),
        TEST(a_canceled_job_ends_and_the_others_go_on),
        TEST(what_is_too_long_or_too_much_is_refused_whole),
        TEST(a_full_queue_refuses_until_somebody_leaves_it),
        TEST(jobs_end_when_the_engine_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
