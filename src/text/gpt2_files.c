/* gpt2_files.c - GPT-2's layout: vocab.json with merges.txt, and around them
 * added_tokens.json, special_tokens_map.json and tokenizer_config.json, if they are there.
 *
 * None of these files says how text is cut, so the class that tokenizer_config.json names
 * decides; a class that is not in the table is refused. All of it becomes what a
 * tokenizer.json would say, and is read as that.
 */
#include "base/file.h"
#include "text/gguf_pre.h"
#include "text/tokenizer.h"

#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 256 << 20 };

/* The classes of this layout, and the name that their way of cutting has in GGUF. */
static const struct {
    const char *class_name, *pre;
} classes[] = {
    {"GPT2Tokenizer", "gpt-2"},
    {"CodeGenTokenizer", "gpt-2"},
    {"Qwen2Tokenizer", "qwen2"},
};

/* What a directory holds; all but the vocabulary may be missing, which is NULL. */
struct files {
    json_t *vocab, *added, *specials, *config;
    json_t *root;  // the tokenizer.json to be
    json_t *found; // borrowed from root: its added tokens
    json_t *seen;  // their texts
};

static qv_status read_json(json_t **out, const char *dir, const char *name, qv_err *err)
{
    qv_arena a = {0};
    const char *path = qv__arena_fmt(&a, "%s/%s", dir, name);
    qv_status result = QV_OK;
    if (qv__is_file(path))
        result = qv__json_read(out, path, FILE_MAX, err);
    if (!result && *out && !json_is_object(*out))
        result = qv_fail(err, QV_EFORMAT, "%s: not an object", path);
    qv__arena_free(&a);
    return result;
}

static qv_status read_files(struct files *f, const char *dir, qv_err *err)
{
    qv_status result;
    if ((result = read_json(&f->vocab, dir, "vocab.json", err)) ||
        (result = read_json(&f->added, dir, "added_tokens.json", err)) ||
        (result = read_json(&f->specials, dir, "special_tokens_map.json", err)) ||
        (result = read_json(&f->config, dir, "tokenizer_config.json", err)))
        return result;
    return QV_OK;
}

/* ---- added tokens ---- */

/* *token is taken. The first of one text holds. */
static void put(struct files *f, const char *text, json_t *token)
{
    if (json_object_get(f->seen, text)) {
        json_decref(token);
        return;
    }
    json_object_set_new(f->seen, text, json_true());
    json_array_append_new(f->found, token);
}

/* tokenizer_config.json's {"50257": {"content": ..., "special": ...}}. */
static qv_status put_described(struct files *f, qv_err *err)
{
    json_t *list = json_object_get(f->config, "added_tokens_decoder"), *token;
    const char *key;
    json_object_foreach(list, key, token)
    {
        const char *text = json_string_value(json_object_get(token, "content"));
        size_t digits = strspn(key, "0123456789");
        if (!text || digits == 0 || digits > 9 || key[digits])
            return qv_fail(err, QV_EFORMAT,
                           "tokenizer_config.json: added token '%.60s' is not an id and "
                           "its content",
                           key);
        json_t *copy = json_copy(token);
        json_object_set_new(copy, "id", json_integer(strtol(key, NULL, 10)));
        put(f, text, copy);
    }
    return QV_OK;
}

/* The text of "x" or of {"content": "x"}, or NULL. */
static const char *text_of(const json_t *v)
{
    return json_string_value(json_is_object(v) ? json_object_get(v, "content") : v);
}

static void put_special(struct files *f, const char *text)
{
    json_t *id = text ? json_object_get(f->vocab, text) : NULL;
    if (text && !id)
        id = json_object_get(f->added, text);
    if (id)
        put(f, text, json_pack("{s:O, s:s, s:b}", "id", id, "content", text, "special", 1));
}

static void put_specials(struct files *f, json_t *names)
{
    static const char *const keys[] = {"bos_token", "eos_token", "unk_token", "pad_token"};
    for (size_t i = 0; i < QV_COUNT(keys); i++)
        put_special(f, text_of(json_object_get(names, keys[i])));
    const json_t *more = json_object_get(names, "additional_special_tokens");
    for (size_t i = 0; i < json_array_size(more); i++)
        put_special(f, text_of(json_array_get(more, i)));
}

static qv_status put_added(struct files *f, qv_err *err)
{
    qv_status result = put_described(f, err);
    if (result)
        return result;
    put_specials(f, f->config);
    put_specials(f, f->specials);
    put_special(f, "<|endoftext|>");
    const char *text;
    json_t *id;
    json_object_foreach(f->added, text, id) put(
        f, text, json_pack("{s:O, s:s, s:b}", "id", id, "content", text, "normalized", 1));
    return QV_OK;
}

/* ---- merges ---- */

/* The lines "a b" of merges.txt, after a "#version" line. */
static qv_status put_merges(json_t *list, const char *text, size_t size, qv_err *err)
{
    for (size_t line = 1, at = 0; at < size; line++) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t n = end ? (size_t)(end - text) - at : size - at;
        size_t shown = n && text[at + n - 1] == '\r' ? n - 1 : n;
        const char *space = memchr(text + at, ' ', shown);
        bool is_version = line == 1 && shown >= 8 && !memcmp(text + at, "#version", 8);
        if (shown && !is_version) {
            size_t left = space ? (size_t)(space - text) - at : shown;
            if (!space || memchr(space + 1, ' ', shown - left - 1))
                return qv_fail(err, QV_EFORMAT, "line %zu is not two tokens", line);
            if (json_array_append_new(list, json_stringn(text + at, shown)))
                return qv_fail(err, QV_EFORMAT, "line %zu is not UTF-8", line);
        }
        at += n + 1;
    }
    return QV_OK;
}

static qv_status read_merges(struct files *f, const char *dir, qv_err *err)
{
    struct qv_map map;
    qv_arena a = {0};
    json_t *list = json_object_get(json_object_get(f->root, "model"), "merges");
    qv_status result = qv__map(&map, qv__arena_fmt(&a, "%s/merges.txt", dir), err);
    qv__arena_free(&a);
    if (result)
        return result;
    result = put_merges(list, map.bytes, map.size, err);
    qv__unmap(&map);
    return result ? qv_wrap(err, result, "%s/merges.txt: ", dir) : QV_OK;
}

/* ---- all of it ---- */

static qv_status find_pre(const struct qv_gguf_pre **out, const json_t *config, qv_err *err)
{
    const char *name = json_string_value(json_object_get(config, "tokenizer_class"));
    *out = qv__gguf_pre("gpt-2");
    if (!name)
        return QV_OK;
    size_t n = strlen(name);
    if (n > 4 && strcmp(name + n - 4, "Fast") == 0)
        n -= 4;
    for (size_t i = 0; i < QV_COUNT(classes); i++) {
        if (strlen(classes[i].class_name) != n || memcmp(classes[i].class_name, name, n))
            continue;
        *out = qv__gguf_pre(classes[i].pre);
        return QV_OK;
    }
    return qv_fail(
        err, QV_EUNSUPPORTED,
        "tokenizer_class '%.60s' with vocab.json and merges.txt is not supported", name);
}

static qv_status put_root(struct files *f, qv_err *err)
{
    const struct qv_gguf_pre *pre;
    bool prefix = false;
    qv_status result = find_pre(&pre, f->config, err);
    if (!result)
        result = qv__json_bool(f->config, "add_prefix_space", &prefix, err);
    if (result)
        return result;
    json_t *cut = json_loads(pre->pre_tokenizer, 0, NULL);
    if (prefix)
        json_object_set_new(cut, "add_prefix_space", json_true());
    f->found = json_array();
    f->seen = json_object();
    f->root = json_pack("{s:{s:O, s:[]}, s:o, s:o, s:o, s:{s:s}}", "model", "vocab",
                        f->vocab, "merges", "added_tokens", f->found, "pre_tokenizer", cut,
                        "normalizer", json_loads(pre->normalizer, JSON_DECODE_ANY, NULL),
                        "decoder", "type", "ByteLevel");
    return put_added(f, err);
}

qv_status qv__tokenizer_open_gpt2(qv_tokenizer **out, const char *dir, qv_err *err)
{
    struct files f = {0};
    *out = NULL;
    qv_status result = read_files(&f, dir, err);
    if (!result) {
        result = put_root(&f, err);
        if (result)
            result = qv_wrap(err, result, "%s: ", dir);
    }
    if (!result)
        result = read_merges(&f, dir, err);
    if (!result) {
        result = qv__tokenizer_of_json(out, f.root, err);
        if (result)
            result = qv_wrap(err, result, "%s: ", dir);
    }
    json_decref(f.root);
    json_decref(f.seen);
    json_decref(f.vocab);
    json_decref(f.added);
    json_decref(f.specials);
    json_decref(f.config);
    return result;
}
