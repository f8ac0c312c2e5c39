/* Rows in blocks: products with a few rows and widening, every table of kernels that this
 * machine can run against the definition of a block; each length to 17 small blocks or
 * 5 large ones, 1 to 9 rows, rows of W at odd addresses, NaN, infinities and nothing.
 */
#include "kern/block_codes.h"
#include "base/rng.h"
#include "format/block_encode.h"
#include "op/linear.h"
#include "support/kernels.h"
#include "support/near.h"

#include <float.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_N = 1280, MAX_T = 9, OFF = 3, FENCE = 8 };

/* A row of W of a type, and what it stands for; a few rows of x, and room to narrow them.
 */
struct product {
    const struct qv_block_type *b;
    size_t n;
    const uint8_t *row; // [n in blocks], at an odd address
    uint8_t bytes[MAX_N * sizeof(float) + OFF];
    float w[MAX_N];
    float x[MAX_T * MAX_N];
    float *room;
};

/* The i-th type that computes and the k-th length of it; false: there is no such type, or
 * n = 0: no such length. */
static bool choose(struct product *p, size_t i, size_t k)
{
    size_t n_types;
    const struct qv_block_type *all = qv__block_all(&n_types);
    for (size_t t = 0; t < n_types; t++)
        if (all[t].computes && i-- == 0) {
            p->b = &all[t];
            p->n = all[t].n == 1 ? (k < 69 ? k : k == 69 ? MAX_N : 0) : (k + 1) * all[t].n;
            p->n = p->n > MAX_N || (all[t].n == 32 && k > 16) ? 0 : p->n;
            if (all[t].n == 1 && k == 0)
                p->n = 1;
            return true;
        }
    return false;
}

static void fill(struct product *p, size_t T)
{
    float w[MAX_N];
    uint8_t *row = p->bytes + p->n % OFF;
    for (size_t i = 0; i < p->n; i++)
        w[i] = qv__normal(p->n, i);
    qv__block_encode(row, p->b, w, p->n);
    qv__block_decode(p->w, p->b, row, p->n);
    p->row = row;
    for (size_t i = 0; i < T * p->n; i++)
        p->x[i] = qv__normal(p->n + 1, i);
}

static struct product *product(void)
{
    struct product *p = calloc(1, sizeof *p);
    assert_non_null(p);
    p->room = malloc(qv__narrow_room(MAX_T, MAX_N) * sizeof *p->room);
    assert_non_null(p->room);
    return p;
}

static void release(struct product *p)
{
    free(p->room);
    free(p);
}

/* Rows t to t + T - 1 of x times the row of W: y[i * stride]. */
static void multiply(const struct qv_kern *k, float *y, size_t stride, struct product *p,
                     size_t t, size_t T)
{
    struct qv_narrow q;
    const float *x = p->x + t * p->n;
    if (!p->b->layout) {
        k->dots(y, p->b->id, p->row, x, (struct qv_dots){p->n, 1, p->n, T, stride});
        return;
    }
    qv__narrow_init(&q, p->b, x, T, p->n, p->room);
    k->narrow(&q);
    k->dot_blocks(y, stride, p->b, p->row, &q);
}

/* ---- narrowing ---- */

static int code_of(const struct qv_narrow *q, const struct qv_narrow_run *r, size_t at)
{
    return q->block == QV_BLOCK_MAX ? 256 * r->part[0][at] + r->part[1][at] : r->code[at];
}

static void narrowed_numbers_are_within_half_a_step_of_what_they_were(void **state)
{
    (void)state;
    struct product *p = product();
    for (size_t i = 0; choose(p, i, 2); i++) {
        fill(p, 3);
        for (size_t k = 0; k < n_tables && p->b->layout; k++) {
            struct qv_narrow q;
            qv__narrow_init(&q, p->b, p->x, 3, p->n, p->room);
            memset(p->room, 0xff, qv__narrow_room(3, p->n) * sizeof *p->room);
            table[k]->narrow(&q);
            for (size_t e = 0; e < 3 * p->n; e++) {
                const size_t at = e % p->n;
                const struct qv_narrow_run *r = q.run + at / 256 * 3 + e / p->n;
                const float scale = r->scale[at % 256 / 32];
                const double off =
                    (double)scale * code_of(&q, r, at % 256) - (double)p->x[e];
                assert_true(fabs(off) <= 0.505 * (double)scale); // 0.5, and two roundings
            }
            for (size_t at = p->n; at % 256; at++)
                assert_int_equal(code_of(&q, &q.run[at / 256 * 3], at % 256), 0);
        }
    }
    release(p);
}

static void every_table_narrows_alike(void **state)
{
    (void)state;
    struct product *p = product();
    const size_t room = qv__narrow_room(MAX_T, MAX_N) * sizeof *p->room;
    float *want = malloc(room);
    assert_non_null(want);
    for (size_t i = 0; choose(p, i, 2); i++) {
        fill(p, 2);
        p->x[5] = 0x1p-120f;
        for (size_t e = 32; e < 64; e++)
            p->x[e] *= 0x1p-110f; // together nothing
        for (size_t k = 0; k < n_tables && p->b->layout; k++) {
            struct qv_narrow q;
            memset(p->room, 0, room);
            qv__narrow_init(&q, p->b, p->x, 2, p->n, p->room);
            table[k]->narrow(&q);
            if (k == 0)
                memcpy(want, p->room, room);
            assert_memory_equal(p->room, want, room);
            assert_true(q.block == QV_BLOCK_MAX || q.run[0].scale[1] == 0);
        }
    }
    free(want);
    release(p);
}

/* ---- products ---- */

/* What T rows of x times the row of W are, and the sums of their magnitudes: of what is
 * added, which with a code's zero apart is up to three times the largest of W. */
static void expect(double *y, double *size, const struct product *p, size_t T)
{
    double most = 0;
    for (size_t i = 0; i < p->n; i++)
        most = fmax(most, fabs((double)p->w[i]));
    for (size_t t = 0; t < T; t++) {
        y[t] = size[t] = 0;
        for (size_t i = 0; i < p->n; i++) {
            y[t] += (double)p->w[i] * (double)p->x[t * p->n + i];
            size[t] += 3 * most * fabs((double)p->x[t * p->n + i]);
        }
    }
}

static void assert_products(struct product *p, size_t T, double bound)
{
    double want[MAX_T], size[MAX_T];
    float y[MAX_T * 2 + FENCE];
    expect(want, size, p, T);
    for (size_t k = 0; k < n_tables; k++) {
        memset(y, 0xab, sizeof y);
        multiply(table[k], y, 2, p, 0, T);
        for (size_t t = 0; t < T; t++)
            if (!(fabs((double)y[2 * t] - want[t]) <= bound * size[t]))
                fail_msg("%s, %s, %zu, row %zu of %zu: %.9g, not %.9g within %g",
                         table[k]->name, p->b->name, p->n, t, T, (double)y[2 * t], want[t],
                         bound * size[t]);
        uint8_t other[sizeof *y];
        memset(other, 0xab, sizeof other);
        for (size_t t = 0; t < QV_COUNT(y); t++)
            if (t % 2 || t >= 2 * T)
                assert_memory_equal(&y[t], other, sizeof *y);
    }
}

/* Whole numbers and a power of two for each block, the largest of them that codes go to in
 * each: then narrowing moves nothing, and what is left is the rounding of sums. */
static void products_with_numbers_of_16_bits_are_exact_but_for_the_sum(void **state)
{
    (void)state;
    struct product *p = product();
    for (size_t i = 0; choose(p, i, 0); i++)
        for (size_t k = 0; choose(p, i, k) && p->n; k++) {
            const size_t T = 1 + k % MAX_T;
            fill(p, T);
            const size_t n = p->b->n == 1 ? 16 : p->b->n;
            const int most = 127 * 256 + 127;
            for (size_t e = 0; e < T * p->n; e++) {
                int x = (int)(qv__bits(5, e) % (2 * (unsigned)most + 1)) - most;
                p->x[e] = ldexpf((float)(e % n == 3 ? most : x), -(int)(e / n % 7));
            }
            assert_products(p, T, 2 * (double)FLT_EPSILON);
        }
    release(p);
}

/* Half a step is 1 / 65278 of the largest number of a block: about 3 of a normal row. */
static void products_are_within_what_narrowing_moves(void **state)
{
    (void)state;
    struct product *p = product();
    for (size_t i = 0; choose(p, i, 0); i++)
        for (size_t k = 0; choose(p, i, k) && p->n; k++) {
            const size_t T = 1 + k % MAX_T;
            fill(p, T);
            assert_products(p, T, 1.5e-5);
        }
    release(p);
}

/* Every byte of W the same, half floats apart, so that codes and scales are at their ends.
 */
static void fill_with(struct product *p, uint8_t byte)
{
    const uint16_t one = 0x3c00;
    memset(p->bytes, byte, sizeof p->bytes);
    for (size_t i = 0; p->b->layout && i < p->n; i += p->b->n) {
        uint8_t *block = p->bytes + i / p->b->n * p->b->bytes;
        memcpy(block + p->b->layout->d_at, &one, sizeof one);
        if (qv__block_has_mins(p->b->layout))
            memcpy(block + p->b->layout->m_at, &one, sizeof one);
    }
    p->row = p->bytes;
    qv__block_decode(p->w, p->b, p->row, p->n);
}

static void the_largest_codes_and_numbers_overflow_nothing(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0, 0x5a, 0x7f, 0x80, 0xaa, 0xff};
    struct product *p = product();
    for (size_t i = 0; choose(p, i, 4); i++)
        for (size_t k = 0; k < QV_COUNT(bytes) * 4 && p->b->layout; k++) {
            fill_with(p, bytes[k / 4]);
            for (size_t e = 0; e < 3 * p->n; e++)
                p->x[e] = (k & 1 ? e % 2 : e / 16 % 2) ? (k & 2 ? 1 : 0x1.01p-7f) : -1;
            assert_products(p, 3, 2e-5);
        }
    release(p);
}

static void a_rows_product_does_not_depend_on_its_neighbours(void **state)
{
    (void)state;
    struct product *p = product();
    for (size_t i = 0; choose(p, i, 3); i++)
        for (size_t k = 0; k < n_tables; k++) {
            float alone[MAX_T], together[MAX_T];
            fill(p, MAX_T);
            for (size_t T = 2; T <= MAX_T; T++) {
                multiply(table[k], together, 1, p, 0, T);
                for (size_t t = 0; t < T; t++)
                    multiply(table[k], &alone[t], 1, p, t, 1);
                assert_memory_equal(alone, together, T * sizeof *alone);
            }
        }
    release(p);
}

static void what_is_not_finite_spoils_its_own_row_alone(void **state)
{
    (void)state;
    static const float odd[] = {NAN, INFINITY, -INFINITY};
    struct product *p = product();
    for (size_t i = 0; choose(p, i, 4); i++)
        for (size_t k = 0; k < n_tables; k++)
            for (size_t at = 0; at < p->n; at += 5) {
                float y[3];
                fill(p, 3);
                p->x[p->n + at] = odd[at % 3];
                multiply(table[k], y, 1, p, 0, 3);
                assert_true(isfinite(y[0]) && !isfinite(y[1]) && isfinite(y[2]));
            }
    release(p);
}

static void a_scale_that_is_not_finite_does_not_pass_unseen(void **state)
{
    (void)state;
    struct product *p = product();
    for (size_t i = 0; choose(p, i, 4); i++) {
        const uint16_t inf = 0x7c00;
        float y;
        fill(p, 1);
        if (p->b->layout)
            memcpy(p->bytes + p->n % OFF + p->b->layout->d_at, &inf, sizeof inf);
        for (size_t k = 0; k < n_tables && p->b->layout; k++) {
            multiply(table[k], &y, 1, p, 0, 1);
            assert_true(!isfinite(y));
        }
    }
    release(p);
}

static void nothing_times_anything_is_nothing(void **state)
{
    (void)state;
    static const float least[] = {0, -0.0f, 1e-45f, 0x1p-126f};
    struct product *p = product();
    for (size_t i = 0; choose(p, i, 4); i++)
        for (size_t k = 0; k < n_tables; k++)
            for (size_t l = 0; l < QV_COUNT(least); l++) {
                float y[2];
                fill(p, 2);
                for (size_t e = 0; e < 2 * p->n; e++)
                    p->x[e] = least[l];
                multiply(table[k], y, 1, p, 0, 2);
                assert_true(fabsf(y[0]) < 1e-30f && fabsf(y[1]) < 1e-30f);
            }
    release(p);
}

/* ---- widening ---- */

/* To the bit, but for what is no number; and nothing beyond. */
static void assert_widens(const struct qv_kern *k, const struct product *p,
                          const float *want)
{
    float got[MAX_N + FENCE], other[FENCE];
    memset(got, 0xab, sizeof got);
    memset(other, 0xab, sizeof other);
    k->widen(got, p->b, p->row, p->n);
    for (size_t e = 0; e < p->n; e++)
        if (memcmp(&got[e], &want[e], sizeof *got) != 0 &&
            !(isnan(got[e]) && isnan(want[e])))
            fail_msg("%s, %s, element %zu of %zu is %.9g, not %.9g", k->name, p->b->name, e,
                     p->n, (double)got[e], (double)want[e]);
    assert_memory_equal(got + p->n, other, sizeof other);
}

static void every_table_widens_random_blocks_to_the_same_bits(void **state)
{
    (void)state;
    struct product *p = product();
    for (size_t i = 0; choose(p, i, 0); i++)
        for (size_t k = 0; choose(p, i, k) && p->n; k++) {
            uint8_t *row = p->bytes + k % OFF;
            for (size_t e = 0; e < qv__block_bytes(p->b, p->n); e++)
                row[e] = (uint8_t)qv__bits(k, e);
            p->row = row;
            qv__block_decode(p->w, p->b, row, p->n);
            for (size_t t = 0; t < n_tables; t++)
                assert_widens(table[t], p, p->w);
        }
    release(p);
}

/* ---- the operator ---- */

enum { O_IN = 1280, O_OUT = 70, O_ROWS = 17 };

/* Maps [O_OUT, O_IN] of x [O_ROWS, O_IN], as numbers and in blocks of one type or another.
 */
struct maps {
    float *w, *x, *slab;
    uint8_t *blocks;
    struct qv_weight m;
};

static struct maps make_maps(uint64_t seed)
{
    struct maps s = {.w = malloc(O_OUT * O_IN * sizeof *s.w),
                     .x = malloc(O_ROWS * O_IN * sizeof *s.x),
                     .slab = malloc(qv__linear_slab(O_IN) * sizeof *s.slab),
                     .blocks = malloc(O_OUT * O_IN * sizeof(float))};
    assert_true(s.w && s.x && s.slab && s.blocks);
    for (size_t i = 0; i < O_OUT * O_IN; i++)
        s.w[i] = qv__normal(seed, i);
    for (size_t i = 0; i < O_ROWS * O_IN; i++)
        s.x[i] = qv__normal(seed + 1, i);
    s.m = (struct qv_weight){.f32 = s.w, .D_out = O_OUT, .D_in = O_IN};
    return s;
}

static void put_in_blocks(struct maps *s, const struct qv_block_type *b)
{
    qv__block_encode(s->blocks, b, s->w, O_OUT * O_IN);
    s->m = (struct qv_weight){.blocks = s->blocks, .type = b, .D_out = O_OUT, .D_in = O_IN};
}

static void free_maps(struct maps *s)
{
    free(s->w), free(s->x), free(s->slab), free(s->blocks);
}

static void threads_change_no_bit_of_a_product(void **state)
{
    (void)state;
    static float one[O_ROWS * O_OUT], three[O_ROWS * O_OUT];
    struct maps s = make_maps(1);
    const int was = omp_get_max_threads();
    size_t n;
    const struct qv_block_type *all = qv__block_all(&n);
    for (size_t i = 0; i < n; i++) {
        if (!all[i].computes)
            continue;
        put_in_blocks(&s, &all[i]);
        for (size_t rows = 1; rows < QV_FEW_ROWS_IN_BLOCKS; rows += 3) {
            omp_set_num_threads(1);
            qv__linear(one, s.x, &s.m, rows, (struct qv_linear_room){.slab = s.slab});
            omp_set_num_threads(3);
            qv__linear(three, s.x, &s.m, rows, (struct qv_linear_room){.slab = s.slab});
            assert_memory_equal(one, three, rows * O_OUT * sizeof *one);
        }
    }
    omp_set_num_threads(was);
    free_maps(&s);
}

/* The maps p of x together, or each alone. */
static void assert_as_alone(const struct qv_product *p, size_t n, const struct maps *s)
{
    static float want[QV_MAPS_OF_X][O_ROWS * O_OUT];
    const struct qv_linear_room room = {.slab = s->slab};
    for (size_t rows = 1; rows <= O_ROWS; rows++) {
        qv__linear_all(p, n, s->x, rows, room);
        for (size_t i = 0; i < n; i++) {
            qv__linear(want[i], s->x, p[i].w, rows, room);
            assert_memory_equal(p[i].y, want[i], rows * p[i].w->D_out * sizeof(float));
        }
        qv__linear_rows_all(p, n, s->x, rows, room);
        for (size_t i = 0; i < n; i++) {
            qv__linear_rows(want[i], s->x, p[i].w, rows, room);
            assert_memory_equal(p[i].y, want[i], rows * p[i].w->D_out * sizeof(float));
        }
    }
}

static void maps_of_one_input_give_together_what_each_gives_alone(void **state)
{
    (void)state;
    static float y[QV_MAPS_OF_X][O_ROWS * O_OUT];
    struct maps a = make_maps(1), b = make_maps(3);
    struct qv_weight part = a.m;
    const struct qv_product p[] = {{y[0], &a.m}, {y[1], &part}, {y[2], &b.m}};
    part.D_out = 25;
    assert_as_alone(p, 3, &a); // numbers
    size_t n;
    const struct qv_block_type *all = qv__block_all(&n);
    for (size_t i = 0; i < n; i++) {
        if (!all[i].computes)
            continue;
        put_in_blocks(&a, &all[i]);
        part = a.m;
        part.D_out = 25;
        put_in_blocks(&b, &all[i]);
        assert_as_alone(p, 3, &a); // of one type
        b.m = (struct qv_weight){.f32 = b.w, .D_out = O_OUT, .D_in = O_IN};
        assert_as_alone(p, 3, &a); // of two
    }
    free_maps(&a);
    free_maps(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(narrowed_numbers_are_within_half_a_step_of_what_they_were),
        cmocka_unit_test(every_table_narrows_alike),
        cmocka_unit_test(products_with_numbers_of_16_bits_are_exact_but_for_the_sum),
        cmocka_unit_test(products_are_within_what_narrowing_moves),
        cmocka_unit_test(the_largest_codes_and_numbers_overflow_nothing),
        cmocka_unit_test(a_rows_product_does_not_depend_on_its_neighbours),
        cmocka_unit_test(what_is_not_finite_spoils_its_own_row_alone),
        cmocka_unit_test(a_scale_that_is_not_finite_does_not_pass_unseen),
        cmocka_unit_test(nothing_times_anything_is_nothing),
        cmocka_unit_test(every_table_widens_random_blocks_to_the_same_bits),
        cmocka_unit_test(threads_change_no_bit_of_a_product),
        cmocka_unit_test(maps_of_one_input_give_together_what_each_gives_alone),
    };
    return cmocka_run_group_tests(tests, find_tables, NULL);
}
