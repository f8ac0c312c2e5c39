/* spm_model.c - reading a SentencePiece tokenizer.model, of BPE or Unigram.
 *
 * The file is a protobuf: pieces (text, score, type), how it was trained, how
 * text is normalized. Unigram's scores are used as they are. In BPE SentencePiece merges
 * the two neighbours that together make the piece of the highest score. Every way to halve
 * a piece thus becomes one of our merges, ranked by the piece's score; a character that
 * only a longer piece knows gets a symbol that is no token.
 */
#include "text/tokenizer.h"
#include "text/utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- protobuf ---- */

struct wire {
    const unsigned char *at, *end;
};

/* One field of a message: a number, or the bytes it holds. */
struct field {
    uint64_t number;
    unsigned kind; // VARINT, ...
    uint64_t value;
    struct wire bytes;
};

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

static bool read_varint(uint64_t *out, struct wire *w)
{
    *out = 0;
    for (unsigned shift = 0; shift < 64 && w->at < w->end; shift += 7) {
        unsigned char byte = *w->at++;
        *out |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return shift < 63 || byte < 2;
    }
    return false;
}

static bool read_fixed(uint64_t *out, struct wire *w, size_t n)
{
    *out = 0;
    if ((size_t)(w->end - w->at) < n)
        return false;
    for (size_t i = 0; i < n; i++)
        *out |= (uint64_t)*w->at++ << 8 * i;
    return true;
}

/* The next field of the message; call while w->at < w->end. */
static bool read_field(struct field *f, struct wire *w)
{
    uint64_t tag;
    *f = (struct field){0};
    if (!read_varint(&tag, w) || tag >> 3 == 0)
        return false;
    f->number = tag >> 3;
    f->kind = tag & 7;
    switch (f->kind) {
    case VARINT:
        return read_varint(&f->value, w);
    case FIXED64:
        return read_fixed(&f->value, w, 8);
    case FIXED32:
        return read_fixed(&f->value, w, 4);
    case BYTES:
        if (!read_varint(&f->value, w) || f->value > (size_t)(w->end - w->at))
            return false;
        f->bytes = (struct wire){w->at, w->at + f->value};
        w->at += f->value;
        return true;
    default:
        return false;
    }
}

static float read_float(uint64_t bits)
{
    uint32_t low = (uint32_t)bits;
    float value;
    memcpy(&value, &low, sizeof value);
    return value;
}

/* ---- the messages ---- */

enum { UNIGRAM = 1, BPE = 2 }; // model_type

enum piece_type { NORMAL = 1, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE };

struct piece {
    int id; // its place in the file
    enum piece_type type;
    float score;
};

/* What is read before the tokenizer can be put together. */
struct model {
    qv_tokenizer *tok;
    struct piece *piece; // owned, [n]
    size_t n, n_bytes;
    size_t n_halvings; // how many merges and characters there may be at most
    struct qv__spm_norm norm;
    const char *bos, *eos; // as the vocabulary writes them, in the arena
    int unk, unused;       // the first piece of that type, or -1
    uint64_t kind;
    bool byte_fallback, suffixes, denormalizes;
    bool may_be_unused; // pieces that only fill up the vocabulary
};

static const char *keep(const struct model *m, struct wire bytes)
{
    return qv__arena_strn(&m->tok->arena, (const char *)bytes.at,
                          (size_t)(bytes.end - bytes.at));
}

enum { PIECE_MAX = 1024 };

static const char *check_text(const char *text, size_t n)
{
    if (n == 0)
        return "is empty";
    if (n > PIECE_MAX)
        return "is longer than 1024 bytes";
    for (size_t at = 0, len; at < n; at += len)
        if (!(len = qv__utf8_valid(text + at, n - at)) || !text[at])
            return "is not UTF-8 text";
    return NULL;
}

static const char *check_type(struct model *m, const struct piece *p, struct wire text)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t n = (size_t)(text.end - text.at);
    switch (p->type) {
    case NORMAL:
    case USER_DEFINED:
    case CONTROL:
        return isfinite(p->score) ? NULL : "has a score that is no number";
    case UNKNOWN:
        if (m->unk >= 0)
            return "is a second unknown token";
        m->unk = p->id;
        return NULL;
    case BYTE:
        m->n_bytes++;
        return n == 6 && !memcmp(text.at, "<0x", 3) && strchr(digits, text.at[3]) &&
                       strchr(digits, text.at[4]) && text.at[5] == '>'
                   ? NULL
                   : "is of type BYTE but names none";
    case UNUSED: // Unigram leaves such pieces out; BPE would cut them up again
        if (m->unused < 0)
            m->unused = p->id;
        return NULL;
    }
    return "has an unknown type";
}

/* The next piece, of which type and score are set. */
static qv_status add_piece(struct model *m, struct wire text, qv_err *err)
{
    struct piece *p = &m->piece[m->n];
    size_t n = (size_t)(text.end - text.at);
    const char *wrong = check_text((const char *)text.at, n);
    p->id = (int)m->n;
    if (!wrong)
        wrong = check_type(m, p, text);
    if (wrong)
        return qv_fail(err, QV_EFORMAT, "piece %zu %s", m->n, wrong);
    m->n_halvings += n;
    m->n++;
    return qv__vocab_add(&m->tok->vocab, (const char *)text.at, n, (size_t)p->id, err);
}

/* message SentencePiece { string piece = 1; float score = 2; Type type = 3; } */
static qv_status read_piece(struct model *m, struct wire w, qv_err *err)
{
    struct piece *p = &m->piece[m->n];
    struct wire text = {0};
    struct field f;
    *p = (struct piece){.type = NORMAL};
    while (w.at < w.end) {
        if (!read_field(&f, &w))
            return qv_fail(err, QV_EFORMAT, "piece %zu is cut short", m->n);
        if (f.number == 1 && f.kind == BYTES)
            text = f.bytes;
        else if (f.number == 2 && f.kind == FIXED32)
            p->score = read_float(f.value);
        else if (f.number == 3 && f.kind == VARINT)
            p->type = (enum piece_type)qv__min((size_t)f.value, BYTE + 1);
    }
    return add_piece(m, text, err);
}

static qv_status read_trainer(struct model *m, struct wire w, qv_err *err)
{
    struct field f;
    while (w.at < w.end) {
        if (!read_field(&f, &w))
            return qv_fail(err, QV_EFORMAT, "trainer_spec is cut short");
        if (f.number == 3 && f.kind == VARINT)
            m->kind = f.value;
        else if (f.number == 24 && f.kind == VARINT)
            m->suffixes = f.value != 0;
        else if (f.number == 35 && f.kind == VARINT)
            m->byte_fallback = f.value != 0;
        else if (f.number == 46 && f.kind == BYTES)
            m->bos = keep(m, f.bytes);
        else if (f.number == 47 && f.kind == BYTES)
            m->eos = keep(m, f.bytes);
    }
    return QV_OK;
}

static qv_status read_normalizer(struct model *m, struct wire w, qv_err *err)
{
    struct field f;
    while (w.at < w.end) {
        if (!read_field(&f, &w))
            return qv_fail(err, QV_EFORMAT, "normalizer_spec is cut short");
        if (f.number == 2 && f.kind == BYTES) {
            size_t n = (size_t)(f.bytes.end - f.bytes.at);
            qv_status result = qv__charsmap_read(&m->norm.map, &m->tok->arena,
                                                 (const char *)f.bytes.at, n, err);
            if (result)
                return result;
        } else if (f.number == 3 && f.kind == VARINT) {
            m->norm.add_dummy_prefix = f.value != 0;
        } else if (f.number == 4 && f.kind == VARINT) {
            m->norm.remove_extra_whitespaces = f.value != 0;
        } else if (f.number == 5 && f.kind == VARINT) {
            m->norm.escape_whitespaces = f.value != 0;
        }
    }
    return QV_OK;
}

static qv_status read_denormalizer(struct model *m, struct wire w, qv_err *err)
{
    struct field f;
    while (w.at < w.end) {
        if (!read_field(&f, &w))
            return qv_fail(err, QV_EFORMAT, "denormalizer_spec is cut short");
        if (f.number == 2 && f.kind == BYTES && f.bytes.end > f.bytes.at)
            m->denormalizes = true;
    }
    return QV_OK;
}

static qv_status make_room(struct model *m, size_t n, qv_err *err)
{
    m->tok->vocab.limit = n;
    m->piece = calloc(n + 1, sizeof *m->piece);
    m->n = 0;
    return m->piece ? QV_OK : qv_fail(err, QV_ENOMEM, "no memory for %zu pieces", n);
}

/* message ModelProto: pieces = 1, trainer_spec = 2, normalizer_spec = 3,
 * self_test_data = 4 (not needed), denormalizer_spec = 5. */
static qv_status read_message(struct model *m, struct wire w, qv_err *err)
{
    struct field f;
    for (struct wire count = w; count.at < count.end; m->n += f.number == 1)
        if (!read_field(&f, &count))
            return qv_fail(err, QV_EFORMAT, "not a SentencePiece model: field at byte %zu",
                           (size_t)(count.at - w.at));
    qv_status result = make_room(m, m->n, err);
    if (result)
        return result;
    while (w.at < w.end && !result) {
        qv_check(read_field(&f, &w));
        if (f.kind != BYTES && f.number <= 5)
            result =
                qv_fail(err, QV_EFORMAT,
                        "not a SentencePiece model: field %d is no message", (int)f.number);
        else if (f.number == 1)
            result = read_piece(m, f.bytes, err);
        else if (f.number == 2)
            result = read_trainer(m, f.bytes, err);
        else if (f.number == 3)
            result = read_normalizer(m, f.bytes, err);
        else if (f.number == 5)
            result = read_denormalizer(m, f.bytes, err);
    }
    return result;
}

static qv_status check_model(const struct model *m, qv_err *err)
{
    static const char *const kinds[] = {"0", "UNIGRAM", "BPE", "WORD", "CHAR"};
    if (m->kind != UNIGRAM && m->kind != BPE)
        return qv_fail(err, QV_EUNSUPPORTED,
                       "model_type %s is not supported, only UNIGRAM and BPE are",
                       m->kind < QV_COUNT(kinds) ? kinds[m->kind] : "of the future");
    if (m->kind == BPE && m->unused >= 0 && !m->may_be_unused)
        return qv_fail(err, QV_EUNSUPPORTED,
                       "piece %d is of type UNUSED, which is not supported", m->unused);
    if (m->suffixes)
        return qv_fail(err, QV_EUNSUPPORTED, "treat_whitespace_as_suffix is not supported");
    if (m->denormalizes)
        return qv_fail(err, QV_EUNSUPPORTED, "a denormalizer is not supported");
    if (m->unk < 0)
        return qv_fail(err, QV_EFORMAT, "no piece is of type UNKNOWN");
    if (m->byte_fallback && m->n_bytes != 256)
        return qv_fail(err, QV_EFORMAT, "byte_fallback with %zu of 256 bytes", m->n_bytes);
    return QV_OK;
}

/* ---- putting the tokenizer together ---- */

static qv_status add_tokens(struct model *m, qv_err *err)
{
    qv_tokenizer *tok = m->tok;
    qv_status result = QV_OK;
    for (size_t i = 0; i < m->n && !result; i++) {
        struct qv__token *t = &tok->vocab.token[i];
        t->is_apart = m->piece[i].type != NORMAL && m->piece[i].type != USER_DEFINED;
        struct qv__added as = {.text = t->text, .n = t->n, .id = (int)i};
        if (m->piece[i].type == CONTROL || m->piece[i].type == UNKNOWN) {
            as.special = true;
            result = qv__tokenizer_add(tok, i, &as, err);
        } else if (m->piece[i].type == USER_DEFINED) {
            // BPE cuts the text there; Unigram weighs it like other pieces.
            result = qv__added_add(m->kind == BPE ? &tok->normal : &tok->symbols, &as, err);
        }
    }
    return result;
}

/* Symbols for the characters of pieces that are no pieces themselves. */
static qv_status add_characters(struct model *m, qv_err *err)
{
    struct qv__vocab *v = &m->tok->vocab;
    v->limit = m->n + m->n_halvings;
    for (size_t i = 0; i < m->n; i++) {
        const char *text = v->token[i].text;
        for (size_t at = 0, len; at < v->token[i].n && m->piece[i].type == NORMAL;
             at += len) {
            len = qv__utf8_len(text + at);
            if (qv__vocab_find(v, text + at, len) >= 0)
                continue;
            qv_status result = qv__vocab_add(v, text + at, len, v->size, err);
            if (result)
                return result;
        }
    }
    return QV_OK;
}

static int best_first(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static void add_halvings(struct qv__bpe *b, int id, uint32_t rank)
{
    const struct qv__vocab *v = b->vocab;
    const struct qv__token *t = &v->token[id];
    for (size_t at = qv__utf8_len(t->text); at < t->n; at += qv__utf8_len(t->text + at)) {
        int left = qv__vocab_find(v, t->text, at);
        int right = qv__vocab_find(v, t->text + at, t->n - at);
        if (left >= 0 && right >= 0 && !v->token[left].is_apart &&
            !v->token[right].is_apart)
            qv__bpe_add(b, left, right, id, rank);
    }
}

static void add_merges(struct model *m)
{
    qv_tokenizer *tok = m->tok;
    qsort(m->piece, m->n, sizeof *m->piece, best_first);
    uint32_t rank = 0;
    for (size_t i = 0; i < m->n; i++) {
        // Pieces of one score are equals, among which the leftmost pair goes first.
        rank += i && m->piece[i].score != m->piece[i - 1].score;
        if (m->piece[i].type == NORMAL)
            add_halvings(&tok->bpe, m->piece[i].id, rank);
    }
}

/* A symbol of the user's scores so that it is preferred to any pieces of its text. */
static void set_scores(const struct model *m, float *score)
{
    float best = -INFINITY;
    for (size_t i = 0; i < m->n; i++) {
        score[i] = m->piece[i].score;
        if (m->piece[i].type == NORMAL)
            best = fmaxf(best, score[i]);
    }
    for (size_t i = 0; i < m->n && m->kind == UNIGRAM; i++)
        if (m->piece[i].type == USER_DEFINED)
            score[i] = (float)((double)((float)m->tok->vocab.token[i].n * best) - 0.1);
}

static qv_status add_merger(struct model *m, qv_err *err)
{
    qv_tokenizer *tok = m->tok;
    bool is_bpe = m->kind == BPE;
    float *score = qv_new_n(&tok->arena, float, m->n);
    set_scores(m, score);
    tok->score = score;
    qv_status result =
        qv__bpe_init(&tok->bpe, &tok->vocab, is_bpe ? m->n_halvings : 0, err);
    if (!result && !is_bpe)
        result = qv__unigram_init(&tok->unigram, &tok->vocab, score, err);
    if (result)
        return result;
    if (is_bpe)
        add_merges(m);
    tok->unigram.in_floats = true;
    tok->bpe.n_tokens = m->n;
    tok->bpe.unk = m->unk;
    tok->bpe.byte_fallback = m->byte_fallback;
    tok->bpe.fuse_unk = true;
    qv__bpe_ready(&tok->bpe);
    return QV_OK;
}

static qv_status add_steps(struct model *m, qv_err *err)
{
    qv_tokenizer *tok = m->tok;
    m->norm.symbols = m->kind == BPE ? &tok->normal : &tok->symbols;
    tok->norm = qv_new(&tok->arena, struct qv__norm);
    tok->norm[0] = (struct qv__norm){.kind = QV__NORM_SPM, .spm = m->norm};
    tok->n_norms = 1;
    tok->undo = qv_new_n(&tok->arena, struct qv__undo, 4);
    tok->undo[0] = (struct qv__undo){.kind = QV__UNDO_REPLACE, .text = " "};
    tok->undo[1] = (struct qv__undo){.kind = QV__UNDO_BYTE_FALLBACK};
    tok->undo[2] = (struct qv__undo){.kind = QV__UNDO_FUSE};
    // A model that removes extra spaces would have kept none in front.
    size_t left = m->norm.remove_extra_whitespaces ? SIZE_MAX : 1;
    tok->undo[3] = (struct qv__undo){.kind = QV__UNDO_STRIP, .text = " ", .left = left};
    tok->n_undos = m->norm.add_dummy_prefix || m->norm.remove_extra_whitespaces ? 4 : 3;
    return qv__pattern_literal(&tok->undo[0].pattern, QV__SPACE, err);
}

static int control(const qv_tokenizer *tok, const char *text)
{
    int id = qv_tokenizer_find(tok, text);
    return qv_tokenizer_is_special(tok, id) && id != tok->bpe.unk ? id : -1;
}

static qv_status build(struct model *m, qv_err *err)
{
    qv_tokenizer *tok = m->tok;
    qv_status result = check_model(m, err);
    tok->size = m->n;
    if (!result)
        result = add_tokens(m, err);
    if (!result && m->kind == BPE)
        result = add_characters(m, err);
    if (!result)
        result = add_merger(m, err);
    if (!result)
        result = add_steps(m, err);
    if (result)
        return result;
    qv__added_ready(&tok->raw);
    qv__added_ready(&tok->normal);
    qv__added_ready(&tok->symbols);
    tok->bos = control(tok, m->bos);
    tok->eos = control(tok, m->eos);
    tok->adds_bos = tok->bos >= 0;
    return QV_OK;
}

static qv_status begin(struct model *m, qv_err *err)
{
    *m = (struct model){
        .tok = qv__tokenizer_new(),
        .norm = {.add_dummy_prefix = true,
                 .remove_extra_whitespaces = true,
                 .escape_whitespaces = true},
        .bos = "<s>",
        .eos = "</s>",
        .unk = -1,
        .unused = -1,
        .kind = UNIGRAM, // where the file does not say
    };
    return m->tok ? QV_OK : qv_fail(err, QV_ENOMEM, "no memory for a tokenizer");
}

/* Ends what begin() began, after reading failed or did not. */
static qv_status finish(qv_tokenizer **out, struct model *m, qv_status result, qv_err *err)
{
    *out = NULL;
    if (!result)
        result = build(m, err);
    free(m->piece);
    if (result)
        qv_tokenizer_close(m->tok);
    else
        *out = m->tok;
    return result;
}

qv_status qv__tokenizer_parse_spm(qv_tokenizer **out, const char *bytes, size_t size,
                                  qv_err *err)
{
    const unsigned char *at = (const unsigned char *)bytes;
    struct model m;
    qv_status result = begin(&m, err);
    if (!result)
        result = read_message(&m, (struct wire){at, at + size}, err);
    return finish(out, &m, result, err);
}

qv_status qv__tokenizer_of_pieces(qv_tokenizer **out, const struct qv__spm_list *list,
                                  qv_err *err)
{
    struct model m;
    qv_status result = begin(&m, err);
    if (!result)
        result = make_room(&m, list->n, err);
    m.kind = BPE;
    m.may_be_unused = true;
    m.norm.add_dummy_prefix = list->add_dummy_prefix;
    m.norm.remove_extra_whitespaces = list->remove_extra_whitespaces;
    for (size_t i = 0; i < list->n && !result; i++) {
        const struct qv__spm_piece *p = &list->piece[i];
        const unsigned char *text = (const unsigned char *)p->text;
        m.piece[i] = (struct piece){.type = p->type, .score = p->score};
        result = add_piece(&m, (struct wire){text, text + p->n}, err);
    }
    m.byte_fallback = m.n_bytes > 0;
    return finish(out, &m, result, err);
}
