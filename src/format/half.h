/* half.h - the two 16-bit floating-point formats, to and from float.
 * Rounding is to nearest, ties to even; NaN stays NaN. */
#ifndef QV_FORMAT_HALF_H
#define QV_FORMAT_HALF_H

#include <stdint.h>
#include <string.h>

static inline float qv__bf16_to_f32(uint16_t h)
{
    uint32_t bits = (uint32_t)h << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline uint16_t qv__f32_to_bf16(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    if ((bits & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(bits >> 16 | 0x40); // quiet NaN
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float qv__f16_to_f32(uint16_t h);
uint16_t qv__f32_to_f16(float f);

#endif
