/* pattern.c - see pattern.h.
 *
 * Patterns are written for Oniguruma, whose \s is Unicode's White_Space and whose
 * \w has marks. PCRE2's differ by some characters, so both are spelled out. What Oniguruma
 * reads as sets within brackets PCRE2 would read as something else, so that is refused.
 */
#include "text/pattern.h"
#include "text/utf8.h"

#include <string.h>

/* Oniguruma's \w in brackets, and what it has more of outside them. */
#define WORD   "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"
#define LATIN1 "\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}"

qv_status qv__pattern_literal(struct qv__pattern *p, const char *text, qv_err *err)
{
    *p = (struct qv__pattern){.literal = text, .n = strlen(text)};
    return p->n ? QV_OK : qv_fail(err, QV_EFORMAT, "a pattern is empty");
}

/* What PCRE2 is to read for the class \c, or NULL if as it is written. */
static const char *spell_class(char c, bool in_brackets)
{
    switch (c) {
    case 's':
        return "\\p{White_Space}";
    case 'S':
        return "\\P{White_Space}";
    case 'w':
        return in_brackets ? WORD : "[" WORD LATIN1 "]";
    case 'W':
        return "[^" WORD LATIN1 "]";
    default:
        return NULL;
    }
}

/* Adds to `out` the pattern as PCRE2 is to read it; or says what it cannot. */
static const char *translate(struct qv__str *out, const char *regex)
{
    bool in_brackets = false;
    for (const char *at = regex; *at; at++) {
        bool escaped = *at == '\\' && at[1];
        const char *spelled = escaped ? spell_class(at[1], in_brackets) : NULL;
        if (in_brackets && escaped && at[1] == 'W')
            return "\\W in brackets is";
        if (escaped && at[1] == 'C')
            return "\\C is"; // it would match a part of a character
        if (in_brackets && ((*at == '[' && at[1] != ':') || (*at == '&' && at[1] == '&')))
            return "sets in brackets are";
        if (!escaped && *at == '[' && !in_brackets) {
            in_brackets = true;
            size_t n = at[1] == '^' ? 2 : 1;
            n += at[n] == ']'; // a first ] is a member
            qv__str_add(out, at, n);
            at += n - 1;
            continue;
        }
        if (*at == ']')
            in_brackets = false;
        if (spelled)
            qv__str_add(out, spelled, strlen(spelled));
        else
            qv__str_add(out, at, escaped ? 2 : 1);
        at += escaped;
    }
    return NULL;
}

qv_status qv__pattern_regex(struct qv__pattern *p, const char *regex, qv_err *err)
{
    *p = (struct qv__pattern){0};
    if (!*regex)
        return qv_fail(err, QV_EFORMAT, "a pattern is empty");
    struct qv__str ours = {0};
    qv_status result;
    const char *wrong = translate(&ours, regex);
    if (wrong)
        result = qv_fail(err, QV_EUNSUPPORTED, "pattern '%.120s': %s not supported", regex,
                         wrong);
    else if (ours.failed)
        result = qv_fail(err, QV_ENOMEM, "no memory for a pattern");
    else
        result = qv__regex_new(&p->re, ours.bytes, ours.size, err);
    qv__str_free(&ours);
    return result;
}

void qv__pattern_end(struct qv__pattern *p)
{
    qv__regex_free(p->re);
    *p = (struct qv__pattern){0};
}

qv_status qv__pattern_find(bool *found, size_t *begin, size_t *end,
                           const struct qv__pattern *p, const char *text, size_t size,
                           size_t at, qv_err *err)
{
    if (p->re)
        return qv__regex_find(found, begin, end, p->re, text, size, at, err);
    *found = false;
    for (; at < size && size - at >= p->n; at++) {
        const char *hit = memchr(text + at, *p->literal, size - at - p->n + 1);
        if (!hit)
            break;
        at = (size_t)(hit - text);
        if (memcmp(hit, p->literal, p->n))
            continue;
        *begin = at;
        *end = at + p->n;
        *found = true;
        break;
    }
    return QV_OK;
}

qv_status qv__pattern_replace(struct qv__str *out, const struct qv__pattern *p,
                              const char *to, const char *text, size_t n, qv_err *err)
{
    size_t at = 0, copied = 0, begin, end;
    while (at <= n) {
        bool found;
        qv_status result = qv__pattern_find(&found, &begin, &end, p, text, n, at, err);
        if (result)
            return result;
        if (!found)
            break;
        qv__str_add(out, text + copied, begin - copied);
        qv__str_add(out, to, strlen(to));
        copied = end;
        // After an empty match the search goes on a character later.
        at = begin < end ? end : end < n ? end + qv__utf8_len(text + end) : end + 1;
    }
    qv__str_add(out, text + copied, n - copied);
    return QV_OK;
}
