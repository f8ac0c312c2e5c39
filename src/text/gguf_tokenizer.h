/* gguf_tokenizer.h - a tokenizer as GGUF values, the keys tokenizer.ggml.*, and back.
 * Two kinds are known: "gpt2", byte-level with merges and the name of a pre-tokenizer,
 * and "llama", SentencePiece's pieces with scores. */
#ifndef QV_TEXT_GGUF_TOKENIZER_H
#define QV_TEXT_GGUF_TOKENIZER_H

#include "format/gguf_write.h"
#include "text/tokenizer.h"

/* llama.cpp's types of tokens, which are SentencePiece's. */
enum {
    QV_GGUF_NORMAL = 1,
    QV_GGUF_UNKNOWN,
    QV_GGUF_CONTROL,
    QV_GGUF_USER_DEFINED,
    QV_GGUF_UNUSED,
    QV_GGUF_BYTE
};

/* The tokenizer that a file's values describe, or NULL in *out if they describe none. The
 * caller owns *out. A kind or a pre-tokenizer that is not known fails by its name with
 * QV_EUNSUPPORTED; values that contradict each other with QV_EFORMAT. */
qv_status qv__tokenizer_from_gguf(qv_tokenizer **out, const struct qv_gguf *g,
                                  qv_err *err) QV_MUST_CHECK;

/* Add what llama.cpp's converter would for the tokenizer of the directory `dir`, in a
 * model of n_tokens >= its size; ids without a token become unused ones. Where its
 * pre-tokenizer is none that llama.cpp has a name for, tokenizer.ggml.pre is left out
 * and the whole tokenizer.json goes into tokenizer.huggingface.json, so that nothing
 * guesses. Fails with QV_EUNSUPPORTED if the tokenizer is neither byte-level nor
 * SentencePiece's, or one of those with a charsmap, and as reading the directory's files
 * does. */
qv_status qv__tokenizer_to_gguf(struct qv_gguf_meta *meta, const qv_tokenizer *tok,
                                const char *dir, size_t n_tokens,
                                qv_err *err) QV_MUST_CHECK;

#endif
