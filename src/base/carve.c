/* carve.c - see carve.h. */
#include "base/carve.h"

#include <stdlib.h>
#include <string.h>

void *qv__carve(qv_carve *c, size_t n1, size_t n2, size_t n3, size_t size)
{
    size_t bytes;
    if (c->used == SIZE_MAX || __builtin_mul_overflow(n1, n2, &bytes) ||
        __builtin_mul_overflow(bytes, n3, &bytes) ||
        __builtin_mul_overflow(bytes, size, &bytes) || bytes > SIZE_MAX / 4 ||
        c->used > SIZE_MAX / 4) {
        c->used = SIZE_MAX;
        return NULL;
    }
    void *p = c->base ? c->base + c->used : NULL;
    c->used += (bytes + 63) & ~(size_t)63;
    return p;
}

void *qv__carve_alloc(const qv_carve *measured)
{
    if (measured->used == SIZE_MAX)
        return NULL;
    size_t bytes = qv__max(measured->used, 64);
    void *mem = aligned_alloc(64, bytes);
    if (mem)
        memset(mem, 0, bytes);
    return mem;
}
