/* dora_test.c - lengths of updated rows, and what is done with them, against plain loops.
 */
#include "base/rng.h"
#include "lora/bank.h"
#include "op/dora.h"
#include "route/update.h"
#include "support/near.h"
#include "support/scratch.h"

#include <math.h>
#include <stdlib.h>

enum { D_OUT = 37, D_IN = 70, R = 3, T = 5 };

static float w[D_OUT * D_IN], A[R * D_IN], B[D_OUT * R];

static int draw(void **state)
{
    (void)state;
    for (size_t i = 0; i < D_OUT * D_IN; i++)
        w[i] = qv__normal(1, i);
    for (size_t i = 0; i < R * D_IN; i++)
        A[i] = qv__normal(2, i);
    for (size_t i = 0; i < D_OUT * R; i++)
        B[i] = qv__normal(3, i);
    return 0;
}

static double updated(size_t o, size_t i)
{
    double x = (double)w[o * D_IN + i];
    for (size_t r = 0; r < R; r++)
        x += 0.5 * (double)B[o * R + r] * (double)A[r * D_IN + i];
    return x;
}

static void lengths_are_those_of_the_rows_of_the_updated_weight(void **state)
{
    (void)state;
    const struct qv_weight W = {.f32 = w, .D_out = D_OUT, .D_in = D_IN};
    const struct qv_lora_map m = {
        .A = A, .B = B, .R = R, .D_in = D_IN, .D_out = D_OUT, .scale = 0.5f};
    float *slab = malloc(qv__linear_slab(D_IN) * sizeof *slab), n[D_OUT], want[D_OUT];
    assert_non_null(slab);
    qv__dora_lengths(n, &W, &m, slab);
    free(slab);
    for (size_t o = 0; o < D_OUT; o++) {
        double sum = 0;
        for (size_t i = 0; i < D_IN; i++)
            sum += updated(o, i) * updated(o, i);
        want[o] = (float)sqrt(sum);
    }
    assert_close(n, want, D_OUT, 0, 1e-6);
}

/* Wider than any that share a slab. */
static void a_row_may_be_wider_than_any_slab_of_many(void **state)
{
    (void)state;
    const size_t wide = qv__linear_slab(1) + 3;
    float *rows = calloc(2 * wide, sizeof *rows);
    float *slab = malloc(qv__linear_slab(wide) * sizeof *slab);
    float *a = calloc(wide, sizeof *a), b[2] = {1, 2}, n[2], want[] = {5, 10};
    assert_true(rows && slab && a);
    rows[0] = 3;
    rows[wide] = 6;
    a[wide - 1] = 4;
    const struct qv_weight W = {.f32 = rows, .D_out = 2, .D_in = wide};
    const struct qv_lora_map m = {
        .A = a, .B = b, .R = 1, .D_in = wide, .D_out = 2, .scale = 1};
    qv__dora_lengths(n, &W, &m, slab);
    assert_close(n, want, 2, 0, 1e-6);
    free(rows);
    free(slab);
    free(a);
}

static void lengths_of_columns_are_those_of_the_turned_table(void **state)
{
    (void)state;
    float n[D_IN], want[D_IN];
    qv__column_lengths(n, w, D_OUT, D_IN);
    for (size_t i = 0; i < D_IN; i++) {
        double sum = 0;
        for (size_t o = 0; o < D_OUT; o++)
            sum += (double)w[o * D_IN + i] * (double)w[o * D_IN + i];
        want[i] = (float)sqrt(sum);
    }
    assert_close(n, want, D_IN, 0, 1e-6);
}

static void rows_are_scaled_and_columns_rescaled(void **state)
{
    (void)state;
    float x[6] = {1, 2, 3, 4, 5, 6}, rows[2] = {2, -1}, cols[3] = {1, 0, 3};
    float shift[3] = {0, 7, 1};
    const float scaled[6] = {2, 4, 6, -4, -5, -6}, rescaled[6] = {2, 7, 19, -4, 7, -17};
    qv__scale_rows(x, rows, 2, 3);
    assert_memory_equal(x, scaled, sizeof x);
    qv__rescale(x, cols, shift, 2, 3);
    assert_memory_equal(x, rescaled, sizeof x);
}

/* y = g (y0 + s B A x) + shift, at the site with a gain and nowhere else. */
static void an_update_ends_with_the_gain_of_its_site(void **state)
{
    (void)state;
    const struct qv_site at[] = {{"a", 0, D_IN, D_OUT}, {"b", 0, D_IN, D_OUT}};
    const struct qv_sites sites = {at, 2};
    const struct qv_expert_shape shape[] = {{"a", D_IN, D_OUT, R, 1.5f},
                                            {"b", D_IN, D_OUT, R, 1.5f}};
    struct qv_expert *e;
    struct qv_bank *bank;
    struct qv_update u;
    qv_err err;
    static float x[T * D_IN], y[2][T * D_OUT];
    assert_works(qv__expert_new(&e, "e", shape, 2, false, &err), &err);
    for (size_t i = 0; i < e->n_w; i++)
        e->w[i] = qv__normal(4, i);
    for (size_t i = 0; i < e->n_w / 2; i++)
        e->w[e->n_w / 2 + i] = e->w[i];
    for (size_t i = 0; i < T * D_IN; i++)
        x[i] = qv__normal(5, i);
    for (size_t i = 0; i < T * D_OUT; i++)
        y[0][i] = y[1][i] = qv__normal(6, i);
    assert_works(qv__bank_new(&bank, &sites, &e, 1, &err), &err);
    float *gain = qv__bank_gain(bank, 1);
    for (size_t o = 0; o < D_OUT; o++) {
        gain[o] = qv__normal(7, o);
        gain[D_OUT + o] = qv__normal(8, o);
    }
    assert_works(qv__update_init(&u, bank, NULL, QV_FACTOR, T, &err), &err);
    qv__update_apply(&u, 0, y[0], x, T);
    qv__update_apply(&u, 1, y[1], x, T);
    for (size_t i = 0; i < T * D_OUT; i++)
        y[0][i] = gain[i % D_OUT] * y[0][i] + gain[D_OUT + i % D_OUT];
    assert_close(y[1], y[0], T * D_OUT, 1e-5, 1e-6);
    qv__update_end(&u);
    qv__bank_free(bank);
    qv__expert_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_are_those_of_the_rows_of_the_updated_weight),
        cmocka_unit_test(a_row_may_be_wider_than_any_slab_of_many),
        cmocka_unit_test(lengths_of_columns_are_those_of_the_turned_table),
        cmocka_unit_test(rows_are_scaled_and_columns_rescaled),
        cmocka_unit_test(an_update_ends_with_the_gain_of_its_site),
    };
    return cmocka_run_group_tests(tests, draw, NULL);
}
