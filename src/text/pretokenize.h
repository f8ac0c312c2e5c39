/* pretokenize.h - cutting text into the pieces that are encoded one by one.
 *
 * All of Hugging Face's pre-tokenizers come down to four steps, each applied to
 * every piece the steps before it left. What has a name there (ByteLevel, Digits,
 * Metaspace, ...) is translated by hf_steps.c.
 */
#ifndef QV_TEXT_PRETOKENIZE_H
#define QV_TEXT_PRETOKENIZE_H

#include "text/pattern.h"
#include "text/pieces.h"

enum qv__cut_kind {
    QV__CUT_PREFIX,  // put `text` in front of a piece that does not start with it
    QV__CUT_REPLACE, // write `text` for every match
    QV__CUT_SPLIT,   // cut at matches; `behavior` says what becomes of them
    QV__CUT_BYTES,   // write the bytes in GPT-2's alphabet
};

enum qv__behavior {
    QV__REMOVED,
    QV__ISOLATED,
    QV__MERGED_WITH_PREVIOUS,
    QV__MERGED_WITH_NEXT,
    QV__CONTIGUOUS, // neighbouring matches are one
};

struct qv__cut {
    enum qv__cut_kind kind;
    const char *text; // borrowed from the tokenizer's arena
    bool first_only;  // PREFIX: only where the whole text begins
    enum qv__behavior behavior;
    bool invert; // SPLIT: what lies between matches counts as matched
    struct qv__pattern pattern;
};

/* Where a piece of text comes from. */
struct qv__place {
    bool is_first; // the whole text begins here
    bool goes_on;  // it continues what the last piece began: no prefix
};

/* Cuts text[0..n) into pieces of *out (cleared first). `scratch` is working
 * memory. Memory running out is left in out->failed and scratch->failed. */
qv_status qv__pretokenize(struct qv__pieces *out, struct qv__pieces *scratch,
                          const struct qv__cut *cut, size_t n_cuts, const char *text,
                          size_t n, struct qv__place place, qv_err *err) QV_MUST_CHECK;

#endif
