/* records.h - a data file as JSON objects, one a record, in the file's order.
 *
 *     jsonl  an object a line
 *     json   a list of objects, or an object with such a list under a key
 *     csv    RFC 4180; columns are named by the caller, or by the first line
 *     lines  a record is as many lines as the caller names, each a field
 *
 * A field may stand in a file of its own, one line a record. Blank lines at a file's end,
 * a byte-order mark and carriage returns are accepted. Bytes that are not UTF-8, and
 * compressed files, are refused.
 */
#ifndef QV_DATA_RECORDS_H
#define QV_DATA_RECORDS_H

#include "base/arena.h"
#include "base/json.h"

/* A field in a file of its own. */
struct qv_beside {
    const char *field, *path;
};

/* All-zero means default. */
struct qv_records_opts {
    const char *format;         // default: by the end of the file's name
    const char *list;           // of json: the key of the list
    const char *const *columns; // [n_columns] of csv and lines
    size_t n_columns;
    const struct qv_beside *beside; // [n_beside]
    size_t n_beside;
};

struct qv_records {
    json_t *list;   // of objects
    json_t *common; // of json with a key: the object it was under; or NULL
};

/* Fails with QV_ENOTFOUND, QV_EIO or QV_EFORMAT, naming the file and the line. */
qv_status qv__records_read(struct qv_records *out, const char *path,
                           const struct qv_records_opts *opts, qv_err *err) QV_MUST_CHECK;
void qv__records_end(struct qv_records *r);

/* The same for bytes[0..size) that came from `path`, which is not opened; files beside
 * it are. */
qv_status qv__records_parse(struct qv_records *out, const char *path, const char *bytes,
                            size_t size, const struct qv_records_opts *opts,
                            qv_err *err) QV_MUST_CHECK;

#endif
