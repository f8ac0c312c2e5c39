/* watch.h - waiting until something happens in a directory, or a while has passed, or
 * somebody calls.
 *
 * What happens deeper, in the directory's directories, is not seen; nor is anything on a
 * system or file system that does not tell. So it says when to look sooner, and nothing of
 * what there is to see.
 */
#ifndef QV_BASE_WATCH_H
#define QV_BASE_WATCH_H

#include "base/base.h"

struct qv_watch {
    int events; // -1: the system does not tell
    int calls[2];
};

/* The caller ends *w. Fails with QV_EIO if nobody could call. */
qv_status qv__watch_init(struct qv_watch *w, const char *dir, qv_err *err) QV_MUST_CHECK;
void qv__watch_end(struct qv_watch *w);

/* Whether a name came, went or changed in the directory since the last look; if not, after
 * `seconds`, or when called. */
bool qv__watch_wait(struct qv_watch *w, double seconds);

/* From any thread: the wait that goes on, or else the next one, ends. */
void qv__watch_call(struct qv_watch *w);

#endif
