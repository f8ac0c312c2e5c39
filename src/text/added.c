/* added.c - see added.h. The sorted tokens are searched as a trie would be: the
 * range of those that agree so far narrows with every byte. */
#include "text/added.h"
#include "text/classes.h"
#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>

qv_status qv__added_add(struct qv__added_set *set, const struct qv__added *token,
                        qv_err *err)
{
    if (set->n == set->cap) {
        size_t cap = qv__max(16, set->cap * 2);
        struct qv__added *grown = realloc(set->token, cap * sizeof *grown);
        if (!grown)
            return qv_fail(err, QV_ENOMEM, "no memory for %zu added tokens", cap);
        set->token = grown;
        set->cap = cap;
    }
    set->token[set->n++] = *token;
    return QV_OK;
}

static int by_text(const void *a, const void *b)
{
    const struct qv__added *x = a, *y = b;
    int order = memcmp(x->text, y->text, qv__min(x->n, y->n));
    if (order || x->n != y->n)
        return order ? order : x->n < y->n ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

void qv__added_ready(struct qv__added_set *set)
{
    if (set->n)
        qsort(set->token, set->n, sizeof *set->token, by_text);
    size_t kept = 0;
    for (size_t i = 0; i < set->n; i++) {
        const struct qv__added *last = kept ? &set->token[kept - 1] : NULL,
                               *t = &set->token[i];
        if (!last || last->n != t->n || memcmp(last->text, t->text, t->n))
            set->token[kept++] = *t;
    }
    set->n = kept;
    for (size_t b = 0, i = 0; b < QV_COUNT(set->first); b++) {
        while (i < set->n && (unsigned char)set->token[i].text[0] < b)
            i++;
        set->first[b] = i;
    }
}

void qv__added_end(struct qv__added_set *set)
{
    free(set->token);
    *set = (struct qv__added_set){0};
}

/* The first of token[lo..hi), which agree in `depth` bytes, whose next byte is
 * `byte` or more. Tokens that end here sort first. */
static size_t lower_bound(const struct qv__added_set *set, size_t lo, size_t hi,
                          size_t depth, int byte)
{
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct qv__added *t = &set->token[mid];
        if (t->n <= depth || (unsigned char)t->text[depth] < byte)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

const struct qv__added *qv__added_longest(const struct qv__added_set *set, const char *text,
                                          size_t n)
{
    const struct qv__added *best = NULL;
    unsigned char first = (unsigned char)*text;
    size_t lo = set->first[first], hi = set->first[first + 1];
    for (size_t depth = 1; lo < hi; depth++) {
        if (set->token[lo].n == depth)
            best = &set->token[lo];
        if (depth == n)
            break;
        int byte = (unsigned char)text[depth];
        lo = lower_bound(set, lo, hi, depth, byte);
        hi = lower_bound(set, lo, hi, depth, byte + 1);
    }
    return best;
}

/* Where the last character of text[0..at) begins; at > 0. */
static size_t before(const char *text, size_t at)
{
    do
        at--;
    while (at && ((unsigned char)text[at] & 0xc0) == 0x80);
    return at;
}

static bool touches_word(const char *text, size_t size, size_t begin, size_t end)
{
    return (begin && qv__is_word(qv__utf8_read(text + before(text, begin)))) ||
           (end < size && qv__is_word(qv__utf8_read(text + end)));
}

bool qv__added_next(struct qv__hit *hit, const struct qv__added_set *set, const char *text,
                    size_t size, size_t at, size_t *scan, bool parse_special)
{
    if (set->n == 0)
        return false;
    while (*scan < size) {
        const struct qv__added *t = qv__added_longest(set, text + *scan, size - *scan);
        size_t begin = *scan, end = begin + (t ? t->n : qv__utf8_len(text + begin));
        *scan = end;
        if (!t || (t->special && !parse_special) ||
            (t->single_word && touches_word(text, size, begin, end)) || end <= at)
            continue;
        while (t->lstrip && begin > at &&
               qv__is_space(qv__utf8_read(text + before(text, begin))))
            begin = before(text, begin);
        while (t->rstrip && end < size && qv__is_space(qv__utf8_read(text + end)))
            end += qv__utf8_len(text + end);
        *hit = (struct qv__hit){t, qv__max(begin, at), end};
        return true;
    }
    return false;
}
