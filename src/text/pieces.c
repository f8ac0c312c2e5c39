/* pieces.c - see pieces.h. */
#include "text/pieces.h"

#include <stdlib.h>
#include <string.h>

void qv__str_add(struct qv__str *s, const void *bytes, size_t n)
{
    if (s->failed || n > UINT32_MAX - s->size) {
        s->failed = true;
        return;
    }
    if (s->size + n > s->cap) {
        size_t cap = qv__max(s->size + n, qv__max(64, s->cap + s->cap / 2));
        char *grown = realloc(s->bytes, cap);
        if (!grown) {
            s->failed = true;
            return;
        }
        s->bytes = grown;
        s->cap = cap;
    }
    if (n)
        memcpy(s->bytes + s->size, bytes, n);
    s->size += n;
}

void qv__str_free(struct qv__str *s)
{
    free(s->bytes);
    *s = (struct qv__str){0};
}

void qv__pieces_add(struct qv__pieces *p, size_t at, size_t n)
{
    if (p->failed)
        return;
    if (p->n == p->cap) {
        size_t cap = qv__max(16, p->cap * 2);
        struct qv__span *grown = realloc(p->span, cap * sizeof *grown);
        if (!grown) {
            p->failed = true;
            return;
        }
        p->span = grown;
        p->cap = cap;
    }
    p->span[p->n++] = (struct qv__span){at, n};
}

void qv__pieces_put(struct qv__pieces *p, const void *bytes, size_t n)
{
    size_t at = p->text.size;
    qv__str_add(&p->text, bytes, n);
    if (!p->text.failed)
        qv__pieces_add(p, at, n);
}

void qv__pieces_clear(struct qv__pieces *p)
{
    p->text.size = 0;
    p->n = 0;
}

void qv__pieces_free(struct qv__pieces *p)
{
    qv__str_free(&p->text);
    free(p->span);
    *p = (struct qv__pieces){0};
}
