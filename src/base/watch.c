/* watch.c - see watch.h. */
#include "base/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#if defined __linux__
#include <sys/inotify.h>

static int open_events(const char *dir)
{
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd >= 0 && inotify_add_watch(fd, dir,
                                     IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
                                         IN_ONLYDIR) < 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}
#else
static int open_events(const char *dir)
{
    (void)dir;
    return -1;
}
#endif

qv_status qv__watch_init(struct qv_watch *w, const char *dir, qv_err *err)
{
    *w = (struct qv_watch){-1, {-1, -1}};
    if (pipe(w->calls) < 0)
        return qv_fail(err, QV_EIO, "%s: cannot be watched: %s", dir, strerror(errno));
    for (size_t i = 0; i < 2; i++) {
        fcntl(w->calls[i], F_SETFD, FD_CLOEXEC);
        fcntl(w->calls[i], F_SETFL, O_NONBLOCK);
    }
    w->events = open_events(dir);
    return QV_OK;
}

void qv__watch_end(struct qv_watch *w)
{
    const int fd[] = {w->events, w->calls[0], w->calls[1]};
    for (size_t i = 0; i < QV_COUNT(fd); i++)
        if (fd[i] >= 0)
            close(fd[i]);
    *w = (struct qv_watch){-1, {-1, -1}};
}

/* Read all that waits there. */
static void drain(int fd)
{
    char bytes[4096];
    while (read(fd, bytes, sizeof bytes) > 0)
        ;
}

bool qv__watch_wait(struct qv_watch *w, double seconds)
{
    struct pollfd fd[] = {{w->calls[0], POLLIN, 0}, {w->events, POLLIN, 0}};
    int n = poll(fd, w->events >= 0 ? 2 : 1, (int)(seconds * 1000));
    if (n <= 0)
        return false;
    if (fd[0].revents)
        drain(fd[0].fd);
    if (w->events >= 0 && fd[1].revents)
        drain(fd[1].fd);
    return w->events >= 0 && fd[1].revents;
}

void qv__watch_call(struct qv_watch *w)
{
    ssize_t n = write(w->calls[1], "", 1);
    (void)n; // full: it has been called
}
