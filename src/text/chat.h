/* chat.h - how a family writes a conversation, so that its model knows whose turn it is.
 *
 * Models come with a program for that (a Jinja template). None is run here: a template is
 * known by its hash, and written as a table of what stands around each turn; one that is
 * not known is refused, because a guess would be answered in another voice.
 */
#ifndef QV_TEXT_CHAT_H
#define QV_TEXT_CHAT_H

#include <quiver/tokenizer.h>

#include "text/pieces.h"

struct qv__chat;

struct qv__message {
    const char *role; // "system", "user" or "assistant"
    const char *text;
};

/* The template of that name. Fails with QV_ENOTFOUND, telling the names there are. */
qv_status qv__chat_named(const struct qv__chat **out, const char *name,
                         qv_err *err) QV_MUST_CHECK;

/* The template of the model at `path`: chat_template.jinja or tokenizer_config.json in a
 * directory, tokenizer.chat_template in a GGUF file. Fails with QV_ENOTFOUND if it has
 * none, as base models do, and with QV_EUNSUPPORTED if it is none of ours. */
qv_status qv__chat_of(const struct qv__chat **out, const char *path,
                      qv_err *err) QV_MUST_CHECK;

/* Adds to *out, empty before, the conversation up to where the assistant is to answer. Its
 * spans are what the messages say, in which no special token is meant. Memory running out
 * is left in *out. Fails with QV_EFORMAT if the template has no place for a message. */
qv_status qv__chat_write(struct qv__pieces *out, const struct qv__chat *chat,
                         const qv_tokenizer *tok, const struct qv__message *message,
                         size_t n, qv_err *err) QV_MUST_CHECK;

/* The token that ends a turn, or -1 if the tokenizer has none of that name. */
int qv__chat_stop(const struct qv__chat *chat, const qv_tokenizer *tok);

#endif
