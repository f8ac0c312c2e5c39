/* charsmap.c - see charsmap.h.
 *
 * A unit of the trie is 32 bits: the label in bits 0-7 (and bit 31, set in
 * values), whether a value hangs below it in bit 8, and the offset of its
 * children in bits 10-30, eight bits further left if bit 9 is set. Children of
 * the unit at i with offset o and label b lie at i ^ o ^ b.
 */
#include "text/charsmap.h"

#include "text/utf8.h"

#include <string.h>

enum { RULE_MAX = 256 };

static uint32_t read_u32(const char *bytes)
{
    const unsigned char *b = (const unsigned char *)bytes;
    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

qv_status qv__charsmap_read(struct qv__charsmap *m, qv_arena *a, const char *blob,
                            size_t size, qv_err *err)
{
    *m = (struct qv__charsmap){0};
    if (size == 0)
        return QV_OK;
    size_t trie = size < 4 ? 0 : read_u32(blob);
    if (trie == 0 || trie % 4 || trie > size - 4)
        return qv_fail(err, QV_EFORMAT,
                       "precompiled_charsmap: a trie of %zu bytes in a blob of %zu", trie,
                       size);
    uint32_t *unit = qv_new_n(a, uint32_t, trie / 4);
    for (size_t i = 0; i < trie / 4; i++)
        unit[i] = read_u32(blob + 4 + 4 * i);
    m->unit = unit;
    m->n_units = trie / 4;
    m->size = size - 4 - trie;
    m->text = qv__arena_strn(a, blob + 4 + trie, m->size);
    for (size_t at = 0, len; at < m->size; at += len)
        if (!(len = qv__utf8_valid(m->text + at, m->size - at)))
            return qv_fail(err, QV_EFORMAT,
                           "precompiled_charsmap: replacements are not UTF-8 at byte %zu",
                           at);
    return QV_OK;
}

static int digit64(char c)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *hit = c ? strchr(digits, c) : NULL;
    return hit ? (int)(hit - digits) : -1;
}

qv_status qv__charsmap_read64(struct qv__charsmap *m, qv_arena *a, const char *text,
                              qv_err *err)
{
    size_t n = strlen(text), size = 0;
    while (n && text[n - 1] == '=')
        n--;
    char *blob = qv_new_n(a, char, n + 1);
    uint32_t bits = 0;
    for (size_t i = 0; i < n; i++) {
        int digit = digit64(text[i]);
        if (digit < 0)
            return qv_fail(err, QV_EFORMAT,
                           "precompiled_charsmap: not base64 at character %zu", i);
        bits = bits << 6 | (uint32_t)digit;
        if (i % 4)
            blob[size++] = (char)(bits >> (6 - 2 * (i % 4)) & 0xff);
    }
    return qv__charsmap_read(m, a, blob, size, err);
}

static bool is_inside_character(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

static size_t offset_of(uint32_t unit)
{
    return (size_t)(unit >> 10) << ((unit & 0x200) >> 6);
}

static size_t find(const struct qv__charsmap *m, const char *text, size_t n, bool shortest,
                   const char **to)
{
    size_t found = 0, at = m->n_units ? offset_of(m->unit[0]) : 0;
    // Rules are a few characters long; a trie that runs in circles is not followed.
    for (size_t i = 0; i < n && i < RULE_MAX && !(shortest && found); i++) {
        unsigned char byte = (unsigned char)text[i];
        at ^= byte;
        if (at >= m->n_units || (m->unit[at] & 0x800000ff) != byte)
            break;
        uint32_t unit = m->unit[at];
        at ^= offset_of(unit);
        if (!(unit & 0x100) || at >= m->n_units)
            continue;
        size_t value = m->unit[at] & 0x7fffffff;
        bool is_whole = i + 1 == n || !is_inside_character(text[i + 1]);
        if (is_whole && value < m->size && !is_inside_character(m->text[value])) {
            found = i + 1;
            *to = m->text + value;
        }
    }
    return found;
}

size_t qv__charsmap_longest(const struct qv__charsmap *m, const char *text, size_t n,
                            const char **to)
{
    return find(m, text, n, false, to);
}

size_t qv__charsmap_shortest(const struct qv__charsmap *m, const char *text, size_t n,
                             const char **to)
{
    return find(m, text, n, true, to);
}
