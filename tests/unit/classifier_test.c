/* classifier_test.c - logistic regression: its loss by hand, its gradient by
 * differences, and that it learns, the same way every time. */
#include "train/classifier.h"
#include "base/rng.h"
#include "support/experts.h"
#include "support/near.h"

#include <math.h>
#include <stdlib.h>

enum { N = 40, F = 5, K = 3, P = K * F + K };

static void the_loss_is_cross_entropy_and_half_the_squares(void **state)
{
    (void)state;
    // W f + b = (log 3, 0): p = 3/4, 1/4. Classes 0 and 1 cost log 4/3 and log 4.
    const float f[] = {1, 0, 1, 0}, l3 = logf(3);
    const float p[] = {l3 - 1, 7, 0, 0, 1, 0};
    const int label[] = {0, 1};
    const struct qv_labelled d = {.f = f, .label = label, .n = 2, .F = 2, .K = 2};
    float room[2 * 4];
    double squares = (log(3) - 1) * (log(3) - 1) + 49;
    double loss = qv__classifier_loss(NULL, &d, (size_t[]){0, 1}, 2, p, .5f, room);
    assert_true(fabs(loss - (log(4. / 3) + log(4)) / 2 - .25 * squares) < 1e-5);
    loss = qv__classifier_loss(NULL, &d, (size_t[]){1}, 1, p, 0, room);
    assert_true(fabs(loss - log(4)) < 1e-6);
}

/* Class k around its own corner. */
static struct qv_labelled drawn(float *f, int *label)
{
    for (size_t i = 0; i < N; i++) {
        label[i] = (int)qv__below(3, i, K);
        for (size_t j = 0; j < F; j++)
            f[i * F + j] =
                2 + .3f * qv__normal(4, i * F + j) + ((size_t)label[i] == j ? .8f : 0);
    }
    return (struct qv_labelled){.f = f, .label = label, .n = N, .F = F, .K = K};
}

static void the_gradient_equals_differences(void **state)
{
    (void)state;
    float f[N * F], g[P], want[P], room[N * (F + K)];
    int label[N];
    size_t which[N];
    const struct qv_labelled d = drawn(f, label);
    float *p = normals(P, 5);
    for (size_t i = 0; i < N; i++)
        which[i] = N - 1 - i;
    qv__classifier_loss(g, &d, which, N, p, .1f, room);
    for (size_t i = 0; i < P; i++) {
        const float was = p[i], h = 0x1p-6f;
        p[i] = was + h;
        double up = qv__classifier_loss(NULL, &d, which, N, p, .1f, room);
        p[i] = was - h;
        double down = qv__classifier_loss(NULL, &d, which, N, p, .1f, room);
        p[i] = was;
        want[i] = (float)((up - down) / (2 * (double)h));
    }
    assert_close_to_scale(g, want, P, 1e-4);
    free(p);
}

static size_t right(const float *p, const struct qv_labelled *d)
{
    size_t n = 0;
    for (size_t i = 0; i < d->n; i++) {
        float l[K];
        size_t best = 0;
        for (size_t e = 0; e < K; e++) {
            l[e] = p[K * F + e];
            for (size_t j = 0; j < F; j++)
                l[e] += p[e * F + j] * d->f[i * F + j];
            best = l[e] > l[best] ? e : best;
        }
        n += (int)best == d->label[i];
    }
    return n;
}

static void what_can_be_told_apart_is_learnt_and_always_alike(void **state)
{
    (void)state;
    float f[N * F], raw[N * F], p[P], again[P], other[P], mean[F], by[F];
    int label[N];
    drawn(raw, label);
    const struct qv_labelled d = drawn(f, label);
    const struct qv_labelled as_they_were = {raw, label, N, F, K};
    qv__standardise(f, N, F, mean, by);
    const struct qv_classifier_opts o = {.seed = 7, .batch = 16};
    assert_int_equal(qv__classifier_train(p, &d, &o, NULL), QV_OK);
    assert_int_equal(qv__classifier_train(again, &d, &o, NULL), QV_OK);
    const struct qv_classifier_opts elsewhere = {.seed = 8, .batch = 16};
    assert_int_equal(qv__classifier_train(other, &d, &elsewhere, NULL), QV_OK);
    assert_memory_equal(p, again, sizeof p);
    assert_memory_not_equal(p, other, sizeof p);
    assert_true(right(p, &d) >= N - 2);
    qv__unstandardise(p, K, F, mean, by);
    assert_true(right(p, &as_they_were) >= N - 2);
}

static void standard_features_have_mean_0_and_examples_of_length_1(void **state)
{
    (void)state;
    // Deviations 1 and 0: (x - 3) / sqrt 2, and nothing.
    float f[] = {2, 5, 4, 5}, mean[2], by[2];
    qv__standardise(f, 2, 2, mean, by);
    const float s = sqrtf(.5f);
    assert_close(f, ((float[]){-s, 0, s, 0}), 4, 1e-6, 0);
    assert_close(mean, ((float[]){3, 5}), 2, 0, 0);
    assert_close(by, ((float[]){s, 0}), 2, 1e-6, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_loss_is_cross_entropy_and_half_the_squares),
        cmocka_unit_test(the_gradient_equals_differences),
        cmocka_unit_test(what_can_be_told_apart_is_learnt_and_always_alike),
        cmocka_unit_test(standard_features_have_mean_0_and_examples_of_length_1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
