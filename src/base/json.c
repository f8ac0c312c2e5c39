/* json.c - see json.h. */
#include "base/json.h"
#include "base/file.h"

#include <stdlib.h>
#include <string.h>

qv_status qv__json_parse(json_t **out, const char *bytes, size_t size, qv_err *err)
{
    json_error_t why;
    *out = json_loadb(bytes ? bytes : "", size, JSON_REJECT_DUPLICATES, &why);
    if (!*out)
        return qv_fail(err, QV_EFORMAT, "not JSON: line %d, column %d: %s", why.line,
                       why.column, why.text);
    return QV_OK;
}

qv_status qv__json_read(json_t **out, const char *path, size_t limit, qv_err *err)
{
    *out = NULL;
    struct qv_map map;
    qv_status result = qv__map(&map, path, err);
    if (result)
        return result;
    if (map.size > limit)
        result = qv_fail(err, QV_ELIMIT, "%s: %zu bytes, more than the limit of %zu", path,
                         map.size, limit);
    else if ((result = qv__json_parse(out, map.bytes, map.size, err)))
        result = qv_wrap(err, result, "%s: ", path);
    qv__unmap(&map);
    return result;
}

qv_status qv__json_write(const json_t *value, const char *path, qv_err *err)
{
    char *text =
        json_dumps(value, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_REAL_PRECISION(9));
    if (!text)
        return qv_fail(err, QV_EFORMAT, "%s: a value cannot be written as JSON", path);
    size_t n = strlen(text);
    text[n] = '\n'; // in place of the NUL
    qv_status result = qv__write_file(path, text, n + 1, err);
    free(text);
    return result;
}

qv_status qv__json_size(const json_t *obj, const char *key, size_t *out, qv_err *err)
{
    const json_t *v = json_object_get(obj, key);
    if (!v || json_is_null(v))
        return QV_OK;
    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return qv_fail(err, QV_EFORMAT, "'%s' is not a whole number", key);
    *out = (size_t)json_integer_value(v);
    return QV_OK;
}

qv_status qv__json_float(const json_t *obj, const char *key, float *out, qv_err *err)
{
    const json_t *v = json_object_get(obj, key);
    if (!v || json_is_null(v))
        return QV_OK;
    if (!json_is_number(v))
        return qv_fail(err, QV_EFORMAT, "'%s' is not a number", key);
    *out = (float)json_number_value(v);
    return QV_OK;
}

qv_status qv__json_bool(const json_t *obj, const char *key, bool *out, qv_err *err)
{
    const json_t *v = json_object_get(obj, key);
    if (!v || json_is_null(v))
        return QV_OK;
    if (!json_is_boolean(v))
        return qv_fail(err, QV_EFORMAT, "'%s' is neither true nor false", key);
    *out = json_is_true(v);
    return QV_OK;
}

qv_status qv__json_str(const json_t *obj, const char *key, const char **out, qv_err *err)
{
    const json_t *v = json_object_get(obj, key);
    if (!v || json_is_null(v))
        return QV_OK;
    if (!json_is_string(v))
        return qv_fail(err, QV_EFORMAT, "'%s' is not a string", key);
    *out = json_string_value(v);
    return QV_OK;
}
