/* mixed.h - ten thousand lines of mixed text: code, emoji, scripts, marks and, in every
 * tenth line, bytes that are not UTF-8. What they are made of is in
 * tests/golden/text/mixed.json; how, in recipes/text_mixed.py and the same here. */
#ifndef QV_TESTS_MIXED_H
#define QV_TESTS_MIXED_H

#include "base/json.h"

struct mixed {
    json_t *root;        // owned
    const json_t *kinds; // borrowed from root
    size_t n_lines, block;
};

/* Fails the test if the lines are not the recipe's. */
void mixed_init(struct mixed *m);
void mixed_end(struct mixed *m);

/* Line i, its bytes in *n; good until the next call. Lines hold no NUL. */
const char *mixed_line(size_t *n, const struct mixed *m, size_t i);

#endif
