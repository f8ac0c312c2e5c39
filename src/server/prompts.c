/* prompts.c - prompts and conversations as tokens. */
#include "server/server.h"
#include "text/tokenizer.h"

#include <stdlib.h>
#include <string.h>

void qv__prompts_free(struct qv_prompt *p, size_t n)
{
    for (size_t i = 0; p && i < n; i++)
        free(p[i].ids);
    free(p);
}

/* ids [n], after `first` unless that is -1. Takes ids. */
static qv_status set_ids(struct qv_prompt *p, int first, int *ids, size_t n, qv_err *err)
{
    size_t more = first >= 0;
    p->n = n + more;
    p->ids = malloc(qv__max(p->n, 1) * sizeof *p->ids);
    if (p->ids && more)
        p->ids[0] = first;
    if (p->ids && n)
        memcpy(p->ids + more, ids, n * sizeof *ids);
    free(ids);
    return p->ids ? QV_OK
                  : qv_fail(err, QV_ENOMEM, "no memory for a prompt of %zu tokens", p->n);
}

static qv_status read_text(struct qv_prompt *p, const struct qv_server *s, const json_t *v,
                           bool is_bare, qv_err *err)
{
    int *ids;
    size_t n;
    p->text = json_string_value(v);
    qv_status result =
        qv_tokenizer_encode(s->tok, p->text, json_string_length(v), false, &ids, &n, err);
    if (result)
        return result;
    int first = !is_bare && qv_tokenizer_adds_bos(s->tok) ? qv_tokenizer_bos(s->tok) : -1;
    if (!is_bare && n == 0 && first < 0)
        first = qv_tokenizer_eos(s->tok); // nothing to go on: a new document
    return set_ids(p, first, ids, n, err);
}

static qv_status read_ids(struct qv_prompt *p, const struct qv_server *s, const json_t *v,
                          const char *name, qv_err *err)
{
    size_t i, V = qv_model_vocabulary(s->m), n = json_array_size(v);
    json_t *one;
    p->ids = malloc(qv__max(n, 1) * sizeof *p->ids);
    if (!p->ids)
        return qv_fail(err, QV_ENOMEM, "no memory for a prompt of %zu tokens", n);
    json_array_foreach(v, i, one)
    {
        json_int_t id = json_integer_value(one);
        if (!json_is_integer(one) || id < 0 || (uint64_t)id >= V)
            return qv_fail(err, QV_EFORMAT,
                           "'%s': token %zu is not a whole number below %zu", name, i, V);
        p->ids[i] = (int)id;
    }
    p->n = n;
    return QV_OK;
}

/* One prompt; a list's items must all be of the first one's kind. */
static qv_status read_one(struct qv_prompt *p, const struct qv_server *s, const json_t *v,
                          const char *name, bool is_bare, qv_err *err)
{
    qv_status result = QV_OK;
    if (json_is_string(v))
        result = read_text(p, s, v, is_bare, err);
    else if (json_is_array(v))
        result = read_ids(p, s, v, name, err);
    else
        result = qv_fail(err, QV_EFORMAT, "'%s' is not text or tokens", name);
    if (!result && p->n == 0 && !is_bare)
        result = qv_fail(err, QV_EFORMAT, "'%s' has no token", name);
    return result;
}

qv_status qv__prompts_read(struct qv_prompt **out, size_t *n, const struct qv_server *s,
                           const json_t *value, const char *name, bool is_bare, qv_err *err)
{
    const json_t *first = json_array_get(value, 0);
    bool is_list = json_is_string(first) || json_is_array(first);
    *out = NULL;
    *n = 0;
    if (!value)
        return qv_fail(err, QV_EFORMAT, "'%s' is missing", name);
    size_t count = is_list ? json_array_size(value) : 1;
    *out = calloc(count, sizeof **out);
    if (!*out)
        return qv_fail(err, QV_ENOMEM, "no memory for %zu prompts", count);
    *n = count;
    qv_status result = QV_OK;
    for (size_t i = 0; i < count && !result; i++)
        result = read_one(&(*out)[i], s, is_list ? json_array_get(value, i) : value, name,
                          is_bare, err);
    return result;
}

/* A message's text: a string, or parts of which each is a text. *joined owns it. */
static qv_status read_content(const char **text, struct qv__str *joined, const json_t *v,
                              size_t at, qv_err *err)
{
    size_t i;
    json_t *part;
    *text = json_string_value(v);
    if (*text)
        return QV_OK;
    if (!json_is_array(v))
        return qv_fail(err, QV_EFORMAT, "message %zu has no text", at);
    json_array_foreach(v, i, part)
    {
        const char *one = json_string_value(json_object_get(part, "text"));
        if (!one)
            return qv_fail(err, QV_EUNSUPPORTED, "message %zu: part %zu is not a text", at,
                           i);
        qv__str_add(joined, one, strlen(one));
    }
    qv__str_add(joined, "", 1);
    *text = joined->bytes;
    return joined->failed ? qv_fail(err, QV_ENOMEM, "no memory for a message") : QV_OK;
}

static qv_status encode(struct qv_prompt *p, const struct qv_server *s,
                        const struct qv__message *message, size_t n, qv_err *err)
{
    struct qv__pieces marked = {0};
    qv_status result = qv__chat_write(&marked, s->chat, s->tok, message, n, err);
    if (!result && qv__pieces_failed(&marked))
        result = qv_fail(err, QV_ENOMEM, "no memory for a conversation");
    if (!result)
        result = qv__tokenizer_encode_marked(s->tok, &marked, &p->ids, &p->n, err);
    if (!result && p->n == 0)
        result = qv_fail(err, QV_EFORMAT, "the conversation has no token");
    qv__pieces_free(&marked);
    return result;
}

qv_status qv__prompts_of_chat(struct qv_prompt **out, size_t *n, const struct qv_server *s,
                              const json_t *messages, qv_err *err)
{
    size_t n_messages = json_array_size(messages);
    *out = NULL;
    *n = 0;
    if (!s->chat)
        return qv_fail(err, QV_EUNSUPPORTED,
                       "the model has no chat template that is known here, and the server "
                       "was not told one");
    if (n_messages == 0)
        return qv_fail(err, QV_EFORMAT, "'messages' is not a list of messages");
    struct qv__message *message = calloc(n_messages, sizeof *message);
    struct qv__str *joined = calloc(n_messages, sizeof *joined);
    *out = calloc(1, sizeof **out);
    qv_status result = QV_OK;
    if (!message || !joined || !*out)
        result = qv_fail(err, QV_ENOMEM, "no memory for %zu messages", n_messages);
    *n = *out != NULL;
    for (size_t i = 0; i < n_messages && !result; i++) {
        const json_t *one = json_array_get(messages, i);
        const char *role = json_string_value(json_object_get(one, "role"));
        if (!role)
            result = qv_fail(err, QV_EFORMAT, "message %zu has no role", i);
        else
            result = read_content(&message[i].text, &joined[i],
                                  json_object_get(one, "content"), i, err);
        message[i].role = role && strcmp(role, "developer") == 0 ? "system" : role;
    }
    if (!result)
        result = encode(*out, s, message, n_messages, err);
    for (size_t i = 0; joined && i < n_messages; i++)
        qv__str_free(&joined[i]);
    free(joined);
    free(message);
    return result;
}
