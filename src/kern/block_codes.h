/* block_codes.h - a block taken apart: codes, scales and mins as whole numbers.
 *
 * All types with a scale say the same thing, element i of group g being
 *     x = d * scale[g] * (code[i] - zero) - m * min[g]
 * and differ in how many bits each part has and where those lie. Codes lie in
 * planes: `bits` of them an element, a chunk of elements sharing chunk * bits / 8
 * bytes, the first so many elements in the lowest bits of each byte, the next in
 * the bits above, and so on.
 */
#ifndef QV_KERN_BLOCK_CODES_H
#define QV_KERN_BLOCK_CODES_H

#include "kern/block.h"

enum { QV_BLOCK_GROUPS = 16 };

struct qv_block_plane {
    size_t at; // byte of the block where it begins
    unsigned bits;
    size_t chunk; // elements
};

enum qv_block_scales {
    QV_SCALES_ONE,    // scale 1, min 0: d alone
    QV_SCALES_OFFSET, // scale 1, min -1: d, and m is added
    QV_SCALES_NIBBLE, // scale in the low half of a byte, min in the high
    QV_SCALES_SIX,    // six bits a scale, less 32
    QV_SCALES_PAIR,   // six bits a scale and six a min
    QV_SCALES_BYTE,   // a signed byte a scale
};

struct qv_block_layout {
    struct qv_block_plane low, high; // high.bits may be 0
    int zero;
    size_t group; // elements that share a scale
    enum qv_block_scales scales;
    size_t scales_at, d_at, m_at; // m_at is read where there are mins
};

struct qv_block_codes {
    uint16_t d, m; // half floats
    int scale[QV_BLOCK_GROUPS], min[QV_BLOCK_GROUPS];
    uint8_t code[QV_BLOCK_MAX];
};

static inline bool qv__block_has_mins(const struct qv_block_layout *l)
{
    return l->scales == QV_SCALES_OFFSET || l->scales == QV_SCALES_NIBBLE ||
           l->scales == QV_SCALES_PAIR;
}

/* Each undoes the other exactly, whatever the bits. */
void qv__block_unpack(struct qv_block_codes *c, const struct qv_block_type *b,
                      const uint8_t *block);
void qv__block_pack(uint8_t *block, const struct qv_block_type *b,
                    const struct qv_block_codes *c);

#endif
