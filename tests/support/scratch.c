/* scratch.c - see scratch.h. */
#include "support/scratch.h"

#include "base/file.h"
#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int make_scratch(void **state)
{
    char *dir = strdup("/tmp/quiver-test-XXXXXX");
    *state = dir && mkdtemp(dir) ? dir : NULL;
    return *state ? 0 : -1;
}

int remove_scratch(void **state)
{
    int result = qv__remove_tree(*state, NULL);
    free(*state);
    return result;
}

const char *scratch_path(void **state, const char *name)
{
    static char paths[8][256];
    static unsigned next;
    char *path = paths[next++ % 8];
    int n = snprintf(path, sizeof paths[0], "%s/%s", (const char *)*state, name);
    assert_in_range(n, 1, sizeof paths[0] - 1);
    return path;
}

void copy_file(const char *from, const char *to)
{
    struct qv_map map;
    qv_err err = {0};
    assert_works(qv__map(&map, from, &err), &err);
    assert_works(qv__write_file(to, map.bytes, map.size, &err), &err);
    qv__unmap(&map);
}

void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

void assert_file_holds(const char *path, const char *text)
{
    struct qv_map map;
    qv_err err = {0};
    assert_works(qv__map(&map, path, &err), &err);
    assert_int_equal(map.size, strlen(text));
    if (map.size)
        assert_memory_equal(map.bytes, text, map.size);
    qv__unmap(&map);
}

void hash_file(char hash[65], const char *path)
{
    struct qv_map map;
    qv_err err = {0};
    assert_works(qv__map(&map, path, &err), &err);
    qv__hash_bytes(hash, map.bytes, map.size);
    qv__unmap(&map);
}

void assert_same_bytes(const char *x, const char *y)
{
    char hash_x[65], hash_y[65];
    hash_file(hash_x, x);
    hash_file(hash_y, y);
    if (strcmp(hash_x, hash_y) != 0)
        fail_msg("%s and %s differ", x, y);
}

void assert_fails_at(qv_status got, qv_status want, const qv_err *err, const char *words,
                     const char *call, const char *file, int line)
{
    if (got == want && err->code == want && strstr(err->msg, words))
        return;
    print_error("%s returned %d, should be %d, saying '%s'; it said '%s'\n", call, got,
                want, words, got ? err->msg : "");
    _fail(file, line);
}

void assert_works_at(qv_status got, const qv_err *err, const char *call, const char *file,
                     int line)
{
    if (!got)
        return;
    print_error("%s failed with %d: %s\n", call, got, err ? err->msg : "");
    _fail(file, line);
}

void need(const char *path)
{
    if (access(path, R_OK) == 0)
        return;
    print_message("# skipped: there is no %s\n", path);
    skip();
}
