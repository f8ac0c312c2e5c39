/* store.h - how a library changes on disk: in one rename, or not at all.
 *
 * A change is prepared in a directory of its own under .tmp, which its process
 * holds locked, and takes effect by a rename while the library's .lock is held.
 * The kernel drops the locks of a process that dies; the next change then finds
 * the directory unlocked and removes it. Readers need no lock.
 */
#ifndef QV_LIBRARY_STORE_H
#define QV_LIBRARY_STORE_H

#include <quiver/library.h>

#include "base/arena.h"

struct qv_library {
    const char *dir; // absolute
    qv_library_opts facts;
    qv_arena arena; // owns the strings
};

/* A change being prepared. */
struct qv_change {
    const char *dir; // empty at first; removed with all in it at the end
    int fd, lock;    // of dir, locked; of the library's .lock, -1 while not held
    const qv_library *lib;
    qv_arena arena; // for paths that live as long as the change
};

qv_status qv__change_begin(struct qv_change *c, const qv_library *lib,
                           qv_err *err) QV_MUST_CHECK;

/* Wait for the other writers; they then wait for qv__change_end. */
qv_status qv__change_lock(struct qv_change *c, qv_err *err) QV_MUST_CHECK;

/* With the lock: the prepared directory `from` becomes expert `name`, in place
 * of the old one if there is one. */
qv_status qv__change_install(struct qv_change *c, const char *from, const char *name,
                             qv_err *err) QV_MUST_CHECK;

/* With the lock: expert `name` is gone, or is called `to`. */
qv_status qv__change_remove(struct qv_change *c, const char *name,
                            qv_err *err) QV_MUST_CHECK;
qv_status qv__change_rename(struct qv_change *c, const char *name, const char *to,
                            qv_err *err) QV_MUST_CHECK;

/* With the lock: the prepared file `from` becomes `name` in directory `dir`. */
qv_status qv__change_move(struct qv_change *c, const char *from, const char *dir,
                          const char *name, qv_err *err) QV_MUST_CHECK;

/* Lets go of locks and removes what was left over. Harmless on an all-zero
 * struct and after a begin that failed. */
void qv__change_end(struct qv_change *c);

/* <library>/<name>, in `a`. */
char *qv__expert_dir(qv_arena *a, const qv_library *lib, const char *name);

/* Whether `name` may name a `what`. Fails with QV_EFORMAT. */
qv_status qv__check_name(const char *what, const char *name, qv_err *err) QV_MUST_CHECK;

#endif
