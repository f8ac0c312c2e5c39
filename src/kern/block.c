/* block.c - see block.h: the table of types, and from blocks to numbers. */
#include "kern/block.h"
#include "kern/block_layouts.h"
#include "kern/half.h"

#include <string.h>
#include <strings.h>

static const struct qv_block_type types[] = {
    {"F32", 0, 1, 4, true, NULL},          {"F16", 1, 1, 2, true, NULL},
    {"Q4_0", 2, 32, 18, true, &q4_0},      {"Q4_1", 3, 32, 20, true, &q4_1},
    {"Q5_0", 6, 32, 22, true, &q5_0},      {"Q5_1", 7, 32, 24, true, &q5_1},
    {"Q8_0", 8, 32, 34, true, &q8_0},      {"Q8_1", 9, 32, 40, false, NULL},
    {"Q2_K", 10, 256, 84, true, &q2_k},    {"Q3_K", 11, 256, 110, true, &q3_k},
    {"Q4_K", 12, 256, 144, true, &q4_k},   {"Q5_K", 13, 256, 176, true, &q5_k},
    {"Q6_K", 14, 256, 210, true, &q6_k},   {"Q8_K", 15, 256, 292, false, NULL},
    {"IQ2_XXS", 16, 256, 66, false, NULL}, {"IQ2_XS", 17, 256, 74, false, NULL},
    {"IQ3_XXS", 18, 256, 98, false, NULL}, {"IQ1_S", 19, 256, 50, false, NULL},
    {"IQ4_NL", 20, 32, 18, false, NULL},   {"IQ3_S", 21, 256, 110, false, NULL},
    {"IQ2_S", 22, 256, 82, false, NULL},   {"IQ4_XS", 23, 256, 136, false, NULL},
    {"I8", 24, 1, 1, false, NULL},         {"I16", 25, 1, 2, false, NULL},
    {"I32", 26, 1, 4, false, NULL},        {"I64", 27, 1, 8, false, NULL},
    {"F64", 28, 1, 8, false, NULL},        {"IQ1_M", 29, 256, 56, false, NULL},
    {"BF16", 30, 1, 2, true, NULL},        {"TQ1_0", 34, 256, 54, false, NULL},
    {"TQ2_0", 35, 256, 66, false, NULL},   {"MXFP4", 39, 32, 17, false, NULL},
    {"NVFP4", 40, 64, 36, false, NULL},    {"Q1_0", 41, 128, 18, false, NULL},
};

const struct qv_block_type *qv__block_all(size_t *n)
{
    *n = QV_COUNT(types);
    return types;
}

const struct qv_block_type *qv__block(uint32_t id)
{
    for (size_t i = 0; i < QV_COUNT(types); i++)
        if (types[i].id == id)
            return &types[i];
    return NULL;
}

const struct qv_block_type *qv__block_named(const char *name)
{
    for (size_t i = 0; i < QV_COUNT(types); i++)
        if (strcasecmp(types[i].name, name) == 0)
            return &types[i];
    return NULL;
}

/* ---- planes ---- */

/* The bits of n elements into code, `up` bits up, over zeros. Elements of a chunk that lie
 * in the same bits of their bytes are neighbours, so the inner loop runs over whole bytes;
 * except where a chunk is one byte. */
static void read_plane(uint8_t *restrict code, const uint8_t *restrict block,
                       const struct qv_block_plane *p, size_t n, unsigned up)
{
    const size_t stride = p->chunk * p->bits / 8;
    const uint8_t mask = (uint8_t)((1u << p->bits) - 1);
    const uint8_t *from = block + p->at;
    if (stride == 1) {
        for (size_t i = 0; i < n; i += 8, from++)
            for (unsigned k = 0; k < 8; k++)
                code[i + k] = (uint8_t)(code[i + k] | (*from >> k & 1) << up);
        return;
    }
    for (size_t i = 0; i < n; i += p->chunk, from += stride)
        for (unsigned shift = 0; shift < 8; shift += p->bits, code += stride)
            for (size_t k = 0; k < stride; k++)
                code[k] = (uint8_t)(code[k] | (from[k] >> shift & mask) << up);
}

/* The other way; block's bits were 0. */
static void write_plane(uint8_t *block, const uint8_t *code, const struct qv_block_plane *p,
                        size_t n, unsigned up)
{
    const size_t stride = p->chunk * p->bits / 8;
    const uint8_t mask = (uint8_t)((1u << p->bits) - 1);
    uint8_t *to = block + p->at;
    for (size_t i = 0; i < n; i += p->chunk, to += stride)
        for (unsigned shift = 0; shift < 8; shift += p->bits, code += stride)
            for (size_t k = 0; k < stride; k++)
                to[k] = (uint8_t)(to[k] | (code[k] >> up & mask) << shift);
}

/* Signed bytes are codes from 0 on with their highest bit the other way. */
static void flip_signs(uint8_t *code, const struct qv_block_layout *l, size_t n)
{
    for (size_t i = 0; l->low.bits == 8 && i < n; i++)
        code[i] ^= 0x80;
}

/* ---- scales ---- */

/* Six-bit numbers whose low bits and high bits lie apart. Of QV_SCALES_SIX, twelve
 * bytes hold sixteen: number k has its low four bits in half a byte of the first
 * eight, its high two in the last four. */
static void read_six(int *scale, const uint8_t *s)
{
    for (size_t k = 0; k < 16; k++) {
        unsigned low = s[k % 8] >> (k / 8 * 4) & 15, high = s[8 + k % 4] >> (k / 4 * 2) & 3;
        scale[k] = (int)(low | high << 4) - 32;
    }
}

static void write_six(uint8_t *s, const int *scale)
{
    for (size_t k = 0; k < 16; k++) {
        unsigned bits = (unsigned)(scale[k] + 32);
        s[k % 8] |= (uint8_t)((bits & 15) << (k / 8 * 4));
        s[8 + k % 4] |= (uint8_t)((bits >> 4 & 3) << (k / 4 * 2));
    }
}

/* Of QV_SCALES_PAIR, twelve bytes hold eight scales and eight mins: the first four
 * of each in the low six bits of bytes 0-3 and 4-7; of the last four the low halves
 * share bytes 8-11, and the high two bits are the high ones of bytes 0-3 and 4-7. */
static void read_pairs(int *scale, int *min, const uint8_t *s)
{
    for (size_t k = 0; k < 4; k++) {
        scale[k] = s[k] & 63;
        min[k] = s[4 + k] & 63;
        scale[4 + k] = (s[8 + k] & 15) | s[k] >> 6 << 4;
        min[4 + k] = s[8 + k] >> 4 | s[4 + k] >> 6 << 4;
    }
}

static void write_pairs(uint8_t *s, const int *scale, const int *min)
{
    for (size_t k = 0; k < 4; k++) {
        s[k] = (uint8_t)(scale[k] | scale[4 + k] >> 4 << 6);
        s[4 + k] = (uint8_t)(min[k] | min[4 + k] >> 4 << 6);
        s[8 + k] = (uint8_t)((scale[4 + k] & 15) | (min[4 + k] & 15) << 4);
    }
}

static void read_scales(struct qv_block_codes *c, const struct qv_block_layout *l,
                        const uint8_t *block)
{
    const uint8_t *s = block + l->scales_at;
    switch (l->scales) {
    case QV_SCALES_ONE:
    case QV_SCALES_OFFSET:
        c->scale[0] = 1;
        c->min[0] = l->scales == QV_SCALES_OFFSET ? -1 : 0;
        break;
    case QV_SCALES_NIBBLE:
        for (size_t k = 0; k < 16; k++) {
            c->scale[k] = s[k] & 15;
            c->min[k] = s[k] >> 4;
        }
        break;
    case QV_SCALES_SIX:
        read_six(c->scale, s);
        break;
    case QV_SCALES_PAIR:
        read_pairs(c->scale, c->min, s);
        break;
    case QV_SCALES_BYTE:
        for (size_t k = 0; k < 16; k++)
            c->scale[k] = (int8_t)s[k];
    }
}

static void write_scales(uint8_t *block, const struct qv_block_layout *l,
                         const struct qv_block_codes *c)
{
    uint8_t *s = block + l->scales_at;
    switch (l->scales) {
    case QV_SCALES_ONE:
    case QV_SCALES_OFFSET:
        break;
    case QV_SCALES_NIBBLE:
        for (size_t k = 0; k < 16; k++)
            s[k] = (uint8_t)(c->scale[k] | c->min[k] << 4);
        break;
    case QV_SCALES_SIX:
        write_six(s, c->scale);
        break;
    case QV_SCALES_PAIR:
        write_pairs(s, c->scale, c->min);
        break;
    case QV_SCALES_BYTE:
        for (size_t k = 0; k < 16; k++)
            s[k] = (uint8_t)c->scale[k];
    }
}

/* ---- whole blocks ---- */

void qv__block_unpack(struct qv_block_codes *c, const struct qv_block_type *b,
                      const uint8_t *block)
{
    const struct qv_block_layout *l = b->layout;
    memset(c->code, 0, b->n);
    memset(c->min, 0, sizeof c->min);
    c->m = 0;
    memcpy(&c->d, block + l->d_at, sizeof c->d);
    if (qv__block_has_mins(l))
        memcpy(&c->m, block + l->m_at, sizeof c->m);
    read_scales(c, l, block);
    read_plane(c->code, block, &l->low, b->n, 0);
    if (l->high.bits)
        read_plane(c->code, block, &l->high, b->n, l->low.bits);
    flip_signs(c->code, l, b->n);
}

void qv__block_pack(uint8_t *block, const struct qv_block_type *b,
                    const struct qv_block_codes *c)
{
    const struct qv_block_layout *l = b->layout;
    memset(block, 0, b->bytes);
    memcpy(block + l->d_at, &c->d, sizeof c->d);
    if (qv__block_has_mins(l))
        memcpy(block + l->m_at, &c->m, sizeof c->m);
    write_scales(block, l, c);
    uint8_t code[QV_BLOCK_MAX];
    memcpy(code, c->code, b->n);
    flip_signs(code, l, b->n);
    write_plane(block, code, &l->low, b->n, 0);
    if (l->high.bits)
        write_plane(block, code, &l->high, b->n, l->low.bits);
}

static void decode_codes(float *out, const struct qv_block_type *b, const uint8_t *block)
{
    const struct qv_block_layout *l = b->layout;
    struct qv_block_codes c;
    qv__block_unpack(&c, b, block);
    float d = qv__f16_to_f32(c.d), m = qv__f16_to_f32(c.m);
    const uint8_t *code = c.code;
    for (size_t g = 0; g < b->n / l->group; g++, code += l->group, out += l->group) {
        const float scale = d * (float)c.scale[g], min = m * (float)c.min[g];
        for (size_t i = 0; i < l->group; i++)
            out[i] = scale * (float)(code[i] - l->zero) - min;
    }
}

static uint16_t read_half(const uint8_t *at)
{
    uint16_t h;
    memcpy(&h, at, sizeof h);
    return h;
}

void qv__block_decode(float *out, const struct qv_block_type *b, const void *blocks,
                      size_t n)
{
    qv_check(b->computes && n % b->n == 0);
    const uint8_t *at = blocks;
    if (b->layout) {
        for (size_t i = 0; i < n; i += b->n, at += b->bytes)
            decode_codes(out + i, b, at);
    } else if (b->id == QV_BLOCK_F32) {
        memcpy(out, at, n * sizeof *out);
    } else if (b->id == QV_BLOCK_F16) {
        for (size_t i = 0; i < n; i++)
            out[i] = qv__f16_to_f32(read_half(at + i * sizeof(uint16_t)));
    } else {
        for (size_t i = 0; i < n; i++)
            out[i] = qv__bf16_to_f32(read_half(at + i * sizeof(uint16_t)));
    }
}
