/* half.h - the two 16-bit floating-point formats, to and from float.
 * Rounding is to nearest, ties to even; NaN stays NaN. */
#ifndef QV_KERN_HALF_H
#define QV_KERN_HALF_H

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

/* Without a branch, so that loops over many are vector code. */
static inline float qv__f16_to_f32(uint16_t h)
{
    const uint32_t size = h & 0x7fffu;
    const uint32_t is_normal = -(uint32_t)(size >= 0x400),
                   is_huge = -(uint32_t)(size >= 0x7c00);
    const float subnormal = (float)(int32_t)size * 0x1p-24f;
    uint32_t bits;
    float f;
    memcpy(&bits, &subnormal, sizeof bits);
    bits &= ~is_normal;
    bits |= ((size << 13) + 0x38000000u + (is_huge & 0x38000000u)) & is_normal;
    bits |= (uint32_t)(h & 0x8000u) << 16;
    memcpy(&f, &bits, sizeof f);
    return f;
}

uint16_t qv__f32_to_f16(float f);

#endif
