/* chat.c - see chat.h: the table of templates, and writing a conversation by one. Finding
 * a model's own is in chat_find.c. */
#include "text/chat.h"
#include "text/chat_table.h"
#include "text/classes.h"
#include "text/utf8.h"

#include <string.h>

#define BOS "\x01"
#define EOS "\x02"

/* The day is the one that the templates name where they are told none: the same text is the
 * same prompt tomorrow. */
#define LLAMA_DATES "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"

/* What templates of a family have in common: all that stands around the turns. */
#define CHATML                                                                             \
    .system = {"<|im_start|>system\n", "<|im_end|>\n"},                                    \
    .user = {"<|im_start|>user\n", "<|im_end|>\n"},                                        \
    .assistant = {"<|im_start|>assistant\n", "<|im_end|>\n"},                              \
    .reply = "<|im_start|>assistant\n", .stop = "<|im_end|>"
#define LLAMA3                                                                             \
    .begin = BOS,                                                                          \
    .system = {"<|start_header_id|>system<|end_header_id|>\n\n", "<|eot_id|>"},            \
    .user = {"<|start_header_id|>user<|end_header_id|>\n\n", "<|eot_id|>"},                \
    .assistant = {"<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>"},      \
    .reply = "<|start_header_id|>assistant<|end_header_id|>\n\n", .stop = "<|eot_id|>",    \
    .trims_user = true, .trims_assistant = true

const struct qv__chat qv__chats[] = {
    {
        .name = "chatml",
        .hash = "153280e3ff55d19d",
        CHATML,
    },
    {
        .name = "qwen2",
        .hash = "793202280c0910ab",
        CHATML,
        .otherwise = "You are a helpful assistant.",
    },
    {
        .name = "qwen2.5",
        .hash = "a18cc698dd45623e",
        CHATML,
        .otherwise = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
    },
    {
        .name = "qwen3",
        .hash = "edcd73b0e30a780c",
        CHATML,
        .thought = "</think>",
    },
    {
        .name = "qwen3-2025-04", // as first published
        .hash = "2df317a15cbc983d",
        CHATML,
        .thought = "</think>",
    },
    {
        .name = "qwen3-2507", // the models that answer at once
        .hash = "aa39eed4cbfdd57a",
        CHATML,
    },
    {
        .name = "llama2",
        .hash = "9780fae5bfea3cfd",
        .system = {"<<SYS>>\n", "\n<</SYS>>\n\n"},
        .user = {BOS "[INST] ", " [/INST]"},
        .assistant = {" ", " " EOS},
        .reply = "",
        .stop = EOS,
        .place = QV__IN_FIRST,
        .trims_user = true,
        .trims_assistant = true,
    },
    {
        .name = "llama3",
        .hash = "ba03a121d097859c",
        LLAMA3,
    },
    {
        .name = "llama3.1", // and 3.3
        .hash = "99799a835a31e1d3",
        LLAMA3,
        .otherwise = "",
        .preface = LLAMA_DATES,
    },
    {
        .name = "llama3.2", // which asks for the day, if it can
        .hash = "0cac23ffd2b33ff7",
        LLAMA3,
        .otherwise = "",
        .preface = LLAMA_DATES,
    },
    {
        .name = "mistral-v1",
        .hash = "1c6594f8393552ef",
        .begin = BOS,
        .system = {"", "\n\n"},
        .user = {" [INST] ", " [/INST]"},
        .assistant = {" ", EOS},
        .reply = "",
        .stop = EOS,
        .place = QV__IN_FIRST,
    },
    {
        .name = "mistral-v1-2023", // as first published, without spaces around a turn
        .hash = "26a59556925c9873",
        .begin = BOS,
        .user = {"[INST] ", " [/INST]"},
        .assistant = {"", EOS},
        .reply = "",
        .stop = EOS,
        .place = QV__NOWHERE,
    },
    {
        .name = "mistral-v3",
        .hash = "9074ed36d7503f0f",
        .begin = BOS,
        .system = {"", "\n\n"},
        .user = {"[INST] ", "[/INST]"},
        .assistant = {" ", EOS},
        .reply = "",
        .stop = EOS,
        .place = QV__IN_LAST,
        .trims_assistant = true,
    },
    {
        .name = "phi3",
        .hash = "dcaee66df77bfbb7",
        .system = {"<|system|>\n", "<|end|>\n"},
        .user = {"<|user|>\n", "<|end|>\n"},
        .assistant = {"<|assistant|>\n", "<|end|>\n"},
        .reply = "<|assistant|>\n",
        .stop = "<|end|>",
    },
    {
        .name = "phi3-small",
        .hash = "b0e53f5e7bae6fdb",
        .begin = BOS,
        .system = {"<|system|>\n", "<|end|>\n"},
        .user = {"<|user|>\n", "<|end|>\n"},
        .assistant = {"<|assistant|>\n", "<|end|>\n"},
        .reply = "<|assistant|>\n",
        .stop = "<|end|>",
    },
    {
        .name = "zephyr",
        .hash = "66291cf0045c2425",
        .system = {"<|system|>\n", EOS "\n"},
        .user = {"<|user|>\n", EOS "\n"},
        .assistant = {"<|assistant|>\n", EOS "\n"},
        .reply = "<|assistant|>\n",
        .stop = EOS,
    },
};
const size_t qv__n_chats = QV_COUNT(qv__chats);

qv_status qv__chat_named(const struct qv__chat **out, const char *name, qv_err *err)
{
    *out = NULL;
    qv_arena a = {0};
    const char *all = "";
    for (size_t i = 0; i < qv__n_chats && !*out; i++) {
        if (strcmp(qv__chats[i].name, name) == 0)
            *out = &qv__chats[i];
        all = qv__arena_fmt(&a, "%s%s%s", all, i ? ", " : "", qv__chats[i].name);
    }
    qv_status result =
        *out ? QV_OK
             : qv_fail(err, QV_ENOTFOUND, "chat template '%.40s' is none of %s", name, all);
    qv__arena_free(&a);
    return result;
}

int qv__chat_stop(const struct qv__chat *chat, const qv_tokenizer *tok)
{
    return strcmp(chat->stop, EOS) == 0 ? qv_tokenizer_eos(tok)
                                        : qv_tokenizer_find(tok, chat->stop);
}

/* ---- writing ---- */

/* Markup, in which BOS and EOS stand for the tokenizer's. */
static void put_markup(struct qv__pieces *out, const char *text, const qv_tokenizer *tok)
{
    for (; *text; text++) {
        int id = *text == *BOS   ? qv_tokenizer_bos(tok)
                 : *text == *EOS ? qv_tokenizer_eos(tok)
                                 : -1;
        const char *token = id >= 0 ? qv_tokenizer_token(tok, id) : NULL;
        if (token)
            qv__str_add(&out->text, token, strlen(token));
        else if (*text != *BOS && *text != *EOS)
            qv__str_add(&out->text, text, 1);
    }
}

/* What Python's str.strip takes off. */
static bool is_blank(const char *text)
{
    uint32_t code = qv__utf8_read(text);
    return qv__is_space(code) || (code >= 0x1c && code <= 0x1f);
}

static void put_words(struct qv__pieces *out, const char *text, size_t n, bool trims)
{
    size_t begin = 0, end = trims ? 0 : n;
    for (size_t at = 0, len; trims && at < n; at += len) {
        len = qv__utf8_valid(text + at, n - at);
        bool blank = len && is_blank(text + at);
        len = len ? len : 1;
        if (blank && end == 0)
            begin = at + len;
        if (!blank)
            end = at + len;
    }
    if (end > begin)
        qv__pieces_put(out, text + begin, end - begin);
}

static void put_turn(struct qv__pieces *out, const char *const around[2], const char *text,
                     bool trims, const qv_tokenizer *tok)
{
    put_markup(out, around[0], tok);
    put_words(out, text, strlen(text), trims);
    put_markup(out, around[1], tok);
}

/* The system's first message, or what stands for it. */
static void put_first(struct qv__pieces *out, const struct qv__chat *chat, const char *text,
                      bool trims, const qv_tokenizer *tok)
{
    put_markup(out, chat->system[0], tok);
    put_markup(out, chat->preface ? chat->preface : "", tok);
    put_words(out, text, strlen(text), trims);
    put_markup(out, chat->system[1], tok);
}

/* What the assistant said, without what it thought before that. */
static const char *aloud(const struct qv__chat *chat, const char *text)
{
    const char *said = text;
    for (const char *at = text; chat->thought && (at = strstr(at, chat->thought));)
        said = at += strlen(chat->thought);
    while (said != text && *said == '\n')
        said++;
    return said;
}

enum role { SYSTEM, USER, ASSISTANT, NONE };

static enum role role_of(const struct qv__message *m)
{
    static const char *const names[] = {"system", "user", "assistant"};
    for (size_t i = 0; i < QV_COUNT(names); i++)
        if (strcmp(m->role, names[i]) == 0)
            return (enum role)i;
    return NONE;
}

/* What is wrong with a conversation for this template, or NULL. */
static qv_status check(const struct qv__chat *chat, const struct qv__message *message,
                       size_t n, qv_err *err)
{
    size_t first = n && role_of(message) == SYSTEM;
    if (n == first || role_of(&message[n - 1]) != USER)
        return qv_fail(err, QV_EFORMAT, "the conversation does not end with a user's turn");
    if (first && chat->place == QV__NOWHERE)
        return qv_fail(err, QV_EFORMAT,
                       "chat template '%s' has no place for a system message", chat->name);
    for (size_t i = first; i < n; i++) {
        enum role role = role_of(&message[i]);
        if (role == NONE)
            return qv_fail(
                err, QV_EFORMAT,
                "message %zu: role '%.40s' is none of system, user and assistant", i,
                message[i].role);
        if (chat->place != QV__OWN_TURN && role != ((i - first) % 2 ? ASSISTANT : USER))
            return qv_fail(err, QV_EFORMAT,
                           "message %zu: with chat template '%s', user and assistant take "
                           "turns after one system message",
                           i, chat->name);
    }
    return QV_OK;
}

/* A user's turn that the system's message stands in. */
static void put_both(struct qv__pieces *out, const struct qv__chat *chat,
                     const char *system, const char *text, const qv_tokenizer *tok)
{
    qv_arena a = {0};
    const char *both =
        qv__arena_fmt(&a, "%s%s%s%s", chat->system[0], system, chat->system[1], text);
    put_turn(out, chat->user, both, chat->trims_user, tok);
    qv__arena_free(&a);
}

qv_status qv__chat_write(struct qv__pieces *out, const struct qv__chat *chat,
                         const qv_tokenizer *tok, const struct qv__message *message,
                         size_t n, qv_err *err)
{
    qv_status result = check(chat, message, n, err);
    if (result)
        return result;
    bool apart = chat->place == QV__OWN_TURN;
    const char *system = role_of(message) == SYSTEM ? message[0].text : NULL;
    put_markup(out, chat->begin ? chat->begin : "", tok);
    if (!system && chat->otherwise)
        put_first(out, chat, chat->otherwise, false, tok);
    for (size_t i = system && !apart ? 1 : 0; i < n; i++) {
        enum role role = role_of(&message[i]);
        size_t host = chat->place == QV__IN_FIRST ? 1 : n - 1;
        if (role == SYSTEM && i == 0)
            put_first(out, chat, message[i].text, chat->trims_user, tok);
        else if (role == SYSTEM)
            put_turn(out, chat->system, message[i].text, chat->trims_user, tok);
        else if (role == ASSISTANT)
            put_turn(out, chat->assistant, aloud(chat, message[i].text),
                     chat->trims_assistant, tok);
        else if (system && !apart && i == host)
            put_both(out, chat, system, message[i].text, tok);
        else
            put_turn(out, chat->user, message[i].text, chat->trims_user, tok);
    }
    put_markup(out, chat->reply, tok);
    return QV_OK;
}
