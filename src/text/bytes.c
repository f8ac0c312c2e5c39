/* bytes.c - see bytes.h. */
#include "text/bytes.h"
#include "text/utf8.h"

/* The 68 in order: 0x00..0x20, 0x7f..0xa0, 0xad. */
enum { LOW = 0x21, HIGH = 0xa1 - 0x7f };

uint32_t qv__byte_to_char(unsigned char byte)
{
    if (byte < LOW)
        return 0x100u + byte;
    if (byte >= 0x7f && byte <= 0xa0)
        return 0x100u + LOW + (byte - 0x7fu);
    if (byte == 0xad)
        return 0x100u + LOW + HIGH;
    return byte;
}

int qv__char_to_byte(uint32_t code)
{
    if (code < 0x100) {
        unsigned char byte = (unsigned char)code;
        return qv__byte_to_char(byte) == code ? byte : -1;
    }
    code -= 0x100;
    if (code < LOW)
        return (int)code;
    if (code < LOW + HIGH)
        return (int)(code - LOW + 0x7f);
    return code == LOW + HIGH ? 0xad : -1;
}

void qv__bytes_write(struct qv__str *out, const char *bytes, size_t n)
{
    char buf[512];
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        used += qv__utf8_write(buf + used, qv__byte_to_char((unsigned char)bytes[i]));
        if (used > sizeof buf - 4 || i + 1 == n) {
            qv__str_add(out, buf, used);
            used = 0;
        }
    }
}

void qv__bytes_read(struct qv__str *out, const char *text, size_t n)
{
    size_t before = out->size;
    for (size_t i = 0, len; i < n; i += len) {
        len = qv__utf8_valid(text + i, n - i);
        int byte = len ? qv__char_to_byte(qv__utf8_read(text + i)) : -1;
        if (byte < 0) {
            out->size = before;
            qv__str_add(out, text, n);
            return;
        }
        char c = (char)byte;
        qv__str_add(out, &c, 1);
    }
}
