/* decode.h - from tokens back to text: steps over the list of token texts, as
 * Hugging Face's decoders are; a SentencePiece model uses the same ones. */
#ifndef QV_TEXT_DECODE_H
#define QV_TEXT_DECODE_H

#include "text/pattern.h"
#include "text/pieces.h"

enum qv__undo_kind {
    QV__UNDO_BYTES,         // read GPT-2's alphabet
    QV__UNDO_REPLACE,       // in every token, each match of `pattern` by `text`
    QV__UNDO_BYTE_FALLBACK, // <0x41> is the byte 0x41
    QV__UNDO_FUSE,          // all tokens become one
    QV__UNDO_STRIP,         // take `text` off, up to `left` and `right` times
    QV__UNDO_REPLACE_FIRST, // as REPLACE, in the first token alone
};

struct qv__undo {
    enum qv__undo_kind kind;
    const char *text; // borrowed from the tokenizer's arena
    size_t left, right;
    struct qv__pattern pattern;
};

/* Applies the steps to *tokens; what is left, put together, is the text. Where
 * is_text[i] the token is written as text already, and BYTES leaves it alone. Memory
 * running out is left in both `failed`. */
qv_status qv__decode(struct qv__pieces *tokens, struct qv__pieces *scratch,
                     const bool *is_text, const struct qv__undo *undo, size_t n,
                     qv_err *err) QV_MUST_CHECK;

#endif
