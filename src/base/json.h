/* json.h - the glue between jansson and our errors. The only door to jansson's
 * parser: it refuses duplicate keys, and depth beyond what our formats need.
 *
 * Objects are jansson's and reference-counted: what parse returns is the
 * caller's, who ends it with json_decref.
 */
#ifndef QV_BASE_JSON_H
#define QV_BASE_JSON_H

#include "base/base.h"

#include <jansson.h>

/* Parse one JSON value that fills `bytes`. The sentence says line and column.
 * Fails with QV_EFORMAT. */
qv_status qv__json_parse(json_t **out, const char *bytes, size_t size,
                         qv_err *err) QV_MUST_CHECK;

/* Parse the file at `path`; `limit` bounds its bytes. */
qv_status qv__json_read(json_t **out, const char *path, size_t limit,
                        qv_err *err) QV_MUST_CHECK;

/* Write `value` to `path` atomically: indent 2, sorted keys, newline at end. */
qv_status qv__json_write(const json_t *value, const char *path, qv_err *err) QV_MUST_CHECK;

/* Typed reads of optional keys. Absent or null leaves *out alone and succeeds;
 * a value of another type fails with QV_EFORMAT and names the key. */
qv_status qv__json_size(const json_t *obj, const char *key, size_t *out,
                        qv_err *err) QV_MUST_CHECK;
qv_status qv__json_float(const json_t *obj, const char *key, float *out,
                         qv_err *err) QV_MUST_CHECK;
qv_status qv__json_bool(const json_t *obj, const char *key, bool *out,
                        qv_err *err) QV_MUST_CHECK;
/* *out borrows from obj. */
qv_status qv__json_str(const json_t *obj, const char *key, const char **out,
                       qv_err *err) QV_MUST_CHECK;

#endif
