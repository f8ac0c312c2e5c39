/* batch.h - the tokens of one pass: several sequences end to end, no padding.
 *
 * Everything that works token by token sees T rows. Only attention knows where
 * a sequence begins and what came before it, so packing short examples together
 * can neither leak between them nor waste work.
 *
 * Rows whose output nobody reads, as a prompt's but its last, are there for the rows after
 * them: the last layer makes their keys and values and no more.
 *
 * Several sequences may continue the same one, their stem, which is computed once:
 * a branch's first row stands after the stem's last.
 */
#ifndef QV_OP_BATCH_H
#define QV_OP_BATCH_H

#include "base/base.h"

struct qv_seq {
    size_t begin, n; // rows begin .. begin + n - 1 of the batch
    size_t n_past;   // positions already in the cache before them
    size_t n_prompt; // of its rows, those that routers by text read; 0: all of them
    size_t n_unread; // its first rows, whose output nobody will read
    size_t cache;    // which cache the caller keeps for it (inference only)
    size_t n_stem;   // rows of its stem, which it continues; 0: it has none
    size_t stem;     // that sequence's index in the batch (inference only, no past)
};

struct qv_batch {
    size_t T;                 // rows
    const int *token;         // [T]
    const int *pos;           // [T] position in its own sequence
    const struct qv_seq *seq; // [n_seq], covering the rows in order
    size_t n_seq;
};

#endif
