/* file.h - whole files: mapped for reading, replaced atomically for writing.
 *
 * A reader never sees half a file: writers write `name.tmp.PID`, fsync it,
 * rename it over `name` and fsync the directory.
 */
#ifndef QV_BASE_FILE_H
#define QV_BASE_FILE_H

#include "base/base.h"
#include "base/arena.h"

/* A file mapped read-only. */
struct qv_map {
    const char *bytes;
    size_t size;
};

/* Fails with QV_ENOTFOUND or QV_EIO. The caller owns *map until qv__unmap. */
qv_status qv__map(struct qv_map *map, const char *path, qv_err *err) QV_MUST_CHECK;
void qv__unmap(struct qv_map *map);

/* The whole file, NUL-terminated, in `a`. Fails as qv__map does, and with
 * QV_ELIMIT past `limit` bytes. */
qv_status qv__read_file(char **text, size_t *size, qv_arena *a, const char *path,
                        size_t limit, qv_err *err) QV_MUST_CHECK;

/* A file being written that nobody can see yet. */
struct qv_out {
    int fd;
    char *tmp, *path; // owned
    size_t written;
};

qv_status qv__out_open(struct qv_out *out, const char *path, qv_err *err) QV_MUST_CHECK;
qv_status qv__out_write(struct qv_out *out, const void *bytes, size_t n,
                        qv_err *err) QV_MUST_CHECK;
/* Makes the file visible under its name, complete and on disk. Whether or not
 * it succeeds, `out` is finished with. */
qv_status qv__out_commit(struct qv_out *out, qv_err *err) QV_MUST_CHECK;
/* Throws the file away; harmless after commit and on an all-zero struct. */
void qv__out_abandon(struct qv_out *out);

/* The three calls above for bytes already in memory. */
qv_status qv__write_file(const char *path, const void *bytes, size_t n,
                         qv_err *err) QV_MUST_CHECK;

/* Directories. make_dir creates parents too and accepts one that exists;
 * remove_tree accepts one that does not. list gives the names (not "." or
 * ".."), sorted bytewise, in `a`. */
qv_status qv__make_dir(const char *path, qv_err *err) QV_MUST_CHECK;
qv_status qv__remove_tree(const char *path, qv_err *err) QV_MUST_CHECK;
qv_status qv__list_dir(char ***names, size_t *n, qv_arena *a, const char *path,
                       qv_err *err) QV_MUST_CHECK;
/* Flush a directory's entries to disk, after a rename inside it. */
qv_status qv__sync_dir(const char *path, qv_err *err) QV_MUST_CHECK;

bool qv__is_dir(const char *path);
bool qv__is_file(const char *path);

/* The part after the last '/', and the same without its last ".ext". */
const char *qv__base_name(const char *path);
char *qv__stem(qv_arena *a, const char *path);
/* Whether a name ends so, as in ".json". */
bool qv__ends_with(const char *name, const char *ending);

/* The part after the last '/' of a directory's path, which may end in slashes. */
const char *qv__dir_name(qv_arena *a, const char *dir);

#endif
