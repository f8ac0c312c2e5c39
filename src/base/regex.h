/* regex.h - the only door to PCRE2: Unicode regular expressions over UTF-8.
 *
 * Letters, digits and case are Unicode's, as in Python's `re` and in the
 * pre-tokenizers of tokenizer.json. Text may hold bytes that are not UTF-8:
 * they match nothing and stop no search. A compiled pattern never changes and
 * may be used from any number of threads.
 */
#ifndef QV_BASE_REGEX_H
#define QV_BASE_REGEX_H

#include "base/base.h"

struct qv_regex;

/* Compile pattern[0..size). The caller owns *out. Fails with QV_EFORMAT, saying
 * where and why the pattern is wrong. */
qv_status qv__regex_new(struct qv_regex **out, const char *pattern, size_t size,
                        qv_err *err) QV_MUST_CHECK;
void qv__regex_free(struct qv_regex *re);

/* The first match in text[at..size), which may look back before `at`: *found,
 * and if so text[*begin..*end). Fails with QV_ELIMIT if the pattern backtracks
 * without end. */
qv_status qv__regex_find(bool *found, size_t *begin, size_t *end, const struct qv_regex *re,
                         const char *text, size_t size, size_t at,
                         qv_err *err) QV_MUST_CHECK;

/* Told of a named group that took part in a match, and what it holds. */
typedef void (*qv_group_fn)(void *arg, const char *name, const char *text, size_t n);

/* The first match in text[0..size) and its named groups, in the order of their names.
 * Fails as find does. */
qv_status qv__regex_groups(bool *found, const struct qv_regex *re, const char *text,
                           size_t size, qv_group_fn tell, void *arg,
                           qv_err *err) QV_MUST_CHECK;

/* Whether the pattern matches the whole of text[0..size). Fails as find does. */
qv_status qv__regex_full(bool *matches, const struct qv_regex *re, const char *text,
                         size_t size, qv_err *err) QV_MUST_CHECK;

#endif
