/* carve.c - see carve.h. */
#include "base/carve.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LARGE = 16 << 20 }; // bytes

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

/* Where the first whole page of memory is, and how many bytes of whole pages there are. */
static size_t whole_pages(size_t *first, const char *mem, size_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    *first = (page - (uintptr_t)mem % page) % page;
    return *first < bytes ? (bytes - *first) / page * page : 0;
}

/* Large memory is not written to: its pages are given back, and come again as zeros when
 * they are touched. So room for the longest prompt costs nothing until there is one. */
static void zero(char *mem, size_t bytes)
{
    size_t before, whole;
    if (bytes < LARGE) {
        memset(mem, 0, bytes);
        return;
    }
    whole = whole_pages(&before, mem, bytes);
    memset(mem, 0, before);
    memset(mem + before + whole, 0, bytes - before - whole);
    if (madvise(mem + before, whole, MADV_DONTNEED))
        memset(mem + before, 0, whole);
}

void qv__let_go(void *mem, size_t bytes)
{
    size_t before, whole = mem ? whole_pages(&before, mem, bytes) : 0;
    if (whole)
        (void)madvise((char *)mem + before, whole, MADV_DONTNEED); // or it stays a while
    free(mem);
}

void *qv__carve_alloc(const qv_carve *measured)
{
    if (measured->used == SIZE_MAX)
        return NULL;
    size_t bytes = qv__max(measured->used, 64);
    char *mem = aligned_alloc(64, bytes);
    if (mem)
        zero(mem, bytes);
    return mem;
}
