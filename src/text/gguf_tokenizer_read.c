/* gguf_tokenizer_read.c - see gguf_tokenizer.h. The values become what they were made
 * from, a tokenizer.json or the pieces of a SentencePiece model, and are read as that. */
#include "text/gguf_pre.h"
#include "text/gguf_tokenizer.h"

#include <string.h>

/* What both kinds have, each list as long as the first or NULL. */
struct lists {
    const struct qv_gguf_value *token, *type, *score;
    qv_arena arena;
};

static qv_status read_list(const struct qv_gguf_value **out, const struct lists *l,
                           const struct qv_gguf *g, const char *key, enum qv_gguf_kind like,
                           qv_err *err)
{
    qv_status result = qv__gguf_list(g, key, like, out, err);
    if (!result && *out && l->token && (*out)->n != l->token->n)
        return qv_fail(err, QV_EFORMAT, "'%s' has %zu items for %zu tokens", key, (*out)->n,
                       l->token->n);
    return result;
}

static qv_status read_lists(struct lists *l, const struct qv_gguf *g, qv_err *err)
{
    qv_status result;
    if ((result = read_list(&l->token, l, g, "tokenizer.ggml.tokens", QV_GGUF_STR, err)) ||
        (result =
             read_list(&l->type, l, g, "tokenizer.ggml.token_type", QV_GGUF_I64, err)) ||
        (result = read_list(&l->score, l, g, "tokenizer.ggml.scores", QV_GGUF_F64, err)))
        return result;
    return l->token ? QV_OK
                    : qv_fail(err, QV_EFORMAT, "'tokenizer.ggml.tokens' is missing");
}

static int64_t type_of(const struct lists *l, size_t i)
{
    return l->type ? qv__gguf_int_at(l->type, i) : QV_GGUF_NORMAL;
}

/* ---- SentencePiece ---- */

static qv_status read_pieces(qv_tokenizer **out, struct lists *l, const struct qv_gguf *g,
                             qv_err *err)
{
    struct qv__spm_piece *piece = qv_new_n(&l->arena, struct qv__spm_piece, l->token->n);
    struct qv__spm_list list = {.piece = piece, .n = l->token->n, .add_dummy_prefix = true};
    qv_status result;
    if (!l->score)
        return qv_fail(err, QV_EFORMAT, "'tokenizer.ggml.scores' is missing");
    if ((result = qv__gguf_bool(g, "tokenizer.ggml.add_space_prefix",
                                &list.add_dummy_prefix, err)) ||
        (result = qv__gguf_bool(g, "tokenizer.ggml.remove_extra_whitespaces",
                                &list.remove_extra_whitespaces, err)))
        return result;
    const char *at = l->token->data;
    bool has_unknown = false;
    for (size_t i = 0; i < list.n; i++) {
        struct qv_gguf_str s = qv__gguf_next(&at);
        int64_t type = type_of(l, i);
        // Some converters call added tokens unknown; one is the unknown token.
        if (type == QV_GGUF_UNKNOWN && has_unknown)
            type = QV_GGUF_CONTROL;
        has_unknown = has_unknown || type == QV_GGUF_UNKNOWN;
        piece[i] = (struct qv__spm_piece){
            .text = s.at,
            .n = s.n,
            .score = (float)qv__gguf_float_at(l->score, i),
            .type = type < 0 || type > QV_GGUF_BYTE ? QV_GGUF_BYTE + 1 : (unsigned)type,
        };
    }
    return qv__tokenizer_of_pieces(out, &list, err);
}

/* ---- byte-level ---- */

/* The text of token i, or of merge i. */
static qv_status text_of(const char **out, struct lists *l, struct qv_gguf_str s,
                         const char *what, size_t i, qv_err *err)
{
    if (memchr(s.at, '\0', s.n))
        return qv_fail(err, QV_EFORMAT, "%s %zu holds a NUL", what, i);
    *out = qv__arena_strn(&l->arena, s.at, s.n);
    return QV_OK;
}

/* Plain tokens go to the vocabulary, others to the added ones; an unused one is a hole. */
static qv_status put_token(json_t *vocab, json_t *added, const char *text, int64_t type,
                           size_t i, qv_err *err)
{
    int failed = 0;
    switch (type) {
    case QV_GGUF_NORMAL:
        if (json_object_get(vocab, text))
            return qv_fail(err, QV_EFORMAT, "token %zu, '%.60s', is token %lld too", i,
                           text,
                           (long long)json_integer_value(json_object_get(vocab, text)));
        failed = json_object_set_new(vocab, text, json_integer((json_int_t)i));
        break;
    case QV_GGUF_UNKNOWN:
    case QV_GGUF_CONTROL:
    case QV_GGUF_USER_DEFINED:
        failed = json_array_append_new(
            added, json_pack("{s:I, s:s, s:b}", "id", (json_int_t)i, "content", text,
                             "special", (int)(type != QV_GGUF_USER_DEFINED)));
        break;
    case QV_GGUF_UNUSED:
        break;
    default:
        return qv_fail(err, QV_EFORMAT, "token %zu is of type %lld", i, (long long)type);
    }
    return failed ? qv_fail(err, QV_EFORMAT, "token %zu is not UTF-8", i) : QV_OK;
}

static qv_status put_tokens(json_t *vocab, json_t *added, struct lists *l, qv_err *err)
{
    qv_status result = QV_OK;
    const char *at = l->token->data;
    for (size_t i = 0; i < l->token->n && !result; i++) {
        const char *text = NULL;
        result = text_of(&text, l, qv__gguf_next(&at), "token", i, err);
        if (!result)
            result = put_token(vocab, added, text, type_of(l, i), i, err);
    }
    return result;
}

static qv_status put_merges(json_t *merges, struct lists *l, const struct qv_gguf *g,
                            qv_err *err)
{
    const struct qv_gguf_value *list = NULL;
    qv_status result = qv__gguf_list(g, "tokenizer.ggml.merges", QV_GGUF_STR, &list, err);
    if (!result && !list)
        result = qv_fail(err, QV_EFORMAT, "'tokenizer.ggml.merges' is missing");
    const char *at = list ? list->data : NULL;
    for (size_t i = 0; !result && i < list->n; i++) {
        const char *text = NULL;
        result = text_of(&text, l, qv__gguf_next(&at), "merge", i, err);
        if (!result && json_array_append_new(merges, json_string(text)))
            result = qv_fail(err, QV_EFORMAT, "merge %zu is not UTF-8", i);
    }
    return result;
}

static qv_status read_bytes(qv_tokenizer **out, struct lists *l, const struct qv_gguf *g,
                            const struct qv_gguf_pre *pre, qv_err *err)
{
    json_t *vocab = json_object(), *added = json_array(), *merges = json_array();
    json_t *root = json_pack(
        "{s:{s:o, s:o, s:b}, s:o, s:o, s:o, s:{s:s}}", "model", "vocab", vocab, "merges",
        merges, "ignore_merges", (int)pre->ignore_merges, "added_tokens", added,
        "pre_tokenizer", json_loads(pre->pre_tokenizer, 0, NULL), "normalizer",
        json_loads(pre->normalizer, JSON_DECODE_ANY, NULL), "decoder", "type", "ByteLevel");
    qv_status result = put_tokens(vocab, added, l, err);
    if (!result)
        result = put_merges(merges, l, g, err);
    if (!result)
        result = qv__tokenizer_of_json(out, root, err);
    json_decref(root);
    return result;
}

/* By the name of its pre-tokenizer; where that has none, by the whole tokenizer.json,
 * which quantize.c and some others keep in the file. */
static qv_status read_byte_level(qv_tokenizer **out, struct lists *l,
                                 const struct qv_gguf *g, bool *adds_bos, qv_err *err)
{
    const char *name = NULL, *whole = NULL;
    qv_status result;
    if ((result = qv__gguf_str(g, "tokenizer.ggml.pre", &name, err)) ||
        (result = qv__gguf_str(g, "tokenizer.huggingface.json", &whole, err)))
        return result;
    const struct qv_gguf_pre *pre = name ? qv__gguf_pre(name) : NULL;
    if (!pre && whole) {
        result = qv__tokenizer_parse_json(out, whole, strlen(whole), err);
        *adds_bos = !result && (*out)->adds_bos;
        return result;
    }
    if (!name)
        return qv_fail(err, QV_EUNSUPPORTED,
                       "a byte-level tokenizer whose 'tokenizer.ggml.pre' is missing");
    if (!pre)
        return qv_fail(err, QV_EUNSUPPORTED, "pre-tokenizer '%s' is not supported", name);
    *adds_bos = pre->adds_bos;
    return read_bytes(out, l, g, pre, err);
}

/* ---- all of it ---- */

static qv_status read_end(int *id, const qv_tokenizer *tok, const struct qv_gguf *g,
                          const char *key, qv_err *err)
{
    size_t x = SIZE_MAX;
    qv_status result = qv__gguf_size(g, key, &x, err);
    if (result || x == SIZE_MAX)
        return result;
    if (x >= tok->size)
        return qv_fail(err, QV_EFORMAT, "'%s' is %zu of %zu tokens", key, x, tok->size);
    *id = (int)x;
    return QV_OK;
}

/* What a byte-level tokenizer's file does not name it has not. */
static qv_status read_ends(qv_tokenizer *tok, const struct qv_gguf *g, bool may_guess,
                           qv_err *err)
{
    qv_status result;
    if (!may_guess)
        tok->bos = tok->eos = -1;
    if ((result = read_end(&tok->bos, tok, g, "tokenizer.ggml.bos_token_id", err)) ||
        (result = read_end(&tok->eos, tok, g, "tokenizer.ggml.eos_token_id", err)))
        return result;
    result = qv__gguf_bool(g, "tokenizer.ggml.add_bos_token", &tok->adds_bos, err);
    tok->adds_bos = tok->adds_bos && tok->bos >= 0;
    return result;
}

qv_status qv__tokenizer_from_gguf(qv_tokenizer **out, const struct qv_gguf *g, qv_err *err)
{
    *out = NULL;
    const char *model = NULL;
    struct lists l = {0};
    qv_status result = qv__gguf_str(g, "tokenizer.ggml.model", &model, err);
    if (result || !model)
        return result;
    const bool is_llama = strcmp(model, "llama") == 0;
    bool adds_bos = is_llama;
    result = read_lists(&l, g, err);
    if (!result && is_llama)
        result = read_pieces(out, &l, g, err);
    else if (!result && strcmp(model, "gpt2") == 0)
        result = read_byte_level(out, &l, g, &adds_bos, err);
    else if (!result)
        result = qv_fail(err, QV_EUNSUPPORTED,
                         "tokenizer '%s' is not supported (gpt2 and llama are)", model);
    if (!result) {
        (*out)->adds_bos = adds_bos;
        result = read_ends(*out, g, is_llama, err);
    }
    if (result) {
        qv_tokenizer_close(*out);
        *out = NULL;
    }
    qv__arena_free(&l.arena);
    return result ? qv_wrap(err, result, "tokenizer: ") : QV_OK;
}
