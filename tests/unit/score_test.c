/* score_test.c - likelihoods of tokens against transformers' logits, and windows
 * against each window by itself. */
#include "base/json.h"
#include "eval/score.h"
#include "format/safetensors.h"
#include "model/model.h"
#include "support/scratch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CASE "tests/golden/llama/mha_tied"

static qv_model *open_case(void)
{
    qv_err err = {0};
    qv_model *m;
    assert_works(qv_model_open(&m, CASE, &(qv_model_opts){.compute = QV_COMPUTE_F32}, &err),
                 &err);
    return m;
}

static void logprobs_are_those_of_the_logits_of_transformers(void **state)
{
    (void)state;
    qv_err err = {0};
    qv_model *m = open_case();
    json_t *expect, *v;
    struct qv_st st;
    assert_works(qv__json_read(&expect, CASE "/expect.json", 1 << 20, &err), &err);
    assert_works(qv__st_open(&st, CASE "/expect.safetensors", &err), &err);
    int ids[12];
    size_t n = 0, i, V = m->c.V;
    json_array_foreach(json_object_get(expect, "ids_b"), i, v) ids[n++] =
        (int)json_integer_value(v);
    assert_int_equal(n, 12);
    float *logits = malloc(n * V * sizeof *logits), got[12], want[12] = {0};
    qv__st_f32(logits, qv__st_find(&st, "logits_b"), 0, n * V);
    for (i = 1; i < n; i++) {
        const float *l = logits + (i - 1) * V;
        double sum = 0;
        for (size_t j = 0; j < V; j++)
            sum += exp((double)l[j]);
        want[i] = l[ids[i]] - (float)log(sum);
    }
    assert_works(qv__score(got, m, NULL, ids, n, NULL, &err), &err);
    assert_close(got, want, n, 2e-4, 0);
    free(logits);
    qv__st_close(&st);
    json_decref(expect);
    qv_model_close(m);
}

enum { N = 101, WINDOW = 16, STRIDE = 5 };

static void draw(int *ids, size_t V)
{
    for (size_t i = 0; i < N; i++)
        ids[i] = (int)((i * i * 7 + i * 3) % V);
}

/* The slow way: each window in a call of its own, of which the tokens that no
 * earlier window saw are kept. */
static void windows_give_each_token_what_its_own_window_says(void **state)
{
    (void)state;
    qv_err err = {0};
    qv_model *m = open_case();
    int ids[N];
    float got[N], want[N] = {0}, one[WINDOW];
    draw(ids, m->c.V);
    for (size_t first = 0, seen = 0; seen < N - 1; first += STRIDE) {
        size_t n = qv__min(WINDOW, N - first);
        assert_works(qv__score(one, m, NULL, ids + first, n, NULL, &err), &err);
        for (size_t i = 1; i < n; i++)
            if (first + i > seen)
                want[first + i] = one[i];
        seen = first + n - 1;
    }
    const struct qv_score_opts opts[] = {
        {.window = WINDOW, .stride = STRIDE},
        {.window = WINDOW, .stride = STRIDE, .lanes = 1, .pass_tokens = 1},
        {.window = WINDOW, .stride = STRIDE, .lanes = 3, .pass_tokens = 50},
    };
    for (size_t i = 0; i < QV_COUNT(opts); i++) {
        memset(got, 0x7f, sizeof got);
        assert_works(qv__score(got, m, NULL, ids, N, &opts[i], &err), &err);
        assert_close(got, want, N, 1e-5, 0);
    }
    qv_model_close(m);
}

static bool stop(void *arg, const char *what, double done, double total, const char *note)
{
    (void)what, (void)done, (void)total, (void)note;
    *(bool *)arg = true;
    return true;
}

static void what_cannot_be_scored_is_refused(void **state)
{
    (void)state;
    qv_err err = {0};
    qv_model *m = open_case();
    int ids[N];
    float p[N];
    draw(ids, m->c.V);
    assert_fails(
        qv__score(p, m, NULL, ids, N, &(struct qv_score_opts){.window = 129}, &err),
        QV_ELIMIT, &err, "a window of 129 tokens, the model has 128 positions");
    assert_fails(qv__score(p, m, NULL, ids, N,
                           &(struct qv_score_opts){.window = 8, .stride = 8}, &err),
                 QV_ELIMIT, &err, "a stride of 8 leaves gaps between windows of 8");
    ids[50] = (int)m->c.V;
    assert_fails(qv__score(p, m, NULL, ids, N, NULL, &err), QV_EFORMAT, &err,
                 "token 50 is 97, the vocabulary has 97");
    qv_model_close(m);
}

/* Progress is told a few times a second at most, so the text is a long one. */
static void scoring_stops_when_progress_asks(void **state)
{
    (void)state;
    enum { LONG = 200000 };
    qv_err err = {0};
    qv_model *m = open_case();
    int *ids = calloc(LONG, sizeof *ids);
    float *p = malloc(LONG * sizeof *p);
    bool asked = false;
    const struct qv_score_opts opts = {
        .window = 128, .stride = 1, .progress = {stop, &asked}};
    assert_fails(qv__score(p, m, NULL, ids, LONG, &opts, &err), QV_ECANCEL, &err,
                 "stopped after");
    assert_true(asked);
    free(ids);
    free(p);
    qv_model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logprobs_are_those_of_the_logits_of_transformers),
        cmocka_unit_test(windows_give_each_token_what_its_own_window_says),
        cmocka_unit_test(what_cannot_be_scored_is_refused),
        cmocka_unit_test(scoring_stops_when_progress_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
