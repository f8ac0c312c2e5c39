/* tokenizer.h - what must hold of a tokenizer read from any bytes, whatever their format.
 */
#ifndef QV_TESTS_FUZZ_TOKENIZER_H
#define QV_TESTS_FUZZ_TOKENIZER_H

#include "text/tokenizer.h"

#include <stdlib.h>
#include <string.h>

static inline void there_and_back(const qv_tokenizer *tok, const char *text, size_t size,
                                  bool parse_special)
{
    int *ids;
    size_t n, n_back;
    char *back;
    if (qv_tokenizer_encode(tok, text, size, parse_special, &ids, &n, NULL))
        return;
    for (size_t i = 0; i < n; i++)
        qv_check(qv_tokenizer_token(tok, ids[i]));
    if (!qv_tokenizer_decode(tok, ids, n, false, &back, &n_back, NULL)) {
        qv_check(back[n_back] == 0);
        free(back);
    }
    free(ids);
}

/* `parse` returns; if it succeeds, the tokenizer encodes its own file and other bytes to
 * ids within range, and decodes them again. */
static inline void read_and_use(qv_status (*parse)(qv_tokenizer **out, const char *bytes,
                                                   size_t size, qv_err *err),
                                const uint8_t *bytes, size_t size)
{
    static const char odd[] =
        " ab\xff caf\xc3\xa9 e\xcc\x81 \xe2\x96\x81 12 I'M \xef\xac\x81<s>\xed\xa0";
    char *exact = malloc(size ? size : 1); // so that reading past `size` traps
    qv_check(exact);
    if (size)
        memcpy(exact, bytes, size);
    qv_tokenizer *tok;
    if (!parse(&tok, exact, size, NULL)) {
        there_and_back(tok, odd, sizeof odd - 1, true);
        there_and_back(tok, exact, size, false);
        qv_tokenizer_close(tok);
    }
    free(exact);
}

#endif
