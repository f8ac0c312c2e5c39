/* llama_test.c - the model's arithmetic against transformers' and PyTorch's, on
 * the tiny models of tests/golden/llama (see tests/golden/README.md). */
#include "base/json.h"
#include "format/safetensors.h"
#include "model/decoder.h"
#include "model/layout.h"
#include "op/loss.h"
#include "support/golden.h"
#include "support/near.h"
#include "train/objective.h"

#include <stdio.h>
#include <stdlib.h>

#define LLAMA "tests/golden/llama/"

static const char *const cases[] = {"mha_tied", "gqa_untied", "odd",        "bf16",
                                    "headdim",  "sharded",    "rope_scaled"};

/* Logits of every row of two sequences in one batch without padding. */
static void two_sequences(const char *name, qv_compute compute, double within)
{
    char path[128];
    qv_err err = {0};
    qv_model *m;
    snprintf(path, sizeof path, LLAMA "%s", name);
    if (qv_model_open(&m, path, &(qv_model_opts){.compute = compute}, &err))
        fail_msg("%s", err.msg);

    int ids[64], pos[64], row[64];
    snprintf(path, sizeof path, LLAMA "%s/expect.json", name);
    size_t na = golden_ids(ids, 64, path, "ids_a");
    size_t nb = golden_ids(ids + na, 64 - na, path, "ids_b");
    for (size_t i = 0; i < na + nb; i++) {
        pos[i] = (int)(i < na ? i : i - na);
        row[i] = (int)i;
    }

    struct qv_acts acts;
    assert_int_equal(qv__acts_init(&acts, m, na + nb, nb, na + nb, 0, 0, &err), QV_OK);
    struct qv_seq seq[] = {{.begin = 0, .n = na}, {.begin = na, .n = nb}};
    struct qv_batch batch = {
        .T = na + nb, .token = ids, .pos = pos, .seq = seq, .n_seq = 2};
    struct qv_pass p = {.m = m, .a = &acts, .b = &batch};
    qv__decoder_forward(&p);
    qv__decoder_logits(&p, row, na + nb);
    size_t V = m->c.V;
    snprintf(path, sizeof path, LLAMA "%s/expect.safetensors", name);
    float *a = golden_tensor(NULL, path, "logits_a");
    float *b = golden_tensor(NULL, path, "logits_b");
    assert_close_to_scale(acts.logits, a, na * V, within);
    assert_close_to_scale(acts.logits + na * V, b, nb * V, within);
    free(a), free(b);
    qv__acts_end(&acts);
    qv_model_close(m);
}

static void logits_equal_those_of_transformers_in_f32(void **state)
{
    (void)state;
    for (size_t i = 0; i < QV_COUNT(cases); i++)
        two_sequences(cases[i], QV_COMPUTE_F32, 1e-4);
}

static void logits_equal_those_of_transformers_in_bf16(void **state)
{
    (void)state;
    two_sequences("bf16", QV_COMPUTE_BF16, 2e-2);
}

struct comparison {
    const struct qv_st *want;
    const float *base, *dw;
};

static qv_status compare_gradient(void *arg, const char *name, struct qv_weight *w,
                                  qv_err *err)
{
    (void)err;
    struct comparison *c = arg;
    const struct qv_tensor *t = qv__st_find(c->want, name);
    if (!t)
        fail_msg("no gradient of %s", name);
    float *want = malloc(t->n * sizeof *want);
    qv__st_f32(want, t, 0, t->n);
    assert_int_equal(t->n, w->D_out * w->D_in);
    assert_close_to_scale(c->dw + (w->f32 - c->base), want, t->n, 1e-4);
    free(want);
    return QV_OK;
}

static void full_gradients(const char *name)
{
    char path[128];
    qv_err err = {0};
    qv_model *m;
    snprintf(path, sizeof path, LLAMA "%s", name);
    assert_int_equal(qv_model_open(&m, path, &(qv_model_opts){.trainable = true}, &err),
                     QV_OK);
    struct golden_batch b;
    golden_batch(&b, GOLDEN_BATCH);
    struct qv_objective o;
    const struct qv_objective_of of = {.m = m, .full = true};
    assert_int_equal(qv__objective_init(&o, &of, 16, 16, 2, &err), QV_OK);
    double exact;
    assert_int_equal(qv__loss_gradient(&exact, &o, b.list, 3, (struct qv_dropout){0}, &err),
                     QV_OK);
    float loss = (float)exact;

    json_t *expect;
    struct qv_st want;
    snprintf(path, sizeof path, "tests/golden/train/full_%s/expect.json", name);
    assert_int_equal(qv__json_read(&expect, path, 1 << 20, &err), QV_OK);
    float want_loss = (float)json_number_value(json_object_get(expect, "loss"));
    assert_close(&loss, &want_loss, 1, 0, 1e-5);
    snprintf(path, sizeof path, "tests/golden/train/full_%s/expect_grads.safetensors",
             name);
    assert_int_equal(qv__st_open(&want, path, &err), QV_OK);
    struct comparison c = {&want, m->own, o.g};
    assert_int_equal(qv__model_each(m, compare_gradient, &c, &err), QV_OK);

    qv__st_close(&want);
    json_decref(expect);
    qv__objective_end(&o);
    qv_model_close(m);
}

static void every_weights_gradient_equals_pytorchs(void **state)
{
    (void)state;
    full_gradients("mha_tied");
    full_gradients("gqa_untied");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_equal_those_of_transformers_in_f32),
        cmocka_unit_test(logits_equal_those_of_transformers_in_bf16),
        cmocka_unit_test(every_weights_gradient_equals_pytorchs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
