/* Whatever the bytes, reading a tokenizer.json returns; if it succeeds, it encodes
 * its own file and other bytes to ids within range, and decodes them again. */
#include "text/tokenizer.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void there_and_back(const qv_tokenizer *tok, const char *text, size_t size,
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

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char odd[] =
        " ab\xff caf\xc3\xa9 e\xcc\x81 \xe2\x96\x81 12 I'M \xef\xac\x81<s>\xed\xa0";
    char *exact = malloc(size ? size : 1); // so that reading past `size` traps
    qv_check(exact);
    if (size)
        memcpy(exact, bytes, size);
    qv_tokenizer *tok;
    if (!qv__tokenizer_parse_json(&tok, exact, size, NULL)) {
        there_and_back(tok, odd, sizeof odd - 1, true);
        there_and_back(tok, exact, size, false);
        qv_tokenizer_close(tok);
    }
    free(exact);
    return 0;
}
