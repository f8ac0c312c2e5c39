/* scratch.h - a directory for one test, and what is said of files in it.
 *
 * make_scratch and remove_scratch are cmocka's setup and teardown; the test
 * finds the directory in *state and names files in it with scratch_path.
 */
#ifndef QV_TESTS_SCRATCH_H
#define QV_TESTS_SCRATCH_H

#include "support/near.h"

#include <quiver/base.h>

int make_scratch(void **state);
int remove_scratch(void **state);

/* `name` in the scratch directory; good until the ninth call after this one. */
const char *scratch_path(void **state, const char *name);

void copy_file(const char *from, const char *to);
void write_text(const char *path, const char *text);
/* The file holds exactly `text`. */
void assert_file_holds(const char *path, const char *text);
/* Two files hold the same bytes. */
void assert_same_bytes(const char *x, const char *y);
/* The content hash of a file. */
void hash_file(char hash[65], const char *path);

/* The call failed with `code`, and its sentence holds `words`. */
#define assert_fails(call, code, err, words)                                               \
    assert_fails_at((call), (code), (err), (words), #call, __FILE__, __LINE__)
void assert_fails_at(qv_status got, qv_status want, const qv_err *err, const char *words,
                     const char *call, const char *file, int line);

/* The call succeeded; if not, its sentence is shown. */
#define assert_works(call, err) assert_works_at((call), (err), #call, __FILE__, __LINE__)
void assert_works_at(qv_status got, const qv_err *err, const char *call, const char *file,
                     int line);

/* Skips the test, saying so, unless `path` is there. */
void need(const char *path);

#endif
