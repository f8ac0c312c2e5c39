/* gguf_tokenizer.h - a tokenizer as GGUF values: the keys tokenizer.ggml.*. */
#ifndef QV_TEXT_GGUF_TOKENIZER_H
#define QV_TEXT_GGUF_TOKENIZER_H

#include "format/gguf_write.h"
#include "text/tokenizer.h"

/* Add what llama.cpp's converter would for the tokenizer of the directory `dir`, in a
 * model of n_tokens >= its size; ids without a token become unused ones. Where its
 * pre-tokenizer is none that llama.cpp has a name for, tokenizer.ggml.pre is left out
 * and the whole tokenizer.json goes into tokenizer.huggingface.json, so that nothing
 * guesses. Fails with QV_EUNSUPPORTED if the tokenizer is neither byte-level nor
 * SentencePiece's, and as reading the directory's files does. */
qv_status qv__tokenizer_to_gguf(struct qv_gguf_meta *meta, const qv_tokenizer *tok,
                                const char *dir, size_t n_tokens,
                                qv_err *err) QV_MUST_CHECK;

#endif
