/* normalize.h - what is done to text before it is cut: Unicode normal forms,
 * replacements, the dummy space of SentencePiece. */
#ifndef QV_TEXT_NORMALIZE_H
#define QV_TEXT_NORMALIZE_H

#include "text/added.h"
#include "text/charsmap.h"
#include "text/pattern.h"
#include "text/pieces.h"

enum qv__norm_kind {
    QV__NORM_NFC,
    QV__NORM_NFD,
    QV__NORM_NFKC,
    QV__NORM_NFKD,
    QV__NORM_LOWER,
    QV__NORM_PREPEND, // `text`, to text that is not empty
    QV__NORM_REPLACE, // every match of `pattern` by `text`
    QV__NORM_STRIP,   // white space on the sides chosen
    QV__NORM_SPM,     // what a SentencePiece model asks for
    QV__NORM_MAP,     // the map of `spm`, as tokenizer.json's Precompiled reads it
};

/* What a SentencePiece normalizer_spec decides, in its words. */
struct qv__spm_norm {
    bool add_dummy_prefix, remove_extra_whitespaces, escape_whitespaces;
    struct qv__charsmap map;
    const struct qv__added_set *symbols; // user-defined, which the map leaves alone
};

struct qv__norm {
    enum qv__norm_kind kind;
    const char *text; // borrowed from the tokenizer's arena
    bool left, right; // STRIP
    struct qv__pattern pattern;
    struct qv__spm_norm spm;
};

/* Normalizes *text, valid UTF-8, in place, with *scratch as working memory. Where
 * it `goes_on` from earlier text nothing is prepended. */
qv_status qv__normalize(const struct qv__norm *norm, size_t n, struct qv__str *text,
                        struct qv__str *scratch, bool goes_on, qv_err *err) QV_MUST_CHECK;

#endif
