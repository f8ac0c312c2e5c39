/* Muon: PyTorch's steps, singular values near one, and the whole model's optimizer, which
 * leaves norms and the embedding to AdamW.
 */
#include "op/muon.h"
#include "base/rng.h"
#include "support/golden.h"
#include "support/near.h"
#include "support/scratch.h"
#include "train/optimizer.h"
#include "train/trainer.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN "tests/golden/muon/steps.safetensors"

static const struct {
    const char *name;
    size_t rows, cols;
} shapes[] = {{"wide", 12, 20}, {"tall", 20, 12}, {"square", 16, 16}};

static float *golden(const char *shape, const char *what)
{
    char name[64];
    snprintf(name, sizeof name, "%s.%s", shape, what);
    return golden_tensor(NULL, GOLDEN, name);
}

static void four_steps_are_those_of_pytorch(void **state)
{
    (void)state;
    const struct qv_muon o = {.lr = 2e-2f, .momentum = 0.95f, .decay = 0.1f};
    for (size_t i = 0; i < QV_COUNT(shapes); i++) {
        size_t rows = shapes[i].rows, cols = shapes[i].cols;
        float *p = golden(shapes[i].name, "before"), *m = calloc(rows * cols, sizeof *m);
        float *scratch = malloc(qv__muon_scratch(rows, cols) * sizeof *scratch);
        assert_non_null(m);
        assert_non_null(scratch);
        for (int step = 0; step < 4; step++) {
            char what[32];
            snprintf(what, sizeof what, "gradient%d", step);
            float *g = golden(shapes[i].name, what);
            for (size_t j = 0; j < rows * cols; j++)
                g[j] *= 4; // and a quarter of it is asked for
            qv__muon(p, g, m, rows, cols, &o, 0.25f, scratch);
            free(g);
        }
        float *after = golden(shapes[i].name, "after");
        float *momentum = golden(shapes[i].name, "momentum");
        assert_close_to_scale(p, after, rows * cols, 1e-5);
        assert_close_to_scale(m, momentum, rows * cols, 1e-6);
        free(after), free(momentum), free(scratch), free(m), free(p);
    }
}

static void msign_brings_singular_values_near_one(void **state)
{
    (void)state;
    enum { R = 24, C = 40 };
    static float X[R * C], Y[R * C], gram[R * R], scratch[R * C + 2 * R * R];
    for (size_t i = 0; i < R * C; i++)
        X[i] = Y[i] = 1e-3f * qv__normal(3, i);
    qv__msign(Y, R, C, scratch);
    double trace = 0, along = 0;
    for (size_t i = 0; i < R; i++)
        for (size_t j = 0; j < R; j++) {
            gram[i * R + j] = 0;
            for (size_t k = 0; k < C; k++)
                gram[i * R + j] += Y[i * C + k] * Y[j * C + k];
        }
    for (size_t i = 0; i < R; i++) { // Gershgorin: every singular value is near enough
        double away = 0;
        trace += (double)gram[i * R + i];
        for (size_t j = 0; j < R; j++)
            away += j == i ? 0 : fabs((double)gram[i * R + j]);
        assert_true((double)gram[i * R + i] + away < 3);
    }
    for (size_t i = 0; i < R * C; i++)
        along += (double)X[i] * (double)Y[i];
    assert_true(trace > 0.7 * 0.7 * R && trace < 1.25 * 1.25 * R);
    assert_true(along > 0);
}

static void a_gradient_of_zeros_changes_nothing(void **state)
{
    (void)state;
    const struct qv_muon o = {.lr = 1, .momentum = 0.95f};
    float p[6] = {1, 2, 3, 4, 5, 6}, g[6] = {0}, m[6] = {0}, scratch[64];
    assert_true(qv__muon_scratch(2, 3) <= QV_COUNT(scratch));
    qv__muon(p, g, m, 2, 3, &o, 1, scratch);
    for (size_t i = 0; i < 6; i++)
        assert_true(p[i] == (float)(i + 1) && m[i] == 0);
}

/* A trainable model, a state on its weights, and a gradient. */
struct all {
    qv_model *m;
    struct qv_state st;
    struct qv_optimizer o;
    float *g;
};

static void all_init(struct all *a, bool muon)
{
    qv_err err = {0};
    const qv_model_opts opts = {.trainable = true};
    *a = (struct all){0};
    assert_works(qv_model_open(&a->m, "tests/golden/llama/mha_tied", &opts, &err), &err);
    assert_works(qv__state_init(&a->st, a->m->own, a->m->n_own, 4, 0, &err), &err);
    assert_works(qv__optimizer_init(&a->o, a->m, muon, &err), &err);
    a->g = malloc(a->st.n * sizeof *a->g);
    assert_non_null(a->g);
    for (size_t i = 0; i < a->st.n; i++)
        a->g[i] = qv__normal(5, i);
}

static void all_end(struct all *a)
{
    free(a->g);
    qv__optimizer_end(&a->o);
    qv__state_end(&a->st);
    qv_model_close(a->m);
}

static void step(struct all *a)
{
    const struct qv_adamw adamw = {1e-2f, 0.9f, 0.95f, 1e-8f, 0};
    qv__optimizer_step(&a->o, &a->st, a->g, &adamw, NULL, 1);
}

static bool is_equal(const struct all *a, const struct all *b, const struct qv_weight *w)
{
    size_t at = (size_t)(w->f32 - a->m->own);
    return memcmp(a->st.p + at, b->st.p + at, w->D_out * w->D_in * sizeof(float)) == 0;
}

static void muon_takes_the_maps_of_the_layers_and_adamw_the_rest(void **state)
{
    (void)state;
    struct all adamw, muon;
    all_init(&adamw, false);
    all_init(&muon, true);
    step(&adamw);
    step(&muon);
    const qv_model *m = adamw.m;
    assert_true(is_equal(&adamw, &muon, &m->embed));
    assert_true(is_equal(&adamw, &muon, &m->norm.w));
    for (size_t l = 0; l < m->c.L; l++) {
        assert_true(is_equal(&adamw, &muon, &m->layer[l].norm1.w));
        assert_true(is_equal(&adamw, &muon, &m->layer[l].norm2.w));
        for (size_t i = QV_Q; i < QV_N_MAPS; i++)
            assert_false(is_equal(&adamw, &muon, &m->layer[l].map[i].w));
    }
    all_end(&adamw);
    all_end(&muon);
}

static void one_thread_and_two_give_the_same_bits(void **state)
{
    (void)state;
    struct all one, two;
    int threads = omp_get_max_threads();
    all_init(&one, true);
    all_init(&two, true);
    omp_set_num_threads(1);
    step(&one);
    omp_set_num_threads(2);
    step(&two);
    omp_set_num_threads(threads);
    assert_memory_equal(one.st.p, two.st.p, one.st.n * sizeof(float));
    assert_memory_equal(one.st.m, two.st.m, one.st.n * sizeof(float));
    all_end(&one);
    all_end(&two);
}

static void a_model_is_trained_by_it_and_the_checkpoint_knows(void **state)
{
    float loss[2];
    struct golden_batch b;
    qv_err err = {0};
    golden_batch(&b, GOLDEN_BATCH);
    const char *checkpoint = scratch_path(state, "checkpoint");
    for (int i = 0; i < 3; i++) { // by Muon, by AdamW, by Muon with AdamW's checkpoint
        struct all a;
        struct qv_source src;
        struct qv_train_log log;
        const struct qv_train_opts o = {.muon = i != 1,
                                        .lr = 3e-3f,
                                        .warmup = -1,
                                        .clip = -1,
                                        .steps = 30,
                                        .save_every = -1};
        all_init(&a, false);
        assert_works(qv__source_init(&src, b.s, 3, 3, 1, &err), &err);
        qv_status result =
            qv__train_full(a.m, &src, NULL, 0, &o, i == 0 ? NULL : checkpoint, &log, &err);
        if (i < 2) {
            assert_works(result, &err);
            loss[i] = log.loss[29];
            assert_true(log.loss[29] < 0.8f * log.loss[0]);
        } else {
            assert_int_equal(result, QV_EFORMAT);
            assert_non_null(
                strstr(err.msg, "belongs to a run with other data or settings"));
        }
        qv__train_log_end(&log);
        qv__source_end(&src);
        all_end(&a);
    }
    assert_true(loss[0] != loss[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_steps_are_those_of_pytorch),
        cmocka_unit_test(msign_brings_singular_values_near_one),
        cmocka_unit_test(a_gradient_of_zeros_changes_nothing),
        cmocka_unit_test(muon_takes_the_maps_of_the_layers_and_adamw_the_rest),
        cmocka_unit_test(one_thread_and_two_give_the_same_bits),
        cmocka_unit_test_setup_teardown(a_model_is_trained_by_it_and_the_checkpoint_knows,
                                        make_scratch, remove_scratch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
