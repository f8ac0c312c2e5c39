/* chat_find.c - a model's own chat template, and which of ours it is. Sources that differ
 * in how a newline is written, or in newlines at their end, are the same. */
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "format/gguf.h"
#include "text/chat_table.h"

#include <string.h>

enum { FILE_MAX = 16 << 20 };

/* The hash by which a source is known, from its plain form. */
static void hash_source(char hex[QV_HASH_TEXT], const char *source)
{
    qv_arena a = {0};
    char *plain = qv__arena_str(&a, source);
    size_t n = 0;
    for (const char *at = source; *at; at++) {
        bool newline = at[0] == '\\' && at[1] == 'n';
        plain[n++] = newline ? '\n' : *at;
        at += newline;
    }
    while (n && plain[n - 1] == '\n')
        n--;
    qv__hash_bytes(hex, plain, n);
    qv__arena_free(&a);
}

/* Which of ours the source is that the model at `path` has; NULL: it has none. */
static qv_status identify(const struct qv__chat **out, const char *source, const char *path,
                          qv_err *err)
{
    char hex[QV_HASH_TEXT];
    if (!source)
        return qv_fail(err, QV_ENOTFOUND,
                       "%s: has no chat template, as base models have none: name one",
                       path);
    hash_source(hex, source);
    for (size_t i = 0; i < qv__n_chats; i++)
        if (strncmp(hex, qv__chats[i].hash, strlen(qv__chats[i].hash)) == 0)
            *out = &qv__chats[i];
    return *out ? QV_OK
                : qv_fail(err, QV_EUNSUPPORTED,
                          "chat template %.16s of %zu bytes, beginning '%.40s', is not "
                          "known: name one that is like it",
                          hex, strlen(source), source);
}

/* "chat_template" is a text, or a list of named ones among which is "default". */
static const char *template_of(const json_t *v)
{
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *one = json_array_get(v, i);
        const char *name = json_string_value(json_object_get(one, "name"));
        if (name && strcmp(name, "default") == 0)
            return json_string_value(json_object_get(one, "template"));
    }
    return json_string_value(v);
}

static qv_status of_directory(const struct qv__chat **out, qv_arena *a, const char *dir,
                              qv_err *err)
{
    const char *alone = qv__arena_fmt(a, "%s/chat_template.jinja", dir);
    const char *config = qv__arena_fmt(a, "%s/tokenizer_config.json", dir);
    char *text;
    size_t size;
    if (qv__is_file(alone)) {
        qv_status result = qv__read_file(&text, &size, a, alone, FILE_MAX, err);
        return result ? result : identify(out, text, dir, err);
    }
    if (!qv__is_file(config))
        return identify(out, NULL, dir, err);
    json_t *root;
    qv_status result = qv__json_read(&root, config, FILE_MAX, err);
    if (result)
        return result;
    const char *source = template_of(json_object_get(root, "chat_template"));
    result = identify(out, source, dir, err);
    json_decref(root);
    return result;
}

static qv_status of_gguf(const struct qv__chat **out, const char *path, qv_err *err)
{
    struct qv_gguf g;
    const char *source = NULL;
    qv_status result = qv__gguf_open(&g, path, err);
    if (result)
        return result;
    result = qv__gguf_str(&g, "tokenizer.chat_template", &source, err);
    if (!result)
        result = identify(out, source, path, err);
    qv__gguf_close(&g);
    return result;
}

qv_status qv__chat_of(const struct qv__chat **out, const char *path, qv_err *err)
{
    *out = NULL;
    qv_arena a = {0};
    qv_status result =
        qv__is_dir(path) ? of_directory(out, &a, path, err) : of_gguf(out, path, err);
    qv__arena_free(&a);
    return result;
}
