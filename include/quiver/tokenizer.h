/* tokenizer.h - text to token ids and back.
 *
 * Byte-level BPE, and SentencePiece-style BPE and Unigram (with byte fallback), from a
 * Hugging Face tokenizer.json or a SentencePiece tokenizer.model. A tokenizer
 * never changes once open and may be used from any number of threads.
 */
#ifndef QUIVER_TOKENIZER_H
#define QUIVER_TOKENIZER_H

#include <quiver/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct qv_tokenizer qv_tokenizer;

/* Open `path`: a tokenizer.json, a tokenizer.model, a GGUF file, or a directory that holds
 * tokenizer.json, tokenizer.model or vocab.json with merges.txt (the first of
 * them there is) and perhaps tokenizer_config.json, whose bos_token, eos_token
 * and add_bos_token are then honoured. Where nothing names BOS and EOS they are
 * special tokens with a usual name, such as <s> or <|endoftext|>. The caller
 * owns *out. A component that is not implemented is refused by name with
 * QV_EUNSUPPORTED. */
qv_status qv_tokenizer_open(qv_tokenizer **out, const char *path,
                            qv_err *err) QV_MUST_CHECK;
void qv_tokenizer_close(qv_tokenizer *tok);

size_t qv_tokenizer_size(const qv_tokenizer *tok); // ids are 0 .. size - 1

/* The special tokens, or -1 where there is none. */
int qv_tokenizer_bos(const qv_tokenizer *tok);
int qv_tokenizer_eos(const qv_tokenizer *tok);

/* Whether texts for this model should start with the BOS token. */
bool qv_tokenizer_adds_bos(const qv_tokenizer *tok);

/* The id of a token written exactly so, or -1. */
int qv_tokenizer_find(const qv_tokenizer *tok, const char *token);

/* The token as the vocabulary writes it; borrowed; NULL if id is out of range or
 * no token has it (ids may have holes). */
const char *qv_tokenizer_token(const qv_tokenizer *tok, int id);
bool qv_tokenizer_is_special(const qv_tokenizer *tok, int id);

/* Tokens of text[0..size), any bytes. No BOS or EOS is added. Special and added
 * tokens written in the text become their ids if `parse_special`, else plain
 * text (added tokens that are not special always become their ids). The caller
 * owns *ids and ends it with free(). Fails with QV_ELIMIT past a gibibyte of text,
 * or where a pattern of the tokenizer backtracks without end. */
qv_status qv_tokenizer_encode(const qv_tokenizer *tok, const char *text, size_t size,
                              bool parse_special, int **ids, size_t *n,
                              qv_err *err) QV_MUST_CHECK;

/* The bytes the ids stand for, NUL-terminated, *size without the NUL. Special
 * tokens are left out if `skip_special`; others are written as they are spelled. Not
 * necessarily UTF-8 when the ids stop inside a character. The caller owns *text and ends it
 * with free(). Fails with QV_EFORMAT if an id is out of range; one in a hole stands for
 * nothing, and so does one that a model has beyond the tokens of its tokenizer. */
qv_status qv_tokenizer_decode(const qv_tokenizer *tok, const int *ids, size_t n,
                              bool skip_special, char **text, size_t *size,
                              qv_err *err) QV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
