/* chat.c - a prompt as a turn of a conversation: --chat, --system and --messages. */
#include "cli/cli.h"
#include "text/chat.h"
#include "text/tokenizer.h"

enum { KEY_CHAT = 512, KEY_SYSTEM, KEY_MESSAGES, MESSAGES_MAX = 64 << 20 };

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct qv_talk *t = state->input;
    switch (key) {
    case KEY_CHAT:
        t->is_on = true;
        t->name = arg;
        break;
    case KEY_SYSTEM:
        t->system = arg;
        break;
    case KEY_MESSAGES:
        t->messages = arg;
        break;
    case ARGP_KEY_END:
        if (!t->is_on && (t->system || t->messages))
            argp_error(state, "--system and --messages need --chat");
        else if (t->system && t->messages)
            argp_error(state, "--messages has the system's message: no --system");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp_option options[] = {
    {"chat", KEY_CHAT, "NAME", OPTION_ARG_OPTIONAL,
     "The prompt is a user's turn, written by the model's chat template, or by NAME's", 0},
    {"system", KEY_SYSTEM, "T", 0, "What the system says before it", 0},
    {"messages", KEY_MESSAGES, "FILE", 0,
     "Instead of a prompt, a conversation: [{\"role\":...,\"content\":...}, ...]", 0},
    {0},
};
const struct argp qv__talk_argp = {.options = options, .parser = parse};

/* The messages of a file; they borrow from *root, which the caller ends. */
static qv_status read_messages(struct qv__message **out, size_t *n, json_t **root,
                               qv_arena *a, const char *path, qv_err *err)
{
    qv_status result = qv__json_read(root, path, MESSAGES_MAX, err);
    if (result)
        return result;
    if (!json_is_array(*root))
        return qv_fail(err, QV_EFORMAT, "%s: not a list of messages", path);
    *n = json_array_size(*root);
    *out = qv_new_n(a, struct qv__message, *n);
    for (size_t i = 0; i < *n; i++) {
        const json_t *one = json_array_get(*root, i);
        const char *role = json_string_value(json_object_get(one, "role"));
        const char *text = json_string_value(json_object_get(one, "content"));
        if (!role || !text)
            return qv_fail(err, QV_EFORMAT,
                           "%s: message %zu is not a role and a content, both text", path,
                           i);
        (*out)[i] = (struct qv__message){role, text};
    }
    return QV_OK;
}

static qv_status encode(int **ids, size_t *n_ids, const struct qv__chat *chat,
                        const qv_tokenizer *tok, const struct qv__message *message,
                        size_t n, qv_err *err)
{
    struct qv__pieces marked = {0};
    qv_status result = qv__chat_write(&marked, chat, tok, message, n, err);
    if (!result && qv__pieces_failed(&marked))
        result = qv_fail(err, QV_ENOMEM, "no memory for a conversation");
    if (!result)
        result = qv__tokenizer_encode_marked(tok, &marked, ids, n_ids, err);
    qv__pieces_free(&marked);
    return result;
}

qv_status qv__talk_ids(int **ids, size_t *n, int *stop, const struct qv_talk *t,
                       const char *model, const qv_tokenizer *tok, const char *prompt,
                       qv_err *err)
{
    const struct qv__chat *chat;
    struct qv__message one[2] = {{"system", t->system}, {"user", prompt}};
    struct qv__message *message = t->system ? one : one + 1;
    size_t n_messages = t->system ? 2 : 1;
    json_t *root = NULL;
    qv_arena a = {0};
    qv_status result =
        t->name ? qv__chat_named(&chat, t->name, err) : qv__chat_of(&chat, model, err);
    if (!result && t->messages)
        result = read_messages(&message, &n_messages, &root, &a, t->messages, err);
    if (!result)
        result = encode(ids, n, chat, tok, message, n_messages, err);
    if (!result)
        *stop = qv__chat_stop(chat, tok);
    json_decref(root);
    qv__arena_free(&a);
    return result;
}
