/* gate_test.c - the gated update: its formula, and its gradients against differences. */
#include "op/gate.h"
#include "support/experts.h"
#include "support/gradient.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { T = 9, D_IN = 13, D_OUT = 7, R = 3 };

struct bench {
    float x[T * D_IN], A[R * D_IN], B[D_OUT * R], v[D_IN], y[T * D_OUT], z[T * (R + 1)];
    float scratch[T * (R + 1)], dv[D_IN];
    struct qv_gate_map map;
};

static void take(float *to, size_t n, uint64_t seed, float by)
{
    float *from = normals(n, seed);
    for (size_t i = 0; i < n; i++)
        to[i] = by * from[i];
    free(from);
}

static void set_up(struct bench *b)
{
    take(b->x, T * D_IN, 1, 1);
    take(b->A, R * D_IN, 2, 1);
    take(b->B, D_OUT * R, 3, 1);
    take(b->v, D_IN, 4, .4f); // gates neither shut nor wide open
    take(b->dv, D_IN, 5, 1);  // gradients are added to what is there
    b->map = (struct qv_gate_map){b->A, b->B, b->v, b->dv, R, D_IN, D_OUT, 1.5f};
}

static void forward(void *arg)
{
    struct bench *b = arg;
    memset(b->y, 0, sizeof b->y);
    qv__gate(b->y, b->z, b->x, &b->map, T, b->scratch);
}

static void the_update_is_gated_by_the_sigmoid_of_v_times_x(void **state)
{
    (void)state;
    struct bench b;
    float want[T * D_OUT];
    set_up(&b);
    take(b.y, T * D_OUT, 6, 1);
    for (size_t t = 0; t < T; t++) {
        const float *x = b.x + t * D_IN;
        double h = 0;
        for (size_t i = 0; i < D_IN; i++)
            h += (double)b.v[i] * (double)x[i];
        for (size_t o = 0; o < D_OUT; o++) {
            double sum = 0;
            for (size_t r = 0; r < R; r++)
                for (size_t i = 0; i < D_IN; i++)
                    sum +=
                        (double)b.B[o * R + r] * (double)b.A[r * D_IN + i] * (double)x[i];
            want[t * D_OUT + o] =
                (float)((double)b.y[t * D_OUT + o] + 1.5 * sum / (1 + exp(-h)));
        }
    }
    qv__gate(b.y, b.z, b.x, &b.map, T, b.scratch);
    assert_close_to_scale(b.y, want, T * D_OUT, 1e-6);
}

static void the_gradients_equal_differences(void **state)
{
    (void)state;
    struct bench b;
    float dy[T * D_OUT], dx[T * D_IN], was[T * D_IN];
    set_up(&b);
    take(dy, T * D_OUT, 6, 1);
    take(dx, T * D_IN, 5, 1);
    take(was, T * D_IN, 5, 1);
    forward(&b);
    qv__gate_back(dx, dy, b.x, b.z, &b.map, T, b.scratch);
    const struct function f = {forward, &b, b.y, dy, T * D_OUT};
    assert_gradient(&f, b.x, T * D_IN, dx, was);
    assert_gradient(&f, b.v, D_IN, b.dv, was);
}

static void without_a_dx_the_other_gradient_is_the_same(void **state)
{
    (void)state;
    struct bench b, c;
    float dx[T * D_IN] = {0};
    set_up(&b);
    set_up(&c);
    forward(&b);
    forward(&c);
    qv__gate_back(dx, b.y, b.x, b.z, &b.map, T, b.scratch);
    qv__gate_back(NULL, c.y, c.x, c.z, &c.map, T, c.scratch);
    assert_memory_equal(b.dv, c.dv, sizeof b.dv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_update_is_gated_by_the_sigmoid_of_v_times_x),
        cmocka_unit_test(the_gradients_equal_differences),
        cmocka_unit_test(without_a_dx_the_other_gradient_is_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
