/* Mixtures: the authors' weights, what is mixed, gradients by differences, and twenty
 * steps of training as PyTorch takes them.
 */
#include "lora/mixture.h"
#include "support/experts.h"
#include "support/golden.h"
#include "support/gradient.h"
#include "support/scratch.h"
#include "train/trainer.h"

#include <quiver/model.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct qv_mixture *mixture_of(struct qv_expert *const *experts, size_t S,
                                     const struct qv_mixture_opts *o)
{
    struct qv_mixture *m;
    qv_err err = {0};
    assert_works(qv__mixture_new(&m, experts, S, o, &err), &err);
    return m;
}

/* The numbers that the authors' selector gives for these logits. */
static void weights_are_sigmoids_over_their_sum(void **state)
{
    (void)state;
    static const float z[] = {0, 1, -1, 2, 0, 0, 1, 1, 1, -5, -5, 5};
    static const float want[] = {.333333f, .487372f, .179294f, .468311f,
                                 .265845f, .265845f, 1 / 3.f,  1 / 3.f,
                                 1 / 3.f,  .006648f, .006648f, .986703f};
    static const float A[2] = {1, 2}, B[2] = {3, 4};
    struct qv_expert *e = expert_of("e", "q", 2, 2, 1, 1, A, B), *three[] = {e, e, e};
    const struct qv_mixture_opts o = {.n_tasks = 2, .heads = 2};
    struct qv_mixture *m = mixture_of(three, 3, &o);
    float w[6];
    assert_int_equal(m->n_logit, 12);
    memcpy(m->logit, z, sizeof z);
    for (size_t t = 0; t < 2; t++) {
        qv__mixture_weights(w, m, t);
        assert_close(w, want + 6 * t, 6, 1e-6, 0);
    }
    qv__mixture_free(m);
    qv__expert_free(e);
}

static void softmax_weights_are_exponentials_over_their_sum(void **state)
{
    (void)state;
    static const float z[] = {0, 1, 100}, A[2] = {1, 2}, B[2] = {3, 4};
    struct qv_expert *e = expert_of("e", "q", 2, 2, 1, 1, A, B), *three[] = {e, e, e};
    const struct qv_mixture_opts o = {.weights = QV_MIX_SOFTMAX};
    struct qv_mixture *m = mixture_of(three, 3, &o);
    float w[3];
    memcpy(m->logit, z, sizeof z);
    qv__mixture_weights(w, m, 0);
    assert_close(w, ((float[]){0, 0, 1}), 3, 1e-6, 0);
    m->logit[2] = 2;
    qv__mixture_weights(w, m, 0);
    assert_close(w, ((float[]){.0900306f, .2447285f, .6652410f}), 3, 1e-6, 0);
    qv__mixture_free(m);
    qv__expert_free(e);
}

/* y = scale B A x of a one-site expert. */
static void apply(float *y, const struct qv_expert *e, const float *x)
{
    const struct qv_expert_site *s = &e->site[0];
    for (size_t o = 0; o < s->D_out; o++) {
        y[o] = 0;
        for (size_t r = 0; r < s->R; r++)
            for (size_t d = 0; d < s->D_in; d++)
                y[o] += s->scale * s->B[o * s->R + r] * s->A[r * s->D_in + d] * x[d];
    }
}

/* Two skills of one rank over four inputs, cut in two, as the authors' code mixes them:
 * weights (1, 0) in the first half, (1/4, 3/4) in the second. */
static void each_head_mixes_its_own_block_of_inputs_and_outputs(void **state)
{
    (void)state;
    static const float w[] = {1, 0, .25f, .75f}, x[] = {1, 1, 1, 1};
    struct qv_expert *two[] = {
        expert_of("a", "q", 4, 4, 1, 1, (float[]){0, 1, 2, 3}, (float[]){1, 2, 3, 4}),
        expert_of("b", "q", 4, 4, 1, 1, (float[]){4, 5, 6, 7}, (float[]){5, 6, 7, 8})};
    const struct qv_mixture_opts o = {.heads = 2};
    struct qv_mixture *m = mixture_of(two, 2, &o);
    struct qv_expert *e;
    qv_err err = {0};
    float y[4];
    assert_works(qv__mixture_expert(&e, "mixed", m, w, &err), &err);
    apply(y, e, x);
    assert_close(y, ((float[]){12, 24, 72, 84}), 4, 1e-5, 0);
    assert_string_equal(e->name, "mixed");
    qv__expert_free(e);
    assert_works(qv__mixture_skill(&e, "second", m, 1, &err), &err);
    assert_memory_equal(e->w, two[1]->w, e->n_w * sizeof *e->w);
    qv__expert_free(e);
    qv__mixture_free(m);
    qv__expert_free(two[0]);
    qv__expert_free(two[1]);
}

/* Ranks 1 and 2, scales 2 and 3, and a site that only the second adapts. */
static void experts_of_other_shapes_mean_the_same_in_a_mixture(void **state)
{
    (void)state;
    const struct qv_expert_shape q = {"q", 6, 4, 1, 2},
                                 both[] = {{"v", 6, 8, 2, 6}, {"q", 6, 4, 2, 6}};
    struct qv_expert *two[] = {expert_drawn("a", &q, 1, 1), expert_drawn("b", both, 2, 2)};
    struct qv_mixture *m = mixture_of(two, 2, NULL);
    assert_int_equal(m->like->n_sites, 2);
    assert_true(m->like->site[0].scale == 2 && m->like->site[1].scale == 3);
    float *x = normals(6, 3), want[8], got[8];
    for (size_t s = 0; s < 2; s++) {
        struct qv_expert *e;
        qv_err err = {0};
        const float w[] = {s == 0, s == 1, s == 0, s == 1};
        assert_works(qv__mixture_expert(&e, "e", m, w, &err), &err);
        struct qv_expert q_alone = *two[s];
        q_alone.site += s; // "q" is the second site of b
        apply(want, &q_alone, x);
        apply(got, e, x);
        assert_close_to_scale(got, want, 4, 1e-6);
        struct qv_expert v = *e;
        v.site++;
        apply(got, &v, x);
        if (s == 1)
            apply(want, two[1], x);
        else
            memset(want, 0, sizeof want);
        assert_close(got, want, 8, 1e-6, 1e-6);
        qv__expert_free(e);
    }
    free(x);
    qv__mixture_free(m);
    qv__expert_free(two[0]);
    qv__expert_free(two[1]);
}

struct bench {
    struct qv_mixture *m;
    float w[64], y[256];
    size_t task;
};

static void forward(void *arg)
{
    struct bench *b = arg;
    qv__mixture_weights(b->w, b->m, b->task);
    qv__mixture_fold(b->y, b->m, b->w);
}

static void check_gradient(const struct qv_mixture_opts *o)
{
    const struct qv_expert_shape shape[] = {{"q", 6, 4, 2, 4}, {"v", 4, 8, 2, 4}};
    struct qv_expert *three[3];
    for (size_t s = 0; s < 3; s++)
        three[s] = expert_drawn("e", shape, 2, s + 1);
    struct bench b = {.m = mixture_of(three, 3, o), .task = 1};
    size_t n, n_w = b.m->like->n_w;
    float *p = qv__mixture_trained(b.m, &n), *g = normals(n, 7), *was = normals(n, 7),
          *d = normals(n_w, 8), *z = normals(b.m->n_logit, 9), dw[64];
    assert_true(n_w <= 256 && qv__mixture_n_weights(b.m) <= 64);
    memcpy(b.m->logit, z, b.m->n_logit * sizeof *z);
    assert_int_equal(n, (o->is_frozen ? 0 : 3 * n_w) + b.m->n_logit);
    forward(&b);
    qv__mixture_back(g, b.m, b.task, b.w, d, dw);
    const struct function f = {forward, &b, b.y, d, n_w};
    assert_gradient(&f, p, n, g, was);
    free(g);
    free(was);
    free(d);
    free(z);
    qv__mixture_free(b.m);
    for (size_t s = 0; s < 3; s++)
        qv__expert_free(three[s]);
}

static void gradients_of_skills_and_logits_equal_differences(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 16; i++) {
        const struct qv_mixture_opts o = {.n_tasks = 2,
                                          .heads = i & 1 ? 2 : 1,
                                          .weights =
                                              i & 2 ? QV_MIX_SOFTMAX : QV_MIX_SIGMOID,
                                          .is_shared = i & 4,
                                          .is_frozen = i & 8};
        check_gradient(&o);
    }
}

static void logits_start_within_a_thousandth_of_zero_and_by_the_seed(void **state)
{
    (void)state;
    static const float A[2] = {1, 2}, B[2] = {3, 4};
    struct qv_expert *e = expert_of("e", "q", 2, 2, 1, 1, A, B), *two[] = {e, e};
    const struct qv_mixture_opts o = {.n_tasks = 500};
    struct qv_mixture *m = mixture_of(two, 2, &o), *again = mixture_of(two, 2, &o);
    double sum = 0;
    qv__mixture_init(m, 1);
    qv__mixture_init(again, 1);
    assert_memory_equal(m->logit, again->logit, m->n_logit * sizeof *m->logit);
    char a[65], b[65];
    qv__mixture_hash(a, m);
    qv__mixture_hash(b, again);
    assert_string_equal(a, b);
    qv__mixture_init(again, 2);
    assert_memory_not_equal(m->logit, again->logit, m->n_logit * sizeof *m->logit);
    qv__mixture_hash(b, again);
    assert_string_not_equal(a, b);
    for (size_t i = 0; i < m->n_logit; i++) {
        assert_true(fabsf(m->logit[i]) <= 1e-3f);
        sum += (double)fabsf(m->logit[i]);
    }
    assert_true(fabs(sum / 1000 - 5e-4) < 5e-5);
    qv__mixture_free(m);
    qv__mixture_free(again);
    qv__expert_free(e);
}

static void what_cannot_be_mixed_is_refused(void **state)
{
    (void)state;
    static const float A[8] = {1}, B[8] = {1};
    struct qv_expert *two[] = {expert_of("a", "q", 2, 4, 1, 1, A, B),
                               expert_of("b", "q", 4, 4, 1, 1, A, B)};
    struct qv_mixture *m;
    qv_err err = {0};
    const struct qv_mixture_opts heads = {.heads = 4};
    assert_fails(qv__mixture_new(&m, two, 2, NULL, &err), QV_EFORMAT, &err,
                 "expert 'b': site 'q' maps 4 to 4, another expert's 2 to 4");
    assert_null(m);
    assert_fails(qv__mixture_new(&m, two, 1, &heads, &err), QV_EFORMAT, &err,
                 "site 'q' maps 2 to 4, which 4 heads do not divide");
    const struct qv_mixture_opts many = {.n_tasks = SIZE_MAX / 2};
    assert_fails(qv__mixture_new(&m, two, 1, &many, &err), QV_ENOMEM, &err,
                 "no memory for a mixture of 1 experts");
    qv__expert_free(two[0]);
    qv__expert_free(two[1]);
}

/* ---- against PyTorch: tests/golden/recipes/mixture.py ---- */

#define MIXTURE "tests/golden/mixture/"
enum { S = 3, R = 2, STEPS = 20 };

static struct qv_mixture *recipes_mixture(const qv_model *base, const char *name,
                                          const struct qv_mixture_opts *o)
{
    struct qv_expert_shape shape[64];
    size_t n = 0, n_skill, n_logit;
    for (size_t i = 0; i < base->sites.n; i++) {
        const struct qv_site *s = &base->sites.at[i];
        if (strstr(s->path, "q_proj") || strstr(s->path, "v_proj"))
            shape[n++] = (struct qv_expert_shape){s->path, s->D_in, s->D_out, R, 2 * R};
    }
    struct qv_expert *e = expert_drawn("e", shape, n, 1), *three[S] = {e, e, e};
    struct qv_mixture *m = mixture_of(three, S, o);
    char key[32];
    snprintf(key, sizeof key, "logit.%s", name);
    float *skill = golden_tensor(&n_skill, MIXTURE "start.safetensors", "skill");
    float *logit = golden_tensor(&n_logit, MIXTURE "start.safetensors", key);
    assert_int_equal(n_skill, m->n_skill);
    assert_int_equal(n_logit, m->n_logit);
    memcpy(m->skill, skill, n_skill * sizeof *skill);
    memcpy(m->logit, logit, n_logit * sizeof *logit);
    free(skill);
    free(logit);
    qv__expert_free(e);
    return m;
}

static void check_part(const char *file, const char *what, const float *got, size_t n,
                       double rel)
{
    size_t n_want;
    float *want = golden_tensor(&n_want, file, what);
    assert_int_equal(n_want, n);
    assert_close_to_scale(got, want, n, rel);
    free(want);
}

static void check_case(const qv_model *base, const char *name, struct qv_mixture_opts o)
{
    char file[64];
    snprintf(file, sizeof file, MIXTURE "%s.safetensors", name);
    struct qv_mixture *m = recipes_mixture(base, name, &o);
    struct golden_batch b;
    struct qv_objective obj;
    struct qv_source src;
    struct qv_train_log log;
    qv_err err = {0};
    double loss;
    golden_batch(&b, GOLDEN_BATCH);
    b.s[1].task = b.s[2].task = 1;
    const struct qv_objective_of of = {.m = base, .mixture = m};
    size_t n_skill = o.is_frozen ? 0 : m->n_skill;
    for (size_t i = 0; i < 6; i++) { // whatever the lanes and passes
        assert_works(qv__objective_init(&obj, &of, 12, i < 3 ? 64 : 1, 1 + i % 3, &err),
                     &err);
        assert_works(
            qv__loss_gradient(&loss, &obj, b.list, 3, (struct qv_dropout){0}, &err), &err);
        check_part(file, "grad_logit", obj.g + n_skill, m->n_logit, 2e-5);
        if (n_skill)
            check_part(file, "grad_skill", obj.g, n_skill, 2e-5);
        qv__objective_end(&obj);
    }

    const struct qv_train_opts t = {.dropout = -1,
                                    .lr = 1e-3f,
                                    .warmup = 3.f / STEPS,
                                    .steps = STEPS,
                                    .lanes = 2,
                                    .pass_tokens = 64};
    assert_works(qv__source_init(&src, b.s, 3, 3, 1, &err), &err);
    assert_works(qv__train_mixture(m, base, &src, NULL, 0, &t, NULL, &log, &err), &err);
    assert_int_equal(log.steps, STEPS);
    check_part(file, "loss", log.loss, STEPS, 1e-5);
    check_part(file, "logit", m->logit, m->n_logit, 2e-4);
    check_part(o.is_frozen ? MIXTURE "start.safetensors" : file, "skill", m->skill,
               m->n_skill, o.is_frozen ? 0 : 2e-4);
    qv__train_log_end(&log);
    qv__source_end(&src);
    qv__mixture_free(m);
}

static void twenty_steps_on_a_mixture_are_those_of_pytorch(void **state)
{
    (void)state;
    const qv_model_opts f32 = {.compute = QV_COMPUTE_F32};
    qv_model *base;
    qv_err err = {0};
    assert_works(qv_model_open(&base, "tests/golden/llama/gqa_untied", &f32, &err), &err);
    check_case(base, "poly", (struct qv_mixture_opts){.n_tasks = 2});
    check_case(base, "mhr", (struct qv_mixture_opts){.n_tasks = 2, .heads = 2});
    check_case(base, "frozen", (struct qv_mixture_opts){.n_tasks = 2, .is_frozen = true});
    check_case(base, "shared",
               (struct qv_mixture_opts){
                   .n_tasks = 2, .is_shared = true, .weights = QV_MIX_SOFTMAX});
    qv_model_close(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_are_sigmoids_over_their_sum),
        cmocka_unit_test(softmax_weights_are_exponentials_over_their_sum),
        cmocka_unit_test(each_head_mixes_its_own_block_of_inputs_and_outputs),
        cmocka_unit_test(experts_of_other_shapes_mean_the_same_in_a_mixture),
        cmocka_unit_test(gradients_of_skills_and_logits_equal_differences),
        cmocka_unit_test(logits_start_within_a_thousandth_of_zero_and_by_the_seed),
        cmocka_unit_test(what_cannot_be_mixed_is_refused),
        cmocka_unit_test(twenty_steps_on_a_mixture_are_those_of_pytorch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
