/* match.c - see match.h. */
#include "eval/match.h"

#include <string.h>

static bool is_space(unsigned char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= 0x1f);
}

static bool is_punctuation(unsigned char c)
{
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
           (c >= '{' && c <= '~');
}

char *qv__normalised(qv_arena *a, const char *text)
{
    char *out = qv__arena_str(a, text), *to = out;
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (is_punctuation(c))
            continue;
        if (!is_space(c))
            *to++ = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
        else if (to > out && to[-1] != ' ')
            *to++ = ' ';
    }
    if (to > out && to[-1] == ' ')
        to--;
    *to = '\0';
    return out;
}

bool qv__exact_match(const char *prediction, const char *const *references, size_t n)
{
    qv_arena a = {0};
    const char *said = qv__normalised(&a, prediction);
    bool matches = false;
    for (size_t i = 0; !matches && i < n; i++)
        matches = strcmp(said, qv__normalised(&a, references[i])) == 0;
    qv__arena_free(&a);
    return matches;
}
