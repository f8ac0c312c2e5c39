/* pretokenize.c - see pretokenize.h. A split keeps the text and cuts its spans;
 * the other steps write a new text. */
#include "text/pretokenize.h"
#include "text/bytes.h"
#include "text/utf8.h"

#include <string.h>

static bool starts_with(const char *text, size_t n, const char *prefix)
{
    size_t m = strlen(prefix);
    return n >= m && !memcmp(text, prefix, m);
}

/* The steps that write a new text: one piece of `in` becomes one of `out`. */
static qv_status rewrite(struct qv__pieces *out, const struct qv__pieces *in, size_t i,
                         const struct qv__cut *c, struct qv__place place, qv_err *err)
{
    const char *text = qv__piece(in, i);
    size_t n = in->span[i].n, start = out->text.size;
    bool prefixes = c->first_only ? place.is_first && i == 0 : !(place.goes_on && i == 0);
    qv_status result = QV_OK;
    if (c->kind == QV__CUT_REPLACE) {
        result = qv__pattern_replace(&out->text, &c->pattern, c->text, text, n, err);
    } else if (c->kind == QV__CUT_BYTES) {
        qv__bytes_write(&out->text, text, n);
    } else {
        if (prefixes && !starts_with(text, n, c->text))
            qv__str_add(&out->text, c->text, strlen(c->text));
        qv__str_add(&out->text, text, n);
    }
    if (!out->text.failed)
        qv__pieces_add(out, start, out->text.size - start);
    return result;
}

/* A piece being put together from matches and what lies between them. */
struct joint {
    struct qv__pieces *out;
    enum qv__behavior behavior;
    size_t begin, end; // the piece so far; empty if begin == end
    bool is_match;     // what its last part was
};

static void flush(struct joint *j)
{
    if (j->end > j->begin)
        qv__pieces_add(j->out, j->begin, j->end - j->begin);
    j->begin = j->end;
}

static void part(struct joint *j, size_t begin, size_t end, bool is_match)
{
    bool joins = false;
    switch (j->behavior) {
    case QV__REMOVED:
    case QV__ISOLATED:
        break;
    case QV__MERGED_WITH_PREVIOUS:
        joins = is_match && !j->is_match;
        break;
    case QV__MERGED_WITH_NEXT:
        joins = !is_match && j->is_match;
        break;
    case QV__CONTIGUOUS:
        joins = is_match == j->is_match;
        break;
    }
    if (!joins)
        flush(j);
    j->end = end;
    if (is_match && j->behavior == QV__REMOVED)
        j->begin = end;
    else if (!joins)
        j->begin = begin;
    j->is_match = is_match;
}

static qv_status split(struct qv__pieces *out, const char *text, struct qv__span span,
                       const struct qv__cut *c, qv_err *err)
{
    const char *piece = text + span.at;
    struct joint j = {out, c->behavior, span.at, span.at, false};
    size_t done = 0, at = 0, begin, end;
    bool found = true, had_match = false;
    while (at <= span.n) {
        qv_status result =
            qv__pattern_find(&found, &begin, &end, &c->pattern, piece, span.n, at, err);
        if (result)
            return result;
        if (!found)
            break;
        bool is_again = begin == end && had_match && begin == done;
        if (!is_again) {
            if (begin > done)
                part(&j, span.at + done, span.at + begin, c->invert);
            part(&j, span.at + begin, span.at + end, !c->invert);
            done = end;
            had_match = true;
        }
        // After an empty match the search goes on a character later.
        at = begin < end ? end : end < span.n ? end + qv__utf8_len(piece + end) : end + 1;
    }
    if (done < span.n)
        part(&j, span.at + done, span.at + span.n, c->invert);
    flush(&j);
    return QV_OK;
}

static void swap(struct qv__pieces *a, struct qv__pieces *b)
{
    struct qv__pieces t = *a;
    *a = *b;
    *b = t;
}

static void swap_spans(struct qv__pieces *a, struct qv__pieces *b)
{
    struct qv__str text = a->text;
    swap(a, b);
    b->text = a->text;
    a->text = text;
}

qv_status qv__pretokenize(struct qv__pieces *out, struct qv__pieces *scratch,
                          const struct qv__cut *cut, size_t n_cuts, const char *text,
                          size_t n, struct qv__place place, qv_err *err)
{
    qv__pieces_clear(out);
    if (n)
        qv__pieces_put(out, text, n);
    qv_status result = QV_OK;
    for (size_t k = 0; k < n_cuts && !result; k++) {
        bool splits = cut[k].kind == QV__CUT_SPLIT;
        qv__pieces_clear(scratch);
        for (size_t i = 0; i < out->n && !result && !qv__pieces_failed(out); i++)
            result = splits ? split(scratch, out->text.bytes, out->span[i], &cut[k], err)
                            : rewrite(scratch, out, i, &cut[k], place, err);
        if (splits)
            swap_spans(out, scratch);
        else
            swap(out, scratch);
    }
    return result;
}
