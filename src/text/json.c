/* json.c - see json.h. */
#include "text/json.h"
#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>

json_t *qv__json_text(const char *bytes, size_t size)
{
    char *text = malloc(3 * size + 1);
    qv_check(text);
    size_t n = 0;
    for (size_t i = 0; i < size;) {
        size_t len = qv__utf8_valid(bytes + i, size - i);
        if (len)
            memcpy(text + n, bytes + i, len);
        n += len ? len : qv__utf8_write(text + n, 0xfffd);
        i += len ? len : 1;
    }
    json_t *value = json_stringn(text, n);
    free(text);
    return value;
}
