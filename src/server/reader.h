/* reader.h - a router by text reads the prompt of a job before the job's own tokens go
 * through the model, a chunk at a time, so that nobody waits longer for it than for a chunk
 * of any prompt.
 *
 * A chunk is a pass of its own through the base, or its first layers: what is read depends
 * on the prompt and the chunk's size alone. Its keys and values lie where the job's own
 * will.
 */
#ifndef QV_SERVER_READER_H
#define QV_SERVER_READER_H

#include "model/decoder.h"

struct qv_reader {
    struct qv_update *update; // borrowed: the job's; NULL: nothing is read
    const int *prompt;        // borrowed
    size_t n, n_read;         // tokens to read, and read so far
};

/* Make ready to read prompt [n]. What needs no pass is read at once. */
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
