/* utf8.c - see utf8.h. */
#include "text/utf8.h"

size_t qv__utf8_valid(const char *text, size_t size)
{
    const unsigned char *b = (const unsigned char *)text;
    if (size == 0)
        return 0;
    if (b[0] < 0x80)
        return 1;
    size_t n = b[0] < 0xc2 ? 0 : b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : b[0] < 0xf5 ? 4 : 0;
    if (n == 0 || n > size)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((b[i] & 0xc0) != 0x80)
            return 0;
    // The second byte decides what is overlong, a surrogate, or too large.
    bool lies = (b[0] == 0xe0 && b[1] < 0xa0) || (b[0] == 0xed && b[1] > 0x9f) ||
                (b[0] == 0xf0 && b[1] < 0x90) || (b[0] == 0xf4 && b[1] > 0x8f);
    return lies ? 0 : n;
}

uint32_t qv__utf8_read(const char *text)
{
    const unsigned char *b = (const unsigned char *)text;
    if (b[0] < 0x80)
        return b[0];
    if (b[0] < 0xe0)
        return (b[0] & 0x1fu) << 6 | (b[1] & 0x3fu);
    if (b[0] < 0xf0)
        return (b[0] & 0x0fu) << 12 | (b[1] & 0x3fu) << 6 | (b[2] & 0x3fu);
    return (b[0] & 0x07u) << 18 | (b[1] & 0x3fu) << 12 | (b[2] & 0x3fu) << 6 |
           (b[3] & 0x3fu);
}

size_t qv__utf8_write(char *out, uint32_t code)
{
    unsigned char *b = (unsigned char *)out;
    if (code < 0x80) {
        b[0] = (unsigned char)code;
        return 1;
    }
    if (code < 0x800) {
        b[0] = (unsigned char)(0xc0 | code >> 6);
        b[1] = (unsigned char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        b[0] = (unsigned char)(0xe0 | code >> 12);
        b[1] = (unsigned char)(0x80 | (code >> 6 & 0x3f));
        b[2] = (unsigned char)(0x80 | (code & 0x3f));
        return 3;
    }
    b[0] = (unsigned char)(0xf0 | code >> 18);
    b[1] = (unsigned char)(0x80 | (code >> 12 & 0x3f));
    b[2] = (unsigned char)(0x80 | (code >> 6 & 0x3f));
    b[3] = (unsigned char)(0x80 | (code & 0x3f));
    return 4;
}
