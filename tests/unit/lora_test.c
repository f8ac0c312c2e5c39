/* The LoRA operator: its formula, its gradients against differences with and
 * without dropout, and the mask itself.
 */
#include "op/lora.h"
#include "support/experts.h"
#include "support/gradient.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum { T = 9, D_IN = 13, D_OUT = 7, R = 3 };

struct bench {
    float x[T * D_IN], A[R * D_IN], B[D_OUT * R], y[T * D_OUT], z[T * R];
    float scratch[T * (R + D_IN)];
    float dA[R * D_IN], dB[D_OUT * R];
    struct qv_lora_map map;
    struct qv_dropout drop;
};

static void take(float *to, size_t n, uint64_t seed)
{
    float *from = normals(n, seed);
    memcpy(to, from, n * sizeof *to);
    free(from);
}

static void set_up(struct bench *b, float rate)
{
    take(b->x, T * D_IN, 1);
    take(b->A, R * D_IN, 2);
    take(b->B, D_OUT * R, 3);
    take(b->dA, R * D_IN, 4); // gradients are added to what is there
    take(b->dB, D_OUT * R, 4);
    b->map = (struct qv_lora_map){.A = b->A,
                                  .B = b->B,
                                  .dA = b->dA,
                                  .dB = b->dB,
                                  .R = R,
                                  .D_in = D_IN,
                                  .D_out = D_OUT,
                                  .scale = 1.5f};
    b->drop = (struct qv_dropout){rate, 77};
}

static void forward(void *arg)
{
    struct bench *b = arg;
    memset(b->y, 0, sizeof b->y);
    qv__lora(b->y, b->z, b->x, &b->map, T, b->drop, b->scratch);
}

static void the_update_is_scale_times_B_A_x_and_is_added(void **state)
{
    (void)state;
    struct bench b;
    float want[T * D_OUT];
    set_up(&b, 0);
    take(b.y, T * D_OUT, 5);
    for (size_t t = 0; t < T; t++)
        for (size_t o = 0; o < D_OUT; o++) {
            double sum = 0;
            for (size_t r = 0; r < R; r++)
                for (size_t i = 0; i < D_IN; i++)
                    sum += (double)b.B[o * R + r] * (double)b.A[r * D_IN + i] *
                           (double)b.x[t * D_IN + i];
            want[t * D_OUT + o] = (float)((double)b.y[t * D_OUT + o] + 1.5 * sum);
        }
    qv__lora(b.y, b.z, b.x, &b.map, T, b.drop, NULL);
    assert_close_to_scale(b.y, want, T * D_OUT, 1e-6);
}

static void check_gradients(float rate)
{
    struct bench b;
    float dy[T * D_OUT], dx[T * D_IN], was[T * D_IN];
    set_up(&b, rate);
    take(dy, T * D_OUT, 6);
    take(dx, T * D_IN, 4);
    take(was, T * D_IN, 4);
    forward(&b);
    qv__lora_back(dx, dy, b.x, b.z, &b.map, T, b.drop, b.scratch);
    const struct function f = {forward, &b, b.y, dy, T * D_OUT};
    assert_gradient(&f, b.x, T * D_IN, dx, was);
    assert_gradient(&f, b.A, R * D_IN, b.dA, was);
    assert_gradient(&f, b.B, D_OUT * R, b.dB, was);
}

static void the_gradients_equal_differences(void **state)
{
    (void)state;
    check_gradients(0);
}

static void the_gradients_under_dropout_use_the_forward_passs_mask(void **state)
{
    (void)state;
    check_gradients(0.4f);
}

static void without_a_dx_the_other_gradients_are_the_same(void **state)
{
    (void)state;
    static const float rates[] = {0, 0.4f};
    for (size_t i = 0; i < QV_COUNT(rates); i++) {
        struct bench b, c;
        float dx[T * D_IN] = {0};
        set_up(&b, rates[i]);
        set_up(&c, rates[i]);
        forward(&b);
        forward(&c);
        qv__lora_back(dx, b.y, b.x, b.z, &b.map, T, b.drop, b.scratch);
        qv__lora_back(NULL, c.y, c.x, c.z, &c.map, T, c.drop, c.scratch);
        assert_memory_equal(b.dA, c.dA, sizeof b.dA);
        assert_memory_equal(b.dB, c.dB, sizeof b.dB);
    }
}

/* A = B = 1 over one input shows the mask: y is x / (1 - rate), or 0. */
static void dropout_drops_its_share_and_scales_up_what_it_keeps(void **state)
{
    (void)state;
    enum { N = 20000 };
    const float one = 1, rate = 0.05f;
    const struct qv_lora_map map = {
        .A = &one, .B = &one, .R = 1, .D_in = 1, .D_out = 1, .scale = 1};
    float *x = normals(N, 1), *y = calloc(N, sizeof *y), *z = calloc(N, sizeof *z),
          *again = calloc(N, sizeof *again), *scratch = calloc(N, sizeof *scratch);
    assert_true(y && z && again && scratch);
    int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    qv__lora(y, z, x, &map, N, (struct qv_dropout){rate, 5}, scratch);
    omp_set_num_threads(2);
    qv__lora(again, z, x, &map, N, (struct qv_dropout){rate, 5}, scratch);
    omp_set_num_threads(threads);
    assert_memory_equal(y, again, N * sizeof *y);
    size_t dropped = 0;
    for (size_t i = 0; i < N; i++) {
        float want = y[i] == 0 ? 0 : x[i] / (1 - rate);
        dropped += y[i] == 0;
        assert_close(&y[i], &want, 1, 0, 1e-6);
    }
    assert_in_range(dropped, 1000 - 155, 1000 + 155); // five standard deviations
    memset(again, 0, N * sizeof *again);
    qv__lora(again, z, x, &map, N, (struct qv_dropout){rate, 6}, scratch);
    size_t both = 0;
    for (size_t i = 0; i < N; i++)
        both += y[i] == 0 && again[i] == 0;
    assert_in_range(both, 15, 90); // 50 if seeds are independent
    free(x), free(y), free(z), free(again), free(scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_update_is_scale_times_B_A_x_and_is_added),
        cmocka_unit_test(the_gradients_equal_differences),
        cmocka_unit_test(the_gradients_under_dropout_use_the_forward_passs_mask),
        cmocka_unit_test(without_a_dx_the_other_gradients_are_the_same),
        cmocka_unit_test(dropout_drops_its_share_and_scales_up_what_it_keeps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
