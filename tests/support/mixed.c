/* mixed.c - see mixed.h. */
#include "support/mixed.h"

#include "base/hash.h"
#include "support/scratch.h"
#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>

/* ---- a stream of numbers: splitmix64 ---- */

static uint64_t below(uint64_t *state, uint64_t n)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = *state;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (z ^ z >> 31) % n;
}

static const json_t *pick(uint64_t *state, const json_t *list)
{
    return json_array_get(list, below(state, json_array_size(list)));
}

/* ---- one line ---- */

struct text {
    char at[8192];
    size_t n;
};

static void put(struct text *t, const char *bytes, size_t n)
{
    assert_true(t->n + n <= sizeof t->at);
    memcpy(t->at + t->n, bytes, n);
    t->n += n;
}

static void put_string(struct text *t, const json_t *s)
{
    put(t, json_string_value(s), json_string_length(s));
}

static uint32_t code_of(const json_t *range, size_t i)
{
    return (uint32_t)json_integer_value(json_array_get(range, i));
}

static void put_fragment(struct text *t, const json_t *kind, uint64_t *state)
{
    const json_t *texts = json_object_get(kind, "pick");
    const json_t *again = json_object_get(kind, "repeat");
    if (texts) {
        put_string(t, pick(state, texts));
        return;
    }
    uint64_t max = (uint64_t)json_integer_value(json_object_get(kind, "max"));
    const json_t *text = again ? pick(state, again) : NULL;
    for (uint64_t left = 1 + below(state, max); left; left--) {
        if (text) {
            put_string(t, text);
            continue;
        }
        const json_t *range = pick(state, json_object_get(kind, "range"));
        uint32_t low = code_of(range, 0), high = code_of(range, 1);
        char c[4];
        put(t, c, qv__utf8_write(c, low + (uint32_t)below(state, high - low + 1)));
    }
}

static void put_bad_bytes(struct text *t, uint64_t *state)
{
    for (uint64_t left = 1 + below(state, 4); left; left--) {
        char c = (char)(0x80 + below(state, 0x80));
        put(t, &c, 1);
    }
}

const char *mixed_line(size_t *n, const struct mixed *m, size_t i)
{
    static struct text t;
    uint64_t state = (i + 1) * UINT64_C(0xd1342543de82ef95); // far from the next line's
    bool bad = i % 10 == 9;
    t.n = 0;
    for (uint64_t left = 1 + below(&state, 16); left; left--) {
        size_t n_kinds = json_array_size(m->kinds) - bad;
        put_fragment(&t, json_array_get(m->kinds, below(&state, n_kinds)), &state);
        if (below(&state, 2))
            put(&t, " ", 1);
        if (bad && below(&state, 3) == 0)
            put_bad_bytes(&t, &state);
    }
    *n = t.n;
    return t.at;
}

/* ---- all lines ---- */

void mixed_init(struct mixed *m)
{
    qv_err err;
    *m = (struct mixed){0};
    assert_works(qv__json_read(&m->root, "tests/golden/text/mixed.json", 1 << 20, &err),
                 &err);
    m->kinds = json_object_get(m->root, "kinds");
    m->n_lines = (size_t)json_integer_value(json_object_get(m->root, "lines"));
    m->block = (size_t)json_integer_value(json_object_get(m->root, "block"));
    size_t size = 0, room = m->n_lines * sizeof(struct text), n;
    char *all = malloc(room);
    assert_non_null(all);
    for (size_t i = 0; i < m->n_lines; i++) {
        const char *line = mixed_line(&n, m, i);
        memcpy(all + size, line, n);
        all[size + n] = '\0';
        size += n + 1;
    }
    char hex[QV_HASH_TEXT];
    qv__hash_bytes(hex, all, size);
    free(all);
    const char *want = json_string_value(json_object_get(m->root, "hash"));
    assert_memory_equal(hex, want, strlen(want));
}

void mixed_end(struct mixed *m)
{
    json_decref(m->root);
    *m = (struct mixed){0};
}
