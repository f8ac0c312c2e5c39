/* decode.c - see decode.h. */
#include "text/decode.h"
#include "text/bytes.h"
#include "text/utf8.h"

#include <string.h>

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte that a token <0x41> names, or -1. */
static int byte_named(const char *text, size_t n)
{
    if (n != 6 || memcmp(text, "<0x", 3) || text[5] != '>')
        return -1;
    int high = hex(text[3]), low = hex(text[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static void strip(struct qv__str *out, const struct qv__undo *u, const char *text, size_t n)
{
    size_t m = strlen(u->text);
    for (size_t i = 0; i < u->left && n >= m && !memcmp(text, u->text, m); i++)
        text += m, n -= m;
    for (size_t i = 0; i < u->right && n >= m && !memcmp(text + n - m, u->text, m); i++)
        n -= m;
    qv__str_add(out, text, n);
}

static qv_status step(struct qv__str *out, const struct qv__undo *u, const char *text,
                      size_t n, bool is_text, bool is_first, qv_err *err)
{
    int byte = u->kind == QV__UNDO_BYTE_FALLBACK ? byte_named(text, n) : -1;
    char c = (char)byte;
    if (u->kind == QV__UNDO_REPLACE || (u->kind == QV__UNDO_REPLACE_FIRST && is_first))
        return qv__pattern_replace(out, &u->pattern, u->text, text, n, err);
    if (u->kind == QV__UNDO_BYTES && !is_text)
        qv__bytes_read(out, text, n);
    else if (byte >= 0)
        qv__str_add(out, &c, 1);
    else if (u->kind == QV__UNDO_STRIP)
        strip(out, u, text, n);
    else
        qv__str_add(out, text, n);
    return QV_OK;
}

qv_status qv__decode(struct qv__pieces *tokens, struct qv__pieces *scratch,
                     const bool *is_text, const struct qv__undo *undo, size_t n,
                     qv_err *err)
{
    bool fused = false;
    for (size_t k = 0; k < n; k++) {
        if (undo[k].kind == QV__UNDO_FUSE) {
            tokens->n = 0;
            qv__pieces_add(tokens, 0, tokens->text.size);
            fused = true;
            continue;
        }
        qv__pieces_clear(scratch);
        for (size_t i = 0; i < tokens->n && !qv__pieces_failed(tokens); i++) {
            size_t at = scratch->text.size;
            qv_status result = step(&scratch->text, &undo[k], qv__piece(tokens, i),
                                    tokens->span[i].n, !fused && is_text[i], i == 0, err);
            if (result)
                return result;
            qv__pieces_add(scratch, at, scratch->text.size - at);
        }
        struct qv__pieces t = *tokens;
        *tokens = *scratch;
        *scratch = t;
    }
    return QV_OK;
}
