/* err.c - failures in words. */
#include "base/base.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

qv_status qv_fail(qv_err *err, qv_status code, const char *fmt, ...)
{
    if (!err)
        return code;
    va_list args;
    va_start(args, fmt);
    vsnprintf(err->msg, sizeof err->msg, fmt, args);
    va_end(args);
    err->code = code;
    return code;
}

qv_status qv_wrap(qv_err *err, qv_status code, const char *fmt, ...)
{
    if (!err)
        return code;
    char inner[sizeof err->msg];
    memcpy(inner, err->msg, sizeof inner);
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(err->msg, sizeof err->msg, fmt, args);
    va_end(args);
    size_t used = n < 0 ? 0 : qv__min((size_t)n, sizeof err->msg - 1);
    snprintf(err->msg + used, sizeof err->msg - used, "%s", inner);
    err->code = code;
    return code;
}

void qv__check_failed(const char *cond, const char *file, int line)
{
    fprintf(stderr, "quiver: bug: '%s' does not hold (%s:%d)\n", cond, file, line);
    abort();
}
