/* vocab.c - see vocab.h. An open-addressing table of ids, at most half full. */
#include "text/vocab.h"

#include <stdlib.h>
#include <string.h>

uint64_t qv__text_hash(const char *text, size_t n)
{
    uint64_t h = n * UINT64_C(0x9e3779b97f4a7c15);
    while (n) {
        uint64_t word = 0;
        size_t take = qv__min(n, sizeof word);
        memcpy(&word, text, take);
        h = (h ^ word) * UINT64_C(0xbf58476d1ce4e5b9);
        h ^= h >> 29;
        text += take;
        n -= take;
    }
    return h ^ h >> 32;
}

static size_t find_slot(const struct qv__vocab *v, const char *text, size_t n)
{
    size_t i = (size_t)qv__text_hash(text, n) & v->mask;
    for (; v->slot[i] >= 0; i = (i + 1) & v->mask) {
        const struct qv__token *t = &v->token[v->slot[i]];
        if (t->n == n && !memcmp(t->text, text, n))
            break;
    }
    return i;
}

static bool grow_slots(struct qv__vocab *v)
{
    size_t n = v->slot ? (v->mask + 1) * 2 : 1024;
    int *slot = malloc(n * sizeof *slot);
    if (!slot)
        return false;
    memset(slot, 0xff, n * sizeof *slot);
    free(v->slot);
    v->slot = slot;
    v->mask = n - 1;
    for (size_t id = 0; id < v->size; id++)
        if (v->token[id].text)
            slot[find_slot(v, v->token[id].text, v->token[id].n)] = (int)id;
    return true;
}

static bool grow_tokens(struct qv__vocab *v, size_t id)
{
    if (id >= v->cap) {
        size_t cap = qv__max(1024, qv__max(id + 1, v->cap * 2));
        struct qv__token *grown = realloc(v->token, cap * sizeof *grown);
        if (!grown)
            return false;
        v->token = grown;
        v->cap = cap;
    }
    if (id >= v->size) {
        memset(v->token + v->size, 0, (id + 1 - v->size) * sizeof *v->token);
        v->size = id + 1;
    }
    return true;
}

qv_status qv__vocab_add(struct qv__vocab *v, const char *text, size_t n, size_t id,
                        qv_err *err)
{
    int shown = (int)qv__min(n, 60);
    if (id >= v->limit)
        return qv_fail(err, QV_EFORMAT, "token '%.*s': id %zu is not below %zu", shown,
                       text, id, v->limit);
    if (2 * (v->used + 1) > v->mask + 1 && !grow_slots(v))
        return qv_fail(err, QV_ENOMEM, "no memory for a vocabulary");
    size_t at = find_slot(v, text, n);
    if (v->slot[at] >= 0)
        return qv_fail(err, QV_EFORMAT, "token '%.*s' has two ids, %d and %zu", shown, text,
                       v->slot[at], id);
    if (id < v->size && v->token[id].text)
        return qv_fail(err, QV_EFORMAT, "id %zu stands for both '%.60s' and '%.*s'", id,
                       v->token[id].text, shown, text);
    if (!grow_tokens(v, id))
        return qv_fail(err, QV_ENOMEM, "no memory for a vocabulary");
    v->token[id].text = qv__arena_strn(&v->arena, text, n);
    v->token[id].n = (uint32_t)n;
    v->slot[at] = (int)id;
    v->used++;
    return QV_OK;
}

int qv__vocab_find(const struct qv__vocab *v, const char *text, size_t n)
{
    return v->slot ? v->slot[find_slot(v, text, n)] : -1;
}

void qv__vocab_free(struct qv__vocab *v)
{
    qv__arena_free(&v->arena);
    free(v->token);
    free(v->slot);
    *v = (struct qv__vocab){0};
}
