/* unigram.h - Unigram: of all ways to write a text as pieces, the one whose scores add
 * up to the most, found by dynamic programming from left to right.
 *
 * A character that is no piece costs ten more than the worst piece and becomes the
 * unknown token, or its bytes' tokens; neighbours of that kind are one.
 */
#ifndef QV_TEXT_UNIGRAM_H
#define QV_TEXT_UNIGRAM_H

#include "text/bpe.h"

struct qv__unigram {
    const struct qv__vocab *vocab; // borrowed; NULL: the model is none of this kind
    const float *score;            // borrowed, [vocab->size]
    int *by_text;                  // owned, [n]: the pieces, sorted
    size_t n;
    size_t first[257]; // by_text[first[b] .. first[b + 1]) start with byte b
    float unknown;     // the score of a character that is no piece
    bool in_floats;    // sums are rounded to floats, as SentencePiece's are
};

/* Pieces are the tokens of `vocab` that are not apart. Fails with QV_ENOMEM, and with
 * QV_EFORMAT if there are none. */
qv_status qv__unigram_init(struct qv__unigram *u, const struct qv__vocab *vocab,
                           const float *score, qv_err *err) QV_MUST_CHECK;
void qv__unigram_end(struct qv__unigram *u);

/* Working memory of one call to encode; all-zero is empty. */
struct qv__unigram_run {
    struct qv__way *way; // owned, [cap]
    size_t cap;
};
void qv__unigram_end_run(struct qv__unigram_run *run);

/* Adds the tokens of text[0..n), UTF-8, to the answer. Memory running out is left in
 * out->failed. */
void qv__unigram_piece(const struct qv__unigram *u, struct qv__unigram_run *run,
                       struct qv__bpe_run *out, const char *text, size_t n);

#endif
