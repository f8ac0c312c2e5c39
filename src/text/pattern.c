/* pattern.c - see pattern.h.
 *
 * Patterns are written for Oniguruma or Rust, whose \s is Unicode's White_Space.
 * PCRE2's \s has one character more (U+180E), so it is written out.
 */
#include "text/pattern.h"

#include <string.h>

qv_status qv__pattern_literal(struct qv__pattern *p, const char *text, qv_err *err)
{
    *p = (struct qv__pattern){.literal = text, .n = strlen(text)};
    return p->n ? QV_OK : qv_fail(err, QV_EFORMAT, "a pattern is empty");
}

/* `regex` with its spaces spelled for PCRE2, in `a`, or NULL if it has \C, which
 * would match a part of a character. */
static char *translate(qv_arena *a, const char *regex)
{
    static const char space[] = "p{White_Space}", other[] = "P{White_Space}";
    char *out = qv_new_n(a, char, strlen(regex) * sizeof space + 1), *to = out;
    while (*regex) {
        *to++ = *regex;
        if (*regex++ != '\\' || !*regex)
            continue;
        char class = *regex++;
        if (class == 'C')
            return NULL;
        if (class == 's' || class == 'S') {
            memcpy(to, class == 's' ? space : other, sizeof space - 1);
            to += sizeof space - 1;
        } else {
            *to++ = class;
        }
    }
    *to = 0;
    return out;
}

qv_status qv__pattern_regex(struct qv__pattern *p, const char *regex, qv_err *err)
{
    *p = (struct qv__pattern){0};
    if (!*regex)
        return qv_fail(err, QV_EFORMAT, "a pattern is empty");
    if (strstr(regex, "&&"))
        return qv_fail(err, QV_EUNSUPPORTED,
                       "pattern '%.120s': intersections of classes are not supported",
                       regex);
    qv_arena a = {0};
    const char *ours = translate(&a, regex);
    qv_status result = ours ? qv__regex_new(&p->re, ours, strlen(ours), err)
                            : qv_fail(err, QV_EUNSUPPORTED,
                                      "pattern '%.120s': \\C is not supported", regex);
    qv__arena_free(&a);
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
