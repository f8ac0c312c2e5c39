/* Dense products: oneDNN's and our plain twin's against sums in double, and the
 * three ways of a linear map against one another.
 */
#include "op/gemm.h"
#include "base/base.h"
#include "kern/kern.h"
#include "op/linear.h"
#include "support/experts.h"
#include "support/near.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static float widened(uint16_t h)
{
    uint32_t bits = (uint32_t)h << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* Fail unless C is alpha op(A) op(B) + beta C0 within the bound of any order of
 * adding up. All are densely packed. */
static void check_product(const float *C, const float *C0, float alpha, float beta, bool ta,
                          bool tb, const size_t mnk[3], const float *A, const float *B)
{
    size_t M = mnk[0], N = mnk[1], K = mnk[2];
    for (size_t i = 0; i < M; i++)
        for (size_t j = 0; j < N; j++) {
            double sum = 0, size = 0, c = (double)C0[i * N + j] * (double)beta;
            for (size_t l = 0; l < K; l++) {
                double p = (double)A[ta ? l * M + i : i * K + l] *
                           (double)B[tb ? j * K + l : l * N + j];
                sum += p;
                size += fabs(p);
            }
            float want = (float)(sum * (double)alpha + c);
            double bound = 2 * (double)(K + 2) * (double)FLT_EPSILON *
                           (size * fabs((double)alpha) + fabs(c));
            assert_close(&C[i * N + j], &want, 1, bound, 0);
        }
}

static const size_t shapes[][3] = {{1, 1, 1},   {3, 5, 7},    {1, 70, 33}, {70, 1, 5},
                                   {17, 33, 9}, {64, 64, 64}, {5, 100, 3}, {40, 7, 130}};

static void float_products_are_right_in_all_four_layouts(void **state)
{
    (void)state;
    for (size_t i = 0; i < QV_COUNT(shapes); i++)
        for (int t = 0; t < 4; t++) {
            size_t M = shapes[i][0], N = shapes[i][1], K = shapes[i][2];
            bool ta = t & 1, tb = t & 2;
            float *A = normals(M * K, 1), *B = normals(K * N, 2), *C0 = normals(M * N, 3),
                  *C = normals(M * N, 3);
            qv__sgemm(ta, tb, M, N, K, 0.5f, A, ta ? M : K, B, tb ? K : N, 1, C, N);
            check_product(C, C0, 0.5f, 1, ta, tb, shapes[i], A, B);
            qv__sgemm(ta, tb, M, N, K, 1, A, ta ? M : K, B, tb ? K : N, 0, C, N);
            check_product(C, C0, 1, 0, ta, tb, shapes[i], A, B);
            free(A), free(B), free(C0), free(C);
        }
}

static void a_product_over_nothing_leaves_what_it_is_added_to(void **state)
{
    (void)state;
    const float one = 1;
    float c[] = {3, 4, 5, 6};
    static const float want[] = {3, 4, 5, 6};
    qv__sgemm(true, false, 2, 2, 0, 1, &one, 2, &one, 2, 1, c, 2);
    assert_close(c, want, 4, 0, 0);
    qv__sgemm(false, false, 0, 2, 1, 1, &one, 1, &one, 2, 0, c, 2);
    assert_close(c, want, 4, 0, 0);
}

/* A product of two bfloat16 numbers is exact in float, so both ways (the plain
 * twin, and oneDNN's where the CPU has bf16) only differ in how they add up. */
static void bf16_products_are_float_products_of_the_rounded_operands(void **state)
{
    (void)state;
    print_message("# bf16 products: %s\n", qv__has_bf16() ? "oneDNN" : "plain");
    for (size_t i = 0; i < QV_COUNT(shapes); i++)
        for (int t = 0; t < 4; t++) {
            size_t M = shapes[i][0], N = shapes[i][1], K = shapes[i][2];
            bool tb = t & 1, add = t & 2;
            float *A = normals(M * K, 1), *B = normals(K * N, 2), *C0 = normals(M * N, 3),
                  *C = normals(M * N, 3);
            uint16_t *a = malloc(M * K * sizeof *a), *b = malloc(K * N * sizeof *b);
            assert_non_null(a);
            assert_non_null(b);
            qv__kern()->to_bf16(a, A, M * K);
            qv__kern()->to_bf16(b, B, K * N);
            for (size_t j = 0; j < M * K; j++)
                A[j] = widened(a[j]);
            for (size_t j = 0; j < K * N; j++)
                B[j] = widened(b[j]);
            qv__bgemm(tb, M, N, K, a, b, add, C);
            check_product(C, C0, 1, add ? 1 : 0, false, tb, shapes[i], A, B);
            free(A), free(B), free(C0), free(C), free(a), free(b);
        }
}

static void a_linear_map_in_bf16_rounds_its_input_and_nothing_else(void **state)
{
    (void)state;
    enum { T = 6, D = 21, O = 10 };
    float *x = normals(T * D, 1), *W = normals(O * D, 2), *dy = normals(T * O, 3), y[T * O],
          want[T * O], dx[T * D] = {0}, want_dx[T * D] = {0};
    uint16_t half[T * D], w16[O * D], d16[T * O];
    qv__kern()->to_bf16(w16, W, O * D);
    for (size_t i = 0; i < O * D; i++)
        W[i] = widened(w16[i]);
    const struct qv_weight w = {.f32 = W, .bf16 = w16, .D_out = O, .D_in = D};
    qv__linear(y, x, &w, T, (struct qv_linear_room){.half = half});
    qv__linear_back(dx, dy, &w, T, (struct qv_linear_room){.half = half});
    // few rows read bf16 weights with float inputs
    qv__linear(want, x, &w, 3, (struct qv_linear_room){0});
    for (size_t i = 0; i < 3 * O; i++)
        assert_true(fabs((double)(want[i] - y[i])) > 0); // so this is another way

    qv__kern()->to_bf16(half, x, T * D);
    qv__kern()->to_bf16(d16, dy, T * O);
    for (size_t i = 0; i < T * D; i++)
        x[i] = widened(half[i]);
    for (size_t i = 0; i < T * O; i++)
        dy[i] = widened(d16[i]);
    const struct qv_weight f = {.f32 = W, .D_out = O, .D_in = D};
    qv__linear(want, x, &f, T, (struct qv_linear_room){0});
    qv__linear_back(want_dx, dy, &f, T, (struct qv_linear_room){0});
    assert_close_to_scale(y, want, T * O, 1e-6);
    assert_close_to_scale(dx, want_dx, T * D, 1e-6);
    for (size_t few = 1; few < QV_FEW_ROWS; few++) {
        float y32[T * O], y16[T * O];
        qv__linear(y32, x, &f, few, (struct qv_linear_room){0});
        qv__linear(y16, x, &(struct qv_weight){.bf16 = w16, .D_out = O, .D_in = D}, few,
                   (struct qv_linear_room){.half = half});
        assert_close_to_scale(y32, want, few * O, 1e-6);
        assert_close_to_scale(y16, want, few * O, 1e-6);
    }
    free(x), free(W), free(dy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(float_products_are_right_in_all_four_layouts),
        cmocka_unit_test(a_product_over_nothing_leaves_what_it_is_added_to),
        cmocka_unit_test(bf16_products_are_float_products_of_the_rounded_operands),
        cmocka_unit_test(a_linear_map_in_bf16_rounds_its_input_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
