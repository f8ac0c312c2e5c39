/* window.c - see window.h. */
#include "data/window.h"
#include "base/arena.h"
#include "base/file.h"
#include "base/json.h"
#include "base/rng.h"

#include <stdlib.h>
#include <string.h>

static qv_status make_room(struct qv_corpus *c, size_t more, qv_err *err)
{
    if (c->room - c->n >= more)
        return QV_OK;
    size_t width = c->narrow ? sizeof(uint16_t) : sizeof(uint32_t);
    size_t room = qv__max(c->n + more, c->room + c->room / 2);
    void *ids = room < SIZE_MAX / width ? realloc(c->ids, room * width) : NULL;
    if (!ids)
        return qv_fail(err, QV_ENOMEM, "no memory for %zu tokens", room);
    c->ids = ids;
    c->room = room;
    return QV_OK;
}

static void put(struct qv_corpus *c, int id)
{
    if (c->narrow)
        ((uint16_t *)c->ids)[c->n++] = (uint16_t)id;
    else
        ((uint32_t *)c->ids)[c->n++] = (uint32_t)id;
}

static qv_status add_document(struct qv_corpus *c, const qv_tokenizer *tok,
                              const char *text, size_t size, qv_err *err)
{
    int *ids = NULL;
    size_t n;
    qv_status result = qv_tokenizer_encode(tok, text, size, false, &ids, &n, err);
    if (!result)
        result = make_room(c, n + 1, err);
    for (size_t i = 0; !result && i < n; i++)
        put(c, ids[i]);
    free(ids);
    if (result)
        return result;
    put(c, qv_tokenizer_eos(tok));
    c->n_documents++;
    for (size_t i = 0; i < size; i++)
        c->n_characters += ((unsigned char)text[i] & 0xC0) != 0x80;
    return QV_OK;
}

/* The document that a line holds, in `a`. */
static qv_status read_document(char **text, qv_arena *a, const json_t *line,
                               bool completions, qv_err *err)
{
    const char *prompt = NULL, *completion = "";
    qv_status result = qv__json_str(line, "text", &prompt, err);
    bool is_text = prompt;
    if (!result && !is_text)
        result = qv__json_str(line, "prompt", &prompt, err);
    if (!result && !is_text && completions)
        result = qv__json_str(line, "completion", &completion, err);
    if (!result && !prompt)
        result = qv_fail(err, QV_EFORMAT, "no 'text' and no 'prompt'");
    if (!result)
        *text = qv__arena_fmt(a, "%s%s", prompt, completion);
    return result;
}

static qv_status add_line(struct qv_corpus *c, const qv_tokenizer *tok, const char *line,
                          size_t n, bool completions, qv_err *err)
{
    json_t *value;
    qv_arena a = {0};
    char *text;
    qv_status result = qv__json_parse(&value, line, n, err);
    if (!result)
        result = read_document(&text, &a, value, completions, err);
    if (!result)
        result = add_document(c, tok, text, strlen(text), err);
    json_decref(value);
    qv__arena_free(&a);
    return result;
}

/* Says how far reading has come, now and then; QV_ECANCEL if it should stop. */
static qv_status report(const struct qv_corpus_opts *opts, const char *path, size_t done,
                        size_t size, qv_err *err)
{
    const qv_progress *p = &opts->progress;
    if (p->fn && p->fn(p->arg, "tokenise", (double)done, (double)size, qv__base_name(path)))
        return qv_fail(err, QV_ECANCEL, "%s: stopped at byte %zu of %zu", path, done, size);
    return QV_OK;
}

static qv_status add_lines(struct qv_corpus *c, const qv_tokenizer *tok, const char *path,
                           const struct qv_map *map, const struct qv_corpus_opts *opts,
                           qv_err *err)
{
    enum { REPORT_EVERY = 1 << 20 };
    const char *at = map->bytes, *end = at + map->size, *reported = at;
    for (size_t line = 1; at < end; line++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline ? newline : end, *last = stop;
        while (last > at && (last[-1] == '\r' || last[-1] == ' ' || last[-1] == '\t'))
            last--;
        qv_status result = QV_OK;
        if (last > at)
            result = add_line(c, tok, at, (size_t)(last - at), opts->completions, err);
        if (result)
            return qv_wrap(err, result, "%s: line %zu: ", path, line);
        at = newline ? newline + 1 : end;
        if (at - reported < REPORT_EVERY && at < end)
            continue;
        reported = at;
        result = report(opts, path, (size_t)(at - map->bytes), map->size, err);
        if (result)
            return result;
    }
    return QV_OK;
}

static qv_status add_file(struct qv_corpus *c, const qv_tokenizer *tok, const char *path,
                          const struct qv_corpus_opts *opts, qv_err *err)
{
    struct qv_map map;
    const char *dot = strrchr(path, '.');
    bool lines = dot && strcmp(dot, ".jsonl") == 0;
    if (!lines && !(dot && strcmp(dot, ".txt") == 0))
        return qv_fail(err, QV_EUNSUPPORTED, "%s: neither .txt nor .jsonl", path);
    qv_status result = qv__map(&map, path, err);
    if (result)
        return result;
    if (map.size && lines) {
        result = add_lines(c, tok, path, &map, opts, err);
    } else if (map.size) {
        result = add_document(c, tok, map.bytes, map.size, err);
        if (result)
            result = qv_wrap(err, result, "%s: ", path);
        else
            result = report(opts, path, map.size, map.size, err);
    }
    qv__unmap(&map);
    return result;
}

qv_status qv__corpus_read(struct qv_corpus *out, const char *const *paths, size_t n_paths,
                          const qv_tokenizer *tok, const struct qv_corpus_opts *opts,
                          qv_err *err)
{
    static const struct qv_corpus_opts defaults = {0};
    if (!opts)
        opts = &defaults;
    *out = (struct qv_corpus){.narrow = qv_tokenizer_size(tok) <= 65536};
    if (qv_tokenizer_eos(tok) < 0)
        return qv_fail(err, QV_EUNSUPPORTED, "the tokenizer has no token that ends a text");
    qv_status result = QV_OK;
    for (size_t i = 0; !result && i < n_paths; i++)
        result = add_file(out, tok, paths[i], opts, err);
    if (result)
        qv__corpus_end(out);
    return result;
}

void qv__corpus_end(struct qv_corpus *c)
{
    free(c->ids);
    *c = (struct qv_corpus){0};
}

void qv__corpus_copy(int *ids, const struct qv_corpus *c, size_t start, size_t T)
{
    qv_check(start <= c->n && T <= c->n - start);
    if (c->narrow)
        for (size_t i = 0; i < T; i++)
            ids[i] = ((const uint16_t *)c->ids)[start + i];
    else
        for (size_t i = 0; i < T; i++)
            ids[i] = (int)((const uint32_t *)c->ids)[start + i];
}

size_t qv__corpus_window(const struct qv_corpus *c, size_t T, uint64_t seed, size_t step,
                         size_t i)
{
    qv_check(T <= c->n);
    return qv__below(qv__seed_of(seed, step), i, c->n - T + 1);
}
