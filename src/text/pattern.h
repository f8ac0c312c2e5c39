/* pattern.h - what a normalizer replaces and a pre-tokenizer splits at: a literal
 * string or a regular expression, as tokenizer.json writes them. */
#ifndef QV_TEXT_PATTERN_H
#define QV_TEXT_PATTERN_H

#include "base/regex.h"
#include "text/pieces.h"

struct qv__pattern {
    const char *literal; // borrowed from the tokenizer's arena; NULL for a regex
    size_t n;
    struct qv_regex *re; // owned
};

/* Both fail with QV_EFORMAT on an empty pattern, the second with QV_EUNSUPPORTED
 * on what PCRE2 would understand otherwise. `text` must outlive *p. */
qv_status qv__pattern_literal(struct qv__pattern *p, const char *text,
                              qv_err *err) QV_MUST_CHECK;
qv_status qv__pattern_regex(struct qv__pattern *p, const char *regex,
                            qv_err *err) QV_MUST_CHECK;
void qv__pattern_end(struct qv__pattern *p);

/* The first match in text[at..size): *found, and if so text[*begin..*end). */
qv_status qv__pattern_find(bool *found, size_t *begin, size_t *end,
                           const struct qv__pattern *p, const char *text, size_t size,
                           size_t at, qv_err *err) QV_MUST_CHECK;

/* Adds to `out` text[0..n) with every match replaced by `to`. */
qv_status qv__pattern_replace(struct qv__str *out, const struct qv__pattern *p,
                              const char *to, const char *text, size_t n,
                              qv_err *err) QV_MUST_CHECK;

#endif
