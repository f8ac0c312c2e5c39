/* screen_test.c - the k largest products by bounds are those of computing all of them, to
 * the bit, on random vectors and on such as are made to mislead. */
#include "route/rows.h"
#include "route/screen.h"

#include "kern/half.h"
#include "kern/kern.h"
#include "route/top.h"
#include "support/experts.h"
#include "support/near.h"

#include <math.h>
#include <stdlib.h>

enum { MOST_K = 300, MOST_D = 320 };

static void plainly(int *expert, float *value, const float *v, size_t K, size_t D,
                    const float *x, size_t k, bool is_signed)
{
    float l[MOST_K];
    for (size_t e = 0; e < K; e++) {
        l[e] = qv__kern()->dot(v + e * D, x, D);
        l[e] = is_signed ? l[e] : fabsf(l[e]);
    }
    qv__top(expert, value, l, K, k);
}

/* The rows of v [K, D]; ended with free(). */
static const float **rows_of(const float *v, size_t K, size_t D)
{
    const float **row = malloc(K * sizeof *row);
    assert_non_null(row);
    for (size_t e = 0; e < K; e++)
        row[e] = v + e * D;
    return row;
}

/* Screens v for T tokens x at once, and compares with the plain way token by token. */
static void assert_same(const float *v, size_t K, size_t D, const float *x, size_t T,
                        size_t k)
{
    struct qv_screen s;
    qv_carve need = {0};
    qv__screen_carve(&s, &need, K, D);
    assert_int_equal(s.K, K);
    void *mem = qv__carve_alloc(&need);
    float *scratch = malloc(qv__screen_room(&s, T) * sizeof *scratch);
    assert_true(mem && scratch);
    qv_carve c = {.base = mem};
    qv__screen_carve(&s, &c, K, D);
    const float **row = rows_of(v, K, D);
    qv__screen_fill(&s, row);
    for (int is_signed = 0; is_signed < 2; is_signed++) {
        int expert[QV_SCREEN_TOKENS * MOST_K], want[MOST_K];
        float value[QV_SCREEN_TOKENS * MOST_K], want_value[MOST_K];
        qv__screen_top(expert, value, &s, x, T, k, is_signed, scratch);
        for (size_t t = 0; t < T; t++) {
            plainly(want, want_value, v, K, D, x + t * D, k, is_signed);
            assert_memory_equal(expert + t * k, want, k * sizeof *want);
            assert_memory_equal(value + t * k, want_value, k * sizeof *want_value);
        }
    }
    free(scratch);
    free(row);
    free(mem);
}

/* With every table of kernels. */
static void assert_never_differs(const float *v, size_t K, size_t D, const float *x,
                                 size_t T, size_t k)
{
    static const char *const table[] = {"ref", "avx2", "avx512"};
    for (size_t i = 0; i < QV_COUNT(table); i++) {
        qv__kern_use(table[i]);
        assert_same(v, K, D, x, T, k);
    }
    qv__kern_use(NULL);
}

static void random_vectors_are_chosen_as_by_computing_all(void **state)
{
    (void)state;
    static const size_t top[] = {1, 4, 7, 32};
    for (size_t run = 0; run < 60; run++) {
        size_t K = 32 + run * 29 % (MOST_K - 31), D = 32 * (1 + run % 10);
        float *v = normals(K * D, run), *x = normals(QV_SCREEN_TOKENS * D, 1000 + run);
        assert_never_differs(v, K, D, x, 1 + run % QV_SCREEN_TOKENS, top[run % 4]);
        assert_never_differs(v, K, D, x, 1, K);
        free(v);
        free(x);
    }
}

/* All vectors but a few are the same, or the same but for the last bit of one number, so
 * that 8 bits cannot tell them apart and ties decide. */
static void ties_and_all_but_ties_go_to_whom_they_go_plainly(void **state)
{
    (void)state;
    enum { K = 200, D = 96 };
    for (size_t run = 0; run < 40; run++) {
        float *one = normals(D, run), *x = normals(4 * D, 50 + run);
        float *pick = normals(K, 100 + run), *v = malloc(K * D * sizeof *v);
        assert_non_null(v);
        for (size_t e = 0; e < K; e++) {
            const float sign = pick[e] > 0 ? 1 : -1;
            for (size_t d = 0; d < D; d++)
                v[e * D + d] = sign * one[d];
            if (fabsf(pick[e]) > 1)
                v[e * D + e % D] = nextafterf(v[e * D + e % D], run % 2 ? 9 : -9);
        }
        for (size_t k = 1; k <= 64; k *= 4)
            assert_never_differs(v, K, D, x, 4, k);
        free(one), free(x), free(pick), free(v);
    }
}

/* x is what 8 bits lose of v_0, less what of it lies along the codes c_0: c_0 . x is about
 * 0, v_0 . x = |x|^2, and that bound is met with equality. All others have nearly as large
 * a product, and codes that show it. */
static void a_vector_whose_codes_do_not_see_the_token_is_found(void **state)
{
    (void)state;
    enum { K = 64, D = 32 };
    for (size_t run = 0; run < 20; run++) {
        float *v = normals(K * D, run), x[D], code[D], peak = 0;
        double along = 0, length = 0;
        for (size_t d = 0; d < D; d++)
            peak = fmaxf(peak, fabsf(v[d]));
        const float step = qv__f16_to_f32(qv__f32_to_f16(peak / 127));
        for (size_t d = 0; d < D; d++) {
            code[d] = step * rintf(v[d] / step);
            x[d] = v[d] - code[d];
            along += (double)x[d] * (double)code[d];
            length += (double)code[d] * (double)code[d];
        }
        for (size_t d = 0; d < D; d++)
            x[d] -= (float)(along / length * (double)code[d]);
        for (size_t e = 1; e < K; e++)
            for (size_t d = 0; d < D; d++)
                v[e * D + d] = x[d] * (.9f - .001f * (float)e);
        int expert[1];
        float value[1];
        plainly(expert, value, v, K, D, x, 1, false);
        assert_int_equal(expert[0], 0);
        assert_never_differs(v, K, D, x, 1, 1);
        assert_never_differs(v, K, D, x, 1, 3);
        free(v);
    }
}

static void lengths_from_nothing_to_beyond_half_floats_are_chosen_right(void **state)
{
    (void)state;
    enum { K = 40, D = 32 };
    static const float length[] = {0, 1e-42f, 1e-30f, 1e-8f, 1, 1e8f, 1e14f, 3e38f};
    float *v = normals(K * D, 8), *x = normals(D, 9), *w = malloc(K * D * sizeof *w);
    float *z = malloc(D * sizeof *z);
    assert_true(w && z);
    for (size_t i = 0; i < QV_COUNT(length); i++)
        for (size_t j = 0; j < QV_COUNT(length); j++) {
            for (size_t d = 0; d < K * D; d++)
                w[d] = v[d] * (d / D % 3 ? length[i] : 1) / 8;
            for (size_t d = 0; d < D; d++)
                z[d] = x[d] * length[j] / 8;
            assert_never_differs(w, K, D, z, 1, 5);
        }
    free(v), free(x), free(w), free(z);
}

static void a_token_that_is_not_finite_is_treated_as_plainly(void **state)
{
    (void)state;
    enum { K = 32, D = 32 };
    float *v = normals(K * D, 5), *x = normals(D, 6);
    x[3] = INFINITY;
    assert_never_differs(v, K, D, x, 1, 4);
    free(v);
    free(x);
}

/* Fewer than are laid side by side, and more. */
static void vectors_that_lie_apart_are_multiplied_as_one_matrix(void **state)
{
    (void)state;
    enum { D = 40, T = 20, MOST = 300 };
    for (size_t K = 1; K <= MOST; K += 149) {
        float *v = normals(K * D, 1), *x = normals(T * D, 2);
        const float **row = rows_of(v, K, D);
        float *l = malloc((T * K + qv__rows_slab(K, D)) * sizeof *l);
        assert_non_null(l);
        for (size_t e = 0; e < K; e++) // in another order than they lie
            row[e] = v + (e * 7 % K) * D;
        qv__rows_times(l, x, T, row, K, D, l + T * K);
        for (size_t t = 0; t < T; t++)
            for (size_t e = 0; e < K; e++) {
                const float want = qv__kern()->dot(row[e], x + t * D, D);
                assert_true(fabsf(l[t * K + e] - want) < 1e-4f);
            }
        free(v), free(x), free(row), free(l);
    }
}

static void few_vectors_and_odd_lengths_have_no_screen(void **state)
{
    (void)state;
    struct qv_screen s;
    qv_carve c = {0};
    qv__screen_carve(&s, &c, 31, 64);
    assert_int_equal(s.K, 0);
    qv__screen_carve(&s, &c, 64, 65);
    assert_int_equal(s.K, 0);
    assert_int_equal(qv__screen_room(&s, 3), 0);
    assert_int_equal(c.used, 0);
}

/* A screen of v [K]; the caller ends *mem. */
static struct qv_screen screen_of(void **mem, size_t K, size_t D, const float *const *v)
{
    struct qv_screen s;
    qv_carve need = {0};
    qv__screen_carve(&s, &need, K, D);
    *mem = qv__carve_alloc(&need);
    assert_non_null(*mem);
    qv_carve c = {.base = *mem};
    qv__screen_carve(&s, &c, K, D);
    qv__screen_fill(&s, v);
    return s;
}

/* From the vectors of before, some are gone, some are new, some are others. */
static void a_screen_filled_from_the_one_before_is_the_same(void **state)
{
    (void)state;
    enum { K = 90, D = 64, MOST = 2 * K };
    for (size_t run = 0; run < 30; run++) {
        float *was = normals(K * D, run), *fresh = normals(MOST * D, 100 + run);
        float *pick = normals(K, 200 + run), *v = malloc(MOST * D * sizeof *v);
        size_t n = 0;
        void *mem[3];
        assert_non_null(v);
        for (size_t e = 0; e < K; e++) {
            if (pick[e] > 1) // one that comes
                memcpy(v + D * n, fresh + D * n, D * sizeof *v), n++;
            if (pick[e] < -1) // one that goes
                continue;
            memcpy(v + D * n, was + D * e, D * sizeof *v);
            v[D * n + e % D] += fabsf(pick[e]) < 0.1f ? 3.0f : 0; // one that changes
            n++;
        }
        const float **row[] = {rows_of(was, K, D), rows_of(v, n, D), rows_of(fresh, n, D)};
        struct qv_screen before = screen_of(&mem[0], K, D, row[0]);
        struct qv_screen want = screen_of(&mem[1], n, D, row[1]);
        struct qv_screen got = screen_of(&mem[2], n, D, row[2]);
        qv__screen_refill(&got, row[1], &before);
        assert_memory_equal(got.code, want.code, n * (D / 32) * 34);
        assert_memory_equal(got.off, want.off, n * sizeof *got.off);
        assert_true(got.size >= want.size);
        assert_ptr_equal(got.v, row[1]);
        for (size_t i = 0; i < 3; i++)
            free(mem[i]), free(row[i]);
        free(was), free(fresh), free(pick), free(v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_vectors_are_chosen_as_by_computing_all),
        cmocka_unit_test(ties_and_all_but_ties_go_to_whom_they_go_plainly),
        cmocka_unit_test(a_vector_whose_codes_do_not_see_the_token_is_found),
        cmocka_unit_test(lengths_from_nothing_to_beyond_half_floats_are_chosen_right),
        cmocka_unit_test(a_token_that_is_not_finite_is_treated_as_plainly),
        cmocka_unit_test(few_vectors_and_odd_lengths_have_no_screen),
        cmocka_unit_test(a_screen_filled_from_the_one_before_is_the_same),
        cmocka_unit_test(vectors_that_lie_apart_are_multiplied_as_one_matrix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
