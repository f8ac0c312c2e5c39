/* gguf.c - see gguf.h: reading.
 *
 * A file is "GGUF", a version, the numbers of tensors and of values; the values,
 * each a key, a type and what that type needs; the tensors' names, dimensions,
 * types and offsets; and from the next multiple of the alignment on, the data.
 * Strings are a 64-bit length and bytes. All numbers are little-endian.
 */
#include "format/gguf.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are used as they lie");

enum { KEY_MAX = 65535, NAME_MAX_BYTES = 64 };

/* No more values or tensors than this, in no more bytes than that, so that a file
 * cannot ask for memory without end. */
static const uint64_t COUNT_MAX = 1 << 20;
static const size_t HEADER_MAX = (size_t)1 << 30;

/* By kind: its name, and bytes of an item; a string has at least its length. */
static const struct {
    const char *name;
    size_t bytes;
} kinds[] = {
    [QV_GGUF_U8] = {"u8", 1},      [QV_GGUF_I8] = {"i8", 1},
    [QV_GGUF_U16] = {"u16", 2},    [QV_GGUF_I16] = {"i16", 2},
    [QV_GGUF_U32] = {"u32", 4},    [QV_GGUF_I32] = {"i32", 4},
    [QV_GGUF_F32] = {"f32", 4},    [QV_GGUF_BOOL] = {"bool", 1},
    [QV_GGUF_STR] = {"string", 8}, [QV_GGUF_ARRAY] = {"list", 12},
    [QV_GGUF_U64] = {"u64", 8},    [QV_GGUF_I64] = {"i64", 8},
    [QV_GGUF_F64] = {"f64", 8},
};

/* What is still to be read of the header. */
struct cursor {
    const char *at;
    size_t left;
};

static bool take(struct cursor *c, void *out, size_t n)
{
    if (c->left < n)
        return false;
    memcpy(out, c->at, n);
    c->at += n;
    c->left -= n;
    return true;
}

/* A string, left where it lies. *out->n is its length even when it does not fit. */
static bool take_str(struct cursor *c, struct qv_gguf_str *out)
{
    uint64_t n = 0;
    bool has_length = take(c, &n, sizeof n);
    *out = (struct qv_gguf_str){c->at, n};
    if (!has_length || n > c->left)
        return false;
    c->at += n;
    c->left -= n;
    return true;
}

static qv_status cut_short(qv_err *err, const char *what)
{
    return qv_fail(err, QV_EFORMAT, "%s runs past the end", what);
}

/* ---- values ---- */

static qv_status read_key(const char **out, struct qv_gguf *g, struct cursor *c,
                          qv_err *err)
{
    struct qv_gguf_str key;
    if (!take_str(c, &key))
        return cut_short(err, "its key");
    if (key.n == 0)
        return qv_fail(err, QV_EFORMAT, "its key is empty");
    if (key.n > KEY_MAX)
        return qv_fail(err, QV_EFORMAT, "a key of %zu bytes, more than the limit of %d",
                       key.n, KEY_MAX);
    for (size_t i = 0; i < key.n; i++)
        if (key.at[i] < 0x20 || key.at[i] > 0x7e)
            return qv_fail(err, QV_EFORMAT, "byte 0x%02x in its key is not printable ASCII",
                           (unsigned)(unsigned char)key.at[i]);
    *out = qv__arena_strn(&g->arena, key.at, key.n);
    return QV_OK;
}

/* The items of v, each checked, of which c is at the first. */
static qv_status read_items(struct qv_gguf_value *v, struct cursor *c, qv_err *err)
{
    size_t bytes = kinds[v->kind].bytes;
    if (v->n > c->left / bytes)
        return qv_fail(err, QV_EFORMAT, "%zu items of type %s run past the end", v->n,
                       kinds[v->kind].name);
    v->data = c->at;
    if (v->kind == QV_GGUF_STR) {
        struct qv_gguf_str s;
        for (size_t i = 0; i < v->n; i++)
            if (!take_str(c, &s))
                return qv_fail(err, QV_EFORMAT, "string %zu of %zu bytes runs past the end",
                               i, s.n);
        return QV_OK;
    }
    c->at += v->n * bytes;
    c->left -= v->n * bytes;
    for (size_t i = 0; v->kind == QV_GGUF_BOOL && i < v->n; i++)
        if (v->data[i] != 0 && v->data[i] != 1)
            return qv_fail(err, QV_EFORMAT, "truth %zu is the byte 0x%02x, not 0 or 1", i,
                           (unsigned)(unsigned char)v->data[i]);
    return QV_OK;
}

static qv_status read_value(struct qv_gguf_value *v, struct qv_gguf *g, struct cursor *c,
                            qv_err *err)
{
    uint32_t kind;
    uint64_t n = 1;
    if (!take(c, &kind, sizeof kind))
        return cut_short(err, "its type");
    v->is_list = kind == QV_GGUF_ARRAY;
    if (v->is_list && (!take(c, &kind, sizeof kind) || !take(c, &n, sizeof n)))
        return cut_short(err, "the head of its list");
    if (kind >= QV_COUNT(kinds))
        return qv_fail(err, QV_EFORMAT, "unknown type %u", (unsigned)kind);
    if (kind == QV_GGUF_ARRAY)
        return qv_fail(err, QV_EUNSUPPORTED, "a list of lists is not supported");
    v->kind = kind;
    v->n = n;
    qv_status result = read_items(v, c, err);
    if (result || v->is_list || v->kind != QV_GGUF_STR)
        return result;
    const char *at = v->data;
    struct qv_gguf_str s = qv__gguf_next(&at);
    if (memchr(s.at, '\0', s.n))
        return qv_fail(err, QV_EFORMAT, "the string holds a NUL");
    v->text = qv__arena_strn(&g->arena, s.at, s.n);
    return QV_OK;
}

static int by_key(const void *x, const void *y)
{
    return strcmp((*(const struct qv_gguf_value *const *)x)->key,
                  (*(const struct qv_gguf_value *const *)y)->key);
}

static qv_status read_values(struct qv_gguf *g, struct cursor *c, size_t n, qv_err *err)
{
    g->value = qv_new_n(&g->arena, struct qv_gguf_value, n);
    g->by_key = qv_new_n(&g->arena, const struct qv_gguf_value *, n);
    for (size_t i = 0; i < n; i++) {
        struct qv_gguf_value *v = &g->value[i];
        qv_status result = read_key(&v->key, g, c, err);
        if (result)
            return qv_wrap(err, result, "value %zu: ", i);
        if ((result = read_value(v, g, c, err)))
            return qv_wrap(err, result, "'%.200s': ", v->key);
        g->by_key[i] = v;
    }
    g->n_values = n;
    if (n)
        qsort(g->by_key, n, sizeof *g->by_key, by_key);
    for (size_t i = 1; i < n; i++)
        if (strcmp(g->by_key[i - 1]->key, g->by_key[i]->key) == 0)
            return qv_fail(err, QV_EFORMAT, "'%.200s' is given twice", g->by_key[i]->key);
    return QV_OK;
}

static qv_status read_alignment(struct qv_gguf *g, qv_err *err)
{
    g->alignment = QV_GGUF_ALIGNMENT;
    const struct qv_gguf_value *v = qv__gguf_get(g, "general.alignment");
    if (!v)
        return QV_OK;
    if (v->kind != QV_GGUF_U32 || v->is_list)
        return qv_fail(err, QV_EFORMAT, "'general.alignment' is not of type u32");
    g->alignment = (size_t)qv__gguf_int_at(v, 0);
    if (g->alignment < 8 || (g->alignment & (g->alignment - 1)))
        return qv_fail(err, QV_EFORMAT,
                       "'general.alignment' is %zu, not a power of two from 8 on",
                       g->alignment);
    return QV_OK;
}

/* ---- tensors ---- */

static qv_status read_name(struct qv_gguf_tensor *t, struct qv_gguf *g, struct cursor *c,
                           qv_err *err)
{
    struct qv_gguf_str name;
    if (!take_str(c, &name))
        return cut_short(err, "its name");
    if (name.n == 0)
        return qv_fail(err, QV_EFORMAT, "its name is empty");
    if (name.n > NAME_MAX_BYTES)
        return qv_fail(err, QV_EFORMAT, "a name of %zu bytes, more than the limit of %d",
                       name.n, NAME_MAX_BYTES);
    if (memchr(name.at, '\0', name.n))
        return qv_fail(err, QV_EFORMAT, "its name holds a NUL");
    t->name = qv__arena_strn(&g->arena, name.at, name.n);
    return QV_OK;
}

static qv_status read_shape(struct qv_gguf_tensor *t, struct cursor *c, qv_err *err)
{
    uint32_t rank;
    if (!take(c, &rank, sizeof rank))
        return cut_short(err, "its number of dimensions");
    if (rank > QV_GGUF_RANK)
        return qv_fail(err, QV_EFORMAT, "%u dimensions, more than the limit of %d",
                       (unsigned)rank, QV_GGUF_RANK);
    t->rank = (int)rank;
    t->n = 1;
    bool overflows = false;
    for (uint32_t i = rank; i-- > 0;) {
        uint64_t size;
        if (!take(c, &size, sizeof size))
            return cut_short(err, "its shape");
        t->shape[i] = size;
        overflows |= size > INT64_MAX || __builtin_mul_overflow(t->n, size, &t->n);
    }
    return overflows || t->n > INT64_MAX ? qv_fail(err, QV_EFORMAT, "its shape overflows")
                                         : QV_OK;
}

static qv_status read_type(struct qv_gguf_tensor *t, struct cursor *c, qv_err *err)
{
    uint32_t id;
    if (!take(c, &id, sizeof id))
        return cut_short(err, "its type");
    t->type = qv__block(id);
    if (!t->type)
        return qv_fail(err, QV_EUNSUPPORTED, "unknown type %u", (unsigned)id);
    size_t row = t->rank ? t->shape[t->rank - 1] : 1;
    if (row % t->type->n)
        return qv_fail(err, QV_EFORMAT,
                       "rows of %zu elements are not whole blocks of %zu (%s)", row,
                       t->type->n, t->type->name);
    if (__builtin_mul_overflow(t->n / t->type->n, t->type->bytes, &t->bytes))
        return qv_fail(err, QV_EFORMAT, "its shape overflows");
    return QV_OK;
}

/* The data begins at a place that is known only behind the last tensor's entry;
 * until then t->data is NULL and *offset is where it will be. */
static qv_status read_tensor(struct qv_gguf_tensor *t, uint64_t *offset, struct qv_gguf *g,
                             struct cursor *c, qv_err *err)
{
    qv_status result = read_shape(t, c, err);
    if (!result)
        result = read_type(t, c, err);
    if (result)
        return result;
    if (!take(c, offset, sizeof *offset))
        return cut_short(err, "its offset");
    if (*offset % g->alignment)
        return qv_fail(err, QV_EFORMAT, "offset %llu is not a multiple of %zu",
                       (unsigned long long)*offset, g->alignment);
    return QV_OK;
}

/* Empty tensors come before the one that starts at the same place. */
static int by_place(const void *x, const void *y)
{
    const struct qv_gguf_tensor *a = *(const struct qv_gguf_tensor *const *)x,
                                *b = *(const struct qv_gguf_tensor *const *)y;
    if (a->data != b->data)
        return (const char *)a->data < (const char *)b->data ? -1 : 1;
    if (a->bytes != b->bytes)
        return a->bytes < b->bytes ? -1 : 1;
    return 0;
}

static int by_name(const void *x, const void *y)
{
    return strcmp((*(const struct qv_gguf_tensor *const *)x)->name,
                  (*(const struct qv_gguf_tensor *const *)y)->name);
}

static size_t padded(size_t n, size_t alignment)
{
    return (n + alignment - 1) & ~(alignment - 1);
}

/* Give each tensor its data in body[0..size): inside the file, each beginning where
 * the one before it, padded, ended. Borrows by_name as room to sort in. */
static qv_status place(struct qv_gguf *g, const uint64_t *offset, const char *body,
                       size_t size, qv_err *err)
{
    for (size_t i = 0; i < g->n; i++) {
        struct qv_gguf_tensor *t = &g->tensor[i];
        if (offset[i] > size || t->bytes > size - offset[i])
            return qv_fail(err, QV_EFORMAT,
                           "tensor '%s': %zu bytes from %llu on, outside the %zu of data",
                           t->name, t->bytes, (unsigned long long)offset[i], size);
        t->data = body + offset[i];
        g->by_name[i] = t;
    }
    if (g->n)
        qsort(g->by_name, g->n, sizeof *g->by_name, by_place);
    size_t at = 0;
    for (size_t i = 0; i < g->n; i++) {
        const struct qv_gguf_tensor *t = g->by_name[i];
        size_t begin = (size_t)((const char *)t->data - body);
        if (begin < at)
            return qv_fail(err, QV_EFORMAT, "tensor '%s': overlaps '%s'", t->name,
                           g->by_name[i - 1]->name);
        if (begin > at)
            return qv_fail(err, QV_EFORMAT,
                           "tensor '%s': %zu bytes before it are no tensor's", t->name,
                           begin - at);
        at = padded(begin + t->bytes, g->alignment);
    }
    return QV_OK;
}

static qv_status read_tensors(struct qv_gguf *g, struct cursor *c, size_t n,
                              uint64_t *offset, qv_err *err)
{
    g->tensor = qv_new_n(&g->arena, struct qv_gguf_tensor, n);
    g->by_name = qv_new_n(&g->arena, const struct qv_gguf_tensor *, n);
    for (; g->n < n; g->n++) {
        struct qv_gguf_tensor *t = &g->tensor[g->n];
        qv_status result = read_name(t, g, c, err);
        if (result)
            return qv_wrap(err, result, "tensor %zu: ", g->n);
        if ((result = read_tensor(t, &offset[g->n], g, c, err)))
            return qv_wrap(err, result, "tensor '%s': ", t->name);
    }
    return QV_OK;
}

static qv_status sort_names(struct qv_gguf *g, qv_err *err)
{
    if (g->n)
        qsort(g->by_name, g->n, sizeof *g->by_name, by_name);
    for (size_t i = 1; i < g->n; i++)
        if (strcmp(g->by_name[i - 1]->name, g->by_name[i]->name) == 0)
            return qv_fail(err, QV_EFORMAT, "tensor '%s' is given twice",
                           g->by_name[i]->name);
    return QV_OK;
}

/* ---- the file ---- */

static qv_status check_version(struct qv_gguf *g, uint32_t version, qv_err *err)
{
    if (version && (version & 0xffff) == 0)
        return qv_fail(err, QV_EUNSUPPORTED,
                       "a big-endian file; only little-endian ones are read");
    if (version != 2 && version != 3)
        return qv_fail(err, QV_EUNSUPPORTED, "version %u of GGUF; 2 and 3 are read",
                       (unsigned)version);
    g->version = version;
    return QV_OK;
}

/* Each entry takes some bytes at least, so that a count is refused before memory is
 * asked for. */
static qv_status check_count(uint64_t n, size_t least, size_t left, const char *what,
                             qv_err *err)
{
    if (n > COUNT_MAX)
        return qv_fail(err, QV_ELIMIT, "%llu %s, more than the limit of %llu",
                       (unsigned long long)n, what, (unsigned long long)COUNT_MAX);
    if (n > left / least)
        return qv_fail(err, QV_EFORMAT, "%llu %s in %zu bytes", (unsigned long long)n, what,
                       left);
    return QV_OK;
}

static qv_status parse(struct qv_gguf *g, const char *bytes, size_t size, qv_err *err)
{
    struct cursor c = {bytes, qv__min(size, HEADER_MAX)};
    char magic[4];
    uint32_t version;
    uint64_t n_tensors, n_values;
    if (!take(&c, magic, sizeof magic) || !take(&c, &version, sizeof version) ||
        !take(&c, &n_tensors, sizeof n_tensors) || !take(&c, &n_values, sizeof n_values))
        return qv_fail(err, QV_EFORMAT, "%zu bytes, too short for a GGUF file", size);
    if (memcmp(magic, "GGUF", sizeof magic) != 0)
        return qv_fail(err, QV_EFORMAT, "does not start with 'GGUF'");
    qv_status result = check_version(g, version, err);
    if (!result)
        result = check_count(n_values, 8 + 1 + 4 + 1, c.left, "values", err);
    if (!result)
        result = check_count(n_tensors, 8 + 1 + 4 + 4 + 8, c.left, "tensors", err);
    if (!result)
        result = read_values(g, &c, n_values, err);
    if (!result)
        result = read_alignment(g, err);
    if (result)
        return result;
    uint64_t *offset = qv_new_n(&g->arena, uint64_t, n_tensors);
    if ((result = read_tensors(g, &c, n_tensors, offset, err)))
        return result;
    size_t begin = qv__min(padded((size_t)(c.at - bytes), g->alignment), size);
    result = place(g, offset, bytes + begin, size - begin, err);
    return result ? result : sort_names(g, err);
}

qv_status qv__gguf_parse(struct qv_gguf *g, const void *bytes, size_t size, qv_err *err)
{
    *g = (struct qv_gguf){0};
    qv_status result = parse(g, bytes, size, err);
    if (result)
        qv__gguf_close(g);
    return result;
}

qv_status qv__gguf_open(struct qv_gguf *g, const char *path, qv_err *err)
{
    *g = (struct qv_gguf){0};
    struct qv_map map;
    qv_status result = qv__map(&map, path, err);
    if (result)
        return result;
    result = qv__gguf_parse(g, map.bytes, map.size, err);
    if (result) {
        qv__unmap(&map);
        return qv_wrap(err, result, "%s: ", path);
    }
    g->map = map; // now owned by *g
    return QV_OK;
}

void qv__gguf_close(struct qv_gguf *g)
{
    if (!g)
        return;
    qv__arena_free(&g->arena);
    qv__unmap(&g->map);
    *g = (struct qv_gguf){0};
}

/* ---- looking things up ---- */

static int find_key(const void *key, const void *y)
{
    return strcmp(key, (*(const struct qv_gguf_value *const *)y)->key);
}

static int find_name(const void *name, const void *y)
{
    return strcmp(name, (*(const struct qv_gguf_tensor *const *)y)->name);
}

const struct qv_gguf_value *qv__gguf_get(const struct qv_gguf *g, const char *key)
{
    if (!g->n_values)
        return NULL;
    const struct qv_gguf_value *const *found =
        bsearch(key, g->by_key, g->n_values, sizeof *g->by_key, find_key);
    return found ? *found : NULL;
}

const struct qv_gguf_tensor *qv__gguf_find(const struct qv_gguf *g, const char *name)
{
    if (!g->n)
        return NULL;
    const struct qv_gguf_tensor *const *found =
        bsearch(name, g->by_name, g->n, sizeof *g->by_name, find_name);
    return found ? *found : NULL;
}

static bool is_int(const struct qv_gguf_value *v)
{
    return v->kind <= QV_GGUF_I32 || v->kind == QV_GGUF_U64 || v->kind == QV_GGUF_I64;
}

static bool is_float(const struct qv_gguf_value *v)
{
    return v->kind == QV_GGUF_F32 || v->kind == QV_GGUF_F64;
}

static qv_status wrong(qv_err *err, const struct qv_gguf_value *v, const char *wanted)
{
    return qv_fail(err, QV_EFORMAT, "'%.200s' is %s%s, not %s", v->key,
                   v->is_list ? "a list of " : "of type ", kinds[v->kind].name, wanted);
}

static qv_status beyond(qv_err *err, const struct qv_gguf_value *v, size_t i)
{
    return qv_fail(err, QV_EFORMAT, "'%.200s' holds %llu, which is too large", v->key,
                   (unsigned long long)qv__gguf_int_at(v, i));
}

qv_status qv__gguf_int(const struct qv_gguf *g, const char *key, int64_t *out, qv_err *err)
{
    const struct qv_gguf_value *v = qv__gguf_get(g, key);
    if (!v)
        return QV_OK;
    if (v->is_list || !is_int(v))
        return wrong(err, v, "an integer");
    int64_t x = qv__gguf_int_at(v, 0);
    if (x < 0 && v->kind == QV_GGUF_U64)
        return beyond(err, v, 0);
    *out = x;
    return QV_OK;
}

qv_status qv__gguf_size(const struct qv_gguf *g, const char *key, size_t *out, qv_err *err)
{
    if (!qv__gguf_get(g, key))
        return QV_OK;
    int64_t x;
    qv_status result = qv__gguf_int(g, key, &x, err);
    if (result)
        return result;
    if (x < 0)
        return qv_fail(err, QV_EFORMAT, "'%.200s' is %lld, less than 0", key, (long long)x);
    *out = (size_t)x;
    return QV_OK;
}

qv_status qv__gguf_float(const struct qv_gguf *g, const char *key, float *out, qv_err *err)
{
    const struct qv_gguf_value *v = qv__gguf_get(g, key);
    if (!v)
        return QV_OK;
    if (v->is_list || !is_float(v))
        return wrong(err, v, "a float");
    *out = (float)qv__gguf_float_at(v, 0);
    return QV_OK;
}

qv_status qv__gguf_bool(const struct qv_gguf *g, const char *key, bool *out, qv_err *err)
{
    const struct qv_gguf_value *v = qv__gguf_get(g, key);
    if (!v)
        return QV_OK;
    if (v->is_list || v->kind != QV_GGUF_BOOL)
        return wrong(err, v, "a bool");
    *out = qv__gguf_int_at(v, 0);
    return QV_OK;
}

qv_status qv__gguf_str(const struct qv_gguf *g, const char *key, const char **out,
                       qv_err *err)
{
    const struct qv_gguf_value *v = qv__gguf_get(g, key);
    if (!v)
        return QV_OK;
    if (!v->text)
        return wrong(err, v, "a string");
    *out = v->text;
    return QV_OK;
}

qv_status qv__gguf_list(const struct qv_gguf *g, const char *key, enum qv_gguf_kind like,
                        const struct qv_gguf_value **out, qv_err *err)
{
    const struct qv_gguf_value *v = qv__gguf_get(g, key);
    if (!v)
        return QV_OK;
    bool fits = like == QV_GGUF_I64   ? is_int(v)
                : like == QV_GGUF_F64 ? is_float(v)
                                      : v->kind == like;
    if (!v->is_list || !fits)
        return wrong(err, v,
                     like == QV_GGUF_I64   ? "a list of integers"
                     : like == QV_GGUF_F64 ? "a list of floats"
                     : like == QV_GGUF_STR ? "a list of strings"
                                           : "a list of bools");
    for (size_t i = 0; v->kind == QV_GGUF_U64 && i < v->n; i++)
        if (qv__gguf_int_at(v, i) < 0)
            return beyond(err, v, i);
    *out = v;
    return QV_OK;
}

int64_t qv__gguf_int_at(const struct qv_gguf_value *v, size_t i)
{
    qv_check(i < v->n && (is_int(v) || v->kind == QV_GGUF_BOOL));
    size_t bytes = kinds[v->kind].bytes;
    uint64_t bits = 0;
    memcpy(&bits, v->data + i * bytes, bytes);
    bool is_signed =
        v->kind == QV_GGUF_I8 || v->kind == QV_GGUF_I16 || v->kind == QV_GGUF_I32;
    if (is_signed && bits >> (8 * bytes - 1))
        bits |= ~UINT64_C(0) << 8 * bytes;
    return (int64_t)bits;
}

double qv__gguf_float_at(const struct qv_gguf_value *v, size_t i)
{
    qv_check(i < v->n && is_float(v));
    float f;
    double d;
    if (v->kind == QV_GGUF_F64) {
        memcpy(&d, v->data + i * sizeof d, sizeof d);
        return d;
    }
    memcpy(&f, v->data + i * sizeof f, sizeof f);
    return (double)f;
}

struct qv_gguf_str qv__gguf_next(const char **at)
{
    uint64_t n;
    memcpy(&n, *at, sizeof n);
    struct qv_gguf_str s = {*at + sizeof n, n};
    *at = s.at + n;
    return s;
}
