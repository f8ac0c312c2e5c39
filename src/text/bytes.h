/* bytes.h - GPT-2's byte alphabet: every byte has a printable character.
 *
 * Bytes that print in Latin-1 stand for themselves; the other 68 (controls,
 * space, DEL, 0x80..0xA0, soft hyphen) become U+0100, U+0101, ... in order, so
 * that a space is written as U+0120 and a vocabulary of any bytes is plain text.
 */
#ifndef QV_TEXT_BYTES_H
#define QV_TEXT_BYTES_H

#include "text/pieces.h"

/* The character of a byte. */
uint32_t qv__byte_to_char(unsigned char byte);

/* The byte of a character, or -1 if it is not of the alphabet. */
int qv__char_to_byte(uint32_t code);

/* Adds to `out` any bytes, written in the alphabet. */
void qv__bytes_write(struct qv__str *out, const char *bytes, size_t n);

/* Adds to `out` the bytes that text[0..n) stands for, or, if a character is not
 * of the alphabet, the text itself. */
void qv__bytes_read(struct qv__str *out, const char *text, size_t n);

#endif
