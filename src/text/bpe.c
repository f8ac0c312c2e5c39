/* bpe.c - see bpe.h.
 *
 * A word is a doubly linked list of symbols in an array; the pairs that can
 * merge wait in a heap ordered by (rank, place). Each merge retires one symbol
 * and adds at most two pairs, so n characters cost O(n log n) whatever the
 * text. Pairs whose symbols have changed since are recognised and dropped.
 *
 * Text repeats its words, so a run remembers, for short words, where in its own
 * answer their ids already stand.
 */
#include "text/bpe.h"
#include "text/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct qv__symbol {
    int id;              // -1 where the character is unknown
    uint32_t at, n;      // its bytes in the word; n is 0 once merged away
    uint32_t prev, next; // NONE at the ends
};

struct qv__pair {
    uint32_t rank, left; // the place of the left symbol
    int made;
    uint32_t n; // bytes of both, to recognise a pair that has changed
};

enum { SEEN_BYTES = 20 };

struct qv__seen {
    uint8_t n; // bytes of the word; 0 is empty
    uint8_t n_ids;
    char word[SEEN_BYTES];
    size_t at; // in the answer
};

static const uint32_t NONE = UINT32_MAX;

/* ---- the table of merges ---- */

static size_t slot_of(const struct qv__bpe *b, int left, int right)
{
    uint64_t h =
        ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * UINT64_C(0x9e3779b97f4a7c15);
    size_t i = (size_t)(h ^ h >> 32) & b->mask;
    while (b->merge[i].left >= 0 &&
           (b->merge[i].left != left || b->merge[i].right != right))
        i = (i + 1) & b->mask;
    return i;
}

qv_status qv__bpe_init(struct qv__bpe *b, const struct qv__vocab *vocab, size_t n_merges,
                       qv_err *err)
{
    *b = (struct qv__bpe){.vocab = vocab, .n_tokens = vocab->size, .unk = -1};
    size_t n = 16;
    while (n < 2 * n_merges)
        n *= 2;
    b->merge = malloc(n * sizeof *b->merge);
    if (!b->merge)
        return qv_fail(err, QV_ENOMEM, "no memory for %zu merges", n_merges);
    b->mask = n - 1;
    memset(b->merge, 0xff, n * sizeof *b->merge);
    memset(b->byte_id, 0xff, sizeof b->byte_id);
    return QV_OK;
}

void qv__bpe_end(struct qv__bpe *b)
{
    free(b->merge);
    *b = (struct qv__bpe){0};
}

void qv__bpe_add(struct qv__bpe *b, int left, int right, int made, uint32_t rank)
{
    qv_check(2 * b->n_merges <= b->mask);
    struct qv__merge *m = &b->merge[slot_of(b, left, right)];
    if (m->left >= 0)
        return;
    *m = (struct qv__merge){left, right, made, rank};
    b->n_merges++;
}

/* The symbol that merging may start from or arrive at, or -1. */
static int find_symbol(const struct qv__bpe *b, const char *text, size_t n)
{
    int id = qv__vocab_find(b->vocab, text, n);
    return id < 0 || b->vocab->token[id].is_apart ? -1 : id;
}

/* Whether U+2581 stands in the token after something else. */
static bool has_inner_space(const struct qv__token *t)
{
    bool after_other = false;
    for (size_t i = 0; i < t->n; i += qv__utf8_len(t->text + i)) {
        bool is_space = t->n - i >= 3 && !memcmp(t->text + i, QV__SPACE, 3);
        if (is_space && after_other)
            return true;
        after_other = !is_space;
    }
    return false;
}

void qv__bpe_ready(struct qv__bpe *b)
{
    char c[4];
    for (uint32_t code = 0; code < QV_COUNT(b->near); code++)
        b->near[code] = find_symbol(b, c, qv__utf8_write(c, code));
    for (int i = 0; i < 256; i++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", (unsigned)i);
        b->byte_id[i] = qv__vocab_find(b->vocab, name, 6);
    }
    b->cuts_at_space = !b->ignore_merges && find_symbol(b, QV__SPACE, 3) >= 0;
    for (size_t i = 0; b->cuts_at_space && i <= b->mask; i++)
        if (b->merge[i].left >= 0 && has_inner_space(&b->vocab->token[b->merge[i].made]))
            b->cuts_at_space = false;
}

/* ---- a run ---- */

void qv__bpe_begin(struct qv__bpe_run *r, const struct qv__bpe *b, size_t size)
{
    *r = (struct qv__bpe_run){.bpe = b};
    size_t n = 1;
    while (n < 8192 && n < size / 16)
        n *= 2;
    if (n < 16)
        return; // too little text for its words to come again
    r->seen = calloc(n, sizeof *r->seen);
    r->seen_mask = n - 1;
}

void qv__bpe_end_run(struct qv__bpe_run *r)
{
    free(r->id);
    free(r->symbol);
    free(r->heap);
    free(r->seen);
    *r = (struct qv__bpe_run){0};
}

/* Room for `n` elements of `size` bytes, keeping what is there. */
static bool reserve(struct qv__bpe_run *r, void **array, size_t *cap, size_t n, size_t size)
{
    if (n <= *cap)
        return true;
    size_t want = qv__max(n, qv__max(64, *cap + *cap / 2));
    void *grown = realloc(*array, want * size);
    if (!grown) {
        r->failed = true;
        return false;
    }
    *array = grown;
    *cap = want;
    return true;
}

void qv__bpe_push(struct qv__bpe_run *r, int id)
{
    void *array = r->id;
    if (!reserve(r, &array, &r->cap, r->n + 1, sizeof *r->id))
        return;
    r->id = array;
    r->id[r->n++] = id;
    r->last_is_unk = false;
}

static void push_unknown(struct qv__bpe_run *r)
{
    const struct qv__bpe *b = r->bpe;
    if (b->unk < 0 || (b->fuse_unk && r->last_is_unk))
        return;
    qv__bpe_push(r, b->unk);
    r->last_is_unk = true;
}

void qv__bpe_unknown(struct qv__bpe_run *r, const char *bytes, size_t n)
{
    const struct qv__bpe *b = r->bpe;
    bool all = b->byte_fallback;
    for (size_t i = 0; i < n && all; i++)
        all = b->byte_id[(unsigned char)bytes[i]] >= 0;
    for (size_t i = 0; i < n && all; i++)
        qv__bpe_push(r, b->byte_id[(unsigned char)bytes[i]]);
    if (!all)
        push_unknown(r);
}

void qv__bpe_raw(struct qv__bpe_run *r, const char *bytes, size_t n)
{
    r->last_is_unk = false;
    for (size_t i = 0; i < n; i++)
        qv__bpe_unknown(r, bytes + i, 1);
}

/* ---- the heap of pairs ---- */

static bool goes_first(const struct qv__pair *a, const struct qv__pair *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->left < b->left;
}

static void heap_push(struct qv__bpe_run *r, struct qv__pair pair)
{
    size_t i = r->n_heap++; // room was made for every pair a word can have
    for (; i && goes_first(&pair, &r->heap[(i - 1) / 2]); i = (i - 1) / 2)
        r->heap[i] = r->heap[(i - 1) / 2];
    r->heap[i] = pair;
}

static struct qv__pair heap_pop(struct qv__bpe_run *r)
{
    struct qv__pair top = r->heap[0], last = r->heap[--r->n_heap];
    size_t i = 0;
    for (size_t child = 1; child < r->n_heap; child = 2 * i + 1) {
        if (child + 1 < r->n_heap && goes_first(&r->heap[child + 1], &r->heap[child]))
            child++;
        if (!goes_first(&r->heap[child], &last))
            break;
        r->heap[i] = r->heap[child];
        i = child;
    }
    r->heap[i] = last;
    return top;
}

/* ---- merging one word ---- */

static int symbol_of(const struct qv__bpe *b, const char *text, size_t n)
{
    uint32_t code = qv__utf8_read(text);
    return code < QV_COUNT(b->near) ? b->near[code] : find_symbol(b, text, n);
}

static void consider(struct qv__bpe_run *r, uint32_t left)
{
    const struct qv__symbol *a = &r->symbol[left];
    if (a->next == NONE || a->id < 0 || r->symbol[a->next].id < 0)
        return;
    const struct qv__symbol *c = &r->symbol[a->next];
    const struct qv__merge *m = &r->bpe->merge[slot_of(r->bpe, a->id, c->id)];
    if (m->left >= 0)
        heap_push(r, (struct qv__pair){m->rank, left, m->made, a->n + c->n});
}

/* Whether a character that is no symbol is dropped, so that its neighbours meet. */
static bool leaves_no_trace(const struct qv__bpe *b, const char *text, size_t n)
{
    bool all = b->byte_fallback;
    for (size_t i = 0; i < n && all; i++)
        all = b->byte_id[(unsigned char)text[i]] >= 0;
    return b->unk < 0 && !all;
}

/* Cuts the word into characters; false if memory ran out. */
static bool spell(struct qv__bpe_run *r, const char *text, size_t n, uint32_t *n_symbols)
{
    void *symbol = r->symbol, *heap = r->heap;
    // n characters have n - 1 pairs, and n - 1 merges add two each at most.
    bool room = reserve(r, &symbol, &r->symbol_cap, n, sizeof *r->symbol);
    r->symbol = symbol;
    room = room && reserve(r, &heap, &r->heap_cap, 3 * n, sizeof *r->heap);
    r->heap = heap;
    if (!room)
        return false;
    uint32_t count = 0;
    for (size_t at = 0, len; at < n; at += len) {
        len = qv__utf8_len(text + at);
        int id = symbol_of(r->bpe, text + at, len);
        if (id < 0 && leaves_no_trace(r->bpe, text + at, len))
            continue;
        r->symbol[count] =
            (struct qv__symbol){id, (uint32_t)at, (uint32_t)len, count - 1, count + 1};
        count++;
    }
    if (count) {
        r->symbol[0].prev = NONE;
        r->symbol[count - 1].next = NONE;
    }
    *n_symbols = count;
    return true;
}

static void merge_all(struct qv__bpe_run *r, uint32_t n_symbols)
{
    r->n_heap = 0;
    for (uint32_t i = 0; i + 1 < n_symbols; i++)
        consider(r, i);
    while (r->n_heap) {
        struct qv__pair pair = heap_pop(r);
        struct qv__symbol *a = &r->symbol[pair.left];
        if (a->n == 0 || a->next == NONE)
            continue;
        struct qv__symbol *c = &r->symbol[a->next];
        const struct qv__merge *m = &r->bpe->merge[slot_of(r->bpe, a->id, c->id)];
        if (a->n + c->n != pair.n || m->left < 0 || m->made != pair.made)
            continue;
        a->id = pair.made;
        a->n += c->n;
        a->next = c->next;
        c->n = 0;
        if (a->next != NONE)
            r->symbol[a->next].prev = pair.left;
        if (a->prev != NONE)
            consider(r, a->prev);
        consider(r, pair.left);
    }
}

static void encode_word(struct qv__bpe_run *r, const char *text, size_t n)
{
    const struct qv__bpe *b = r->bpe;
    int whole = b->ignore_merges ? find_symbol(b, text, n) : -1;
    uint32_t n_symbols;
    if (whole >= 0 && (size_t)whole < b->n_tokens) {
        qv__bpe_push(r, whole);
        return;
    }
    if (!spell(r, text, n, &n_symbols))
        return;
    merge_all(r, n_symbols);
    for (uint32_t i = n_symbols ? 0 : NONE; i != NONE; i = r->symbol[i].next) {
        const struct qv__symbol *s = &r->symbol[i];
        if (s->id >= 0 && (size_t)s->id < b->n_tokens)
            qv__bpe_push(r, s->id);
        else
            qv__bpe_unknown(r, text + s->at, s->n);
    }
}

/* encode_word, or its answer from last time. */
static void recall_word(struct qv__bpe_run *r, const char *text, size_t n)
{
    if (!r->seen || n > SEEN_BYTES || r->last_is_unk) {
        encode_word(r, text, n);
        return;
    }
    struct qv__seen *s = &r->seen[(size_t)qv__text_hash(text, n) & r->seen_mask];
    if (s->n == n && !memcmp(s->word, text, n)) {
        for (size_t i = 0; i < s->n_ids; i++)
            qv__bpe_push(r, r->id[s->at + i]);
        return;
    }
    size_t at = r->n;
    encode_word(r, text, n);
    if (r->failed || r->last_is_unk)
        return;
    s->n = (uint8_t)n;
    s->n_ids = (uint8_t)(r->n - at);
    s->at = at;
    memcpy(s->word, text, n);
}

void qv__bpe_piece(struct qv__bpe_run *r, const char *text, size_t n)
{
    r->last_is_unk = false;
    size_t begin = 0;
    for (size_t at = 0, len; at < n; at += len) {
        len = qv__utf8_len(text + at);
        bool ends = at + len == n;
        if (!ends && r->bpe->cuts_at_space)
            ends = text[at + len] == QV__SPACE[0] && memcmp(text + at, QV__SPACE, 3) &&
                   !memcmp(text + at + len, QV__SPACE, 3);
        if (ends) {
            recall_word(r, text + begin, at + len - begin);
            begin = at + len;
        }
    }
}
