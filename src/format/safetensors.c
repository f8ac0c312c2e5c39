/* safetensors.c - see safetensors.h.
 *
 * A file is a 64-bit little-endian N, N bytes of JSON, then the data. The JSON
 * maps each name to {dtype, shape, data_offsets}; "__metadata__" maps strings
 * to strings. Where the official reader is lenient (white space before the
 * header's '{', a key given twice) this one follows the written rules.
 */
#include "format/safetensors.h"
#include "base/json.h"
#include "kern/half.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensor data is used as it lies");

static const size_t MAX_HEADER = 100000000;

/* In the order of the official library, which the writer sorts by. */
static const struct dtype {
    const char *name;
    unsigned bits;
    enum qv_dtype dtype;
} dtypes[] = {
    {"BOOL", 8, QV_BOOL},
    {"F4", 4, QV_DTYPE_OTHER},
    {"F6_E2M3", 6, QV_DTYPE_OTHER},
    {"F6_E3M2", 6, QV_DTYPE_OTHER},
    {"U8", 8, QV_U8},
    {"I8", 8, QV_I8},
    {"F8_E5M2", 8, QV_DTYPE_OTHER},
    {"F8_E4M3", 8, QV_DTYPE_OTHER},
    {"F8_E8M0", 8, QV_DTYPE_OTHER},
    {"F8_E4M3FNUZ", 8, QV_DTYPE_OTHER},
    {"F8_E5M2FNUZ", 8, QV_DTYPE_OTHER},
    {"I16", 16, QV_I16},
    {"U16", 16, QV_DTYPE_OTHER},
    {"F16", 16, QV_F16},
    {"BF16", 16, QV_BF16},
    {"I32", 32, QV_I32},
    {"U32", 32, QV_DTYPE_OTHER},
    {"F32", 32, QV_F32},
    {"C64", 64, QV_DTYPE_OTHER},
    {"F64", 64, QV_F64},
    {"I64", 64, QV_I64},
    {"U64", 64, QV_DTYPE_OTHER},
};

static const struct dtype *dtype_named(const char *name)
{
    for (size_t i = 0; i < QV_COUNT(dtypes); i++)
        if (strcmp(dtypes[i].name, name) == 0)
            return &dtypes[i];
    return NULL;
}

static const struct dtype *dtype_of(enum qv_dtype dtype)
{
    for (size_t i = 0; i < QV_COUNT(dtypes); i++)
        if (dtypes[i].dtype == dtype && dtype != QV_DTYPE_OTHER)
            return &dtypes[i];
    return NULL;
}

static bool read_size(const json_t *v, size_t *out)
{
    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return false;
    *out = (size_t)json_integer_value(v);
    return true;
}

/* Element type, shape, and the bytes they need. */
static qv_status read_shape(struct qv_tensor *t, const json_t *v, qv_err *err)
{
    const char *name = json_string_value(json_object_get(v, "dtype"));
    if (!name)
        return qv_fail(err, QV_EFORMAT, "dtype is missing or not a string");
    const struct dtype *dtype = dtype_named(name);
    if (!dtype)
        return qv_fail(err, QV_EFORMAT, "unknown dtype '%.40s'", name);
    t->dtype = dtype->dtype;
    t->dtype_name = dtype->name;

    const json_t *shape = json_object_get(v, "shape");
    if (!json_is_array(shape))
        return qv_fail(err, QV_EFORMAT, "shape is missing or not a list");
    size_t rank = json_array_size(shape), bits;
    if (rank > QV_MAX_RANK)
        return qv_fail(err, QV_EFORMAT, "%zu dimensions, more than the limit of %d", rank,
                       QV_MAX_RANK);
    t->rank = (int)rank;
    t->n = 1;
    for (size_t i = 0; i < rank; i++) {
        if (!read_size(json_array_get(shape, i), &t->shape[i]))
            return qv_fail(err, QV_EFORMAT, "dimension %zu is not a whole number", i);
        if (__builtin_mul_overflow(t->n, t->shape[i], &t->n))
            return qv_fail(err, QV_EFORMAT, "shape overflows");
    }
    if (__builtin_mul_overflow(t->n, dtype->bits, &bits))
        return qv_fail(err, QV_EFORMAT, "shape overflows");
    if (bits % 8)
        return qv_fail(err, QV_EFORMAT, "%zu elements of %s do not fill whole bytes", t->n,
                       dtype->name);
    t->bytes = bits / 8;
    return QV_OK;
}

static qv_status read_tensor(struct qv_tensor *t, const json_t *v, const char *body,
                             size_t body_size, qv_err *err)
{
    if (!json_is_object(v))
        return qv_fail(err, QV_EFORMAT, "not an object");
    qv_status result = read_shape(t, v, err);
    if (result)
        return result;
    const json_t *offsets = json_object_get(v, "data_offsets");
    size_t begin, end;
    if (json_array_size(offsets) != 2 || !read_size(json_array_get(offsets, 0), &begin) ||
        !read_size(json_array_get(offsets, 1), &end))
        return qv_fail(err, QV_EFORMAT, "data_offsets is not a pair of whole numbers");
    if (begin > end)
        return qv_fail(err, QV_EFORMAT, "data ends at %zu before it begins at %zu", end,
                       begin);
    if (end > body_size)
        return qv_fail(err, QV_EFORMAT, "data ends at %zu, outside the file's %zu", end,
                       body_size);
    if (end - begin != t->bytes)
        return qv_fail(err, QV_EFORMAT, "data of %zu bytes and shape of %zu disagree",
                       end - begin, t->bytes);
    t->data = body + begin;
    return QV_OK;
}

static qv_status read_metadata(struct qv_st *st, json_t *v, qv_err *err)
{
    if (!json_is_object(v))
        return qv_fail(err, QV_EFORMAT, "__metadata__ is not an object");
    size_t n = json_object_size(v);
    st->meta_key = qv_new_n(&st->arena, const char *, n);
    st->meta_value = qv_new_n(&st->arena, const char *, n);
    const char *key;
    json_t *value;
    json_object_foreach(v, key, value)
    {
        if (!json_is_string(value))
            return qv_fail(err, QV_EFORMAT, "__metadata__: '%.200s' is not a string", key);
        st->meta_key[st->n_meta] = qv__arena_str(&st->arena, key);
        st->meta_value[st->n_meta++] = qv__arena_str(&st->arena, json_string_value(value));
    }
    return QV_OK;
}

/* Empty tensors come before the one that starts at the same place. */
static int by_place(const void *x, const void *y)
{
    const struct qv_tensor *a = x, *b = y;
    if (a->data != b->data)
        return (const char *)a->data < (const char *)b->data ? -1 : 1;
    if (a->bytes != b->bytes)
        return a->bytes < b->bytes ? -1 : 1;
    return strcmp(a->name, b->name);
}

static int by_name(const void *x, const void *y)
{
    return strcmp((*(const struct qv_tensor *const *)x)->name,
                  (*(const struct qv_tensor *const *)y)->name);
}

/* Each tensor must begin where the one before it ended, and the last must end
 * with the file. */
static qv_status check_tiling(const struct qv_st *st, const char *body, size_t body_size,
                              qv_err *err)
{
    size_t at = 0;
    for (size_t i = 0; i < st->n; i++) {
        const struct qv_tensor *t = &st->tensor[i];
        size_t begin = (size_t)((const char *)t->data - body);
        if (begin < at)
            return qv_fail(err, QV_EFORMAT,
                           "tensor '%.200s': overlaps '%.200s' by %zu bytes", t->name,
                           st->tensor[i - 1].name, at - begin);
        if (begin > at)
            return qv_fail(err, QV_EFORMAT,
                           "tensor '%.200s': %zu bytes before it are no "
                           "tensor's",
                           t->name, begin - at);
        at += t->bytes;
    }
    if (at != body_size)
        return qv_fail(err, QV_EFORMAT, "%zu bytes follow the last tensor", body_size - at);
    return QV_OK;
}

static qv_status read_header(struct qv_st *st, json_t *header, const char *body,
                             size_t body_size, qv_err *err)
{
    st->tensor = qv_new_n(&st->arena, struct qv_tensor, json_object_size(header));
    const char *name;
    json_t *value;
    json_object_foreach(header, name, value)
    {
        qv_status result;
        if (strcmp(name, "__metadata__") == 0) {
            if ((result = read_metadata(st, value, err)))
                return result;
            continue;
        }
        struct qv_tensor *t = &st->tensor[st->n];
        if ((result = read_tensor(t, value, body, body_size, err)))
            return qv_wrap(err, result, "tensor '%.200s': ", name);
        t->name = qv__arena_str(&st->arena, name);
        st->n++;
    }
    if (st->n)
        qsort(st->tensor, st->n, sizeof *st->tensor, by_place);
    st->by_name = qv_new_n(&st->arena, const struct qv_tensor *, st->n);
    for (size_t i = 0; i < st->n; i++)
        st->by_name[i] = &st->tensor[i];
    if (st->n)
        qsort(st->by_name, st->n, sizeof *st->by_name, by_name);
    return check_tiling(st, body, body_size, err);
}

/* What torch.save writes, today and before version 1.6. */
static bool is_pickle(const void *bytes, size_t size)
{
    return size >= 4 &&
           (memcmp(bytes, "PK\3\4", 4) == 0 || memcmp(bytes, "\x80\2\x8a\n", 4) == 0);
}

qv_status qv__st_parse(struct qv_st *st, const void *bytes, size_t size, qv_err *err)
{
    *st = (struct qv_st){0};
    uint64_t n;
    if (size < sizeof n)
        return qv_fail(err, QV_EFORMAT, "%zu bytes, too short for a safetensors file",
                       size);
    memcpy(&n, bytes, sizeof n);
    if (n > MAX_HEADER && is_pickle(bytes, size))
        return qv_fail(err, QV_EFORMAT, "a Python pickle, not a safetensors file");
    if (n > MAX_HEADER)
        return qv_fail(err, QV_EFORMAT, "header of %llu bytes, more than the limit of %zu",
                       (unsigned long long)n, MAX_HEADER);
    size_t body_size = size - sizeof n;
    if (n > body_size)
        return qv_fail(err, QV_EFORMAT, "header of %zu bytes in a file of %zu", (size_t)n,
                       size);
    body_size -= n;
    const char *text = (const char *)bytes + sizeof n;
    if (n == 0 || text[0] != '{')
        return qv_fail(err, QV_EFORMAT, "header does not start with '{'");

    json_t *header;
    qv_status result = qv__json_parse(&header, text, n, err);
    if (result)
        return qv_wrap(err, result, "header: ");
    result = read_header(st, header, text + n, body_size, err);
    json_decref(header);
    if (result)
        qv__st_close(st);
    return result;
}

qv_status qv__st_open(struct qv_st *st, const char *path, qv_err *err)
{
    *st = (struct qv_st){0};
    struct qv_map map;
    qv_status result = qv__map(&map, path, err);
    if (result)
        return result;
    result = qv__st_parse(st, map.bytes, map.size, err);
    if (result) {
        qv__unmap(&map);
        return qv_wrap(err, result, "%s: ", path);
    }
    st->map = map; // now owned by *st
    return QV_OK;
}

void qv__st_close(struct qv_st *st)
{
    if (!st)
        return;
    qv__arena_free(&st->arena);
    qv__unmap(&st->map);
    *st = (struct qv_st){0};
}

const struct qv_tensor *qv__st_find(const struct qv_st *st, const char *name)
{
    size_t low = 0, high = st->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = strcmp(st->by_name[mid]->name, name);
        if (order == 0)
            return st->by_name[mid];
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

const char *qv__st_meta(const struct qv_st *st, const char *key)
{
    for (size_t i = 0; i < st->n_meta; i++)
        if (strcmp(st->meta_key[i], key) == 0)
            return st->meta_value[i];
    return NULL;
}

void qv__st_f32(float *out, const struct qv_tensor *t, size_t first, size_t n)
{
    qv_check(first <= t->n && n <= t->n - first && t->dtype <= QV_F64);
    if (n == 0)
        return;
    const char *data = t->data;
    switch (t->dtype) {
    case QV_F32:
        memcpy(out, data + first * sizeof *out, n * sizeof *out);
        break;
    case QV_F16:
    case QV_BF16:
        for (size_t i = 0; i < n; i++) {
            uint16_t h;
            memcpy(&h, data + (first + i) * sizeof h, sizeof h);
            out[i] = t->dtype == QV_F16 ? qv__f16_to_f32(h) : qv__bf16_to_f32(h);
        }
        break;
    default: // QV_F64
        for (size_t i = 0; i < n; i++) {
            double d;
            memcpy(&d, data + (first + i) * sizeof d, sizeof d);
            out[i] = (float)d;
        }
    }
}

/* A tensor on its way out. */
struct item {
    const struct qv_tensor_out *t;
    const struct dtype *dtype;
    size_t bytes;
};

static int by_width_and_name(const void *x, const void *y)
{
    const struct item *a = x, *b = y;
    if (a->dtype != b->dtype)
        return a->dtype > b->dtype ? -1 : 1;
    return strcmp(a->t->name, b->t->name);
}

/* Takes `value`. */
static qv_status set(json_t *obj, const char *key, json_t *value, const char *what,
                     qv_err *err)
{
    if (json_object_get(obj, key)) {
        json_decref(value);
        return qv_fail(err, QV_EFORMAT, "%s '%.200s': given twice", what, key);
    }
    if (json_object_set_new(obj, key, value))
        return qv_fail(err, QV_EFORMAT, "%s '%.200s': not UTF-8", what, key);
    return QV_OK;
}

static qv_status write_header(struct qv_out *out, json_t *header, const struct item *item,
                              size_t n, qv_err *err)
{
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        json_t *shape = json_array();
        for (int k = 0; k < item[i].t->rank; k++)
            json_array_append_new(shape, json_integer((json_int_t)item[i].t->shape[k]));
        json_t *entry =
            json_pack("{s:s, s:o, s:[I, I]}", "dtype", item[i].dtype->name, "shape", shape,
                      "data_offsets", (json_int_t)at, (json_int_t)(at + item[i].bytes));
        qv_status result = set(header, item[i].t->name, entry, "tensor", err);
        if (result)
            return result;
        at += item[i].bytes;
    }
    char *text = json_dumps(header, JSON_COMPACT);
    qv_check(text);
    uint64_t size = strlen(text), padded = (size + 7) & ~UINT64_C(7);
    qv_status result = qv__out_write(out, &padded, sizeof padded, err);
    if (!result)
        result = qv__out_write(out, text, size, err);
    if (!result)
        result = qv__out_write(out, "       ", padded - size, err);
    free(text);
    return result;
}

static qv_status write_all(struct qv_out *out, json_t *header, const struct item *item,
                           size_t n, const char *const (*meta)[2], size_t n_meta,
                           qv_err *err)
{
    qv_status result = QV_OK;
    if (n_meta) {
        json_t *pairs = json_object();
        json_object_set_new(header, "__metadata__", pairs);
        for (size_t i = 0; i < n_meta && !result; i++)
            result = set(pairs, meta[i][0], json_string(meta[i][1]), "metadata", err);
    }
    if (!result)
        result = write_header(out, header, item, n, err);
    for (size_t i = 0; i < n && !result; i++)
        if (item[i].bytes)
            result = qv__out_write(out, item[i].t->data, item[i].bytes, err);
    return result;
}

qv_status qv__st_write(const char *path, const struct qv_tensor_out *tensor, size_t n,
                       const char *const (*meta)[2], size_t n_meta, qv_err *err)
{
    qv_arena a = {0};
    struct item *item = qv_new_n(&a, struct item, n);
    for (size_t i = 0; i < n; i++) {
        item[i] = (struct item){&tensor[i], dtype_of(tensor[i].dtype), 0};
        qv_check(item[i].dtype && tensor[i].rank <= QV_MAX_RANK);
        item[i].bytes = item[i].dtype->bits / 8;
        for (int k = 0; k < tensor[i].rank; k++)
            item[i].bytes *= tensor[i].shape[k];
    }
    if (n)
        qsort(item, n, sizeof *item, by_width_and_name);

    struct qv_out out;
    json_t *header = json_object();
    qv_status result = qv__out_open(&out, path, err);
    if (!result) {
        result = write_all(&out, header, item, n, meta, n_meta, err);
        if (result) {
            if (result == QV_EFORMAT)
                result = qv_wrap(err, result, "%s: ", path);
            qv__out_abandon(&out);
        } else {
            result = qv__out_commit(&out, err);
        }
    }
    json_decref(header);
    qv__arena_free(&a);
    return result;
}
