/* hf_json.c - reading a tokenizer.json: the model, BPE or Unigram, and its added tokens.
 *
 * The pipeline around the model is read by hf_steps.c. Of the post-processor only
 * the tokens it puts around a text are of interest: they are BOS and EOS.
 */
#include "text/tokenizer.h"

#include <math.h>
#include <string.h>

/* ---- vocabulary ---- */

static qv_status read_vocab(qv_tokenizer *tok, json_t *vocab, size_t n_added, qv_err *err)
{
    if (!json_is_object(vocab))
        return qv_fail(err, QV_EFORMAT, "model: 'vocab' is not an object");
    // Ids may have holes, but not so many that memory is wasted on them.
    tok->vocab.limit = 2 * (json_object_size(vocab) + n_added) + 1024;
    const char *text;
    json_t *id;
    json_object_foreach(vocab, text, id)
    {
        if (!json_is_integer(id) || json_integer_value(id) < 0)
            return qv_fail(err, QV_EFORMAT, "token '%.60s': the id is not a whole number",
                           text);
        qv_status result = qv__vocab_add(&tok->vocab, text, strlen(text),
                                         (size_t)json_integer_value(id), err);
        if (result)
            return result;
    }
    return tok->vocab.used ? QV_OK
                           : qv_fail(err, QV_EFORMAT, "model: the vocabulary is empty");
}

/* ---- merges ---- */

/* A half of a merge, as bytes. */
struct half {
    const char *text;
    size_t n;
};

static qv_status add_merge(qv_tokenizer *tok, struct half a, struct half b, size_t rank,
                           struct qv__str *both, qv_err *err)
{
    int left = qv__vocab_find(&tok->vocab, a.text, a.n);
    int right = qv__vocab_find(&tok->vocab, b.text, b.n);
    qv__str_clear(both);
    qv__str_add(both, a.text, a.n);
    qv__str_add(both, b.text, b.n);
    if (both->failed)
        return qv_fail(err, QV_ENOMEM, "no memory for merge %zu", rank);
    int made = qv__vocab_find(&tok->vocab, both->bytes, both->size);
    if (left < 0 || right < 0 || made < 0)
        return qv_fail(err, QV_EFORMAT, "merge %zu: '%.*s' is not in the vocabulary", rank,
                       (int)qv__min(left < 0    ? a.n
                                    : right < 0 ? b.n
                                                : both->size,
                                    60),
                       left < 0    ? a.text
                       : right < 0 ? b.text
                                   : both->bytes);
    qv__bpe_add(&tok->bpe, left, right, made, (uint32_t)rank);
    return QV_OK;
}

/* The halves of "a b". */
static bool cut_line(struct half half[2], const char *line, size_t n)
{
    const char *space = memchr(line, ' ', n);
    if (!space || memchr(space + 1, ' ', n - (size_t)(space + 1 - line)))
        return false;
    half[0] = (struct half){line, (size_t)(space - line)};
    half[1] = (struct half){space + 1, n - half[0].n - 1};
    return true;
}

/* The halves of a merge: "a b", or ["a", "b"] where a half may hold a space. */
static bool read_halves(struct half half[2], const json_t *v)
{
    if (json_is_string(v))
        return cut_line(half, json_string_value(v), json_string_length(v));
    if (json_array_size(v) != 2)
        return false;
    for (size_t i = 0; i < 2; i++) {
        const json_t *text = json_array_get(v, i);
        if (!json_is_string(text))
            return false;
        half[i] = (struct half){json_string_value(text), json_string_length(text)};
    }
    return true;
}

static qv_status read_merges(qv_tokenizer *tok, const json_t *list, qv_err *err)
{
    if (!json_is_array(list))
        return qv_fail(err, QV_EFORMAT, "model: 'merges' is not a list");
    size_t n = json_array_size(list);
    qv_status result = qv__bpe_init(&tok->bpe, &tok->vocab, n, err);
    struct qv__str both = {0};
    for (size_t i = 0; i < n && !result; i++) {
        struct half half[2];
        if (!read_halves(half, json_array_get(list, i)))
            result = qv_fail(err, QV_EFORMAT, "merge %zu is not two strings", i);
        else
            result = add_merge(tok, half[0], half[1], i, &both, err);
    }
    qv__str_free(&both);
    return result;
}

/* ---- the model ---- */

static qv_status check_bpe(const json_t *model, qv_err *err)
{
    const char *prefix = NULL, *suffix = NULL;
    float dropout = 0;
    qv_status result = qv__json_str(model, "continuing_subword_prefix", &prefix, err);
    if (!result)
        result = qv__json_str(model, "end_of_word_suffix", &suffix, err);
    if (!result)
        result = qv__json_float(model, "dropout", &dropout, err);
    if (result)
        return qv_wrap(err, result, "model: ");
    if ((prefix && *prefix) || (suffix && *suffix))
        return qv_fail(err, QV_EUNSUPPORTED, "model: %s is not supported",
                       prefix && *prefix ? "continuing_subword_prefix"
                                         : "end_of_word_suffix");
    if (dropout != 0)
        return qv_fail(err, QV_EUNSUPPORTED, "model: dropout is not supported");
    return QV_OK;
}

static qv_status read_bpe(qv_tokenizer *tok, const json_t *model, size_t n_added,
                          qv_err *err)
{
    const char *unk = NULL;
    qv_status result = check_bpe(model, err);
    if (!result)
        result = read_vocab(tok, json_object_get(model, "vocab"), n_added, err);
    if (!result)
        result = read_merges(tok, json_object_get(model, "merges"), err);
    if (!result)
        result = qv__json_str(model, "unk_token", &unk, err);
    if (!result)
        result = qv__json_bool(model, "byte_fallback", &tok->bpe.byte_fallback, err);
    if (!result)
        result = qv__json_bool(model, "fuse_unk", &tok->bpe.fuse_unk, err);
    if (!result)
        result = qv__json_bool(model, "ignore_merges", &tok->bpe.ignore_merges, err);
    if (result || !unk || !*unk)
        return result;
    tok->bpe.unk = qv__vocab_find(&tok->vocab, unk, strlen(unk));
    return tok->bpe.unk >= 0 ? QV_OK
                             : qv_fail(err, QV_EFORMAT,
                                       "unk_token '%.60s' is not in the vocabulary", unk);
}

/* The vocabulary of a Unigram model: [[piece, score], ...]. */
static qv_status read_pieces(qv_tokenizer *tok, const json_t *list, size_t n_added,
                             qv_err *err)
{
    size_t n = json_array_size(list);
    if (n == 0)
        return qv_fail(err, QV_EFORMAT, "model: 'vocab' is not a list of pieces");
    float *score = qv_new_n(&tok->arena, float, n);
    tok->vocab.limit = 2 * (n + n_added) + 1024;
    tok->score = score;
    for (size_t i = 0; i < n; i++) {
        const json_t *row = json_array_get(list, i), *text = json_array_get(row, 0);
        const json_t *number = json_array_get(row, 1);
        if (!json_is_string(text) || !json_is_number(number) ||
            !isfinite(json_number_value(number)))
            return qv_fail(err, QV_EFORMAT, "piece %zu is not a string and its score", i);
        score[i] = (float)json_number_value(number);
        qv_status result = qv__vocab_add(&tok->vocab, json_string_value(text),
                                         json_string_length(text), i, err);
        if (result)
            return result;
    }
    return QV_OK;
}

static qv_status read_unigram(qv_tokenizer *tok, const json_t *model, size_t n_added,
                              qv_err *err)
{
    const json_t *vocab = json_object_get(model, "vocab");
    size_t unk = SIZE_MAX;
    qv_status result = read_pieces(tok, vocab, n_added, err);
    if (!result)
        result = qv__bpe_init(&tok->bpe, &tok->vocab, 0, err);
    if (!result && !json_is_null(json_object_get(model, "unk_id")))
        result = qv__json_size(model, "unk_id", &unk, err);
    if (!result)
        result = qv__json_bool(model, "byte_fallback", &tok->bpe.byte_fallback, err);
    if (result || unk == SIZE_MAX)
        return result;
    if (unk >= tok->vocab.size)
        return qv_fail(err, QV_EFORMAT, "model: unk_id is %zu of %zu pieces", unk,
                       tok->vocab.size);
    tok->bpe.unk = (int)unk;
    tok->bpe.fuse_unk = true;
    tok->vocab.token[unk].is_apart = true;
    return QV_OK;
}

static qv_status read_model(qv_tokenizer *tok, const json_t *model, size_t n_added,
                            qv_err *err)
{
    const char *type = NULL;
    if (!json_is_object(model))
        return qv_fail(err, QV_EFORMAT, "'model' is not an object");
    qv_status result = qv__json_str(model, "type", &type, err);
    if (result)
        return qv_wrap(err, result, "model: ");
    if (!type || !strcmp(type, "BPE"))
        return read_bpe(tok, model, n_added, err);
    if (!strcmp(type, "Unigram"))
        return read_unigram(tok, model, n_added, err);
    return qv_fail(err, QV_EUNSUPPORTED,
                   "model '%.60s' is not supported, only BPE and Unigram are", type);
}

/* ---- added tokens ---- */

static qv_status read_added_flags(struct qv__added *as, size_t *id, const char **content,
                                  const json_t *v, qv_err *err)
{
    struct {
        const char *key;
        bool *to;
    } flag[] = {{"single_word", &as->single_word},
                {"lstrip", &as->lstrip},
                {"rstrip", &as->rstrip},
                {"normalized", &as->normalized},
                {"special", &as->special}};
    *id = SIZE_MAX;
    *content = NULL;
    if (!json_is_object(v))
        return qv_fail(err, QV_EFORMAT, "not an object");
    qv_status result = qv__json_size(v, "id", id, err);
    if (!result)
        result = qv__json_str(v, "content", content, err);
    for (size_t i = 0; i < QV_COUNT(flag) && !result; i++)
        result = qv__json_bool(v, flag[i].key, flag[i].to, err);
    if (!result && (*id == SIZE_MAX || !*content))
        result = qv_fail(err, QV_EFORMAT, "'%s' is missing", *content ? "id" : "content");
    return result;
}

static qv_status read_added_token(qv_tokenizer *tok, const json_t *v, qv_err *err)
{
    struct qv__added as = {.normalized = false};
    const char *text;
    size_t id;
    qv_status result = read_added_flags(&as, &id, &text, v, err);
    if (result || !*text)
        return result;
    int have = qv__vocab_find(&tok->vocab, text, strlen(text));
    if (have < 0) {
        result = qv__vocab_add(&tok->vocab, text, strlen(text), id, err);
        if (result)
            return result;
        tok->vocab.token[id].is_apart = true;
    } else if ((size_t)have != id) {
        return qv_fail(err, QV_EFORMAT, "token '%.60s' has two ids, %d and %zu", text, have,
                       id);
    }
    // A special token is written by nobody's score: it is found, or it is text.
    if (tok->score && as.special)
        tok->vocab.token[id].is_apart = true;
    return qv__tokenizer_add(tok, id, &as, err);
}

static qv_status read_added(qv_tokenizer *tok, const json_t *list, qv_err *err)
{
    if (list && !json_is_null(list) && !json_is_array(list))
        return qv_fail(err, QV_EFORMAT, "'added_tokens' is not a list");
    for (size_t i = 0; i < json_array_size(list); i++) {
        qv_status result = read_added_token(tok, json_array_get(list, i), err);
        if (result)
            return qv_wrap(err, result, "added token %zu: ", i);
    }
    return QV_OK;
}

/* ---- the post-processor ---- */

/* "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": ...}, ...]. */
static qv_status read_template(qv_tokenizer *tok, const json_t *v, qv_err *err)
{
    const json_t *single = json_object_get(v, "single");
    if (!json_is_array(single))
        return qv_fail(err, QV_EFORMAT, "post-processor: 'single' is not a list");
    bool after = false;
    for (size_t i = 0; i < json_array_size(single); i++) {
        const json_t *item = json_array_get(single, i);
        const json_t *special = json_object_get(item, "SpecialToken");
        after = after || json_object_get(item, "Sequence");
        if (!special)
            continue;
        const char *name = json_string_value(json_object_get(special, "id"));
        int id = name ? qv_tokenizer_find(tok, name) : -1;
        if (id < 0)
            return qv_fail(err, QV_EFORMAT,
                           "post-processor: token '%.60s' is not in the vocabulary",
                           name ? name : "");
        if (after)
            tok->eos = id;
        else if (!tok->adds_bos)
            tok->bos = id, tok->adds_bos = true;
    }
    return QV_OK;
}

static qv_status read_post_processor(qv_tokenizer *tok, const json_t *v, int depth,
                                     qv_err *err)
{
    if (!v || json_is_null(v))
        return QV_OK;
    const char *type = json_string_value(json_object_get(v, "type"));
    if (!type)
        return qv_fail(err, QV_EFORMAT, "post-processor: has no type");
    if (!strcmp(type, "ByteLevel"))
        return QV_OK;
    if (!strcmp(type, "TemplateProcessing"))
        return read_template(tok, v, err);
    if (strcmp(type, "Sequence") != 0)
        return qv_fail(err, QV_EUNSUPPORTED, "post-processor '%.60s' is not supported",
                       type);
    if (depth > 8)
        return qv_fail(err, QV_ELIMIT, "post-processor: more than 8 deep");
    const json_t *list = json_object_get(v, "processors");
    if (!json_is_array(list))
        return qv_fail(err, QV_EFORMAT, "post-processor: 'processors' is not a list");
    qv_status result = QV_OK;
    for (size_t i = 0; i < json_array_size(list) && !result; i++)
        result = read_post_processor(tok, json_array_get(list, i), depth + 1, err);
    return result;
}

/* ---- whole files ---- */

/* The alphabet can only be the last step: what follows would have to read it. */
static qv_status check_cuts(const qv_tokenizer *tok, qv_err *err)
{
    for (size_t i = 0; i + 1 < tok->n_cuts; i++)
        if (tok->cut[i].kind == QV__CUT_BYTES)
            return qv_fail(err, QV_EUNSUPPORTED,
                           "pre-tokenizer: a step after ByteLevel is not supported");
    return QV_OK;
}

static qv_status read_root(qv_tokenizer *tok, const json_t *root, qv_err *err)
{
    const json_t *added = json_object_get(root, "added_tokens");
    if (!json_is_object(root))
        return qv_fail(err, QV_EFORMAT, "not an object");
    qv_status result =
        read_model(tok, json_object_get(root, "model"), json_array_size(added), err);
    if (!result)
        result = qv__hf_normalizer(tok, json_object_get(root, "normalizer"), err);
    if (!result)
        result = qv__hf_pre_tokenizer(tok, json_object_get(root, "pre_tokenizer"), err);
    if (!result)
        result = check_cuts(tok, err);
    if (!result)
        result = qv__hf_decoder(tok, json_object_get(root, "decoder"), err);
    if (!result)
        result = read_added(tok, added, err);
    tok->size = tok->vocab.size;
    if (!result && tok->score)
        result = qv__unigram_init(&tok->unigram, &tok->vocab, tok->score, err);
    if (!result)
        result = read_post_processor(tok, json_object_get(root, "post_processor"), 0, err);
    return result;
}

/* What reading ends with. Takes tok. */
static qv_status finish(qv_tokenizer **out, qv_tokenizer *tok, qv_status result)
{
    if (result) {
        qv_tokenizer_close(tok);
        return result;
    }
    tok->size = tok->vocab.size;
    tok->bpe.n_tokens = tok->size;
    qv__bpe_ready(&tok->bpe);
    qv__added_ready(&tok->raw);
    qv__added_ready(&tok->normal);
    qv__tokenizer_guess_ends(tok);
    *out = tok;
    return QV_OK;
}

qv_status qv__tokenizer_parse_json(qv_tokenizer **out, const char *bytes, size_t size,
                                   qv_err *err)
{
    *out = NULL;
    json_t *root;
    qv_status result = qv__json_parse(&root, bytes, size, err);
    if (!result)
        result = qv__tokenizer_of_json(out, root, err);
    json_decref(root);
    return result;
}

qv_status qv__tokenizer_of_json(qv_tokenizer **out, const json_t *root, qv_err *err)
{
    *out = NULL;
    qv_tokenizer *tok = qv__tokenizer_new();
    return finish(out, tok,
                  tok ? read_root(tok, root, err)
                      : qv_fail(err, QV_ENOMEM, "no memory for a tokenizer"));
}
