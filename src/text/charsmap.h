/* charsmap.h - SentencePiece's compiled normalization: a map from strings to
 * strings, of which the longest that fits is replaced, from left to right.
 *
 * The blob is a length, a double-array trie (Darts) whose values are offsets,
 * and the replacements, each ended by a NUL.
 */
#ifndef QV_TEXT_CHARSMAP_H
#define QV_TEXT_CHARSMAP_H

#include "base/arena.h"

struct qv__charsmap {
    const uint32_t *unit; // in the arena given
    size_t n_units;       // 0: nothing is replaced
    const char *text;     // in the arena given, NUL-terminated
    size_t size;
};

/* Copies the blob into `a`. Fails with QV_EFORMAT if its lengths disagree. */
qv_status qv__charsmap_read(struct qv__charsmap *m, qv_arena *a, const char *blob,
                            size_t size, qv_err *err) QV_MUST_CHECK;

/* The same of the blob in base64, as a tokenizer.json holds it. */
qv_status qv__charsmap_read64(struct qv__charsmap *m, qv_arena *a, const char *text,
                              qv_err *err) QV_MUST_CHECK;

/* The longest string of the map that text[0..n) starts with, or the shortest: its
 * length, and what replaces it in *to. Zero if there is none. */
size_t qv__charsmap_longest(const struct qv__charsmap *m, const char *text, size_t n,
                            const char **to);
size_t qv__charsmap_shortest(const struct qv__charsmap *m, const char *text, size_t n,
                             const char **to);

#endif
