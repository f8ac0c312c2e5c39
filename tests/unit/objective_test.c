/* The loss over packed sequences: whatever the lanes and passes, it is the mean over
 * sequences; its LoRA gradients are those of PyTorch and PEFT.
 */
#include "train/objective.h"
#include "base/rng.h"
#include "lora/peft.h"
#include "op/loss.h"
#include "support/experts.h"
#include "support/golden.h"
#include "support/scratch.h"

#include <quiver/session.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRAIN "tests/golden/train/"

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

static struct qv_expert *adapter(const char *name)
{
    char dir[128];
    struct qv_expert *e;
    qv_err err = {0};
    snprintf(dir, sizeof dir, TRAIN "%s/adapter_in", name);
    assert_works(qv__peft_read(&e, dir, &model->sites, &err), &err);
    return e;
}

/* Sequences of 1 to 30 tokens, some of which are all prompt. */
enum { N = 40, LONGEST = 30 };
struct drawn {
    int ids[N][LONGEST];
    struct qv_sequence s[N];
    const struct qv_sequence *list[N];
};

static void draw(struct drawn *d)
{
    for (size_t i = 0; i < N; i++) {
        size_t n = 1 + qv__below(1, i, LONGEST);
        for (size_t j = 0; j < n; j++)
            d->ids[i][j] = (int)qv__below(2, i * LONGEST + j, 101);
        d->s[i] = (struct qv_sequence){
            .ids = d->ids[i], .n = n, .n_prompt = 1 + qv__below(3, i, n)};
        d->list[i] = &d->s[i];
    }
    d->s[3] = (struct qv_sequence){.ids = d->ids[3], .n = 1, .n_prompt = 1};
    d->s[N - 1] = (struct qv_sequence){.ids = d->ids[N - 1], .n = 9, .n_prompt = 0};
}

/* A session is told the tokens one by one. */
static double nll_by_session(const struct qv_sequence *s)
{
    qv_session *session;
    qv_err err = {0};
    double sum = 0;
    size_t first = s->n_prompt ? s->n_prompt : 1;
    assert_works(qv_session_new(&session, model, NULL, 0, &err), &err);
    for (size_t i = first; i < s->n; i++) {
        float logprob;
        assert_works(qv_session_sync(session, s->ids, i, &err), &err);
        qv__logprob(&logprob, qv_session_logits(session), &s->ids[i], 1, model->c.V);
        sum -= (double)logprob;
    }
    qv_session_free(session);
    return s->n > first ? sum / (double)(s->n - first) : 0;
}

static void the_loss_is_the_mean_over_sequences_of_their_own_means(void **state)
{
    (void)state;
    static struct drawn d;
    float want[N], nll[N], mean = 0;
    draw(&d);
    for (size_t i = 0; i < N; i++) {
        want[i] = (float)nll_by_session(d.list[i]);
        mean += want[i] / N;
    }
    assert_true(want[3] == 0);
    static const size_t pass_tokens[] = {1, 31, 100, 5000};
    for (size_t lanes = 1; lanes <= 3; lanes++)
        for (size_t i = 0; i < QV_COUNT(pass_tokens); i++) {
            struct qv_objective o;
            qv_err err = {0};
            double loss;
            const struct qv_objective_of of = {.m = model};
            assert_works(qv__objective_init(&o, &of, LONGEST, pass_tokens[i], lanes, &err),
                         &err);
            assert_works(qv__loss(&loss, &o, d.list, N, nll, &err), &err);
            float got = (float)loss;
            assert_close(nll, want, N, 0, 1e-5);
            assert_close(&got, &mean, 1, 0, 1e-5);
            assert_works(qv__loss(&loss, &o, d.list + 5, 1, nll, &err), &err); // again
            assert_close(nll, want + 5, 1, 0, 1e-5);
            qv__objective_end(&o);
        }
}

/* Loss and gradient of `of` over a list. Ended with free(). */
static float *gradient(double *loss, const struct qv_objective_of *of,
                       const struct qv_sequence *const *s, size_t n, size_t lanes,
                       size_t pass_tokens, struct qv_dropout drop)
{
    struct qv_objective o;
    qv_err err = {0};
    assert_works(qv__objective_init(&o, of, LONGEST, pass_tokens, lanes, &err), &err);
    float *g = malloc(o.n * sizeof *g);
    assert_non_null(g);
    for (size_t twice = 0; twice < 2; twice++) // not added to, the second time either
        assert_works(qv__loss_gradient(loss, &o, s, n, drop, &err), &err);
    memcpy(g, o.g, o.n * sizeof *g);
    qv__objective_end(&o);
    return g;
}

static void any_number_of_lanes_and_passes_gives_the_same_gradient(void **state)
{
    (void)state;
    static struct drawn d;
    draw(&d);
    struct qv_expert *e = adapter("lora_all");
    const struct qv_objective_of of = {.m = model, .expert = e};
    double want_loss, loss;
    float *want = gradient(&want_loss, &of, d.list, N, 1, 5000, (struct qv_dropout){0});
    static const size_t pass_tokens[] = {1, 50, 5000};
    for (size_t lanes = 1; lanes <= 3; lanes++)
        for (size_t i = 0; i < QV_COUNT(pass_tokens); i++) {
            float *g = gradient(&loss, &of, d.list, N, lanes, pass_tokens[i],
                                (struct qv_dropout){0});
            assert_close_to_scale(g, want, e->n_w, 3e-6);
            assert_true(fabs(loss - want_loss) <= 1e-6 * want_loss);
            free(g);
        }
    free(want);
    qv__expert_free(e);
}

/* Along its own direction the loss rises by the gradient's length. */
static void the_gradient_is_that_of_the_loss_reported(void **state)
{
    (void)state;
    static struct drawn d;
    draw(&d);
    struct qv_expert *e = adapter("lora_all");
    const struct qv_objective_of of = {.m = model, .expert = e};
    const struct qv_dropout drops[] = {{0, 0}, {0.2f, 3}};
    float *start = malloc(e->n_w * sizeof *start);
    assert_non_null(start);
    memcpy(start, e->w, e->n_w * sizeof *start);
    for (size_t k = 0; k < QV_COUNT(drops); k++) {
        double length = 0, loss[2], at;
        float *g = gradient(&at, &of, d.list, N, 2, 60, drops[k]);
        for (size_t i = 0; i < e->n_w; i++)
            length += (double)g[i] * (double)g[i];
        length = sqrt(length);
        for (size_t side = 0; side < 2; side++) {
            for (size_t i = 0; i < e->n_w; i++)
                e->w[i] = start[i] + (float)((side ? 2e-3 : -2e-3) * (double)g[i] / length);
            free(gradient(&loss[side], &of, d.list, N, 2, 60, drops[k]));
        }
        memcpy(e->w, start, e->n_w * sizeof *start);
        float slope = (float)((loss[1] - loss[0]) / 4e-3), want = (float)length;
        assert_close(&slope, &want, 1, 0, 2e-4);
        free(g);
    }
    free(start);
    qv__expert_free(e);
}

static void the_same_lanes_give_the_same_bits(void **state)
{
    (void)state;
    static struct drawn d;
    draw(&d);
    struct qv_expert *e = adapter("lora_all");
    const struct qv_objective_of of = {.m = model, .expert = e};
    const struct qv_dropout drop = {0.3f, 9}, other = {0.3f, 10};
    double a, b, c;
    float *x = gradient(&a, &of, d.list, N, 2, 60, drop),
          *y = gradient(&b, &of, d.list, N, 2, 60, drop),
          *z = gradient(&c, &of, d.list, N, 2, 60, other);
    assert_true(a == b && a != c);
    assert_memory_equal(x, y, e->n_w * sizeof *x);
    assert_memory_not_equal(x, z, e->n_w * sizeof *x);
    free(x), free(y), free(z);
    qv__expert_free(e);
}

static void check_peft_gradients(const char *name)
{
    char path[128], tensor[160];
    struct golden_batch b;
    golden_batch(&b, GOLDEN_BATCH);
    struct qv_expert *e = adapter(name);
    const struct qv_objective_of of = {.m = model, .expert = e};
    double loss;
    float *g = gradient(&loss, &of, b.list, 3, 2, 1000, (struct qv_dropout){0});
    snprintf(path, sizeof path, TRAIN "%s/expect_grads.safetensors", name);
    assert_true(e->n_sites > 0);
    for (size_t i = 0; i < e->n_sites; i++) {
        const struct qv_expert_site *s = &e->site[i];
        const float *at[] = {g + (s->A - e->w), g + (s->B - e->w)};
        for (size_t j = 0; j < 2; j++) {
            size_t n;
            snprintf(tensor, sizeof tensor, "base_model.model.%s.lora_%c.weight", s->path,
                     "AB"[j]);
            float *want = golden_tensor(&n, path, tensor);
            assert_int_equal(n, s->R * (j ? s->D_out : s->D_in));
            assert_close_to_scale(at[j], want, n, 1e-4);
            free(want);
        }
    }
    free(g);
    qv__expert_free(e);
}

static void loras_gradients_are_those_of_pytorch_and_peft(void **state)
{
    (void)state;
    check_peft_gradients("lora_attn");
    check_peft_gradients("lora_all");
}

static void gates_gradients_are_those_of_pytorch(void **state)
{
    (void)state;
    struct golden_batch b;
    golden_batch(&b, GOLDEN_BATCH);
    struct qv_expert *e = adapter("lora_all");
    struct qv_prototypes gates;
    double loss;
    assert_int_equal(qv__prototypes_init(&gates, e, NULL), QV_OK);
    for (size_t i = 0; i < e->n_sites; i++) {
        float *v = golden_tensor(NULL, TRAIN "gates/given.safetensors", e->site[i].path);
        memcpy(gates.v + gates.first[i], v, e->site[i].D_in * sizeof *v);
        free(v);
    }
    const struct qv_objective_of of = {.m = model, .expert = e, .gates = &gates};
    float *g = gradient(&loss, &of, b.list, 3, 2, 1000, (struct qv_dropout){0});
    for (size_t i = 0; i < e->n_sites; i++) {
        size_t n;
        float *want = golden_tensor(&n, TRAIN "gates/expect.safetensors", e->site[i].path);
        assert_int_equal(n, e->site[i].D_in);
        assert_close_to_scale(g + gates.first[i], want, n, 1e-4);
        free(want);
    }
    free(g);
    qv__prototypes_end(&gates);
    qv__expert_free(e);
}

static void a_reused_experts_loss_is_the_loss_it_was_trained_to(void **state)
{
    (void)state;
    enum { LANES = 2 };
    static struct drawn d;
    draw(&d);
    struct qv_expert *e = adapter("lora_all");
    struct qv_bank *bank = bank_of(&model->sites, &e, 1);
    struct qv_update updates[LANES];
    struct qv_objective o;
    qv_err err = {0};
    double trained, reused, base;
    for (size_t i = 0; i < LANES; i++)
        assert_works(qv__update_init(&updates[i], bank, NULL, 0, 130, &err), &err);
    struct qv_objective_of of = {.m = model, .updates = updates};
    assert_works(qv__objective_init(&o, &of, LONGEST, 100, LANES, &err), &err);
    assert_works(qv__loss(&reused, &o, d.list, N, NULL, &err), &err);
    qv__objective_end(&o);
    of = (struct qv_objective_of){.m = model};
    assert_works(qv__objective_init(&o, &of, LONGEST, 100, LANES, &err), &err);
    assert_works(qv__loss(&base, &o, d.list, N, NULL, &err), &err);
    qv__objective_end(&o);
    of = (struct qv_objective_of){.m = model, .expert = e};
    free(gradient(&trained, &of, d.list, N, LANES, 100, (struct qv_dropout){0}));
    assert_true(fabs(reused - trained) <= 1e-6 * trained);
    assert_true(fabs(base - trained) > 1e-2);
    for (size_t i = 0; i < LANES; i++)
        qv__update_end(&updates[i]);
    qv__bank_free(bank);
    qv__expert_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_loss_is_the_mean_over_sequences_of_their_own_means),
        cmocka_unit_test(any_number_of_lanes_and_passes_gives_the_same_gradient),
        cmocka_unit_test(the_gradient_is_that_of_the_loss_reported),
        cmocka_unit_test(the_same_lanes_give_the_same_bits),
        cmocka_unit_test(loras_gradients_are_those_of_pytorch_and_peft),
        cmocka_unit_test(gates_gradients_are_those_of_pytorch),
        cmocka_unit_test(a_reused_experts_loss_is_the_loss_it_was_trained_to),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
