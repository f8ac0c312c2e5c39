/* block_layouts.h - where each type's codes and scales lie, as constants, so that a
 * compiler that is given one folds all arithmetic on it. */
#ifndef QV_KERN_BLOCK_LAYOUTS_H
#define QV_KERN_BLOCK_LAYOUTS_H

#include "kern/block_codes.h"

static const struct qv_block_layout q4_0 = {
    .low = {2, 4, 32}, .zero = 8, .group = 32, .scales = QV_SCALES_ONE};
static const struct qv_block_layout q4_1 = {
    .low = {4, 4, 32}, .group = 32, .scales = QV_SCALES_OFFSET, .m_at = 2};
static const struct qv_block_layout q5_0 = {
    .low = {6, 4, 32}, .high = {2, 1, 8}, .zero = 16, .group = 32};
static const struct qv_block_layout q5_1 = {.low = {8, 4, 32},
                                            .high = {4, 1, 8},
                                            .group = 32,
                                            .scales = QV_SCALES_OFFSET,
                                            .m_at = 2};
static const struct qv_block_layout q8_0 = {.low = {2, 8, 32}, .zero = 128, .group = 32};
static const struct qv_block_layout q2_k = {
    .low = {16, 2, 128}, .group = 16, .scales = QV_SCALES_NIBBLE, .d_at = 80, .m_at = 82};
static const struct qv_block_layout q3_k = {.low = {32, 2, 128},
                                            .high = {0, 1, 256},
                                            .zero = 4,
                                            .group = 16,
                                            .scales = QV_SCALES_SIX,
                                            .scales_at = 96,
                                            .d_at = 108};
static const struct qv_block_layout q4_k = {
    .low = {16, 4, 64}, .group = 32, .scales = QV_SCALES_PAIR, .scales_at = 4, .m_at = 2};
static const struct qv_block_layout q5_k = {.low = {48, 4, 64},
                                            .high = {16, 1, 256},
                                            .group = 32,
                                            .scales = QV_SCALES_PAIR,
                                            .scales_at = 4,
                                            .m_at = 2};
static const struct qv_block_layout q6_k = {.low = {0, 4, 128},
                                            .high = {128, 2, 128},
                                            .zero = 32,
                                            .group = 16,
                                            .scales = QV_SCALES_BYTE,
                                            .scales_at = 192,
                                            .d_at = 208};

#endif
