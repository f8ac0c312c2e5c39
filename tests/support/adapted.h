/* adapted.h - a library of four private experts and a new task, for tests of the ways to
 * adapt. The task "fox" is the expert fir's own under another name.
 */
#ifndef QV_TESTS_ADAPTED_H
#define QV_TESTS_ADAPTED_H

#include <quiver/adapt.h>

#include "base/json.h"
#include "support/place.h"

enum { STEPS = 8, K = 4, LINES = 60 };

extern const char *const expert[K];

/* For a group of tests: the first thing. The last is close_place. */
int make_library(void **state);

/* Write the tasks, as make_library did. */
void write_tasks(void);

/* Options that the method takes, for few steps; and the same at rates so small that no
 * weight moves. */
qv_adapt_opts options(const char *method);
qv_adapt_opts still(const char *method);

/* Adapt to fox; in the second with success, returning what was learnt, the caller's. */
qv_status adapt_with(const char *out, const qv_adapt_opts *o, qv_err *err);
json_t *adapt(const char *out, const qv_adapt_opts *o);

/* Two adapters' files have the same bytes. */
void assert_same_files(const char *x, const char *y);

#endif
