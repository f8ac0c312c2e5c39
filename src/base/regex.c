/* regex.c - see regex.h. The only file that includes pcre2.h.
 *
 * Patterns are compiled to machine code where PCRE2 can. That code runs on the
 * 32 KiB of stack it brings; a match that needs more is repeated by the
 * interpreter, which uses the heap.
 */
#include "base/regex.h"

#include <pcre2.h>

/* A qv_regex is PCRE2's own object under our name. */
static const pcre2_code *code_of(const struct qv_regex *re)
{
    return (const pcre2_code *)(const void *)re;
}

qv_status qv__regex_new(struct qv_regex **out, const char *pattern, size_t size,
                        qv_err *err)
{
    *out = NULL;
    int why;
    size_t where;
    pcre2_code *code = pcre2_compile(
        (PCRE2_SPTR)pattern, size, PCRE2_MATCH_INVALID_UTF | PCRE2_UCP, &why, &where, NULL);
    if (!code) {
        char text[160];
        pcre2_get_error_message(why, (PCRE2_UCHAR *)text, sizeof text);
        return qv_fail(err, why == PCRE2_ERROR_NOMEMORY ? QV_ENOMEM : QV_EFORMAT,
                       "pattern '%.*s': at %zu: %s", (int)qv__min(size, 120), pattern,
                       where, text);
    }
    // Where this is refused the interpreter does the work.
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
    *out = (struct qv_regex *)(void *)code;
    return QV_OK;
}

void qv__regex_free(struct qv_regex *re)
{
    pcre2_code_free((pcre2_code *)(void *)re);
}

qv_status qv__regex_find(bool *found, size_t *begin, size_t *end, const struct qv_regex *re,
                         const char *text, size_t size, size_t at, qv_err *err)
{
    qv_check(at <= size);
    *found = false;
    pcre2_match_data *match = pcre2_match_data_create(1, NULL);
    if (!match)
        return qv_fail(err, QV_ENOMEM, "no memory to match a pattern");
    int got = pcre2_match(code_of(re), (PCRE2_SPTR)text, size, at, 0, match, NULL);
    if (got == PCRE2_ERROR_JIT_STACKLIMIT)
        got =
            pcre2_match(code_of(re), (PCRE2_SPTR)text, size, at, PCRE2_NO_JIT, match, NULL);
    qv_status result = QV_OK;
    if (got >= 0) {
        const size_t *span = pcre2_get_ovector_pointer(match);
        *begin = span[0];
        *end = span[1];
        *found = true;
    } else if (got != PCRE2_ERROR_NOMATCH) {
        result = qv_fail(err, QV_ELIMIT,
                         "a pattern gave up on %zu bytes of text (PCRE2 %d)", size, got);
    }
    pcre2_match_data_free(match);
    return result;
}

/* The pattern's table of names: entries of two bytes of number, then the name. */
static void tell_groups(const struct qv_regex *re, pcre2_match_data *match,
                        const char *text, qv_group_fn tell, void *arg)
{
    uint32_t n = 0, width = 0;
    PCRE2_SPTR entry = NULL;
    pcre2_pattern_info(code_of(re), PCRE2_INFO_NAMECOUNT, &n);
    pcre2_pattern_info(code_of(re), PCRE2_INFO_NAMEENTRYSIZE, &width);
    pcre2_pattern_info(code_of(re), PCRE2_INFO_NAMETABLE, &entry);
    const size_t *span = pcre2_get_ovector_pointer(match);
    for (uint32_t i = 0; i < n; i++, entry += width) {
        size_t group = (size_t)entry[0] << 8 | entry[1];
        size_t begin = span[2 * group], end = span[2 * group + 1];
        if (begin != PCRE2_UNSET)
            tell(arg, (const char *)(entry + 2), text + begin, end - begin);
    }
}

qv_status qv__regex_groups(bool *found, const struct qv_regex *re, const char *text,
                           size_t size, qv_group_fn tell, void *arg, qv_err *err)
{
    *found = false;
    pcre2_match_data *match = pcre2_match_data_create_from_pattern(code_of(re), NULL);
    if (!match)
        return qv_fail(err, QV_ENOMEM, "no memory to match a pattern");
    qv_status result = QV_OK;
    int got =
        pcre2_match(code_of(re), (PCRE2_SPTR)text, size, 0, PCRE2_NO_JIT, match, NULL);
    *found = got >= 0;
    if (got >= 0)
        tell_groups(re, match, text, tell, arg);
    else if (got != PCRE2_ERROR_NOMATCH)
        result = qv_fail(err, QV_ELIMIT,
                         "a pattern gave up on %zu bytes of text (PCRE2 %d)", size, got);
    pcre2_match_data_free(match);
    return result;
}

qv_status qv__regex_full(bool *matches, const struct qv_regex *re, const char *text,
                         size_t size, qv_err *err)
{
    *matches = false;
    pcre2_match_data *match = pcre2_match_data_create(1, NULL);
    if (!match)
        return qv_fail(err, QV_ENOMEM, "no memory to match a pattern");
    int got = pcre2_match(code_of(re), (PCRE2_SPTR)text, size, 0,
                          PCRE2_ANCHORED | PCRE2_ENDANCHORED, match, NULL);
    pcre2_match_data_free(match);
    if (got < 0 && got != PCRE2_ERROR_NOMATCH)
        return qv_fail(err, QV_ELIMIT, "a pattern gave up on %zu bytes of text (PCRE2 %d)",
                       size, got);
    *matches = got >= 0;
    return QV_OK;
}
