/* golden.h - reading what lies in tests/golden. A file that cannot be read fails
 * the test. */
#ifndef QV_TESTS_GOLDEN_H
#define QV_TESTS_GOLDEN_H

#include "data/dataset.h"

/* The list of whole numbers under `key` of the JSON file at `path`, at most `room`
 * of them. Returns how many. */
size_t golden_ids(int *ids, size_t room, const char *path, const char *key);

/* The tensor `name` of the file at `path` as floats; *n gets its size unless NULL.
 * Ended with free(). */
float *golden_tensor(size_t *n, const char *path, const char *name);

#define GOLDEN_BATCH "tests/golden/train/batch.json"

/* The three examples of a batch.json. */
struct golden_batch {
    int ids[64];
    struct qv_sequence s[3];
    const struct qv_sequence *list[3]; // pointers to s
};
void golden_batch(struct golden_batch *b, const char *path);

#endif
