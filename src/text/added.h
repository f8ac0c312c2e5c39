/* added.h - tokens that are found in the text before anything else looks at it.
 *
 * There are two sets: tokens looked for in the text as it is, and tokens looked
 * for once it is normalized. In each the leftmost match counts, the longest if
 * several begin there.
 */
#ifndef QV_TEXT_ADDED_H
#define QV_TEXT_ADDED_H

#include "base/base.h"

struct qv__added {
    const char *text; // borrowed from the tokenizer's arena
    size_t n;         // not 0
    int id;
    bool single_word;    // only where no letter or digit touches it
    bool lstrip, rstrip; // takes white space along on that side
    bool normalized;     // which set it belongs to
    bool special;
};

struct qv__added_set {
    struct qv__added *token; // owned, sorted by text once ready
    size_t n, cap;
    size_t first[257]; // token[first[b] .. first[b + 1]) start with byte b
};

/* A copy of *token joins the set. Fails with QV_ENOMEM. */
qv_status qv__added_add(struct qv__added_set *set, const struct qv__added *token,
                        qv_err *err) QV_MUST_CHECK;
/* To be called when the set is complete. Of tokens with one text the first stays. */
void qv__added_ready(struct qv__added_set *set);
void qv__added_end(struct qv__added_set *set);

/* The longest token that text[0..n) starts with, or NULL. */
const struct qv__added *qv__added_longest(const struct qv__added_set *set, const char *text,
                                          size_t n);

struct qv__hit {
    const struct qv__added *token;
    size_t begin, end; // including white space taken along
};

/* The first token in text[at..size) whose search starts at *scan, which moves
 * past it; `at` is where the last one ended. Special tokens count only if
 * `parse_special`. */
bool qv__added_next(struct qv__hit *hit, const struct qv__added_set *set, const char *text,
                    size_t size, size_t at, size_t *scan, bool parse_special);

#endif
