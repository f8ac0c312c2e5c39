/* tokenizer.h - what a tokenizer is once it has been read.
 *
 * Encoding: added tokens are set apart, what is between them is normalized, cut
 * and merged. Decoding: token texts, then the steps of `undo`. Two readers fill
 * the same struct, hf_json.c and spm_model.c; after them nothing changes.
 */
#ifndef QV_TEXT_TOKENIZER_H
#define QV_TEXT_TOKENIZER_H

#include <quiver/tokenizer.h>

#include "base/json.h"
#include "text/added.h"
#include "text/bpe.h"
#include "text/decode.h"
#include "text/normalize.h"
#include "text/pretokenize.h"
#include "text/unigram.h"
#include "text/vocab.h"

struct qv_tokenizer {
    qv_arena arena; // the strings and arrays of everything below
    struct qv__vocab vocab;
    size_t size;        // ids below are tokens; above are characters only merges know
    size_t n_more;      // ids from there on that its model has rows for
    struct qv__bpe bpe; // of a Unigram model: its bytes and unknown token alone
    struct qv__unigram unigram;       // .vocab is NULL unless the model is of this kind
    const float *score;               // [size] of a SentencePiece model, or NULL
    struct qv__added_set raw, normal; // added tokens by where they are looked for
    struct qv__added_set symbols;     // a Unigram model's, which normalization spares
    struct qv__norm *norm;
    struct qv__cut *cut;
    struct qv__undo *undo;
    size_t n_norms, n_cuts, n_undos;
    int bos, eos; // or -1
    bool adds_bos;
};

/* A model has n ids, more perhaps than there are tokens: rows are added so that their
 * number divides well, and a model may say one. It then stands for nothing. */
void qv__tokenizer_pad(qv_tokenizer *tok, size_t n);

/* Each reads a whole file's bytes. The caller owns *out, as after
 * qv_tokenizer_open. They fail with QV_EFORMAT and QV_EUNSUPPORTED. */
qv_status qv__tokenizer_parse_json(qv_tokenizer **out, const char *bytes, size_t size,
                                   qv_err *err) QV_MUST_CHECK;
qv_status qv__tokenizer_parse_spm(qv_tokenizer **out, const char *bytes, size_t size,
                                  qv_err *err) QV_MUST_CHECK;
/* The same from what a tokenizer.json says. */
qv_status qv__tokenizer_of_json(qv_tokenizer **out, const json_t *root,
                                qv_err *err) QV_MUST_CHECK;
/* The same from what a tokenizer.model of the BPE kind says, without a charsmap. */
struct qv__spm_piece {
    const char *text; // [n]
    size_t n;
    float score;
    unsigned type; // SentencePiece's: 1 normal, 2 unknown, 3 control, 4 user-defined, 5
                   // unused, 6 byte
};
struct qv__spm_list {
    const struct qv__spm_piece *piece; // [n]
    size_t n;
    bool add_dummy_prefix, remove_extra_whitespaces;
};
qv_status qv__tokenizer_of_pieces(qv_tokenizer **out, const struct qv__spm_list *list,
                                  qv_err *err) QV_MUST_CHECK;
/* GPT-2's layout, vocab.json and merges.txt, in the directory `dir`. */
qv_status qv__tokenizer_open_gpt2(qv_tokenizer **out, const char *dir,
                                  qv_err *err) QV_MUST_CHECK;

/* As qv_tokenizer_encode with special tokens, except in the spans of *marked: what stands
 * there is text. Added tokens that are not special become their ids there too; a special
 * one that is looked for in normalized text is text everywhere. */
qv_status qv__tokenizer_encode_marked(const qv_tokenizer *tok,
                                      const struct qv__pieces *marked, int **ids, size_t *n,
                                      qv_err *err) QV_MUST_CHECK;

/* An empty tokenizer, or NULL if there is no memory. */
qv_tokenizer *qv__tokenizer_new(void);

/* The token `id`, already in the vocabulary, is to be found in text. *as says how;
 * its text and id are set here. A normalized token must come after the norms. */
qv_status qv__tokenizer_add(qv_tokenizer *tok, size_t id, const struct qv__added *as,
                            qv_err *err) QV_MUST_CHECK;

/* Where nothing named them: BOS and EOS by the names special tokens usually have. */
void qv__tokenizer_guess_ends(qv_tokenizer *tok);

/* hf_steps.c: the pipeline of a tokenizer.json; NULL and null are empty. */
qv_status qv__hf_normalizer(qv_tokenizer *tok, const json_t *v, qv_err *err) QV_MUST_CHECK;
qv_status qv__hf_pre_tokenizer(qv_tokenizer *tok, const json_t *v,
                               qv_err *err) QV_MUST_CHECK;
qv_status qv__hf_decoder(qv_tokenizer *tok, const json_t *v, qv_err *err) QV_MUST_CHECK;

#endif
