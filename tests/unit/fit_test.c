/* fit_test.c - codes on a line: every table of kernels that this machine can run, against
 * the formulas and against each other, to the bit; and the blocks that come of them. */
#include "kern/fit.h"
#include "base/rng.h"
#include "format/block_encode.h"
#include "support/kernels.h"
#include "support/near.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 32, LINES = 5 };

static const struct qv_fit fits[] = {
    {0, 15, false}, {0, 63, false}, {0, 3, true}, {-8, 7, false}, {-128, 127, false},
};

/* A group, and lines of which some miss it, and one has no slope. */
static void make(float *x, struct qv_line *l, uint64_t round, struct qv_fit f)
{
    for (size_t i = 0; i < N; i++)
        x[i] = qv__normal(round, i);
    for (size_t k = 0; k < LINES; k++) {
        l[k].scale = 5 * qv__normal(round + 100, k) / (float)(f.high - f.low);
        l[k].min = f.low < 0 ? 0 : 2 + qv__normal(round + 200, k);
    }
    l[LINES - 1].scale = 0;
    x[round % N] = round % 3 ? x[round % N] : 3e38f;
}

static void codes_are_the_nearest_there_are(void **state)
{
    (void)state;
    for (size_t t = 0; t < n_tables; t++)
        for (uint64_t round = 0; round < 60; round++) {
            const struct qv_fit f = fits[round % QV_COUNT(fits)];
            float x[N];
            struct qv_line l[LINES];
            uint8_t code[N + 1] = {[N] = 0xab};
            make(x, l, round, f);
            table[t]->fit_codes(code, x, N, l[0], f);
            for (size_t i = 0; i < N; i++) {
                double at = ((double)x[i] + (double)l[0].min) / (double)l[0].scale;
                double best = fmin(fmax(at, f.low), f.high), c = code[i] + f.low;
                assert_true(fabs(c - best) <= 0.5001);
            }
            assert_int_equal(code[N], 0xab);
        }
}

static void what_is_on_no_line_has_the_lowest_code(void **state)
{
    (void)state;
    const float x[8] = {NAN, -INFINITY, NAN, -1e30f, NAN, -7, NAN, 0};
    const uint8_t want[8] = {0};
    uint8_t code[8];
    for (size_t t = 0; t < n_tables; t++) {
        memset(code, 7, sizeof code);
        table[t]->fit_codes(code, x, 8, (struct qv_line){0.1f, 0},
                            (struct qv_fit){0, 15, 0});
        assert_memory_equal(code, want, sizeof want);
    }
}

static void sums_and_errors_are_those_of_the_codes(void **state)
{
    (void)state;
    for (uint64_t round = 1; round < 60; round += 3)
        for (size_t j = 0; j < QV_COUNT(fits); j++) {
            const struct qv_fit f = fits[j];
            float x[N];
            struct qv_line l[LINES];
            struct qv_fit_sums s[LINES];
            double e[LINES];
            uint8_t code[N];
            make(x, l, round, f);
            qv__fit_sums(s, l, LINES, x, N, f);
            qv__fit_errors(e, l, LINES, x, N, f);
            for (size_t k = 0; k < LINES; k++) {
                double c1 = 0, cc = 0, xc = 0, error = 0, size = 0;
                qv__fit_codes(code, x, N, l[k], f);
                for (size_t i = 0; i < N; i++) {
                    const double c = code[i] + f.low, v = (double)x[i];
                    const double w = f.is_weighted ? fabs(v) : 1;
                    const double off = (double)l[k].scale * c - (double)l[k].min - v;
                    c1 += w * c, cc += w * c * c, xc += w * v * c;
                    error += w * off * off, size += fabs(w * v * c);
                }
                assert_true(fabs(s[k].c - c1) <= 1e-12 * (fabs(c1) + cc));
                assert_true(fabs(s[k].cc - cc) <= 1e-12 * cc);
                assert_true(fabs(s[k].xc - xc) <= 1e-12 * size);
                assert_true(fabs(e[k] - error) <= 1e-5 * (error + 1));
            }
        }
}

static void every_table_finds_the_same_bits(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < 300; round++) {
        const struct qv_fit f = fits[round % QV_COUNT(fits)];
        const size_t n = round % 2 ? N : N / 2;
        float x[N];
        struct qv_line l[LINES];
        struct qv_fit_sums want[LINES], got[LINES];
        double want_error[LINES], error[LINES];
        uint8_t want_code[N] = {0}, code[N] = {0};
        make(x, l, round, f);
        qv__fit_sums(want, l, LINES, x, n, f);
        qv__fit_errors(want_error, l, LINES, x, n, f);
        qv__fit_codes(want_code, x, n, l[1], f);
        for (size_t t = 0; t < n_tables; t++) {
            table[t]->fit_sums(got, l, LINES, x, n, f);
            table[t]->fit_errors(error, l, LINES, x, n, f);
            table[t]->fit_codes(code, x, n, l[1], f);
            for (size_t k = 0; k < LINES; k++) {
                assert_true(got[k].c == want[k].c && got[k].cc == want[k].cc);
                assert_true(got[k].xc == want[k].xc);
            }
            assert_memory_equal(error, want_error, sizeof error);
            assert_memory_equal(code, want_code, sizeof code);
        }
    }
}

static void every_table_writes_the_same_blocks(void **state)
{
    (void)state;
    enum { MANY = 8192 };
    static float x[MANY];
    static uint8_t want[MANY * sizeof(float)], got[MANY * sizeof(float)];
    for (size_t i = 0; i < MANY; i++) // normal, heavy-tailed, coarse, and nothing
        x[i] = i < 2048   ? qv__normal(1, i)
               : i < 4096 ? powf(qv__normal(1, i), 3)
               : i < 7936 ? roundf(3 * qv__normal(1, i)) / 16
                          : 0;
    size_t n;
    const struct qv_block_type *all = qv__block_all(&n);
    for (size_t i = 0; i < n; i++)
        for (size_t t = 0; t < n_tables && all[i].computes; t++) {
            qv__kern_use(table[t]->name);
            qv__block_encode(t ? got : want, &all[i], x, MANY);
            qv__kern_use(NULL);
            if (t)
                assert_memory_equal(got, want, qv__block_bytes(&all[i], MANY));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_are_the_nearest_there_are),
        cmocka_unit_test(what_is_on_no_line_has_the_lowest_code),
        cmocka_unit_test(sums_and_errors_are_those_of_the_codes),
        cmocka_unit_test(every_table_finds_the_same_bits),
        cmocka_unit_test(every_table_writes_the_same_blocks),
    };
    return cmocka_run_group_tests(tests, find_tables, NULL);
}
