/* block_test.c - what blocks stand for, bit by bit, and how near quantised weights
 * come. The golden numbers are llama.cpp's: tests/golden/recipes/gguf_files.py. */
#include "base/json.h"
#include "base/rng.h"
#include "format/block_encode.h"
#include "format/gguf.h"
#include "kern/block_codes.h"
#include "op/linear.h"
#include "support/golden.h"
#include "support/near.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define VALUES "tests/golden/gguf/values.safetensors"

static void types_are_found_by_number_and_by_name_in_either_case(void **state)
{
    (void)state;
    assert_string_equal(qv__block(QV_BLOCK_Q4_K)->name, "Q4_K");
    assert_ptr_equal(qv__block_named("q4_k"), qv__block(QV_BLOCK_Q4_K));
    assert_ptr_equal(qv__block_named("BF16"), qv__block(QV_BLOCK_BF16));
    assert_null(qv__block(4)); // once Q4_2
    assert_null(qv__block_named("q4"));
    assert_int_equal(qv__block_bytes(qv__block(QV_BLOCK_Q6_K), 512), 420);
    size_t n, computes = 0;
    const struct qv_block_type *all = qv__block_all(&n);
    for (size_t i = 0; i < n; i++) {
        assert_ptr_equal(qv__block(all[i].id), &all[i]);
        assert_true(i == 0 || all[i].id > all[i - 1].id);
        assert_true(all[i].n <= QV_BLOCK_MAX);
        computes += all[i].computes;
    }
    assert_int_equal(computes, 13);
}

static void random_blocks_of_every_type_stand_for_the_values_llama_cpp_reads(void **state)
{
    (void)state;
    struct qv_gguf g;
    assert_int_equal(qv__gguf_open(&g, "tests/golden/gguf/blocks.gguf", NULL), QV_OK);
    assert_int_equal(g.n, 13);
    for (size_t i = 0; i < g.n; i++) {
        const struct qv_gguf_tensor *t = &g.tensor[i];
        size_t n;
        float *want = golden_tensor(&n, VALUES, t->name);
        float *got = calloc(t->n, sizeof *got);
        assert_true(got && n == t->n && t->type->computes);
        assert_string_equal(t->type->name, t->name);
        qv__block_decode(got, t->type, t->data, n);
        for (size_t k = 0; k < n; k++)
            if (memcmp(&got[k], &want[k], sizeof *got) != 0)
                fail_msg("%s: element %zu is %.9g, not %.9g", t->name, k, (double)got[k],
                         (double)want[k]);
        free(got);
        free(want);
    }
    qv__gguf_close(&g);
}

static void taking_a_block_apart_loses_no_bit(void **state)
{
    (void)state;
    size_t n;
    const struct qv_block_type *all = qv__block_all(&n);
    for (size_t i = 0; i < n; i++) {
        const struct qv_block_type *b = &all[i];
        for (uint64_t round = 0; b->layout && round < 50; round++) {
            uint8_t block[QV_BLOCK_MAX], again[QV_BLOCK_MAX];
            for (size_t k = 0; k < b->bytes; k++)
                block[k] = (uint8_t)qv__bits(round, k);
            struct qv_block_codes c;
            qv__block_unpack(&c, b, block);
            qv__block_pack(again, b, &c);
            assert_memory_equal(again, block, b->bytes);
        }
    }
}

/* ---- quantising ---- */

static double rmse(const struct qv_block_type *b, const float *x, size_t n)
{
    void *blocks = malloc(qv__block_bytes(b, n));
    float *y = malloc(n * sizeof *y);
    assert_true(blocks && y);
    qv__block_encode(blocks, b, x, n);
    qv__block_decode(y, b, blocks, n);
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += ((double)y[i] - (double)x[i]) * ((double)y[i] - (double)x[i]);
    free(blocks);
    free(y);
    return sqrt(sum / (double)n);
}

static void quantised_weights_are_as_near_as_llama_cpp_makes_them(void **state)
{
    (void)state;
    size_t n_row, n_base;
    float *row = golden_tensor(&n_row, VALUES, "row");
    float *base = golden_tensor(&n_base, VALUES, "base");
    json_t *theirs, *of;
    const char *name;
    assert_int_equal(qv__json_read(&theirs, "tests/golden/gguf/rmse.json", 1 << 16, NULL),
                     QV_OK);
    assert_int_equal(json_object_size(theirs), 10);
    json_object_foreach(theirs, name, of)
    {
        const struct qv_block_type *b = qv__block_named(name);
        double on_row = rmse(b, row, n_row), on_base = rmse(b, base, n_base);
        double their_row = json_number_value(json_object_get(of, "row"));
        double their_base = json_number_value(json_object_get(of, "base"));
        print_message("%s: %.4f of their error on a normal row, %.4f on the base\n", name,
                      on_row / their_row, on_base / their_base);
        assert_true(on_row <= 1.02 * their_row && on_row >= 0.5 * their_row);
        assert_true(on_base <= 1.02 * their_base && on_base >= 0.5 * their_base);
    }
    json_decref(theirs);
    free(row);
    free(base);
}

/* Encodes and decodes one largest block of numbers x. */
static void there_and_back(float *y, const struct qv_block_type *b, const float *x)
{
    uint8_t blocks[QV_BLOCK_MAX * sizeof(float)];
    qv__block_encode(blocks, b, x, QV_BLOCK_MAX);
    qv__block_decode(y, b, blocks, QV_BLOCK_MAX);
}

static void odd_numbers_are_quantised_to_finite_ones(void **state)
{
    (void)state;
    enum { N = QV_BLOCK_MAX };
    static float x[6][N], y[N];
    for (int i = 0; i < N; i++) {
        x[0][i] = 0;
        x[1][i] = 0.75f;
        x[2][i] = -0.75f;
        x[3][i] = i % 2 ? 3e38f : -3e38f;
        x[4][i] = i % 2 ? 1e-42f : -1e-40f;
        x[5][i] = i == 77 ? 1 : 0;
    }
    size_t n;
    const struct qv_block_type *all = qv__block_all(&n);
    for (size_t t = 0; t < n; t++) {
        for (size_t k = 0; k < 6 && all[t].computes; k++) {
            there_and_back(y, &all[t], x[k]);
            for (int i = 0; i < N; i++)
                assert_true(isfinite(y[i]));
            if (k < 3 || k == 5)
                assert_close(y, x[k], N, 4e-3, 0.02);
        }
    }
}

static void sixteen_bit_numbers_are_rounded_to_the_nearest_and_stay_in_range(void **state)
{
    (void)state;
    const float x[4] = {1 + 0x1p-11f, 1 + 0x3p-11f, 70000, -1e30f};
    uint16_t h[4];
    qv__block_encode(h, qv__block(QV_BLOCK_F16), x, 4);
    assert_int_equal(h[0], 0x3c00);
    assert_int_equal(h[1], 0x3c02);
    assert_int_equal(h[2], 0x7bff);
    assert_int_equal(h[3], 0xfbff);
    qv__block_encode(h, qv__block(QV_BLOCK_BF16), x, 4);
    assert_int_equal(h[0], 0x3f80);
    float same[4];
    qv__block_encode(same, qv__block(QV_BLOCK_F32), x, 4);
    assert_memory_equal(same, x, sizeof x);
}

/* ---- products ---- */

static void a_linear_map_in_blocks_is_that_of_their_values(void **state)
{
    (void)state;
    enum { D_in = 1536, D_out = 6, T = QV_FEW_ROWS_IN_BLOCKS + 1 };
    static float w[D_out * D_in], x[T * D_in], dx[T * D_in], want_dx[T * D_in];
    float y[T * D_out], want[T * D_out], dy[T * D_out];
    static uint8_t blocks[D_out * D_in * sizeof(float)];
    float *slab = malloc(qv__linear_slab(D_in) * sizeof *slab);
    size_t n;
    const struct qv_block_type *all = qv__block_all(&n);
    assert_non_null(slab);
    for (size_t i = 0; i < T * D_in; i++)
        x[i] = qv__normal(2, i);
    for (size_t i = 0; i < T * D_out; i++)
        dy[i] = qv__normal(3, i);
    for (size_t t = 0; t < n; t++) {
        if (!all[t].computes)
            continue;
        for (size_t i = 0; i < D_out * D_in; i++)
            w[i] = qv__normal(1, i);
        qv__block_encode(blocks, &all[t], w, D_out * D_in);
        qv__block_decode(w, &all[t], blocks, D_out * D_in);
        const struct qv_weight f = {.f32 = w, .D_out = D_out, .D_in = D_in};
        const struct qv_weight b = {
            .blocks = blocks, .type = &all[t], .D_out = D_out, .D_in = D_in};
        for (size_t rows = 1; rows <= T; rows += 2) {
            bool narrowed = all[t].layout && rows < QV_FEW_ROWS_IN_BLOCKS;
            qv__linear(want, x, &f, rows, (struct qv_linear_room){0});
            qv__linear(y, x, &b, rows, (struct qv_linear_room){.slab = slab});
            assert_close_to_scale(y, want, rows * D_out, narrowed ? 6e-5 : 1e-5);
            qv__linear(y, x, &b, rows,
                       (struct qv_linear_room){.slab = slab, .is_exact = true});
            assert_close_to_scale(y, want, rows * D_out, 4e-6);
        }
        for (size_t i = 0; i < T * D_in; i++)
            dx[i] = want_dx[i] = 1;
        qv__linear_back(want_dx, dy, &f, T, (struct qv_linear_room){0});
        qv__linear_back(dx, dy, &b, T, (struct qv_linear_room){.slab = slab});
        assert_close_to_scale(dx, want_dx, T * D_in, 1e-5);
    }
    free(slab);
}

/* A slab holds 2^22 floats: here two and a half of them. */
static void more_rows_than_a_slab_holds_come_in_order(void **state)
{
    (void)state;
    enum { D_in = 4096, D_out = 2560, T = QV_FEW_ROWS_IN_BLOCKS };
    float *w = calloc(D_out * D_in, sizeof *w), *x = calloc(T * D_in, sizeof *x);
    float *slab = malloc(qv__linear_slab(D_in) * sizeof *slab);
    float *y = malloc(T * D_out * sizeof *y), *dx = calloc(T * D_in, sizeof *dx);
    assert_true(w && x && slab && y && dx);
    for (size_t o = 0; o < D_out; o++)
        w[o * D_in] = (float)o;
    for (size_t t = 0; t < T; t++)
        x[t * D_in] = 1 + (float)t;
    const struct qv_weight b = {
        .blocks = w, .type = qv__block(QV_BLOCK_F32), .D_out = D_out, .D_in = D_in};
    qv__linear(y, x, &b, T, (struct qv_linear_room){.slab = slab});
    for (size_t t = 0; t < T; t++)
        for (size_t o = 0; o < D_out; o++)
            assert_true(y[t * D_out + o] == (float)((1 + t) * o));
    memset(y, 0, T * D_out * sizeof *y);
    y[D_out - 1] = y[0] = 1;
    qv__linear_back(dx, y, &b, T, (struct qv_linear_room){.slab = slab});
    assert_true(dx[0] == D_out - 1 && dx[1] == 0 && dx[D_in] == 0);
    free(w), free(x), free(slab), free(y), free(dx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_are_found_by_number_and_by_name_in_either_case),
        cmocka_unit_test(random_blocks_of_every_type_stand_for_the_values_llama_cpp_reads),
        cmocka_unit_test(taking_a_block_apart_loses_no_bit),
        cmocka_unit_test(quantised_weights_are_as_near_as_llama_cpp_makes_them),
        cmocka_unit_test(odd_numbers_are_quantised_to_finite_ones),
        cmocka_unit_test(sixteen_bit_numbers_are_rounded_to_the_nearest_and_stay_in_range),
        cmocka_unit_test(a_linear_map_in_blocks_is_that_of_their_values),
        cmocka_unit_test(more_rows_than_a_slab_holds_come_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
