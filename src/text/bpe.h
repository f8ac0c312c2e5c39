/* bpe.h - byte-pair encoding: merge neighbours, the best pair first, leftmost
 * among equals, until no pair of neighbours has a merge.
 *
 * One merger serves both kinds. Byte-level BPE and converted tokenizer.json
 * files list merges in order of rank. SentencePiece lists pieces with scores;
 * spm_model.c turns them into the same table. Symbols are vocabulary ids;
 * symbols from `n_tokens` on are characters that a merge needs and that are no
 * token themselves.
 */
#ifndef QV_TEXT_BPE_H
#define QV_TEXT_BPE_H

#include "text/pieces.h"
#include "text/vocab.h"

/* U+2581, how SentencePiece writes a space. */
#define QV__SPACE "\xe2\x96\x81"

struct qv__merge {
    int left, right; // left is -1 in an empty slot
    int made;        // what they become
    uint32_t rank;   // low goes first
};

struct qv__bpe {
    const struct qv__vocab *vocab; // borrowed
    size_t n_tokens;               // symbols below are tokens
    struct qv__merge *merge;       // owned, [mask + 1], open addressing
    size_t mask, n_merges;
    int near[0x180];    // the symbol of each low character, or -1
    int byte_id[256];   // the token <0xXX> of each byte, or -1
    int unk;            // or -1: what has no token then leaves no trace
    bool byte_fallback; // a character without a token becomes its bytes' tokens
    bool fuse_unk;      // neighbouring unknowns become one
    bool ignore_merges; // a piece that is a token is never merged up to
    bool cuts_at_space; // no merge crosses from another character to U+2581
};

/* Room for `n_merges` merges. Fails with QV_ENOMEM. */
qv_status qv__bpe_init(struct qv__bpe *b, const struct qv__vocab *vocab, size_t n_merges,
                       qv_err *err) QV_MUST_CHECK;
void qv__bpe_end(struct qv__bpe *b);

/* Adds a merge; the first of two equal ones holds. No more than init had room for. */
void qv__bpe_add(struct qv__bpe *b, int left, int right, int made, uint32_t rank);

/* To be called when vocabulary and merges are complete: fills what is derived. */
void qv__bpe_ready(struct qv__bpe *b);

/* The growing answer of one call to encode, and its working memory. */
struct qv__bpe_run {
    const struct qv__bpe *bpe; // borrowed
    int *id;                   // owned
    size_t n, cap;
    bool last_is_unk;          // of this piece, for fusing
    bool failed;               // memory ran out
    struct qv__symbol *symbol; // owned
    size_t symbol_cap;
    struct qv__pair *heap; // owned
    size_t n_heap, heap_cap;
    struct qv__seen *seen; // owned: words met before, [seen_mask + 1], or NULL
    size_t seen_mask;
};

/* `size` is how much text will come, which decides how many words to remember. */
void qv__bpe_begin(struct qv__bpe_run *r, const struct qv__bpe *b, size_t size);
void qv__bpe_end_run(struct qv__bpe_run *r);

/* Adds one id. */
void qv__bpe_push(struct qv__bpe_run *r, int id);

/* Adds the tokens of a character that has none: of its bytes, or unknown. */
void qv__bpe_unknown(struct qv__bpe_run *r, const char *bytes, size_t n);

/* Adds the tokens of one pre-tokenized piece of UTF-8. */
void qv__bpe_piece(struct qv__bpe_run *r, const char *text, size_t n);

/* Adds the tokens of bytes that are not UTF-8: of byte fallback, or unknown. */
void qv__bpe_raw(struct qv__bpe_run *r, const char *bytes, size_t n);

#endif
