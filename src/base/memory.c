/* memory.c - see memory.h. */
#include "base/memory.h"
#include "base/base.h"

#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

/* The number in a file; SIZE_MAX if it has none ("max") or is not there. */
static size_t number_in(const char *path)
{
    unsigned long long n;
    FILE *f = fopen(path, "r");
    if (!f)
        return SIZE_MAX;
    int found = fscanf(f, "%llu", &n);
    fclose(f);
    return found == 1 && n < SIZE_MAX ? (size_t)n : SIZE_MAX;
}

size_t qv__memory(void)
{
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    size_t bytes = pages > 0 && page > 0 ? (size_t)pages * (size_t)page : SIZE_MAX;
    bytes = qv__min(bytes, number_in("/sys/fs/cgroup/memory.max"));
    return qv__min(bytes, number_in("/sys/fs/cgroup/memory/memory.limit_in_bytes"));
}

void qv__memory_trim(void)
{
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

void qv__memory_map_from(int bytes)
{
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, bytes);
#else
    (void)bytes;
#endif
}
