/* arena.h - bookkeeping memory with one lifetime.
 *
 * Names, shapes, one request, one run: many small things that die together.
 * Memory comes back zeroed. An arena stops the process if the machine cannot
 * give it a chunk; anything whose size a user chooses is allocated elsewhere.
 */
#ifndef QV_BASE_ARENA_H
#define QV_BASE_ARENA_H

#include "base/base.h"

typedef struct qv_arena {
    struct qv_arena_chunk *chunk; // newest first
    char *at, *end;               // free space left in the newest chunk
} qv_arena;

/* Zeroed, typed, and impossible to size wrongly. */
#define qv_new(a, T)      ((T *)qv__arena_alloc((a), 1, sizeof(T), _Alignof(T)))
#define qv_new_n(a, T, n) ((T *)qv__arena_alloc((a), (n), sizeof(T), _Alignof(T)))

void *qv__arena_alloc(qv_arena *a, size_t n, size_t size, size_t align);

/* Where the n things at `at` have room for one more: there, or in a copy of twice the size.
 */
#define qv_more(a, T, at, n, room)                                                         \
    ((T *)qv__arena_more((a), (at), (n), (room), sizeof(T), _Alignof(T)))
void *qv__arena_more(qv_arena *a, const void *at, size_t n, size_t *room, size_t size,
                     size_t align);

/* A copy of `s` that lives as long as the arena. */
char *qv__arena_str(qv_arena *a, const char *s);
char *qv__arena_strn(qv_arena *a, const char *s, size_t n);
char *qv__arena_fmt(qv_arena *a, const char *fmt, ...) QV_PRINTF(2, 3);

/* Frees everything at once and leaves the arena empty and usable. */
void qv__arena_free(qv_arena *a);

#endif
