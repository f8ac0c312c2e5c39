/* gguf_pre.h - the names that GGUF files have for ways of cutting text: llama.cpp's
 * tokenizer.ggml.pre, as the pre-tokenizer and normalizer of a tokenizer.json.
 *
 * llama.cpp knows many more. Those that are not here are refused, because a guess would
 * give other tokens than the model was trained on.
 */
#ifndef QV_TEXT_GGUF_PRE_H
#define QV_TEXT_GGUF_PRE_H

#include "base/arena.h"
#include "base/json.h"

struct qv_gguf_pre {
    const char *name;
    const char *pre_tokenizer, *normalizer; // JSON
    bool ignore_merges;                     // as the model of a tokenizer.json has it
    bool adds_bos;                          // unless the file says otherwise
};

/* The one of that name, or NULL. */
const struct qv_gguf_pre *qv__gguf_pre(const char *name);

/* The name for what a tokenizer.json says; NULL if there is none. */
const char *qv__gguf_pre_name(const json_t *tokenizer, qv_arena *a);

#endif
