/* corpus.c - see corpus.h. */
#include "data/corpus.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

/* One document: a piece of a mapped file, JSON or not. */
struct document {
    const char *bytes;
    size_t size;
    bool is_json;
    const char *path;
    size_t line;
    int *token; // [n] once encoded
    size_t n;
    size_t text_bytes;
};

struct documents {
    struct document *at;
    size_t n, room;
};

static qv_status add(struct documents *d, struct document one, qv_err *err)
{
    if (d->n == d->room) {
        size_t room = d->room ? 2 * d->room : 1024;
        struct document *more = realloc(d->at, room * sizeof *more);
        if (!more)
            return qv_fail(err, QV_ENOMEM, "no memory for %zu documents", room);
        d->at = more;
        d->room = room;
    }
    d->at[d->n++] = one;
    return QV_OK;
}

static qv_status split(struct documents *d, const struct qv_map *map, const char *path,
                       qv_err *err)
{
    if (!qv__ends_with(path, ".jsonl"))
        return add(d,
                   (struct document){.bytes = map->bytes, .size = map->size, .path = path},
                   err);
    size_t line = 1;
    for (const char *at = map->bytes, *end = at + map->size; at < end; line++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop)
            stop = end;
        struct document one = {at, (size_t)(stop - at), true, path, line, NULL, 0, 0};
        qv_status result = stop > at ? add(d, one, err) : QV_OK;
        if (result)
            return result;
        at = stop + 1;
    }
    return QV_OK;
}

static qv_status encode(struct document *d, const qv_tokenizer *tok, qv_err *err)
{
    json_t *line = NULL;
    const char *text = d->bytes;
    size_t size = d->size;
    qv_status result = QV_OK;
    if (d->is_json && !(result = qv__json_parse(&line, d->bytes, d->size, err))) {
        json_t *field = json_object_get(line, "text");
        text = json_string_value(field);
        size = json_string_length(field);
        if (!text)
            result = qv_fail(err, QV_EFORMAT, "no field 'text'");
    }
    if (!result)
        result = qv_tokenizer_encode(tok, text, size, false, &d->token, &d->n, err);
    d->text_bytes = size;
    json_decref(line);
    return result ? qv_wrap(err, result, "%s:%zu: ", d->path, d->line) : QV_OK;
}

/* Documents are independent, so threads take them as they come. */
static qv_status encode_all(struct documents *d, const qv_tokenizer *tok, qv_err *err)
{
    struct qv_first first = {0};
#pragma omp parallel for schedule(dynamic, 4)
    for (size_t i = 0; i < d->n; i++) {
        qv_err own;
        if (encode(&d->at[i], tok, &own))
            qv__first_note(&first, i, &own);
    }
    return qv__first_tell(&first, err);
}

static qv_status join(struct qv_corpus *c, const struct documents *d, int eos,
                      size_t window, qv_err *err)
{
    size_t n = d->n;
    for (size_t i = 0; i < d->n; i++)
        n += d->at[i].n;
    c->n_windows = n > window ? (n - 1) / window : 0;
    if (!c->n_windows)
        return qv_fail(err, QV_EFORMAT,
                       "%zu tokens of text are less than one window of %zu", n, window);
    c->token = malloc(n * sizeof *c->token);
    c->at = calloc(c->n_windows, sizeof *c->at);
    if (!c->token || !c->at)
        return qv_fail(err, QV_ENOMEM, "no memory for %zu tokens of text", n);
    for (size_t i = 0; i < d->n; i++) {
        const struct document *one = &d->at[i];
        if (one->n)
            memcpy(c->token + c->n, one->token, one->n * sizeof *c->token);
        c->n += one->n;
        c->token[c->n++] = eos;
        c->n_bytes += one->text_bytes;
    }
    c->n_documents = d->n;
    for (size_t i = 0; i < c->n_windows; i++)
        c->at[i] = (struct qv_sequence){
            .ids = c->token + i * window, .n = window + 1, .n_prompt = 1};
    qv__hash_bytes(c->hash, c->token, c->n * sizeof *c->token);
    return QV_OK;
}

qv_status qv__corpus_read(struct qv_corpus **out, const char *const *paths, size_t n_paths,
                          const qv_tokenizer *tok, size_t window, qv_err *err)
{
    *out = NULL;
    int eos = qv_tokenizer_eos(tok);
    if (eos < 0)
        return qv_fail(err, QV_EUNSUPPORTED,
                       "the tokenizer has no EOS to end documents with");
    struct documents d = {0};
    struct qv_corpus *c = calloc(1, sizeof *c);
    struct qv_map *map = calloc(qv__max(n_paths, 1), sizeof *map);
    qv_status result = QV_OK;
    if (!c || !map)
        result = qv_fail(err, QV_ENOMEM, "no memory for %zu text files", n_paths);
    for (size_t i = 0; !result && i < n_paths; i++)
        if (!(result = qv__map(&map[i], paths[i], err)))
            result = split(&d, &map[i], paths[i], err);
    if (!result)
        result = encode_all(&d, tok, err);
    if (!result)
        result = join(c, &d, eos, window, err);
    for (size_t i = 0; i < d.n; i++)
        free(d.at[i].token);
    free(d.at);
    for (size_t i = 0; map && i < n_paths; i++)
        qv__unmap(&map[i]);
    free(map);
    if (result)
        qv__corpus_free(c);
    else
        *out = c;
    return result;
}

void qv__corpus_free(struct qv_corpus *c)
{
    if (!c)
        return;
    free(c->token);
    free(c->at);
    free(c);
}
