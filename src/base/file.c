/* file.c - see file.h. */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static qv_status refused(qv_err *err, const char *path)
{
    qv_status code = errno == ENOENT ? QV_ENOTFOUND : errno == EEXIST ? QV_EEXIST : QV_EIO;
    return qv_fail(err, code, "%s: %s", path, strerror(errno));
}

qv_status qv__map(struct qv_map *map, const char *path, qv_err *err)
{
    *map = (struct qv_map){0};
    qv_status result = QV_OK;
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) < 0) {
        result = refused(err, path);
        goto out;
    }
    if (!S_ISREG(info.st_mode)) {
        result = qv_fail(err, QV_EIO, "%s: not a regular file", path);
        goto out;
    }
    size_t size = (size_t)info.st_size;
    if (size == 0) {
        map->bytes = ""; // nothing can be mapped
        goto out;
    }
    void *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED) {
        result = qv_fail(err, QV_EIO, "%s: cannot map %zu bytes: %s", path, size,
                         strerror(errno));
        goto out;
    }
    *map = (struct qv_map){bytes, size};

out:
    if (fd >= 0)
        close(fd);
    return result;
}

void qv__unmap(struct qv_map *map)
{
    if (map->size)
        munmap((void *)(uintptr_t)map->bytes, map->size);
    *map = (struct qv_map){0};
}

qv_status qv__read_file(char **text, size_t *size, qv_arena *a, const char *path,
                        size_t limit, qv_err *err)
{
    struct qv_map map;
    qv_status result = qv__map(&map, path, err);
    if (result)
        return result;
    if (map.size > limit) {
        result = qv_fail(err, QV_ELIMIT, "%s: %zu bytes, more than the limit of %zu", path,
                         map.size, limit);
    } else {
        *text = qv__arena_strn(a, map.bytes, map.size);
        *size = map.size;
    }
    qv__unmap(&map);
    return result;
}

qv_status qv__out_open(struct qv_out *out, const char *path, qv_err *err)
{
    *out = (struct qv_out){.fd = -1};
    size_t n = strlen(path) + 32;
    out->path = malloc(n);
    out->tmp = malloc(n);
    if (!out->path || !out->tmp) {
        qv__out_abandon(out);
        return qv_fail(err, QV_ENOMEM, "%s: no memory for its name", path);
    }
    snprintf(out->path, n, "%s", path);
    snprintf(out->tmp, n, "%s.tmp.%ld", path, (long)getpid());
    out->fd = open(out->tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (out->fd < 0) {
        qv_status result = refused(err, path);
        qv__out_abandon(out);
        return result;
    }
    return QV_OK;
}

qv_status qv__out_write(struct qv_out *out, const void *bytes, size_t n, qv_err *err)
{
    const char *at = bytes;
    while (n > 0) {
        ssize_t wrote = write(out->fd, at, qv__min(n, (size_t)1 << 30));
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return qv_fail(err, QV_EIO, "%s: after %zu bytes: %s", out->path, out->written,
                           strerror(errno));
        at += wrote;
        n -= (size_t)wrote;
        out->written += (size_t)wrote;
    }
    return QV_OK;
}

static qv_status sync_parent(const char *path, qv_err *err)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return qv__sync_dir(".", err);
    qv_arena a = {0};
    size_t n = slash == path ? 1 : (size_t)(slash - path);
    qv_status result = qv__sync_dir(qv__arena_strn(&a, path, n), err);
    qv__arena_free(&a);
    return result;
}

qv_status qv__out_commit(struct qv_out *out, qv_err *err)
{
    qv_status result = QV_OK;
    if (fsync(out->fd) < 0)
        result = refused(err, out->path);
    if (close(out->fd) < 0 && !result)
        result = refused(err, out->path);
    out->fd = -1; // closed, whatever close() said
    if (!result && rename(out->tmp, out->path) < 0)
        result = refused(err, out->path);
    if (!result) {
        out->tmp[0] = '\0'; // it has its own name now
        result = sync_parent(out->path, err);
    }
    qv__out_abandon(out);
    return result;
}

void qv__out_abandon(struct qv_out *out)
{
    if (out->fd >= 0 && out->tmp)
        close(out->fd);
    if (out->tmp && out->tmp[0])
        unlink(out->tmp);
    free(out->tmp);
    free(out->path);
    *out = (struct qv_out){.fd = -1};
}

qv_status qv__write_file(const char *path, const void *bytes, size_t n, qv_err *err)
{
    struct qv_out out;
    qv_status result = qv__out_open(&out, path, err);
    if (result)
        return result;
    result = qv__out_write(&out, bytes, n, err);
    if (result) {
        qv__out_abandon(&out);
        return result;
    }
    return qv__out_commit(&out, err);
}

qv_status qv__make_dir(const char *path, qv_err *err)
{
    if (!*path)
        return qv_fail(err, QV_ENOTFOUND, "the name of a directory is empty");
    qv_arena a = {0};
    char *partial = qv__arena_str(&a, path);
    qv_status result = QV_OK;
    for (char *at = partial + 1; !result; at++) {
        if (*at != '/' && *at != '\0')
            continue;
        char kept = *at;
        *at = '\0';
        if (mkdir(partial, 0755) < 0 && errno != EEXIST)
            result = refused(err, partial);
        *at = kept;
        if (kept == '\0')
            break;
    }
    if (!result && !qv__is_dir(path))
        result = qv_fail(err, QV_EIO, "%s: exists and is not a directory", path);
    qv__arena_free(&a);
    return result;
}

qv_status qv__remove_tree(const char *path, qv_err *err)
{
    if (unlink(path) == 0 || errno == ENOENT)
        return QV_OK;
    if (errno != EISDIR && errno != EPERM)
        return refused(err, path);
    qv_arena a = {0};
    char **names;
    size_t n;
    qv_status result = qv__list_dir(&names, &n, &a, path, err);
    for (size_t i = 0; !result && i < n; i++)
        result = qv__remove_tree(qv__arena_fmt(&a, "%s/%s", path, names[i]), err);
    if (!result && rmdir(path) < 0 && errno != ENOENT)
        result = refused(err, path);
    qv__arena_free(&a);
    return result;
}

static int by_name(const void *x, const void *y)
{
    return strcmp(*(char *const *)x, *(char *const *)y);
}

qv_status qv__list_dir(char ***names, size_t *n, qv_arena *a, const char *path, qv_err *err)
{
    *names = NULL;
    *n = 0;
    DIR *dir = opendir(path);
    if (!dir)
        return refused(err, path);
    size_t room = 0;
    for (struct dirent *e; (e = readdir(dir));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (*n == room) {
            room = room ? 2 * room : 16;
            char **more = qv_new_n(a, char *, room);
            if (*n)
                memcpy(more, *names, *n * sizeof *more);
            *names = more;
        }
        (*names)[(*n)++] = qv__arena_str(a, e->d_name);
    }
    closedir(dir);
    if (*n)
        qsort(*names, *n, sizeof **names, by_name);
    return QV_OK;
}

qv_status qv__sync_dir(const char *path, qv_err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return refused(err, path);
    qv_status result = fsync(fd) < 0 && errno != EINVAL ? refused(err, path) : QV_OK;
    close(fd);
    return result;
}

bool qv__is_dir(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool qv__is_file(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

const char *qv__base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

char *qv__stem(qv_arena *a, const char *path)
{
    const char *name = qv__base_name(path), *dot = strrchr(name, '.');
    return qv__arena_strn(a, name,
                          dot && dot != name ? (size_t)(dot - name) : strlen(name));
}

bool qv__ends_with(const char *name, const char *ending)
{
    size_t n = strlen(name), m = strlen(ending);
    return n >= m && strcmp(name + n - m, ending) == 0;
}

const char *qv__dir_name(qv_arena *a, const char *dir)
{
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/')
        n--;
    return qv__base_name(qv__arena_strn(a, dir, n));
}
