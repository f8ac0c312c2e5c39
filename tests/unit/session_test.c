/* Sessions: greedy continuations are transformers', a cache computes what the whole
 * pass computes, and however a timeline came about its logits are the same.
 */
#include <quiver/session.h>

#include "base/base.h"
#include "base/rng.h"
#include "model/decoder.h"
#include "support/golden.h"
#include "support/scratch.h"
#include "support/tiny.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LLAMA "tests/golden/llama/"

static const char *const cases[] = {"mha_tied", "gqa_untied", "odd",
                                    "headdim",  "bf16",       "sharded"};

static qv_model *golden(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, LLAMA "%s", name);
    return opened(path);
}

static qv_session *begun(const qv_model *m, size_t n_ctx)
{
    qv_session *s;
    qv_err err = {0};
    assert_works(qv_session_new(&s, m, NULL, n_ctx, &err), &err);
    return s;
}

static const float *synced(qv_session *s, const int *tokens, size_t n)
{
    qv_err err = {0};
    assert_works(qv_session_sync(s, tokens, n, &err), &err);
    return qv_session_logits(s);
}

static void greedy_continuations_are_those_of_transformers(void **state)
{
    (void)state;
    for (size_t i = 0; i < QV_COUNT(cases); i++) {
        char path[128];
        int ids[32], greedy[16];
        snprintf(path, sizeof path, LLAMA "%s/expect.json", cases[i]);
        size_t n = golden_ids(ids, 16, path, "ids_a");
        size_t n_new = golden_ids(greedy, 16, path, "greedy");
        qv_model *m = golden(cases[i]);
        qv_session *s = begun(m, 0);
        assert_null(qv_session_logits(s));
        for (size_t j = 0; j < n_new; j++) {
            int id = qv_sample(synced(s, ids, n), m->c.V, NULL, n);
            assert_int_equal(id, greedy[j]);
            ids[n++] = id;
        }
        qv_session_free(s);
        qv_model_close(m);
    }
}

static void an_older_programs_spelling_computes_the_same(void **state)
{
    (void)state;
    int ids[16];
    size_t n = golden_ids(ids, 16, LLAMA "odd/expect.json", "ids_b");
    float *want = golden_tensor(NULL, LLAMA "odd/expect.safetensors", "logits_b");
    qv_model *m = golden("odd_v4");
    qv_session *s = begun(m, 0);
    for (size_t i = 1; i <= n; i++)
        assert_close_to_scale(synced(s, ids, i), want + (i - 1) * m->c.V, m->c.V, 1e-4);
    qv_session_free(s);
    qv_model_close(m);
    free(want);
}

/* A model with room for more positions than a session computes at once. */
static qv_model *long_model(void)
{
    const struct qv_config c = {.D = 16,
                                .L = 2,
                                .H = 4,
                                .Hk = 2,
                                .E = 4,
                                .F = 24,
                                .V = 40,
                                .n_ctx = 1200,
                                .theta = 1e4f,
                                .eps = 1e-5f,
                                .bos = -1,
                                .eos = -1};
    qv_model *m;
    qv_err err = {0};
    assert_works(qv__model_new(&m, &c, 3, &err), &err);
    for (size_t i = 0; i < m->n_own; i++) // large enough that attention is not flat
        m->own[i] *= m->own[i] == 1 ? 1 : 15;
    return m;
}

static int *drawn(size_t n, size_t V)
{
    int *ids = malloc(n * sizeof *ids);
    assert_non_null(ids);
    for (size_t i = 0; i < n; i++)
        ids[i] = (int)qv__below(9, i, V);
    return ids;
}

static void decoding_with_a_cache_equals_the_whole_pass(void **state)
{
    (void)state;
    enum { N = 1100 };
    qv_model *m = long_model();
    size_t V = m->c.V;
    int *ids = drawn(N, V);
    float *want = logits_of(m, NULL, ids, N);
    // Token by token, in steps of three, and in one go that takes three passes.
    static const size_t steps[] = {1, 3, 70, 600, N};
    static const size_t first[] = {1, 200, 500, 100, N};
    for (size_t i = 0; i < QV_COUNT(steps); i++) {
        qv_session *s = begun(m, N);
        for (size_t n = first[i]; n <= qv__min(N, first[i] + 60 * steps[i]); n += steps[i])
            assert_close_to_scale(synced(s, ids, n), want + (n - 1) * V, V, 1e-5);
        qv_session_free(s);
    }
    free(ids), free(want);
    qv_model_close(m);
}

/* Timelines that share prefixes, grow, shrink, repeat and begin anew. */
static void a_timelines_logits_do_not_depend_on_what_went_before(void **state)
{
    (void)state;
    enum { N = 700 };
    qv_model *m = long_model();
    int *ids = drawn(N, m->c.V), *other = drawn(N, m->c.V);
    for (size_t i = 300; i < N; i++)
        other[i] = (ids[i] + 1) % (int)m->c.V; // the same up to 300
    const struct {
        const int *ids;
        size_t n;
    } visits[] = {{ids, 5},     {ids, 5},   {ids, 4},     {ids, 5},     {ids, 310},
                  {other, 310}, {other, 1}, {ids, N},     {ids, N - 1}, {other, 301},
                  {other, N},   {ids, 300}, {other, 300}, {ids + 1, 6}, {ids, 2},
                  {ids, 600},   {ids, 599}};
    qv_session *s = begun(m, 0);
    for (size_t i = 0; i < QV_COUNT(visits); i++) {
        qv_session *fresh = begun(m, 0);
        assert_close_to_scale(synced(s, visits[i].ids, visits[i].n),
                              synced(fresh, visits[i].ids, visits[i].n), m->c.V, 1e-5);
        qv_session_free(fresh);
    }
    qv_session_free(s);
    free(ids), free(other);
    qv_model_close(m);
}

static void a_refused_timeline_changes_nothing(void **state)
{
    (void)state;
    qv_model *m = golden("odd");
    qv_session *s;
    qv_err err = {0};
    static const int good[] = {1, 2, 3}, high[] = {1, 67}, low[] = {1, 2, -1};
    int many[9] = {0};
    assert_fails(qv_session_new(&s, m, NULL, 129, &err), QV_ELIMIT, &err,
                 "a session of 129 positions, the model has 128");
    assert_null(s);
    s = begun(m, 8);
    assert_fails(qv_session_sync(s, good, 0, &err), QV_ELIMIT, &err,
                 "0 tokens in a session of 8 positions");
    assert_null(qv_session_logits(s));
    float *was = malloc(m->c.V * sizeof *was);
    assert_non_null(was);
    memcpy(was, synced(s, good, 3), m->c.V * sizeof *was);
    assert_fails(qv_session_sync(s, many, 9, &err), QV_ELIMIT, &err,
                 "9 tokens in a session of 8 positions");
    assert_fails(qv_session_sync(s, high, 2, &err), QV_EFORMAT, &err,
                 "token 1 is 67, the vocabulary has 67");
    assert_fails(qv_session_sync(s, low, 3, &err), QV_EFORMAT, &err,
                 "token 2 is -1, the vocabulary has 67");
    assert_memory_equal(qv_session_logits(s), was, m->c.V * sizeof *was);
    assert_memory_equal(synced(s, good, 3), was, m->c.V * sizeof *was);
    synced(s, many, 8); // full, and no more
    free(was);
    qv_session_free(s);
    qv_session_free(NULL);
    qv_model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greedy_continuations_are_those_of_transformers),
        cmocka_unit_test(an_older_programs_spelling_computes_the_same),
        cmocka_unit_test(decoding_with_a_cache_equals_the_whole_pass),
        cmocka_unit_test(a_timelines_logits_do_not_depend_on_what_went_before),
        cmocka_unit_test(a_refused_timeline_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
