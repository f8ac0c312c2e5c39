/* gguf_tokenizer.c - see gguf_tokenizer.h: from a tokenizer to values. */
#include "text/gguf_tokenizer.h"
#include "base/file.h"
#include "text/gguf_pre.h"

#include <stdlib.h>
#include <string.h>

static bool is_byte_level(const qv_tokenizer *tok)
{
    for (size_t i = 0; i < tok->n_cuts; i++)
        if (tok->cut[i].kind == QV__CUT_BYTES)
            return true;
    return false;
}

static bool is_spm(const qv_tokenizer *tok)
{
    return tok->bpe.byte_fallback || (tok->n_norms && tok->norm[0].kind == QV__NORM_SPM);
}

/* ---- tokens ---- */

static void put_tokens(struct qv_gguf_meta *meta, const qv_tokenizer *tok, qv_arena *a,
                       size_t n)
{
    struct qv_gguf_str *text = qv_new_n(a, struct qv_gguf_str, n);
    for (size_t i = 0; i < n; i++) {
        const char *known = i < tok->size ? tok->vocab.token[i].text : NULL;
        const char *name = known ? known : qv__arena_fmt(a, "[PAD%zu]", i);
        text[i] = (struct qv_gguf_str){name, known ? tok->vocab.token[i].n : strlen(name)};
    }
    qv__gguf_put_strs(meta, "tokenizer.ggml.tokens", text, n);
}

static void mark_added(int32_t *type, const struct qv__added_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        type[set->token[i].id] =
            set->token[i].special ? QV_GGUF_CONTROL : QV_GGUF_USER_DEFINED;
}

static void put_types(struct qv_gguf_meta *meta, const qv_tokenizer *tok, qv_arena *a,
                      size_t n)
{
    int32_t *type = qv_new_n(a, int32_t, n);
    for (size_t i = 0; i < n; i++)
        type[i] =
            i < tok->size && tok->vocab.token[i].text ? QV_GGUF_NORMAL : QV_GGUF_UNUSED;
    mark_added(type, &tok->raw);
    mark_added(type, &tok->normal);
    for (size_t i = 0; i < 256 && tok->bpe.byte_fallback; i++)
        if (tok->bpe.byte_id[i] >= 0)
            type[tok->bpe.byte_id[i]] = QV_GGUF_BYTE;
    if (tok->bpe.unk >= 0)
        type[tok->bpe.unk] = QV_GGUF_UNKNOWN;
    qv__gguf_put_i32s(meta, "tokenizer.ggml.token_type", type, n);
}

/* A piece's score says when it is merged to: the rank will do where no file has given
 * scores. */
static void put_scores(struct qv_gguf_meta *meta, const qv_tokenizer *tok, qv_arena *a,
                       size_t n)
{
    float *score = qv_new_n(a, float, n);
    for (size_t i = 0; i < n; i++)
        score[i] = i >= tok->size ? -10000 : tok->score ? tok->score[i] : 0;
    for (size_t i = 0; !tok->score && i <= tok->bpe.mask; i++) {
        const struct qv__merge *m = &tok->bpe.merge[i];
        float rank = -(float)m->rank;
        if (m->left >= 0 && (score[m->made] == 0 || score[m->made] < rank))
            score[m->made] = rank;
    }
    qv__gguf_put_f32s(meta, "tokenizer.ggml.scores", score, n);
}

static int by_rank(const void *x, const void *y)
{
    const struct qv__merge *a = x, *b = y;
    return a->rank < b->rank ? -1 : a->rank > b->rank;
}

static void put_merges(struct qv_gguf_meta *meta, const qv_tokenizer *tok, qv_arena *a)
{
    struct qv__merge *merge = qv_new_n(a, struct qv__merge, tok->bpe.n_merges);
    struct qv_gguf_str *text = qv_new_n(a, struct qv_gguf_str, tok->bpe.n_merges);
    size_t n = 0;
    for (size_t i = 0; i <= tok->bpe.mask; i++)
        if (tok->bpe.merge[i].left >= 0)
            merge[n++] = tok->bpe.merge[i];
    if (n)
        qsort(merge, n, sizeof *merge, by_rank);
    for (size_t i = 0; i < n; i++) {
        const struct qv__token *token = tok->vocab.token;
        text[i].at = qv__arena_fmt(a, "%s %s", token[merge[i].left].text,
                                   token[merge[i].right].text);
        text[i].n = strlen(text[i].at);
    }
    qv__gguf_put_strs(meta, "tokenizer.ggml.merges", text, n);
}

static void put_ends(struct qv_gguf_meta *meta, const qv_tokenizer *tok)
{
    if (tok->bos >= 0)
        qv__gguf_put_u32(meta, "tokenizer.ggml.bos_token_id", (uint32_t)tok->bos);
    if (tok->eos >= 0)
        qv__gguf_put_u32(meta, "tokenizer.ggml.eos_token_id", (uint32_t)tok->eos);
    if (tok->bpe.unk >= 0)
        qv__gguf_put_u32(meta, "tokenizer.ggml.unknown_token_id", (uint32_t)tok->bpe.unk);
    qv__gguf_put_bool(meta, "tokenizer.ggml.add_bos_token", tok->adds_bos);
}

static qv_status put_pre(struct qv_gguf_meta *meta, qv_arena *a, const char *dir,
                         qv_err *err)
{
    const char *path = qv__arena_fmt(a, "%s/tokenizer.json", dir);
    const char *name = "gpt-2"; // of vocab.json and merges.txt
    if (qv__is_file(path)) {
        json_t *root;
        char *text;
        size_t size;
        qv_status result = qv__read_file(&text, &size, a, path, (size_t)1 << 28, err);
        if (!result && (result = qv__json_parse(&root, text, size, err)))
            result = qv_wrap(err, result, "%s: ", path);
        if (result)
            return result;
        name = qv__gguf_pre_name(root, a);
        json_decref(root);
        if (!name)
            qv__gguf_put_str(meta, "tokenizer.huggingface.json", text);
    }
    if (name)
        qv__gguf_put_str(meta, "tokenizer.ggml.pre", name);
    return QV_OK;
}

/* ---- all of it ---- */

/* What SentencePiece, or a tokenizer.json that stands for it, does to spaces. */
static void put_spaces(struct qv_gguf_meta *meta, const qv_tokenizer *tok)
{
    bool adds = false, removes = false;
    for (size_t i = 0; i < tok->n_norms; i++) {
        const struct qv__norm *n = &tok->norm[i];
        adds = adds || n->kind == QV__NORM_PREPEND ||
               (n->kind == QV__NORM_SPM && n->spm.add_dummy_prefix);
        removes = removes || (n->kind == QV__NORM_SPM && n->spm.remove_extra_whitespaces);
    }
    for (size_t i = 0; i < tok->n_cuts; i++)
        adds = adds || tok->cut[i].kind == QV__CUT_PREFIX;
    qv__gguf_put_bool(meta, "tokenizer.ggml.add_space_prefix", adds);
    if (removes)
        qv__gguf_put_bool(meta, "tokenizer.ggml.remove_extra_whitespaces", true);
}

static qv_status put_template(struct qv_gguf_meta *meta, qv_arena *a, const char *dir,
                              qv_err *err)
{
    const char *path = qv__arena_fmt(a, "%s/tokenizer_config.json", dir);
    json_t *root = NULL;
    if (!qv__is_file(path))
        return QV_OK;
    qv_status result = qv__json_read(&root, path, (size_t)1 << 28, err);
    if (result)
        return result;
    const char *text = json_string_value(json_object_get(root, "chat_template"));
    if (text)
        qv__gguf_put_str(meta, "tokenizer.chat_template", text);
    json_decref(root);
    return QV_OK;
}

qv_status qv__tokenizer_to_gguf(struct qv_gguf_meta *meta, const qv_tokenizer *tok,
                                const char *dir, size_t n_tokens, qv_err *err)
{
    qv_check(n_tokens >= tok->size);
    bool bytes = is_byte_level(tok);
    if (tok->unigram.vocab)
        return qv_fail(err, QV_EUNSUPPORTED,
                       "%s: a Unigram tokenizer cannot be written as GGUF", dir);
    if (!bytes && !is_spm(tok))
        return qv_fail(err, QV_EUNSUPPORTED,
                       "%s: a tokenizer that is neither byte-level nor SentencePiece's "
                       "cannot be written as GGUF",
                       dir);
    if (tok->n_norms && tok->norm[0].spm.map.n_units)
        return qv_fail(
            err, QV_EUNSUPPORTED,
            "%s: a tokenizer that normalises by a table cannot be written as GGUF", dir);
    qv_arena a = {0};
    qv_status result = QV_OK;
    qv__gguf_put_str(meta, "tokenizer.ggml.model", bytes ? "gpt2" : "llama");
    if (bytes)
        result = put_pre(meta, &a, dir, err);
    else
        qv__gguf_put_str(meta, "tokenizer.ggml.pre", "default");
    put_tokens(meta, tok, &a, n_tokens);
    put_types(meta, tok, &a, n_tokens);
    if (bytes)
        put_merges(meta, tok, &a);
    else
        put_scores(meta, tok, &a, n_tokens);
    put_ends(meta, tok);
    if (!bytes)
        put_spaces(meta, tok);
    if (!result)
        result = put_template(meta, &a, dir, err);
    qv__arena_free(&a);
    return result;
}
