/* prefix.c - see prefix.h. Chunks stand in one list by last use, each behind the chunk that
 * it continues: so the last of the list is continued by none, and may go. */
#include "server/prefix.h"
#include "text/pieces.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    struct qv_chain chain;
    struct entry *before;        // the chunk that it continues, or NULL
    struct entry *newer, *older; // in the list
    struct entry *next;          // of the same head
    float *kv;                   // [2, L, chunk, width] keys, values
};

struct qv_prefix {
    size_t L, width, chunk;
    size_t n, n_max; // chunks
    struct entry *newest, *oldest;
    struct entry **head; // [n_heads] by hash
    size_t n_heads;
};

void qv__chain_begin(struct qv_chain *c, const char *who, const int *read, size_t n_read)
{
    char line[QV_HASH_TEXT + 32];
    struct qv__str all = {0};
    int n = snprintf(line, sizeof line, "%.64s %zu\n", who, n_read);
    qv__str_add(&all, line, (size_t)n);
    qv__str_add(&all, (const char *)read, n_read * sizeof *read);
    qv_check(!all.failed);
    qv__hash_bytes(c->hash, all.bytes, all.size);
    qv__str_free(&all);
}

void qv__chain_add(struct qv_chain *c, const int *token, size_t n)
{
    struct qv__str all = {0};
    qv__str_add(&all, c->hash, sizeof c->hash);
    qv__str_add(&all, (const char *)token, n * sizeof *token);
    qv_check(!all.failed);
    qv__hash_bytes(c->hash, all.bytes, all.size);
    qv__str_free(&all);
}

static size_t floats_of(const struct qv_prefix *p)
{
    return 2 * p->L * p->chunk * p->width;
}

qv_status qv__prefix_new(struct qv_prefix **out, const qv_model *m, size_t chunk,
                         size_t bytes, qv_err *err)
{
    *out = NULL;
    struct qv_prefix *p = calloc(1, sizeof *p);
    if (!p)
        return qv_fail(err, QV_ENOMEM, "no memory for a prefix cache");
    *p = (struct qv_prefix){.L = m->c.L, .width = m->c.Hk * m->c.E, .chunk = chunk};
    p->n_max = bytes / (sizeof(struct entry) + floats_of(p) * sizeof(float));
    p->n_heads = qv__max(p->n_max, 1);
    p->head = calloc(p->n_heads, sizeof(struct entry *));
    if (!p->head) {
        qv_fail(err, QV_ENOMEM, "no memory for a prefix cache of %zu chunks", p->n_max);
        free(p);
        return QV_ENOMEM;
    }
    *out = p;
    return QV_OK;
}

static struct entry **head_of(const struct qv_prefix *p, const struct qv_chain *c)
{
    char digits[17];
    snprintf(digits, sizeof digits, "%.16s", c->hash);
    return &p->head[strtoull(digits, NULL, 16) % p->n_heads];
}

static struct entry *find(const struct qv_prefix *p, const struct qv_chain *c)
{
    struct entry *e = *head_of(p, c);
    while (e && memcmp(e->chain.hash, c->hash, sizeof c->hash) != 0)
        e = e->next;
    return e;
}

static void unlink_one(struct qv_prefix *p, struct entry *e)
{
    *(e->newer ? &e->newer->older : &p->newest) = e->older;
    *(e->older ? &e->older->newer : &p->oldest) = e->newer;
    e->newer = e->older = NULL;
}

static void put_first(struct qv_prefix *p, struct entry *e)
{
    e->newer = NULL;
    e->older = p->newest;
    *(p->newest ? &p->newest->newer : &p->oldest) = e;
    p->newest = e;
}

/* `e` was used, and with it all that it continues. */
static void touch(struct qv_prefix *p, struct entry *e)
{
    for (; e; e = e->before) {
        unlink_one(p, e);
        put_first(p, e);
    }
}

static void drop(struct qv_prefix *p, struct entry *e)
{
    struct entry **at = head_of(p, &e->chain);
    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    unlink_one(p, e);
    p->n--;
    free(e->kv);
    free(e);
}

void qv__prefix_free(struct qv_prefix *p)
{
    if (!p)
        return;
    while (p->oldest)
        drop(p, p->oldest);
    free(p->head);
    free(p);
}

/* Between an entry and positions past .. past + chunk - 1 of a cache. */
static void copy(const struct qv_prefix *p, const struct entry *e,
                 const struct qv_cache *cache, size_t past, bool keeps)
{
    const size_t n = p->chunk * p->width, bytes = n * sizeof(float);
    for (size_t i = 0; i < 2 * p->L; i++) {
        float *all = i < p->L ? cache->k : cache->v;
        float *at = all + (i % p->L * cache->n_ctx + past) * p->width;
        memcpy(keeps ? e->kv + i * n : at, keeps ? at : e->kv + i * n, bytes);
    }
}

size_t qv__prefix_fetch(struct qv_prefix *p, struct qv_chain *c, const int *token,
                        size_t most, struct qv_cache *cache)
{
    struct entry *last = NULL;
    size_t n = 0;
    for (; n < most; n++) {
        struct qv_chain next = *c;
        qv__chain_add(&next, token + n * p->chunk, p->chunk);
        struct entry *e = find(p, &next);
        if (!e)
            break;
        copy(p, e, cache, n * p->chunk, false);
        *c = next;
        last = e;
    }
    touch(p, last);
    cache->n = n * p->chunk;
    return n;
}

static struct entry *new_entry(const struct qv_prefix *p, const struct qv_chain *c)
{
    struct entry *e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->chain = *c;
    e->kv = malloc(floats_of(p) * sizeof *e->kv);
    if (e->kv)
        return e;
    free(e);
    return NULL;
}

void qv__prefix_keep(struct qv_prefix *p, struct qv_chain *c, const int *token,
                     const struct qv_cache *cache, size_t past)
{
    struct entry *before = past ? find(p, c) : NULL, *e;
    qv__chain_add(c, token, p->chunk);
    e = find(p, c);
    if (e) {
        touch(p, e);
        return;
    }
    if (past && !before)
        return; // nobody would find it
    touch(p, before);
    if (p->n >= p->n_max && p->oldest && p->oldest != before)
        drop(p, p->oldest);
    e = p->n < p->n_max ? new_entry(p, c) : NULL;
    if (!e)
        return; // memory is short: it is computed again
    struct entry **head = head_of(p, c);
    e->before = before;
    e->next = *head;
    *head = e;
    p->n++;
    copy(p, e, cache, past, true);
    put_first(p, e);
    touch(p, e);
}

size_t qv__prefix_bytes(const struct qv_prefix *p)
{
    return p ? p->n * (sizeof(struct entry) + floats_of(p) * sizeof(float)) : 0;
}
