/* spill.c - see spill.h. It is written rather than stored to through a mapping: a full disk
 * is then an error, not a signal. */
#include "base/spill.h"
#include "base/arena.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A file in `dir` that is open and has no name any more, or -1. */
static int open_nameless(const char *dir)
{
    qv_arena a = {0};
    char *path = qv__arena_fmt(&a, "%s/spill-XXXXXX", dir);
    int fd = mkstemp(path);
    if (fd >= 0)
        unlink(path);
    qv__arena_free(&a);
    return fd;
}

static bool write_all(int fd, const char *bytes, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t n = write(fd, bytes + at, size - at);
        if (n < 0 && errno != EINTR)
            return false;
        at += n > 0 ? (size_t)n : 0;
    }
    return true;
}

qv_status qv__spill(struct qv_spill *s, const char *dir, const void *bytes, size_t size,
                    qv_err *err)
{
    qv_check(size > 0);
    *s = (struct qv_spill){0};
    int fd = open_nameless(dir);
    void *map = MAP_FAILED;
    if (fd >= 0 && write_all(fd, bytes, size))
        map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        qv_fail(err, QV_EIO, "%s: cannot put %zu bytes aside: %s", dir, size,
                strerror(errno));
    else
        *s = (struct qv_spill){map, size};
    if (fd >= 0)
        close(fd);
    return map == MAP_FAILED ? QV_EIO : QV_OK;
}

void qv__spill_end(struct qv_spill *s)
{
    if (s->bytes)
        munmap(s->bytes, s->size);
    *s = (struct qv_spill){0};
}

void qv__spill_rest(const struct qv_spill *s)
{
    if (s->bytes)
        madvise(s->bytes, s->size, MADV_DONTNEED);
}
