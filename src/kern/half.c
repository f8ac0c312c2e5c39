/* half.c - see half.h. Integer arithmetic alone, so that no rounding mode,
 * flush-to-zero flag or compiler extension changes the result. */
#include "kern/half.h"

uint16_t qv__f32_to_f16(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    uint32_t sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
    if (size > 0x7f800000)
        return (uint16_t)(sign | 0x7e00 | (size >> 13 & 0x3ff));
    if (size >= 0x477ff000) // 65520 and above round to infinity
        return (uint16_t)(sign | 0x7c00);
    if (size < 0x33000001) // 2^-25 and below round to zero
        return (uint16_t)sign;
    // `kept` bits of f16, `lost` bits below them; a carry may pass into the exponent.
    uint32_t kept, lost, width;
    if (size >= 0x38800000) {
        width = 13;
        kept = (size - 0x38000000) >> 13;
        lost = size & 0x1fff;
    } else {
        uint32_t fraction = (size & 0x7fffff) | 0x800000;
        width = 126 - (size >> 23);
        kept = fraction >> width;
        lost = fraction & ((1u << width) - 1);
    }
    uint32_t half = 1u << (width - 1);
    if (lost > half || (lost == half && (kept & 1)))
        kept++;
    return (uint16_t)(sign | kept);
}
