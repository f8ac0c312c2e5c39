/* scan.h - what has changed in a library's directory since the last look.
 *
 * An expert's files are told apart by their inodes, sizes and times. What cannot be read
 * yet may be half a copy: it is tried when it is first seen and again once it has been
 * still for a second, and is then refused until its files change.
 *
 * One thread at a time uses a scan.
 */
#ifndef QV_SERVER_SCAN_H
#define QV_SERVER_SCAN_H

#include "server/held.h"

struct qv_scan;

struct qv_scan_opts {
    qv_library *lib; // both are borrowed
    const qv_model *model;
    const char *spill_dir; // borrowed; may be NULL

    /* Told, in one sentence, of each expert that is refused. */
    void (*refused)(void *arg, const char *sentence);
    void *arg;
};

/* What a look found. */
struct qv_changes {
    struct qv_held **put; // [n_put] a share of each, the caller's
    const char **gone;    // [n_gone] that were held at some time
    size_t n_put, n_gone;
    qv_arena arena;
};

/* The caller owns *out. Fails with QV_ENOMEM. */
qv_status qv__scan_new(struct qv_scan **out, const struct qv_scan_opts *opts,
                       qv_err *err) QV_MUST_CHECK;
void qv__scan_free(struct qv_scan *s); // NULL is allowed

/* Look. All that the first look finds counts as still. The caller takes what is in *c->put
 * and ends *c with qv__changes_end. Fails as listing a directory does. */
qv_status qv__scan_look(struct qv_scan *s, struct qv_changes *c, qv_err *err) QV_MUST_CHECK;
void qv__changes_end(struct qv_changes *c);

/* Read expert `name` as it is now, which a look then does not find changed; or forget it,
 * because it is gone. Reading fails as qv__held_read does. */
qv_status qv__scan_read(struct qv_held **out, struct qv_scan *s, const char *name,
                        qv_err *err) QV_MUST_CHECK;
void qv__scan_forget(struct qv_scan *s, const char *name);

#endif
