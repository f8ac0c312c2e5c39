/* pieces.h - text that grows, and text cut into pieces.
 *
 * Both remember that memory ran out instead of failing call by call, so that a
 * pipeline of many small steps has one place to look: `failed`. All-zero is
 * empty and ready for use.
 */
#ifndef QV_TEXT_PIECES_H
#define QV_TEXT_PIECES_H

#include "base/base.h"

/* Bytes that grow. Never more than UINT32_MAX: asking for more is running out. */
struct qv__str {
    char *bytes; // owned
    size_t size, cap;
    bool failed;
};

void qv__str_add(struct qv__str *s, const void *bytes, size_t n);
void qv__str_free(struct qv__str *s);

/* Keeps the memory, forgets the text. */
static inline void qv__str_clear(struct qv__str *s)
{
    s->size = 0;
}

struct qv__span {
    size_t at, n;
};

/* A text and the pieces of it that are left, in order. */
struct qv__pieces {
    struct qv__str text;
    struct qv__span *span; // owned
    size_t n, cap;
    bool failed; // of the spans; the text has its own
};

void qv__pieces_add(struct qv__pieces *p, size_t at, size_t n);
void qv__pieces_free(struct qv__pieces *p);
void qv__pieces_clear(struct qv__pieces *p);

static inline bool qv__pieces_failed(const struct qv__pieces *p)
{
    return p->failed || p->text.failed;
}

/* Adds `bytes` to the text and makes a piece of it. */
void qv__pieces_put(struct qv__pieces *p, const void *bytes, size_t n);

static inline const char *qv__piece(const struct qv__pieces *p, size_t i)
{
    return p->text.bytes ? p->text.bytes + p->span[i].at : "";
}

#endif
