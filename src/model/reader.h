/* reader.h - a router by text reads one prompt before the prompt's own tokens go through
 * the model, a chunk at a time, so that a prompt may be longer than a pass, and nobody
 * waits longer for it than for a chunk.
 *
 * A chunk is a pass of its own through the base, or its first layers: what is read depends
 * on the prompt and the chunk's size alone. Its keys and values lie where the prompt's own
 * will. Passes that follow read nothing by themselves (model/reading.h).
 */
#ifndef QV_MODEL_READER_H
#define QV_MODEL_READER_H

#include "model/decoder.h"

struct qv_reader {
    struct qv_update *update; // borrowed; NULL: nothing is read
    const int *prompt;        // borrowed
    size_t n, n_read;         // tokens to read, and read so far
};

/* Make ready to read prompt [n] for `update`, of which all rows then follow that text. What
 * needs no pass is read at once. */
void qv__reader_init(struct qv_reader *r, struct qv_update *update, const int *prompt,
                     size_t n);

/* Tokens that the next chunk of up to `chunk` has; 0: all is read. */
size_t qv__reader_next(const struct qv_reader *r, size_t chunk);

/* Read n tokens, what next has said. `pass` has the model, activations and caches, of which
 * the reader's is that index; token and pos [n] are scratch. After the last one the
 * experts are chosen. */
void qv__reader_read(struct qv_reader *r, const struct qv_pass *pass, size_t cache,
                     int *token, int *pos, size_t n);

#endif
