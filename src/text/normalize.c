/* normalize.c - see normalize.h. */
#include "text/normalize.h"
#include "text/bpe.h"
#include "text/classes.h"
#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

/* ---- normal forms ---- */

enum { MARKS_MAX = 1024 };

/* How much of text[0..n) to normalize by itself: up to the next ASCII character,
 * which combines with nothing before it. Marks past counting are cut too, because
 * ordering them takes time quadratic in their number. */
static size_t form_chunk(const char *text, size_t n)
{
    size_t at = qv__utf8_len(text), marks = 0;
    while (at < n && (unsigned char)text[at] >= 0x80 && marks < MARKS_MAX) {
        utf8proc_int32_t code = (utf8proc_int32_t)qv__utf8_read(text + at);
        marks = utf8proc_get_property(code)->combining_class ? marks + 1 : 0;
        at += qv__utf8_len(text + at);
    }
    return at;
}

static qv_status form(struct qv__str *out, const char *text, size_t n,
                      utf8proc_option_t option, qv_err *err)
{
    for (size_t at = 0, len; at < n; at += len) {
        len = form_chunk(text + at, n - at);
        if (len == 1) {
            qv__str_add(out, text + at, 1);
            continue;
        }
        utf8proc_uint8_t *made = NULL;
        utf8proc_ssize_t size = utf8proc_map((const utf8proc_uint8_t *)text + at,
                                             (utf8proc_ssize_t)len, &made, option);
        if (size < 0)
            return qv_fail(err, QV_ENOMEM, "no memory to normalize %zu bytes", len);
        qv__str_add(out, made, (size_t)size);
        free(made);
    }
    return QV_OK;
}

/* ---- the other steps ---- */

static void lower(struct qv__str *out, const char *text, size_t n)
{
    for (size_t at = 0, len; at < n; at += len) {
        len = qv__utf8_len(text + at);
        uint32_t code = qv__utf8_read(text + at);
        char c[4];
        if (code == 0x130) // the one letter whose lower case is two characters
            qv__str_add(out, "i\xcc\x87", 3);
        else
            qv__str_add(
                out, c,
                qv__utf8_write(c, (uint32_t)utf8proc_tolower((utf8proc_int32_t)code)));
    }
}

static void strip(struct qv__str *out, const struct qv__norm *s, const char *text, size_t n)
{
    size_t begin = 0, end = s->right ? 0 : n;
    while (s->left && begin < n && qv__is_space(qv__utf8_read(text + begin)))
        begin += qv__utf8_len(text + begin);
    for (size_t at = begin; s->right && at < n;) {
        bool space = qv__is_space(qv__utf8_read(text + at));
        at += qv__utf8_len(text + at);
        if (!space)
            end = at;
    }
    if (end > begin)
        qv__str_add(out, text + begin, end - begin);
}

/* ---- SentencePiece ---- */

/* What the character, or the string of the map, at text[0..n) becomes: *to. */
static size_t spm_next(const struct qv__spm_norm *s, const char *text, size_t n,
                       const char **to, size_t *n_to)
{
    const struct qv__added *symbol = qv__added_longest(s->symbols, text, n);
    *to = text;
    if (symbol)
        return *n_to = symbol->n;
    size_t took = qv__charsmap_longest(&s->map, text, n, to);
    if (took) {
        *n_to = strlen(*to);
        return took;
    }
    return *n_to = qv__utf8_len(text);
}

static void spm_write(struct qv__str *out, const struct qv__spm_norm *s, const char *text,
                      size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (text[i] == ' ' && s->escape_whitespaces)
            qv__str_add(out, QV__SPACE, 3);
        else
            qv__str_add(out, text + i, 1);
}

/* The length of the grapheme cluster, what a reader takes for one character. */
static size_t cluster(const char *text, size_t n)
{
    utf8proc_int32_t state = 0;
    size_t at = qv__utf8_len(text);
    for (uint32_t last = qv__utf8_read(text); at < n;) {
        uint32_t next = qv__utf8_read(text + at);
        if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)last, (utf8proc_int32_t)next,
                                             &state))
            break;
        last = next;
        at += qv__utf8_len(text + at);
    }
    return at;
}

/* As SentencePiece's Normalizer::Normalize: with remove_extra_whitespaces, spaces
 * go at both ends and runs of them become one. */
static void spm(struct qv__str *out, const struct qv__spm_norm *s, const char *text,
                size_t n, bool goes_on)
{
    bool drops = s->remove_extra_whitespaces, after_space = drops;
    bool begun = goes_on || !s->add_dummy_prefix;
    if (!begun && !drops) {
        spm_write(out, s, " ", 1);
        begun = true;
    }
    for (size_t at = 0, n_to; at < n;) {
        const char *to;
        at += spm_next(s, text + at, n - at, &to, &n_to);
        while (after_space && n_to && *to == ' ')
            to++, n_to--;
        if (n_to == 0)
            continue;
        if (!begun)
            spm_write(out, s, " ", 1);
        begun = true;
        spm_write(out, s, to, n_to);
        after_space = drops && to[n_to - 1] == ' ';
    }
    const char *space = s->escape_whitespaces ? QV__SPACE : " ";
    size_t m = strlen(space);
    while (drops && out->size >= m && !memcmp(out->bytes + out->size - m, space, m))
        out->size -= m;
}

/* As Precompiled does it: a cluster of less than six bytes as a whole, else character by
 * character; the shortest string of the map that begins there stands for all of it. */
static void map(struct qv__str *out, const struct qv__charsmap *m, const char *text,
                size_t n)
{
    const char *to;
    for (size_t at = 0, end; at < n; at = end) {
        end = at + cluster(text + at, n - at);
        bool whole = end - at < 6 && qv__charsmap_shortest(m, text + at, end - at, &to);
        if (whole)
            qv__str_add(out, to, strlen(to));
        for (size_t len; !whole && at < end; at += len) {
            len = qv__utf8_len(text + at);
            if (qv__charsmap_shortest(m, text + at, len, &to))
                qv__str_add(out, to, strlen(to));
            else
                qv__str_add(out, text + at, len);
        }
    }
}

static void swap(struct qv__str *a, struct qv__str *b)
{
    struct qv__str t = *a;
    *a = *b;
    *b = t;
}

qv_status qv__normalize(const struct qv__norm *norm, size_t n, struct qv__str *text,
                        struct qv__str *scratch, bool goes_on, qv_err *err)
{
    static const utf8proc_option_t forms[] = {
        [QV__NORM_NFC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE,
        [QV__NORM_NFD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE,
        [QV__NORM_NFKC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT,
        [QV__NORM_NFKD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT,
    };
    qv_status result = QV_OK;
    for (size_t i = 0; i < n && !result && text->size; i++) {
        const struct qv__norm *s = &norm[i];
        qv__str_clear(scratch);
        switch (s->kind) {
        case QV__NORM_NFC:
        case QV__NORM_NFD:
        case QV__NORM_NFKC:
        case QV__NORM_NFKD:
            result = form(scratch, text->bytes, text->size, forms[s->kind], err);
            break;
        case QV__NORM_LOWER:
            lower(scratch, text->bytes, text->size);
            break;
        case QV__NORM_PREPEND:
            if (!goes_on)
                qv__str_add(scratch, s->text, strlen(s->text));
            qv__str_add(scratch, text->bytes, text->size);
            break;
        case QV__NORM_REPLACE:
            result = qv__pattern_replace(scratch, &s->pattern, s->text, text->bytes,
                                         text->size, err);
            break;
        case QV__NORM_STRIP:
            strip(scratch, s, text->bytes, text->size);
            break;
        case QV__NORM_SPM:
            spm(scratch, &s->spm, text->bytes, text->size, goes_on);
            break;
        case QV__NORM_MAP:
            map(scratch, &s->spm.map, text->bytes, text->size);
            break;
        }
        swap(text, scratch);
    }
    return result;
}
