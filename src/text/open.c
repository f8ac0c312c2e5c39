/* open.c - finding the files of a tokenizer, and what tokenizer_config.json says.
 *
 * A GGUF file has its tokenizer among its values. In a directory tokenizer.json is
 * preferred, then tokenizer.model, then GPT-2's vocab.json with merges.txt.
 */
#include "base/file.h"
#include "text/gguf_tokenizer.h"
#include "text/tokenizer.h"

enum { FILE_MAX = 256 << 20 };

typedef qv_status (*parse_fn)(qv_tokenizer **out, const char *bytes, size_t size,
                              qv_err *err);

static qv_status map_file(struct qv_map *map, const char *path, qv_err *err)
{
    qv_status result = qv__map(map, path, err);
    if (result || map->size <= FILE_MAX)
        return result;
    size_t size = map->size;
    qv__unmap(map);
    return qv_fail(err, QV_ELIMIT, "%s: %zu bytes, more than the limit of %d", path, size,
                   FILE_MAX);
}

static qv_status open_one(qv_tokenizer **out, const char *path, parse_fn parse, qv_err *err)
{
    struct qv_map map;
    qv_status result = map_file(&map, path, err);
    if (result)
        return result;
    result = parse(out, map.bytes, map.size, err);
    qv__unmap(&map);
    return result ? qv_wrap(err, result, "%s: ", path) : QV_OK;
}

static qv_status open_gguf(qv_tokenizer **out, const char *path, qv_err *err)
{
    struct qv_gguf g;
    qv_status result = qv__gguf_open(&g, path, err);
    if (result)
        return result;
    result = qv__tokenizer_from_gguf(out, &g, err);
    if (!result && !*out)
        result = qv_fail(err, QV_ENOTFOUND, "holds no tokenizer");
    qv__gguf_close(&g);
    return result ? qv_wrap(err, result, "%s: ", path) : QV_OK;
}

/* A token that the configuration names: "x", {"content": "x"}, or null for none.
 * Leaves *id alone if `key` is absent. */
static qv_status read_end(int *id, const qv_tokenizer *tok, const json_t *config,
                          const char *key, qv_err *err)
{
    const json_t *v = json_object_get(config, key);
    if (!v)
        return QV_OK;
    const json_t *text = json_is_object(v) ? json_object_get(v, "content") : v;
    if (json_is_null(v)) {
        *id = -1;
        return QV_OK;
    }
    if (!json_is_string(text))
        return qv_fail(err, QV_EFORMAT, "'%s' is neither a string nor an added token", key);
    *id = qv_tokenizer_find(tok, json_string_value(text));
    return *id >= 0 ? QV_OK
                    : qv_fail(err, QV_EFORMAT, "%s '%.60s' is not in the vocabulary", key,
                              json_string_value(text));
}

static qv_status read_config(qv_tokenizer *tok, const char *path, qv_err *err)
{
    json_t *config;
    qv_status result = qv__json_read(&config, path, FILE_MAX, err);
    if (result)
        return result;
    result = read_end(&tok->bos, tok, config, "bos_token", err);
    if (!result)
        result = read_end(&tok->eos, tok, config, "eos_token", err);
    if (!result)
        result = qv__json_bool(config, "add_bos_token", &tok->adds_bos, err);
    tok->adds_bos = tok->adds_bos && tok->bos >= 0;
    json_decref(config);
    return result ? qv_wrap(err, result, "%s: ", path) : QV_OK;
}

static qv_status open_dir(qv_tokenizer **out, qv_arena *a, const char *dir, qv_err *err)
{
    const char *json = qv__arena_fmt(a, "%s/tokenizer.json", dir);
    const char *model = qv__arena_fmt(a, "%s/tokenizer.model", dir);
    const char *vocab = qv__arena_fmt(a, "%s/vocab.json", dir);
    const char *merges = qv__arena_fmt(a, "%s/merges.txt", dir);
    const char *config = qv__arena_fmt(a, "%s/tokenizer_config.json", dir);
    qv_status result;
    if (qv__is_file(json))
        result = open_one(out, json, qv__tokenizer_parse_json, err);
    else if (qv__is_file(model))
        result = open_one(out, model, qv__tokenizer_parse_spm, err);
    else if (qv__is_file(vocab) && qv__is_file(merges))
        result = qv__tokenizer_open_gpt2(out, dir, err);
    else
        result = qv_fail(err, QV_ENOTFOUND,
                         "%s: has no tokenizer.json, tokenizer.model or vocab.json with "
                         "merges.txt",
                         dir);
    if (!result && qv__is_file(config))
        result = read_config(*out, config, err);
    return result;
}

qv_status qv_tokenizer_open(qv_tokenizer **out, const char *path, qv_err *err)
{
    *out = NULL;
    qv_arena a = {0};
    qv_status result;
    if (qv__is_dir(path))
        result = open_dir(out, &a, path, err);
    else if (qv__ends_with(path, ".gguf"))
        result = open_gguf(out, path, err);
    else if (qv__ends_with(path, ".json"))
        result = open_one(out, path, qv__tokenizer_parse_json, err);
    else
        result = open_one(out, path, qv__tokenizer_parse_spm, err);
    qv__arena_free(&a);
    if (result) {
        qv_tokenizer_close(*out);
        *out = NULL;
    }
    return result;
}
