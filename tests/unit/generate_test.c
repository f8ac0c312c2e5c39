/* Many continuations at once equal each one alone: more requests than slots, of
 * different lengths, with EOS, sampling, and a context that fills up.
 */
#include "model/generate.h"
#include "base/base.h"
#include "base/rng.h"
#include "lora/peft.h"
#include "support/experts.h"
#include "support/scratch.h"

#include <stdlib.h>
#include <string.h>

enum { N = 40, MAX_PROMPT = 60, MAX_NEW = 12, N_CTX = 128, V = 101 };

static qv_model *model;

static int open_model(void **state)
{
    (void)state;
    const qv_model_opts f32 = {.compute = QV_COMPUTE_F32};
    return qv_model_open(&model, "tests/golden/llama/gqa_untied", &f32, NULL);
}

static int close_model(void **state)
{
    (void)state;
    qv_model_close(model);
    return 0;
}

struct requests {
    struct qv_request at[N];
    int prompt[N][N_CTX + 1], out[N][MAX_NEW];
};

/* Prompts of 1 to MAX_PROMPT tokens, 0 to MAX_NEW tokens wanted. */
static struct requests *drawn(void)
{
    struct requests *r = calloc(1, sizeof *r);
    assert_non_null(r);
    for (size_t i = 0; i < N; i++) {
        r->at[i] = (struct qv_request){.prompt = r->prompt[i],
                                       .n_prompt = 1 + qv__below(1, i, MAX_PROMPT),
                                       .max_new = qv__below(2, i, MAX_NEW + 1),
                                       .out = r->out[i],
                                       .n_out = 99};
        for (size_t j = 0; j <= N_CTX; j++)
            r->prompt[i][j] = (int)qv__below(3, i * 1000 + j, V);
        memset(r->out[i], -1, sizeof r->out[i]);
    }
    return r;
}

/* What one session says, asked token by token. */
static void check_alone(const struct qv_request *r, int eos, const qv_sample_opts *sample)
{
    qv_session *s;
    qv_err err = {0};
    int ids[N_CTX + MAX_NEW];
    size_t n = r->n_prompt, n_out = 0;
    memcpy(ids, r->prompt, n * sizeof *ids);
    assert_works(qv_session_new(&s, model, NULL, 0, &err), &err);
    while (n_out < r->max_new && n <= N_CTX) {
        assert_works(qv_session_sync(s, ids, n, &err), &err);
        int id = qv_sample(qv_session_logits(s), V, sample, n);
        if (id == eos)
            break;
        assert_in_range(n_out + 1, 1, r->n_out);
        assert_int_equal(r->out[n_out++], id);
        ids[n++] = id;
    }
    assert_int_equal(r->n_out, n_out);
    qv_session_free(s);
}

static void generate(struct requests *r, size_t n, size_t pass_tokens, int eos,
                     const qv_sample_opts *sample)
{
    qv_err err = {0};
    assert_works(qv__generate(model, NULL, pass_tokens, r->at, n, eos, sample, &err), &err);
    for (size_t i = 0; i < n; i++)
        check_alone(&r->at[i], eos, sample);
}

static void forty_at_once_say_what_each_says_alone(void **state)
{
    (void)state;
    static const size_t pass_tokens[] = {MAX_PROMPT, 64, 100, 4096};
    for (size_t i = 0; i < QV_COUNT(pass_tokens); i++) {
        struct requests *r = drawn();
        generate(r, N, pass_tokens[i], -1, NULL);
        for (size_t j = 0; j < N; j++)
            assert_int_equal(r->at[j].n_out, r->at[j].max_new);
        free(r);
    }
}

static void eos_ends_a_text_and_is_left_out(void **state)
{
    (void)state;
    struct requests *r = drawn(), *again = drawn();
    generate(r, N, 512, -1, NULL);
    size_t longest = 0, shorter = 0;
    while (r->at[longest].n_out < MAX_NEW)
        longest++;
    int eos = r->out[longest][MAX_NEW / 2];
    generate(again, N, 512, eos, NULL);
    for (size_t i = 0; i < N; i++) {
        size_t n = 0;
        while (n < r->at[i].n_out && r->out[i][n] != eos)
            n++;
        assert_int_equal(again->at[i].n_out, n);
        assert_memory_equal(again->out[i], r->out[i], n * sizeof(int));
        shorter += n < r->at[i].n_out;
    }
    assert_true(shorter > 0);
    free(r), free(again);
}

static void sampling_draws_by_place_in_the_text_not_in_the_batch(void **state)
{
    (void)state;
    struct requests *r = drawn();
    const qv_sample_opts o = {.temperature = 0.8f, .top_k = 20, .top_p = 0.95f, .seed = 11};
    generate(r, N, 200, 3, &o);
    free(r);
}

static void a_full_context_ends_a_text(void **state)
{
    (void)state;
    struct requests *r = drawn();
    for (size_t i = 0; i < 4; i++) {
        r->at[i].n_prompt = N_CTX - i;
        r->at[i].max_new = MAX_NEW;
    }
    generate(r, 6, 256, -1, NULL);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(r->at[i].n_out, i + 1); // the last one need not fit itself
    free(r);
}

static void nothing_is_asked_and_nothing_is_said(void **state)
{
    (void)state;
    struct requests *r = drawn();
    qv_err err = {0};
    for (size_t i = 0; i < N; i++)
        r->at[i].max_new = 0;
    generate(r, N, 64, -1, NULL);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(r->at[i].n_out, 0);
    assert_works(qv__generate(model, NULL, 64, NULL, 0, -1, NULL, &err), &err);
    free(r);
}

/* What a reused expert makes them say, in passes of pass_tokens rows: the update has
 * room for no more. */
static struct requests *with_expert(size_t pass_tokens)
{
    struct qv_expert *e;
    struct qv_update update;
    qv_err err = {0};
    assert_works(
        qv__peft_read(&e, "tests/golden/train/lora_attn/adapter_in", &model->sites, &err),
        &err);
    struct qv_bank *bank = bank_of(&model->sites, &e, 1);
    assert_works(qv__update_init(&update, bank, NULL, 0, pass_tokens, &err), &err);
    struct requests *r = drawn();
    for (size_t i = 0; i < N; i++)
        r->at[i].n_prompt = 1 + i % 5;
    assert_works(qv__generate(model, &update, pass_tokens, r->at, N, -1, NULL, &err), &err);
    qv__update_end(&update);
    qv__bank_free(bank);
    qv__expert_free(e);
    return r;
}

static void a_pass_never_has_more_rows_than_the_update_has_room_for(void **state)
{
    (void)state;
    struct requests *base = drawn(), *few = with_expert(5), *many = with_expert(500);
    for (size_t i = 0; i < N; i++)
        base->at[i].n_prompt = 1 + i % 5;
    generate(base, N, 500, -1, NULL);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(few->at[i].n_out, few->at[i].max_new);
    assert_memory_equal(few->out, many->out, sizeof few->out);
    assert_memory_not_equal(few->out, base->out, sizeof few->out);
    free(base), free(few), free(many);
}

static void few_tokens_a_pass_are_enough_for_short_prompts(void **state)
{
    (void)state;
    for (size_t pass_tokens = 1; pass_tokens <= 5; pass_tokens += 2) {
        struct requests *r = drawn();
        for (size_t i = 0; i < N; i++)
            r->at[i].n_prompt = 1 + i % pass_tokens;
        generate(r, N, pass_tokens, -1, NULL);
        free(r);
    }
}

static void prompts_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    struct requests *r = drawn();
    qv_err err = {0};
    r->at[3].n_prompt = 0;
    assert_fails(qv__generate(model, NULL, 64, r->at, N, -1, NULL, &err), QV_ELIMIT, &err,
                 "a prompt of 0 tokens, at most 64 fit");
    r->at[3].n_prompt = 65;
    assert_fails(qv__generate(model, NULL, 64, r->at, N, -1, NULL, &err), QV_ELIMIT, &err,
                 "a prompt of 65 tokens, at most 64 fit");
    r->at[3].n_prompt = N_CTX + 1;
    assert_fails(qv__generate(model, NULL, 500, r->at, N, -1, NULL, &err), QV_ELIMIT, &err,
                 "a prompt of 129 tokens, at most 128 fit");
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forty_at_once_say_what_each_says_alone),
        cmocka_unit_test(eos_ends_a_text_and_is_left_out),
        cmocka_unit_test(sampling_draws_by_place_in_the_text_not_in_the_batch),
        cmocka_unit_test(a_full_context_ends_a_text),
        cmocka_unit_test(nothing_is_asked_and_nothing_is_said),
        cmocka_unit_test(a_pass_never_has_more_rows_than_the_update_has_room_for),
        cmocka_unit_test(few_tokens_a_pass_are_enough_for_short_prompts),
        cmocka_unit_test(prompts_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
