/* utf8.h - reading, writing and counting characters of UTF-8.
 *
 * The door (tokenizer.c) sets bytes that are not UTF-8 apart; every other file
 * of text/ trusts that its text is UTF-8.
 */
#ifndef QV_TEXT_UTF8_H
#define QV_TEXT_UTF8_H

#include "base/base.h"

/* The length of the valid character at text[0..size), or 0 if there is none:
 * cut short, overlong, a surrogate, or past U+10FFFF. */
size_t qv__utf8_valid(const char *text, size_t size);

/* The length that the first byte of a valid character announces. */
static inline size_t qv__utf8_len(const char *text)
{
    unsigned char b = (unsigned char)*text;
    return b < 0x80 ? 1 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4;
}

/* How many characters a text has: bytes that do not go on with another. */
static inline size_t qv__utf8_count(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

/* The code point of a valid character. */
uint32_t qv__utf8_read(const char *text);

/* Writes `code` to out[0..4) and returns its length. */
size_t qv__utf8_write(char *out, uint32_t code);

#endif
