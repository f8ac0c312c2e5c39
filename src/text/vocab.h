/* vocab.h - the strings of a vocabulary and their ids, both ways.
 *
 * Filled once, then read by any number of threads. Ids may leave holes.
 */
#ifndef QV_TEXT_VOCAB_H
#define QV_TEXT_VOCAB_H

#include "base/arena.h"

struct qv__token {
    const char *text; // NUL-terminated, in the vocabulary's arena; NULL in a hole
    uint32_t n;       // bytes of text
    bool is_apart;    // no part of the model: merging never sees it
    bool is_added;    // found in the text as it is written
    bool is_special;
};

struct qv__vocab {
    qv_arena arena;
    struct qv__token *token; // owned, [size]
    size_t size, cap;
    int *slot; // owned, [mask + 1]: an id, or -1
    size_t mask, used;
    size_t limit; // ids stay below; set by the reader, who knows how many there are
};

/* Gives text[0..n) the id. Fails with QV_EFORMAT if the id or the text is taken
 * or the id is out of bounds, and with QV_ENOMEM. */
qv_status qv__vocab_add(struct qv__vocab *v, const char *text, size_t n, size_t id,
                        qv_err *err) QV_MUST_CHECK;
void qv__vocab_free(struct qv__vocab *v);

/* The id of text[0..n), or -1. */
int qv__vocab_find(const struct qv__vocab *v, const char *text, size_t n);

uint64_t qv__text_hash(const char *text, size_t n);

#endif
