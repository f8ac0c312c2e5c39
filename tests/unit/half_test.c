/* half_test.c - 16-bit floats against ldexp, every one of them. */
#include "base/base.h"
#include "kern/half.h"
#include "support/near.h"

#include <math.h>

/* What the bits of a half mean, by the definition of the format. */
static double meaning(uint16_t h)
{
    int exponent = h >> 10 & 31, fraction = h & 0x3ff;
    double size = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    return h & 0x8000 ? -size : size;
}

static void every_f16_widens_to_what_it_means(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x10000; h++) {
        float f = qv__f16_to_f32((uint16_t)h);
        if ((h & 0x7fff) > 0x7c00)
            assert_true(isnan(f));
        else if ((h & 0x7fff) == 0x7c00)
            assert_true(isinf(f) && (f < 0) == (h >> 15 != 0));
        else
            assert_true((double)f == meaning((uint16_t)h) && !signbit(f) == !(h >> 15));
    }
}

static void every_f16_survives_f32_and_back(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x10000; h++)
        if ((h & 0x7fff) <= 0x7c00)
            assert_int_equal(qv__f32_to_f16(qv__f16_to_f32((uint16_t)h)), h);
    assert_true(isnan(qv__f16_to_f32(qv__f32_to_f16(-NAN))));
}

static void what_lies_between_two_f16_goes_to_the_nearer_or_the_even(void **state)
{
    (void)state;
    for (uint16_t h = 0; h < 0x7bff; h++) {
        float middle = (float)((meaning(h) + meaning((uint16_t)(h + 1))) / 2);
        assert_int_equal(qv__f32_to_f16(middle), h + (h & 1));
        assert_int_equal(qv__f32_to_f16(nextafterf(middle, 0)), h);
        assert_int_equal(qv__f32_to_f16(nextafterf(middle, INFINITY)), h + 1);
        assert_int_equal(qv__f32_to_f16(-middle), 0x8000 | (h + (h & 1)));
    }
}

static void f16_overflows_to_infinity_from_65520(void **state)
{
    (void)state;
    assert_int_equal(qv__f32_to_f16(nextafterf(65520, 0)), 0x7bff);
    assert_int_equal(qv__f32_to_f16(65520), 0x7c00);
    assert_int_equal(qv__f32_to_f16(-INFINITY), 0xfc00);
}

static void bf16_rounds_to_nearest_even_and_keeps_nan(void **state)
{
    (void)state;
    static const struct {
        float f;
        uint16_t h;
    } known[] = {
        {1, 0x3f80},
        {-2, 0xc000},
        {0x1.01p0f, 0x3f80},
        {0x1.03p0f, 0x3f82},
        {0x1.010002p0f, 0x3f81},
        {0x1.fffffep127f, 0x7f80},
        {INFINITY, 0x7f80},
        {0x1p-133f, 1},
    };
    for (size_t i = 0; i < QV_COUNT(known); i++)
        assert_int_equal(qv__f32_to_bf16(known[i].f), known[i].h);
    for (uint32_t h = 0; h < 0x10000; h++)
        if ((h & 0x7fff) <= 0x7f80)
            assert_int_equal(qv__f32_to_bf16(qv__bf16_to_f32((uint16_t)h)), h);
    assert_true(isnan(qv__bf16_to_f32(qv__f32_to_bf16(NAN))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_f16_widens_to_what_it_means),
        cmocka_unit_test(every_f16_survives_f32_and_back),
        cmocka_unit_test(what_lies_between_two_f16_goes_to_the_nearer_or_the_even),
        cmocka_unit_test(f16_overflows_to_infinity_from_65520),
        cmocka_unit_test(bf16_rounds_to_nearest_even_and_keeps_nan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
