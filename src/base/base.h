/* base.h - what every source file of quiver includes first.
 *
 * The public errors, plus which of several in a parallel loop is told, and the one
 * way our own mistakes are reported: qv_check stays on in release builds and aborts
 * with file and line. Nothing that a file, a user or a network can cause may reach
 * a qv_check.
 */
#ifndef QV_BASE_BASE_H
#define QV_BASE_BASE_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

#include <quiver/base.h>

#define qv_check(cond) ((cond) ? (void)0 : qv__check_failed(#cond, __FILE__, __LINE__))

_Noreturn void qv__check_failed(const char *cond, const char *file, int line);

/* Of several failures in a parallel loop the first item's, whichever thread came first.
 * All-zero: none. Items are noted from any thread of the loop. */
struct qv_first {
    bool failed;
    size_t at;
    qv_err err;
};
void qv__first_note(struct qv_first *f, size_t item, const qv_err *err);
qv_status qv__first_tell(const struct qv_first *f, qv_err *err);

#define QV_COUNT(array) (sizeof(array) / sizeof((array)[0]))

static inline size_t qv__min(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t qv__max(size_t a, size_t b)
{
    return a > b ? a : b;
}

#endif
