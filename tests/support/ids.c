/* ids.c - see ids.h. */
#include "support/ids.h"
#include "support/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void assert_ids(const qv_tokenizer *tok, const char *text, bool parse_special,
                const char *want)
{
    char got[512] = "";
    int *ids;
    size_t n, used = 0;
    qv_err err;
    assert_works(
        qv_tokenizer_encode(tok, text, strlen(text), parse_special, &ids, &n, &err), &err);
    for (size_t i = 0; i < n; i++)
        used += (size_t)snprintf(got + used, sizeof got - used, i ? " %d" : "%d", ids[i]);
    free(ids);
    assert_string_equal(got, want);
}
