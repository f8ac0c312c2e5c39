/* spell.c - see spell.h. */
#include "server/spell.h"
#include "text/json.h"
#include "text/utf8.h"

#include <stdio.h>
#include <string.h>

static bool is_utf8(const struct qv__str *s)
{
    size_t i = 0;
    for (size_t n = 1; i < s->size && n; i += n)
        n = qv__utf8_valid(s->bytes + i, s->size - i);
    return i == s->size;
}

json_t *qv__spelled(const struct qv__str *s)
{
    if (s->size == 0 || (is_utf8(s) && !memchr(s->bytes, '\0', s->size)))
        return qv__json_text(s->size ? s->bytes : "", s->size);
    struct qv__str out = {0};
    qv__str_add(&out, "bytes:", 6);
    for (size_t i = 0; i < s->size; i++) {
        char hex[8];
        int n = snprintf(hex, sizeof hex, "\\x%02x", (unsigned char)s->bytes[i]);
        qv__str_add(&out, hex, (size_t)n);
    }
    json_t *v = json_stringn(out.bytes, out.size);
    qv__str_free(&out);
    return v;
}
