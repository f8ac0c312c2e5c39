/* unigram.c - see unigram.h. The sorted pieces are searched as a trie would be: the range
 * of those that agree so far narrows with every byte. */
#include "text/unigram.h"
#include "text/utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The best way to write what lies before a place in the text. */
struct qv__way {
    double score;
    uint32_t begin; // of the last piece; NONE: no way yet
    int id;         // of the last piece; -1 is a character that is none
};

static const uint32_t NONE = UINT32_MAX;

/* ---- the pieces ---- */

struct entry {
    const struct qv__token *token;
    int id;
};

static int by_text(const void *a, const void *b)
{
    const struct qv__token *x = ((const struct entry *)a)->token;
    const struct qv__token *y = ((const struct entry *)b)->token;
    int order = memcmp(x->text, y->text, qv__min(x->n, y->n));
    return order ? order : x->n < y->n ? -1 : x->n > y->n;
}

static void index_bytes(struct qv__unigram *u)
{
    for (size_t b = 0, i = 0; b < QV_COUNT(u->first); b++) {
        while (i < u->n && (unsigned char)u->vocab->token[u->by_text[i]].text[0] < b)
            i++;
        u->first[b] = i;
    }
}

qv_status qv__unigram_init(struct qv__unigram *u, const struct qv__vocab *vocab,
                           const float *score, qv_err *err)
{
    *u = (struct qv__unigram){.score = score};
    struct entry *entry = malloc((vocab->size + 1) * sizeof *entry);
    u->by_text = malloc((vocab->size + 1) * sizeof *u->by_text);
    if (!entry || !u->by_text) {
        free(entry);
        return qv_fail(err, QV_ENOMEM, "no memory for %zu pieces", vocab->size);
    }
    float worst = INFINITY;
    for (size_t id = 0; id < vocab->size; id++) {
        const struct qv__token *t = &vocab->token[id];
        if (t->n == 0 || t->is_apart)
            continue;
        entry[u->n++] = (struct entry){t, (int)id};
        worst = fminf(worst, score[id]);
    }
    qsort(entry, u->n, sizeof *entry, by_text);
    for (size_t i = 0; i < u->n; i++)
        u->by_text[i] = entry[i].id;
    free(entry);
    u->vocab = vocab;
    u->unknown = worst - 10;
    index_bytes(u);
    return u->n ? QV_OK : qv_fail(err, QV_EFORMAT, "the model has no pieces");
}

void qv__unigram_end(struct qv__unigram *u)
{
    free(u->by_text);
    *u = (struct qv__unigram){0};
}

/* The first of by_text[lo..hi), which agree in `depth` bytes, whose next byte is `byte` or
 * more. Pieces that end here sort first. */
static size_t lower_bound(const struct qv__unigram *u, size_t lo, size_t hi, size_t depth,
                          int byte)
{
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct qv__token *t = &u->vocab->token[u->by_text[mid]];
        if (t->n <= depth || (unsigned char)t->text[depth] < byte)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* ---- the best way ---- */

void qv__unigram_end_run(struct qv__unigram_run *run)
{
    free(run->way);
    *run = (struct qv__unigram_run){0};
}

static void offer(const struct qv__unigram *u, struct qv__way *way, size_t begin,
                  size_t end, float score, int id)
{
    double sum = way[begin].score + (double)score;
    if (u->in_floats)
        sum = (float)sum;
    if (way[end].begin == NONE || sum > way[end].score)
        way[end] = (struct qv__way){sum, (uint32_t)begin, id};
}

/* Every piece that begins at text[at], and the character there if it is none. */
static void go_on(const struct qv__unigram *u, struct qv__way *way, const char *text,
                  size_t n, size_t at)
{
    size_t character = qv__utf8_len(text + at);
    unsigned char first = (unsigned char)text[at];
    size_t lo = u->first[first], hi = u->first[first + 1];
    bool is_known = false;
    for (size_t depth = 1; lo < hi; depth++) {
        int id = u->by_text[lo];
        if (u->vocab->token[id].n == depth) {
            offer(u, way, at, at + depth, u->score[id], id);
            is_known = is_known || depth == character;
        }
        if (at + depth == n)
            break;
        int byte = (unsigned char)text[at + depth];
        lo = lower_bound(u, lo, hi, depth, byte);
        hi = lower_bound(u, lo, hi, depth, byte + 1);
    }
    if (!is_known)
        offer(u, way, at, at + character, u->unknown, -1);
}

/* Adds the pieces from the left; way[i].begin then leads to the right. */
static void write_out(const struct qv__way *way, struct qv__bpe_run *out, const char *text,
                      size_t n)
{
    for (size_t at = 0, end; at < n; at = end) {
        end = way[at].begin;
        if (way[end].id >= 0) {
            qv__bpe_push(out, way[end].id);
            continue;
        }
        while (end < n && way[way[end].begin].id < 0)
            end = way[end].begin;
        qv__bpe_unknown(out, text + at, end - at);
    }
}

/* Turns the links round: from "where did this piece begin" to "where does it end". */
static void turn(struct qv__way *way, size_t n)
{
    for (size_t at = n, next = NONE; at != NONE;) {
        size_t begin = at ? way[at].begin : NONE;
        way[at].begin = (uint32_t)next;
        next = at;
        at = begin;
    }
}

void qv__unigram_piece(const struct qv__unigram *u, struct qv__unigram_run *run,
                       struct qv__bpe_run *out, const char *text, size_t n)
{
    out->last_is_unk = false;
    if (n + 1 > run->cap) {
        struct qv__way *grown = realloc(run->way, (n + 1) * sizeof *grown);
        if (!grown) {
            out->failed = true;
            return;
        }
        run->way = grown;
        run->cap = n + 1;
    }
    for (size_t i = 0; i <= n; i++)
        run->way[i].begin = NONE;
    run->way[0] = (struct qv__way){.begin = NONE};
    for (size_t at = 0; at < n; at += qv__utf8_len(text + at))
        go_on(u, run->way, text, n, at);
    turn(run->way, n);
    write_out(run->way, out, text, n);
}
