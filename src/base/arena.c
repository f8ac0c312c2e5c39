/* arena.c - chunks, each linked to the one before it and twice as large, from 1 to 64 KiB:
 * there are libraries of thousands of experts with arenas of their own. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct qv_arena_chunk {
    struct qv_arena_chunk *older;
    size_t size;
};

enum { FIRST = 1024, MOST = 64 * 1024 };

static void grow(qv_arena *a, size_t need)
{
    size_t usual = a->chunk ? qv__min(2 * a->chunk->size, MOST) : FIRST;
    size_t size = qv__max(need + 64 + sizeof(struct qv_arena_chunk), usual);
    struct qv_arena_chunk *c = calloc(1, size);
    qv_check(c);
    c->older = a->chunk;
    c->size = size;
    a->chunk = c;
    a->at = (char *)(c + 1);
    a->end = (char *)c + size;
}

void *qv__arena_alloc(qv_arena *a, size_t n, size_t size, size_t align)
{
    size_t bytes;
    qv_check(!__builtin_mul_overflow(n, size, &bytes) && bytes < SIZE_MAX / 2);
    size_t pad = (size_t)(-(uintptr_t)a->at) & (align - 1);
    if (!a->at || (size_t)(a->end - a->at) < pad + bytes) {
        grow(a, bytes + align);
        pad = (size_t)(-(uintptr_t)a->at) & (align - 1);
    }
    void *p = a->at + pad;
    a->at += pad + bytes;
    return p;
}

void *qv__arena_more(qv_arena *a, const void *at, size_t n, size_t *room, size_t size,
                     size_t align)
{
    if (n < *room)
        return (void *)(uintptr_t)at;
    *room = *room ? 2 * *room : 64;
    void *more = qv__arena_alloc(a, *room, size, align);
    if (n)
        memcpy(more, at, n * size);
    return more;
}

char *qv__arena_strn(qv_arena *a, const char *s, size_t n)
{
    char *copy = qv_new_n(a, char, n + 1);
    memcpy(copy, s, n);
    return copy;
}

char *qv__arena_str(qv_arena *a, const char *s)
{
    return qv__arena_strn(a, s, strlen(s));
}

char *qv__arena_fmt(qv_arena *a, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    qv_check(n >= 0);
    char *s = qv_new_n(a, char, (size_t)n + 1);
    vsnprintf(s, (size_t)n + 1, fmt, again);
    va_end(again);
    return s;
}

void qv__arena_free(qv_arena *a)
{
    for (struct qv_arena_chunk *c = a->chunk; c;) {
        struct qv_arena_chunk *older = c->older;
        free(c);
        c = older;
    }
    *a = (qv_arena){0};
}
