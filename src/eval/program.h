/* program.h - generated programs and whether they pass their tests. */
#ifndef QV_EVAL_PROGRAM_H
#define QV_EVAL_PROGRAM_H

#include "eval/run.h"

/* The part of a completion that is taken for the program, as the paper's code takes it:
 * lines are indented by one more space where the number of theirs is odd; empty lines at
 * the start go; what follows the first empty line goes. */
char *qv__completion(qv_arena *a, const char *answer);

/* Whether the task's programs can be run here at all: asked before any task is begun.
 * Fails with QV_EUNSUPPORTED. */
qv_status qv__can_run_programs(const struct qv_suite_task *task, qv_err *err) QV_MUST_CHECK;

/* Whether every example has tests. Fails with QV_EFORMAT. */
qv_status qv__have_tests(const struct qv_run *r, qv_err *err) QV_MUST_CHECK;

/* Score 1 for each example whose prompt, answer and tests, one after another, are a
 * program that comes to its end in the sandbox; else 0. */
qv_status qv__run_programs(struct qv_run *r, qv_err *err) QV_MUST_CHECK;

#endif
