/* ngram.c - see ngram.h.
 *
 * A gram of k bytes is a number: the bytes, the newest lowest, and above them a
 * one. So its context (all but the newest byte) is gram >> 8, and its suffix
 * (all but the oldest) is the low bytes again below a one. While texts are added
 * only the longest grams are counted; finish() derives the rest.
 */
#include "support/ngram.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ORDERS = NGRAM_CONTEXT + 1 };

struct gram {
    uint64_t key; // 0: free
    uint32_t count;
    uint32_t before; // different bytes seen before it
};

struct context {
    uint64_t key;
    uint64_t count;  // sum of its grams' counts
    uint64_t weight; // the same for Kneser-Ney
    uint32_t followers;
    uint32_t rare[3]; // followers of weight 1, 2 and more
};

/* Open addressing; both kinds of slot begin with their key. */
struct table {
    char *slots;
    size_t n, room, slot; // room is a power of two, slot in bytes
};

struct ngram {
    struct table grams, contexts;
    double discount[ORDERS + 1][3]; // of a gram of so many bytes
};

/* ---- tables ---- */

static uint64_t *key_at(const struct table *t, size_t i)
{
    return (uint64_t *)(void *)(t->slots + i * t->slot);
}

/* Where `key` is or belongs. */
static uint64_t *place(const struct table *t, uint64_t key)
{
    size_t i = (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (t->room - 1);
    while (*key_at(t, i) && *key_at(t, i) != key)
        i = (i + 1) & (t->room - 1);
    return key_at(t, i);
}

static bool widen(struct table *t)
{
    struct table wider = {.n = t->n, .room = t->room ? 2 * t->room : 1024, .slot = t->slot};
    wider.slots = calloc(wider.room, wider.slot);
    if (!wider.slots)
        return false;
    for (size_t i = 0; i < t->room; i++)
        if (*key_at(t, i))
            memcpy(place(&wider, *key_at(t, i)), key_at(t, i), t->slot);
    free(t->slots);
    *t = wider;
    return true;
}

/* The slot of `key`, made if need be; NULL without memory. */
static void *enter(struct table *t, uint64_t key)
{
    if (2 * t->n >= t->room && !widen(t))
        return NULL;
    uint64_t *at = place(t, key);
    if (!*at) {
        *at = key;
        t->n++;
    }
    return at;
}

/* The slot of `key`, or NULL. */
static const void *find(const struct table *t, uint64_t key)
{
    const uint64_t *at = t->room ? place(t, key) : NULL;
    return at && *at ? at : NULL;
}

/* ---- counting ---- */

static uint64_t last_bytes(uint64_t bytes, size_t k)
{
    uint64_t one = UINT64_C(1) << 8 * k;
    return one | (bytes & (one - 1));
}

static size_t length(uint64_t gram)
{
    return (size_t)(63 - __builtin_clzll(gram)) / 8;
}

ngram *ngram_new(void)
{
    ngram *m = calloc(1, sizeof *m);
    if (m) {
        m->grams.slot = sizeof(struct gram);
        m->contexts.slot = sizeof(struct context);
    }
    return m;
}

void ngram_free(ngram *m)
{
    if (!m)
        return;
    free(m->grams.slots);
    free(m->contexts.slots);
    free(m);
}

static qv_status no_memory(const ngram *m, qv_err *err)
{
    return qv_fail(err, QV_ENOMEM, "no memory for %zu grams and %zu contexts",
                   2 * m->grams.room, 2 * m->contexts.room);
}

qv_status ngram_add(ngram *m, const char *text, size_t size, qv_err *err)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < size; i++) {
        bytes = bytes << 8 | (unsigned char)text[i];
        struct gram *g = enter(&m->grams, last_bytes(bytes, ORDERS));
        if (!g)
            return no_memory(m, err);
        g->count++;
    }
    return QV_OK;
}

/* From the grams of k + 1 bytes, those of k. */
static bool add_suffixes(struct table *grams, size_t k)
{
    // Room for as many again, so that the table stays where it is on the way.
    while (grams->room <= 4 * grams->n)
        if (!widen(grams))
            return false;
    for (size_t i = 0; i < grams->room; i++) {
        const struct gram *longer = (const struct gram *)key_at(grams, i);
        if (!longer->key || length(longer->key) != k + 1)
            continue;
        struct gram *g = enter(grams, last_bytes(longer->key, k));
        g->count += longer->count;
        g->before++;
    }
    return true;
}

static uint64_t weight_of(const struct gram *g)
{
    return length(g->key) == ORDERS ? g->count : g->before;
}

static bool add_context(ngram *m, const struct gram *g)
{
    struct context *c = enter(&m->contexts, g->key >> 8);
    if (!c)
        return false;
    uint64_t weight = weight_of(g);
    c->count += g->count;
    c->weight += weight;
    c->followers++;
    c->rare[qv__min((size_t)weight, 3) - 1]++;
    return true;
}

/* Chen and Goodman's estimates from seen[k][w], the grams of k bytes with weight w;
 * where these are too few, half a count. */
static void estimate_discounts(ngram *m, uint64_t seen[ORDERS + 1][5])
{
    for (size_t k = 1; k <= ORDERS; k++) {
        double n1 = (double)seen[k][1], n2 = (double)seen[k][2];
        double y = n1 > 0 ? n1 / (n1 + 2 * n2) : 0.5;
        for (size_t r = 1; r <= 3; r++) {
            double n = (double)seen[k][r], next = (double)seen[k][r + 1];
            double d = n > 0 ? (double)r - (double)(r + 1) * y * next / n : 0.5;
            m->discount[k][r - 1] = fmin(fmax(d, 0.01), (double)r - 0.01);
        }
    }
}

qv_status ngram_finish(ngram *m, qv_err *err)
{
    for (size_t k = ORDERS - 1; k > 0; k--)
        if (!add_suffixes(&m->grams, k))
            return no_memory(m, err);
    uint64_t seen[ORDERS + 1][5] = {{0}}; // by weight; 5 and more at 0
    for (size_t i = 0; i < m->grams.room; i++) {
        const struct gram *g = (const struct gram *)key_at(&m->grams, i);
        if (!g->key)
            continue;
        seen[length(g->key)][qv__min((size_t)weight_of(g), 5) % 5]++;
        if (!add_context(m, g))
            return no_memory(m, err);
    }
    estimate_discounts(m, seen);
    return QV_OK;
}

/* ---- asking ---- */

static double interpolate(const ngram *m, const struct context *c, const struct gram *g,
                          size_t k, double shorter, enum smoothing smoothing)
{
    if (smoothing == WITTEN_BELL) {
        double n = g ? (double)g->count : 0, t = (double)c->followers;
        return (n + t * shorter) / ((double)c->count + t);
    }
    const double *D = m->discount[k];
    double total = (double)c->weight, freed = 0, n = g ? (double)weight_of(g) : 0;
    for (size_t r = 0; r < 3; r++)
        freed += D[r] * (double)c->rare[r];
    if (g)
        n -= D[qv__min((size_t)weight_of(g), 3) - 1];
    return (n + freed * shorter) / total;
}

/* `bytes`: the byte asked for below those before it. */
static double probability(const ngram *m, uint64_t bytes, enum smoothing smoothing)
{
    double p = 1.0 / 256;
    for (size_t k = 1; k <= ORDERS; k++) {
        uint64_t gram = last_bytes(bytes, k);
        const struct context *c = find(&m->contexts, gram >> 8);
        if (!c)
            break;
        p = interpolate(m, c, find(&m->grams, gram), k, p, smoothing);
    }
    return p;
}

double ngram_p(const ngram *m, const char *history, size_t n, unsigned char byte,
               enum smoothing smoothing)
{
    uint64_t bytes = 0;
    for (size_t i = n - qv__min(n, NGRAM_CONTEXT); i < n; i++)
        bytes = bytes << 8 | (unsigned char)history[i];
    return probability(m, bytes << 8 | byte, smoothing);
}

double ngram_bits(const ngram *m, const char *text, size_t size, enum smoothing smoothing)
{
    uint64_t bytes = 0;
    double bits = 0;
    for (size_t i = 0; i < size; i++) {
        bytes = bytes << 8 | (unsigned char)text[i];
        bits -= log2(probability(m, bytes, smoothing));
    }
    return bits;
}
