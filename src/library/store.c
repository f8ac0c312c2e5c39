/* store.c - see store.h. */
#include "library/store.h"
#include "base/file.h"
#include "base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Where an old version waits while a file system that cannot exchange two
 * directories moves the new one in. A sweep puts it back if that never came. */
static const char OLD[] = "old:";

char *qv__expert_dir(qv_arena *a, const qv_library *lib, const char *name)
{
    return qv__arena_fmt(a, "%s/%s", lib->dir, name);
}

qv_status qv__check_name(const char *what, const char *name, qv_err *err)
{
    size_t n = strlen(name);
    if (n == 0)
        return qv_fail(err, QV_EFORMAT, "a name of no letters names no %s", what);
    if (n > 200)
        return qv_fail(err, QV_EFORMAT,
                       "a name of %zu bytes is too long for an %s: 200 are "
                       "allowed",
                       n, what);
    json_t *text = json_string(name); // jansson refuses what is not UTF-8
    bool is_utf8 = text != NULL;
    json_decref(text);
    if (!is_utf8)
        return qv_fail(err, QV_EFORMAT, "a name that is not UTF-8 names no %s", what);
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c < 32 || *c == 127)
            return qv_fail(err, QV_EFORMAT, "a name with byte %d in it names no %s", *c,
                           what);
    if (name[0] == '.' || strchr(name, '/'))
        return qv_fail(err, QV_EFORMAT, "'%s' cannot name an %s: it %s", name, what,
                       name[0] == '.' ? "starts with '.'" : "has a '/'");
    return QV_OK;
}

static qv_status system_failed(qv_err *err, const char *path)
{
    return qv_fail(err, QV_EIO, "%s: %s", path, strerror(errno));
}

static int open_dir(const char *path)
{
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Remove a dead process's change, putting back what it had taken away. */
static qv_status clear_dead(const qv_library *lib, const char *dir, qv_arena *a,
                            qv_err *err)
{
    char **names;
    size_t n;
    qv_status result = qv__list_dir(&names, &n, a, dir, err);
    for (size_t i = 0; i < n && !result; i++) {
        if (strncmp(names[i], OLD, strlen(OLD)) != 0)
            continue;
        const char *home = qv__expert_dir(a, lib, names[i] + strlen(OLD));
        const char *old = qv__arena_fmt(a, "%s/%s", dir, names[i]);
        if (!qv__is_dir(home) && rename(old, home) < 0)
            result = system_failed(err, home);
    }
    return result ? result : qv__remove_tree(dir, err);
}

static qv_status sweep(const qv_library *lib, const char *tmp, qv_err *err)
{
    qv_arena a = {0};
    char **names;
    size_t n;
    qv_status result = qv__list_dir(&names, &n, &a, tmp, err);
    for (size_t i = 0; i < n && !result; i++) {
        const char *dir = qv__arena_fmt(&a, "%s/%s", tmp, names[i]);
        int fd = open_dir(dir);
        if (fd < 0) // its owner just finished
            continue;
        // It may also have finished since, and have removed it.
        if (flock(fd, LOCK_EX | LOCK_NB) == 0 && qv__is_dir(dir))
            result = clear_dead(lib, dir, &a, err);
        close(fd);
    }
    qv__arena_free(&a);
    return result;
}

qv_status qv__change_lock(struct qv_change *c, qv_err *err)
{
    const char *path = qv__arena_fmt(&c->arena, "%s/.lock", c->lib->dir);
    const char *tmp = qv__arena_fmt(&c->arena, "%s/.tmp", c->lib->dir);
    c->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (c->lock < 0)
        return system_failed(err, path);
    while (flock(c->lock, LOCK_EX) < 0)
        if (errno != EINTR)
            return system_failed(err, path);
    qv_status result = qv__make_dir(tmp, err);
    return result ? result : sweep(c->lib, tmp, err);
}

static void unlock(struct qv_change *c)
{
    if (c->lock >= 0)
        close(c->lock);
    c->lock = -1;
}

qv_status qv__change_begin(struct qv_change *c, const qv_library *lib, qv_err *err)
{
    static atomic_uint count;
    *c = (struct qv_change){.fd = -1, .lock = -1, .lib = lib};
    qv_status result = qv__change_lock(c, err);
    while (!result && !c->dir) {
        const char *dir = qv__arena_fmt(&c->arena, "%s/.tmp/%ld-%u", lib->dir,
                                        (long)getpid(), atomic_fetch_add(&count, 1));
        if (mkdir(dir, 0755) == 0)
            c->dir = dir;
        else if (errno != EEXIST) // a number taken by a process elsewhere is skipped
            result = system_failed(err, dir);
    }
    if (!result) {
        c->fd = open_dir(c->dir);
        if (c->fd < 0 || flock(c->fd, LOCK_EX | LOCK_NB) < 0)
            result = system_failed(err, c->dir);
    }
    unlock(c);
    if (result)
        qv__change_end(c);
    return result;
}

/* Both names stay taken throughout, except where the file system cannot. */
static qv_status exchange(struct qv_change *c, const char *from, const char *home,
                          const char *name, qv_err *err)
{
    if (syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, home, RENAME_EXCHANGE) == 0)
        return QV_OK;
    if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP)
        return system_failed(err, home);
    const char *old = qv__arena_fmt(&c->arena, "%s/%s%s", c->dir, OLD, name);
    if (rename(home, old) < 0)
        return system_failed(err, home);
    if (rename(from, home) == 0)
        return QV_OK;
    qv_status result = system_failed(err, home);
    return rename(old, home) < 0 ? system_failed(err, old) : result;
}

qv_status qv__change_install(struct qv_change *c, const char *from, const char *name,
                             qv_err *err)
{
    qv_check(c->lock >= 0);
    const char *home = qv__expert_dir(&c->arena, c->lib, name);
    qv_status result = qv__sync_dir(from, err);
    if (result)
        return result;
    if (qv__is_dir(home))
        result = exchange(c, from, home, name, err);
    else if (rename(from, home) < 0)
        result = system_failed(err, home);
    return result ? result : qv__sync_dir(c->lib->dir, err);
}

/* Take the expert's directory to `to`. */
static qv_status take(struct qv_change *c, const char *name, const char *to, qv_err *err)
{
    qv_check(c->lock >= 0);
    const char *home = qv__expert_dir(&c->arena, c->lib, name);
    if (!qv__is_dir(home))
        return qv_fail(err, QV_ENOTFOUND, "no expert '%s' in %s", name, c->lib->dir);
    if (rename(home, to) < 0)
        return system_failed(err, to);
    return qv__sync_dir(c->lib->dir, err);
}

qv_status qv__change_remove(struct qv_change *c, const char *name, qv_err *err)
{
    return take(c, name, qv__arena_fmt(&c->arena, "%s/gone", c->dir), err);
}

qv_status qv__change_rename(struct qv_change *c, const char *name, const char *to,
                            qv_err *err)
{
    const char *home = qv__expert_dir(&c->arena, c->lib, to);
    if (qv__is_dir(home))
        return qv_fail(err, QV_EEXIST, "expert '%s' is already in %s", to, c->lib->dir);
    return take(c, name, home, err);
}

qv_status qv__change_move(struct qv_change *c, const char *from, const char *dir,
                          const char *name, qv_err *err)
{
    qv_check(c->lock >= 0);
    const char *to = qv__arena_fmt(&c->arena, "%s/%s", dir, name);
    if (rename(from, to) < 0)
        return system_failed(err, to);
    return qv__sync_dir(dir, err);
}

void qv__change_end(struct qv_change *c)
{
    if (!c->lib)
        return;
    unlock(c);
    if (c->dir) {
        qv_status result = qv__remove_tree(c->dir, NULL);
        (void)result; // what stays is swept by the next change
    }
    if (c->fd >= 0)
        close(c->fd);
    qv__arena_free(&c->arena);
    *c = (struct qv_change){0};
}
