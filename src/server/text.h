/* text.h - an answer's tokens as text, while they come.
 *
 * A token may end inside a character, and what looks like the beginning of a stop may turn
 * out to be none; so of the text made, some bytes at the end may not be sure yet. What is
 * sure is whole characters, and never part of a stop.
 */
#ifndef QV_SERVER_TEXT_H
#define QV_SERVER_TEXT_H

#include <quiver/tokenizer.h>

#include "text/pieces.h"

enum { QV_TEXT_WINDOW = 8 }; // tokens before one that can matter to how it is written

struct qv_text {
    const qv_tokenizer *tok;
    const char *const *stop; // [n_stops] borrowed, none empty
    size_t n_stops;
    int window[QV_TEXT_WINDOW + 1]; // the last tokens, the prompt's among them
    size_t n_window;
    struct qv__str made; // all text so far; ends before a stop
    size_t shown;        // bytes of it that were taken
    bool has_stopped;    // a stop has come; what follows is not added
};

/* An empty answer to the prompt ids [n]. */
void qv__text_init(struct qv_text *t, const qv_tokenizer *tok, const int *ids, size_t n,
                   const char *const *stop, size_t n_stops);
void qv__text_end(struct qv_text *t);

/* The bytes that token `id` would add, in *out, which is emptied first. Special tokens add
 * nothing unless `spells_special`. */
void qv__text_piece(const struct qv_text *t, int id, bool spells_special,
                    struct qv__str *out);

/* Add a token. */
void qv__text_add(struct qv_text *t, int id);

/* Take the sure bytes that were not taken yet: *bytes borrows until the next add. With
 * `is_last` everything is sure. Returns how many. */
size_t qv__text_take(struct qv_text *t, const char **bytes, bool is_last);

#endif
