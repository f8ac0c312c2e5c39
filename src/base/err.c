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

void qv__first_note(struct qv_first *f, size_t item, const qv_err *err)
{
#pragma omp critical(qv__first)
    if (!f->failed || item < f->at)
        *f = (struct qv_first){true, item, *err};
}

qv_status qv__first_tell(const struct qv_first *f, qv_err *err)
{
    if (!f->failed)
        return QV_OK;
    if (err)
        *err = f->err;
    return f->err.code;
}

void qv__check_failed(const char *cond, const char *file, int line)
{
    fprintf(stderr, "quiver: bug: '%s' does not hold (%s:%d)\n", cond, file, line);
    abort();
}
