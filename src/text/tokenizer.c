/* tokenizer.c - see quiver/tokenizer.h: the life of a tokenizer, encoding and
 * decoding. Opening files is in open.c.
 *
 * Text may hold any bytes. What is not UTF-8 is set apart first and becomes the
 * tokens of its bytes; everything behind that door sees UTF-8.
 */
#include "text/tokenizer.h"
#include "text/bytes.h"
#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 1 << 30 };

/* ---- life ---- */

qv_tokenizer *qv__tokenizer_new(void)
{
    qv_tokenizer *tok = calloc(1, sizeof *tok);
    if (tok)
        tok->bos = tok->eos = -1;
    return tok;
}

void qv_tokenizer_close(qv_tokenizer *tok)
{
    if (!tok)
        return;
    for (size_t i = 0; i < tok->n_norms; i++)
        qv__pattern_end(&tok->norm[i].pattern);
    for (size_t i = 0; i < tok->n_cuts; i++)
        qv__pattern_end(&tok->cut[i].pattern);
    for (size_t i = 0; i < tok->n_undos; i++)
        qv__pattern_end(&tok->undo[i].pattern);
    qv__added_end(&tok->raw);
    qv__added_end(&tok->normal);
    qv__added_end(&tok->symbols);
    qv__bpe_end(&tok->bpe);
    qv__unigram_end(&tok->unigram);
    qv__vocab_free(&tok->vocab);
    qv__arena_free(&tok->arena);
    free(tok);
}

qv_status qv__tokenizer_add(qv_tokenizer *tok, size_t id, const struct qv__added *as,
                            qv_err *err)
{
    struct qv__token *t = &tok->vocab.token[id];
    struct qv__added added = *as;
    added.id = (int)id;
    added.text = t->text;
    added.n = t->n;
    t->is_added = true;
    t->is_special = as->special;
    if (!as->normalized)
        return qv__added_add(&tok->raw, &added, err);

    struct qv__str text = {0}, scratch = {0};
    qv__str_add(&text, t->text, t->n);
    qv_status result = qv__normalize(tok->norm, tok->n_norms, &text, &scratch, false, err);
    if (!result && (text.failed || scratch.failed))
        result = qv_fail(err, QV_ENOMEM, "no memory for an added token");
    if (!result && text.size) {
        added.text = qv__arena_strn(&tok->arena, text.bytes, text.size);
        added.n = text.size;
        result = qv__added_add(&tok->normal, &added, err);
    }
    qv__str_free(&text);
    qv__str_free(&scratch);
    return result;
}

void qv__tokenizer_guess_ends(qv_tokenizer *tok)
{
    static const char *const bos[] = {"<s>", "<|begin_of_text|>", "<bos>", "<|endoftext|>"};
    static const char *const eos[] = {"</s>", "<|end_of_text|>", "<eos>", "<|endoftext|>"};
    for (size_t i = 0; i < QV_COUNT(bos) && tok->bos < 0; i++)
        if (qv_tokenizer_is_special(tok, qv_tokenizer_find(tok, bos[i])))
            tok->bos = qv_tokenizer_find(tok, bos[i]);
    for (size_t i = 0; i < QV_COUNT(eos) && tok->eos < 0; i++)
        if (qv_tokenizer_is_special(tok, qv_tokenizer_find(tok, eos[i])))
            tok->eos = qv_tokenizer_find(tok, eos[i]);
}

/* ---- questions ---- */

size_t qv_tokenizer_size(const qv_tokenizer *tok)
{
    return tok->size;
}

int qv_tokenizer_bos(const qv_tokenizer *tok)
{
    return tok->bos;
}

int qv_tokenizer_eos(const qv_tokenizer *tok)
{
    return tok->eos;
}

bool qv_tokenizer_adds_bos(const qv_tokenizer *tok)
{
    return tok->adds_bos;
}

int qv_tokenizer_find(const qv_tokenizer *tok, const char *token)
{
    int id = qv__vocab_find(&tok->vocab, token, strlen(token));
    return id >= 0 && (size_t)id < tok->size ? id : -1;
}

static bool in_range(const qv_tokenizer *tok, int id)
{
    return id >= 0 && (size_t)id < tok->size;
}

const char *qv_tokenizer_token(const qv_tokenizer *tok, int id)
{
    return in_range(tok, id) ? tok->vocab.token[id].text : NULL;
}

bool qv_tokenizer_is_special(const qv_tokenizer *tok, int id)
{
    return in_range(tok, id) && tok->vocab.token[id].is_special;
}

/* ---- encoding ---- */

/* One call to encode: its tokenizer, answer and working memory. */
struct encoding {
    const qv_tokenizer *tok;
    bool parse_special;
    const char *begin;              // of the whole text
    const struct qv__pieces *plain; // no special tokens in its spans; or NULL
    struct qv__bpe_run run;
    struct qv__unigram_run unigram;
    struct qv__str text, spare; // a section, normalized
    struct qv__pieces pieces, spare_pieces;
};

static bool ran_out(const struct encoding *e)
{
    return e->run.failed || e->text.failed || e->spare.failed ||
           qv__pieces_failed(&e->pieces) || qv__pieces_failed(&e->spare_pieces);
}

static bool is_byte_level(const qv_tokenizer *tok)
{
    return tok->n_cuts && tok->cut[tok->n_cuts - 1].kind == QV__CUT_BYTES;
}

static qv_status encode_normalized(struct encoding *e, const char *text, size_t n,
                                   struct qv__place place, qv_err *err)
{
    const qv_tokenizer *tok = e->tok;
    qv_status result = qv__pretokenize(&e->pieces, &e->spare_pieces, tok->cut, tok->n_cuts,
                                       text, n, place, err);
    if (result || ran_out(e))
        return result;
    for (size_t i = 0; i < e->pieces.n; i++) {
        const char *piece = qv__piece(&e->pieces, i);
        if (tok->unigram.vocab)
            qv__unigram_piece(&tok->unigram, &e->unigram, &e->run, piece,
                              e->pieces.span[i].n);
        else
            qv__bpe_piece(&e->run, piece, e->pieces.span[i].n);
    }
    return QV_OK;
}

/* Text between the added tokens that are looked for in unnormalized text. */
static qv_status encode_section(struct encoding *e, const char *text, size_t n,
                                struct qv__place place, qv_err *err)
{
    const qv_tokenizer *tok = e->tok;
    if (n == 0)
        return QV_OK;
    qv__str_clear(&e->text);
    qv__str_add(&e->text, text, n);
    qv_status result =
        qv__normalize(tok->norm, tok->n_norms, &e->text, &e->spare, place.goes_on, err);
    struct qv__hit hit;
    size_t at = 0, scan = 0;
    while (!result && !ran_out(e) &&
           qv__added_next(&hit, &tok->normal, e->text.bytes, e->text.size, at, &scan,
                          e->parse_special && !e->plain)) {
        result = encode_normalized(e, e->text.bytes + at, hit.begin - at, place, err);
        qv__bpe_push(&e->run, hit.token->id);
        at = hit.end;
        place = (struct qv__place){0};
    }
    if (!result && !ran_out(e) && at < e->text.size)
        result = encode_normalized(e, e->text.bytes + at, e->text.size - at, place, err);
    return result;
}

/* Whether bytes of text[begin..end) lie in a span without special tokens. */
static bool is_plain(const struct encoding *e, const char *begin, const char *end)
{
    size_t from = (size_t)(begin - e->begin), to = (size_t)(end - e->begin);
    for (size_t i = 0; e->plain && i < e->plain->n; i++) {
        struct qv__span s = e->plain->span[i];
        if (from < s.at + s.n && s.at < to)
            return true;
    }
    return false;
}

static qv_status encode_utf8(struct encoding *e, const char *text, size_t n,
                             struct qv__place place, qv_err *err)
{
    struct qv__hit hit;
    size_t at = 0, scan = 0;
    qv_status result = QV_OK;
    while (!result &&
           qv__added_next(&hit, &e->tok->raw, text, n, at, &scan, e->parse_special)) {
        const char *end = text + scan; // of the token without white space taken along
        if (hit.token->special && is_plain(e, end - hit.token->n, end))
            continue;
        result = encode_section(e, text + at, hit.begin - at, place, err);
        qv__bpe_push(&e->run, hit.token->id);
        at = hit.end;
        place = (struct qv__place){0};
    }
    return result ? result : encode_section(e, text + at, n - at, place, err);
}

static void encode_raw(struct encoding *e, const char *bytes, size_t n)
{
    if (!is_byte_level(e->tok)) {
        qv__bpe_raw(&e->run, bytes, n);
        return;
    }
    qv__str_clear(&e->text);
    qv__bytes_write(&e->text, bytes, n);
    if (!e->text.failed)
        qv__bpe_piece(&e->run, e->text.bytes, e->text.size);
}

/* How many bytes of text[0..n) are UTF-8, and then how many are not. */
static size_t count_utf8(const char *text, size_t n)
{
    size_t at = 0;
    for (size_t len; at < n && (len = qv__utf8_valid(text + at, n - at));)
        at += len;
    return at;
}

static size_t count_raw(const char *text, size_t n)
{
    size_t at = 0;
    while (at < n && !qv__utf8_valid(text + at, n - at))
        at++;
    return at;
}

static qv_status encode_all(struct encoding *e, const char *text, size_t n, qv_err *err)
{
    qv_status result = QV_OK;
    for (size_t at = 0; at < n && !result && !ran_out(e);) {
        size_t good = count_utf8(text + at, n - at);
        struct qv__place place = {.is_first = at == 0, .goes_on = at > 0};
        result = encode_utf8(e, text + at, good, place, err);
        at += good;
        size_t bad = count_raw(text + at, n - at);
        if (bad && !result)
            encode_raw(e, text + at, bad);
        at += bad;
    }
    if (!result && ran_out(e))
        result = qv_fail(err, QV_ENOMEM, "no memory to encode %zu bytes of text", n);
    return result;
}

static qv_status encode(const qv_tokenizer *tok, const char *text, size_t size,
                        bool parse_special, const struct qv__pieces *plain, int **ids,
                        size_t *n, qv_err *err)
{
    *ids = NULL;
    *n = 0;
    if (size > TEXT_MAX)
        return qv_fail(err, QV_ELIMIT, "text: %zu bytes, more than the limit of %d", size,
                       TEXT_MAX);
    struct encoding e = {
        .tok = tok, .parse_special = parse_special, .begin = text, .plain = plain};
    qv__bpe_begin(&e.run, &tok->bpe, size);
    qv_status result = encode_all(&e, text, size, err);
    if (!result) {
        *ids = e.run.id ? e.run.id : malloc(sizeof **ids);
        *n = e.run.n;
        e.run.id = NULL; // now owned by *ids
        if (!*ids)
            result = qv_fail(err, QV_ENOMEM, "no memory for the ids of a text");
    }
    qv__bpe_end_run(&e.run);
    qv__unigram_end_run(&e.unigram);
    qv__str_free(&e.text);
    qv__str_free(&e.spare);
    qv__pieces_free(&e.pieces);
    qv__pieces_free(&e.spare_pieces);
    return result;
}

qv_status qv_tokenizer_encode(const qv_tokenizer *tok, const char *text, size_t size,
                              bool parse_special, int **ids, size_t *n, qv_err *err)
{
    return encode(tok, text, size, parse_special, NULL, ids, n, err);
}

qv_status qv__tokenizer_encode_marked(const qv_tokenizer *tok,
                                      const struct qv__pieces *marked, int **ids, size_t *n,
                                      qv_err *err)
{
    const char *text = marked->text.bytes ? marked->text.bytes : "";
    return encode(tok, text, marked->text.size, true, marked, ids, n, err);
}

/* ---- decoding ---- */

void qv__tokenizer_pad(qv_tokenizer *tok, size_t n)
{
    tok->n_more = n > tok->size ? n - tok->size : 0;
}

/* The texts of the tokens, as the vocabulary writes them. */
static qv_status collect(struct qv__pieces *p, bool *is_text, const qv_tokenizer *tok,
                         const int *ids, size_t n, bool skip_special, qv_err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (ids[i] < 0 || (size_t)ids[i] >= tok->size + tok->n_more)
            return qv_fail(err, QV_EFORMAT, "token %zu: id %d is not in 0..%zu", i, ids[i],
                           tok->size + tok->n_more - 1);
        if (!in_range(tok, ids[i]))
            continue;
        const struct qv__token *t = &tok->vocab.token[ids[i]];
        if (!t->text || (skip_special && t->is_special))
            continue;
        is_text[p->n] = t->is_added;
        qv__pieces_put(p, t->text, t->n);
        if (qv__pieces_failed(p))
            break;
    }
    return QV_OK;
}

qv_status qv_tokenizer_decode(const qv_tokenizer *tok, const int *ids, size_t n,
                              bool skip_special, char **text, size_t *size, qv_err *err)
{
    *text = NULL;
    *size = 0;
    struct qv__pieces tokens = {0}, scratch = {0};
    bool *is_text = calloc(n + 1, sizeof *is_text);
    if (!is_text)
        return qv_fail(err, QV_ENOMEM, "no memory to decode %zu tokens", n);
    qv_status result = collect(&tokens, is_text, tok, ids, n, skip_special, err);
    if (!result)
        result = qv__decode(&tokens, &scratch, is_text, tok->undo, tok->n_undos, err);
    qv__str_add(&tokens.text, "", 1);
    if (!result && (qv__pieces_failed(&tokens) || qv__pieces_failed(&scratch)))
        result = qv_fail(err, QV_ENOMEM, "no memory to decode %zu tokens", n);
    if (!result) {
        *text = tokens.text.bytes;
        *size = tokens.text.size - 1;
        tokens.text.bytes = NULL; // now owned by *text
    }
    qv__pieces_free(&tokens);
    qv__pieces_free(&scratch);
    free(is_text);
    return result;
}
