/* sandbox.h - running a Python program that nobody has read.
 *
 * The program runs under bubblewrap (bwrap), in namespaces of its own: no network, no
 * processes but its own, no files but a read-only /usr, no environment. prlimit bounds its
 * processor time, memory, processes, open files and the size of files to nothing; the
 * parent ends it when its time is over, and with it whatever it has started. Run as root,
 * it is the user nobody's before all that (setpriv), since root's processes are not
 * counted. None of these walls is our own.
 *
 * Where one of those programs is missing, where the kernel refuses namespaces, or where a
 * trial shows that a wall does not stand, there is no sandbox, and nothing is run.
 */
#ifndef QV_EVAL_SANDBOX_H
#define QV_EVAL_SANDBOX_H

#include "base/arena.h"
#include "base/base.h"

/* Zero means default. */
struct qv_sandbox_opts {
    size_t seconds;     // of a program, by the clock (3)
    size_t megabytes;   // of memory, of each of its few processes (512)
    const char *bwrap;  // the sandbox's program (bwrap, in PATH)
    const char *python; // inside the sandbox (python3, in /usr/bin)
};

struct qv_sandbox {
    char **argv; // NULL-terminated
    size_t seconds;
    qv_arena arena;
};

/* A sandbox in which trials have shown every wall. The caller ends *s with
 * qv__sandbox_end. `opts` may be NULL. Fails with QV_EUNSUPPORTED. */
qv_status qv__sandbox_open(struct qv_sandbox *s, const struct qv_sandbox_opts *opts,
                           qv_err *err) QV_MUST_CHECK;
void qv__sandbox_end(struct qv_sandbox *s);

/* Run `program`: *passed says whether it came to its end within its limits, without an
 * exception and without leaving early. What it prints goes nowhere. Any number of threads
 * may call it. Fails with QV_EIO if it cannot be started. */
qv_status qv__sandbox_run(bool *passed, const struct qv_sandbox *s, const char *program,
                          qv_err *err) QV_MUST_CHECK;

#endif
