/* base.h - what every other header of quiver starts from: how a call fails, how
 * a program listens to what is going on, and nothing that knows of models.
 *
 * A call that can fail returns a qv_status and fills the caller's qv_err with
 * one sentence. There is no global error state and nothing to free.
 */
#ifndef QUIVER_BASE_H
#define QUIVER_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define QV_MUST_CHECK   __attribute__((warn_unused_result))
#define QV_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define QV_MUST_CHECK
#define QV_PRINTF(f, a)
#endif

#define QV_VERSION "0.1.0"

/* What a call that can fail returns. Zero is success, so `if (st)` reads
 * "if it failed". Codes exist only where a caller would act differently. */
typedef enum qv_status {
    QV_OK = 0,
    QV_EIO = -1,     // the operating system refused: see the message
    QV_EFORMAT = -2, // a file or request does not say what its format requires
    QV_ENOTFOUND = -3,
    QV_EEXIST = -4,
    QV_ELIMIT = -5, // asked for more than a documented limit allows
    QV_ENOMEM = -6, // a model-sized or caller-sized allocation failed
    QV_ECANCEL = -7,
    QV_EUNSUPPORTED = -8,
} qv_status;

/* A failure in words, filled by the callee and owned by the caller, who puts
 * it on the stack. Untouched on success, so one report serves many calls.
 * Plain data: it may be copied to another thread along with a job. */
typedef struct qv_err {
    qv_status code;
    char msg[508];
} qv_err;

/* Record a failure and return `code`, so that `return qv_fail(...)` is the
 * whole error path of a leaf function. `err` may be NULL. */
qv_status qv_fail(qv_err *err, qv_status code, const char *fmt, ...) QV_PRINTF(3, 4);

/* Put context in front of a report on its way up: "expert 'law': ...".
 * Returns `code`. `err` may be NULL. */
qv_status qv_wrap(qv_err *err, qv_status code, const char *fmt, ...) QV_PRINTF(3, 4);

/* How far a long piece of work has come. Called from the thread that does the
 * work, a few times a second at most. Returning true asks it to stop: it then
 * fails with QV_ECANCEL, leaving behind what it needs to resume. */
typedef bool (*qv_progress_fn)(void *arg, const char *what, double done, double total,
                               const char *note);

/* Where a long call reports to; all-zero means nowhere. */
typedef struct qv_progress {
    qv_progress_fn fn;
    void *arg;
} qv_progress;

#ifdef __cplusplus
}
#endif
#endif
