/* gguf_write.c - see gguf_write.h; the layout is told in gguf.c. */
#include "format/gguf_write.h"

#include <stdlib.h>
#include <string.h>

/* ---- values ---- */

static void add(struct qv_gguf_meta *m, const void *bytes, size_t n)
{
    if (m->failed || n == 0)
        return;
    if (n > m->room - m->size) {
        size_t room = qv__max(2 * m->room, m->size + n + 1024);
        char *more = realloc(m->bytes, room);
        if (!more) {
            m->failed = true;
            return;
        }
        m->bytes = more;
        m->room = room;
    }
    memcpy(m->bytes + m->size, bytes, n);
    m->size += n;
}

static void add_u32(struct qv_gguf_meta *m, uint32_t x)
{
    add(m, &x, sizeof x);
}

static void add_u64(struct qv_gguf_meta *m, uint64_t x)
{
    add(m, &x, sizeof x);
}

static void add_str(struct qv_gguf_meta *m, const char *s, size_t n)
{
    add_u64(m, n);
    add(m, s, n);
}

static void add_key(struct qv_gguf_meta *m, const char *key, enum qv_gguf_kind kind)
{
    m->n++;
    add_str(m, key, strlen(key));
    add_u32(m, kind);
}

static void add_list(struct qv_gguf_meta *m, const char *key, enum qv_gguf_kind kind,
                     size_t n)
{
    add_key(m, key, QV_GGUF_ARRAY);
    add_u32(m, kind);
    add_u64(m, n);
}

void qv__gguf_put_str(struct qv_gguf_meta *m, const char *key, const char *text)
{
    add_key(m, key, QV_GGUF_STR);
    add_str(m, text, strlen(text));
}

void qv__gguf_put_u32(struct qv_gguf_meta *m, const char *key, uint32_t x)
{
    add_key(m, key, QV_GGUF_U32);
    add_u32(m, x);
}

void qv__gguf_put_f32(struct qv_gguf_meta *m, const char *key, float x)
{
    add_key(m, key, QV_GGUF_F32);
    add(m, &x, sizeof x);
}

void qv__gguf_put_bool(struct qv_gguf_meta *m, const char *key, bool x)
{
    add_key(m, key, QV_GGUF_BOOL);
    add(m, x ? "\1" : "\0", 1);
}

void qv__gguf_put_strs(struct qv_gguf_meta *m, const char *key, const struct qv_gguf_str *s,
                       size_t n)
{
    add_list(m, key, QV_GGUF_STR, n);
    for (size_t i = 0; i < n; i++)
        add_str(m, s[i].at, s[i].n);
}

void qv__gguf_put_i32s(struct qv_gguf_meta *m, const char *key, const int32_t *x, size_t n)
{
    add_list(m, key, QV_GGUF_I32, n);
    add(m, x, n * sizeof *x);
}

void qv__gguf_put_f32s(struct qv_gguf_meta *m, const char *key, const float *x, size_t n)
{
    add_list(m, key, QV_GGUF_F32, n);
    add(m, x, n * sizeof *x);
}

void qv__gguf_meta_free(struct qv_gguf_meta *m)
{
    free(m->bytes);
    *m = (struct qv_gguf_meta){0};
}

/* ---- the file ---- */

/* What comes before the tensors' entries. */
static void add_head(struct qv_gguf_meta *to, size_t n_tensors,
                     const struct qv_gguf_meta *values)
{
    add(to, "GGUF", 4);
    add_u32(to, 3);
    add_u64(to, n_tensors);
    add_u64(to, values->n);
    add(to, values->bytes, values->size);
}

static size_t bytes_of(const struct qv_gguf_tensor_out *t)
{
    size_t n = 1;
    for (int k = 0; k < t->rank; k++)
        n *= t->shape[k];
    return qv__block_bytes(t->type, n);
}

static int by_name(const void *x, const void *y)
{
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}

static qv_status check_names(const struct qv_gguf_tensor_out *tensor, size_t n, qv_err *err)
{
    qv_arena a = {0};
    qv_status result = QV_OK;
    const char **name = qv_new_n(&a, const char *, n);
    for (size_t i = 0; i < n; i++) {
        size_t size = strlen(tensor[i].name);
        qv_check(size > 0 && size <= 64 && tensor[i].rank <= QV_GGUF_RANK);
        name[i] = tensor[i].name;
    }
    if (n)
        qsort(name, n, sizeof *name, by_name);
    for (size_t i = 1; i < n && !result; i++)
        if (strcmp(name[i - 1], name[i]) == 0)
            result = qv_fail(err, QV_EFORMAT, "tensor '%s' is given twice", name[i]);
    qv__arena_free(&a);
    return result;
}

/* What a reader would refuse is not written: a file of the values alone is read. */
static qv_status check_values(const struct qv_gguf_meta *meta, qv_err *err)
{
    struct qv_gguf_meta file = {0};
    struct qv_gguf g = {0};
    add_head(&file, 0, meta);
    qv_status result = file.failed || meta->failed
                           ? qv_fail(err, QV_ENOMEM, "no memory for its header")
                           : qv__gguf_parse(&g, file.bytes, file.size, err);
    qv__gguf_close(&g);
    qv__gguf_meta_free(&file);
    return result;
}

static size_t padding(size_t n)
{
    return -n & (QV_GGUF_ALIGNMENT - 1);
}

static qv_status pad(struct qv_out *out, qv_err *err)
{
    static const char zeros[QV_GGUF_ALIGNMENT];
    return qv__out_write(out, zeros, padding(out->written), err);
}

/* The head, the values and the tensors' entries, padded. */
static qv_status write_header(struct qv_out *out, const struct qv_gguf_meta *meta,
                              const struct qv_gguf_tensor_out *tensor, size_t n,
                              qv_err *err)
{
    struct qv_gguf_meta h = {0};
    add_head(&h, n, meta);
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        const struct qv_gguf_tensor_out *t = &tensor[i];
        add_str(&h, t->name, strlen(t->name));
        add_u32(&h, (uint32_t)t->rank);
        for (int k = t->rank; k-- > 0;)
            add_u64(&h, t->shape[k]);
        add_u32(&h, t->type->id);
        add_u64(&h, at);
        at += bytes_of(t) + padding(bytes_of(t));
    }
    qv_status result =
        h.failed ? qv_fail(err, QV_ENOMEM, "%s: no memory for its header", out->path)
                 : qv__out_write(out, h.bytes, h.size, err);
    qv__gguf_meta_free(&h);
    return result ? result : pad(out, err);
}

static qv_status write_all(struct qv_out *out, const struct qv_gguf_meta *meta,
                           const struct qv_gguf_tensor_out *tensor, size_t n,
                           qv_gguf_data_fn fn, void *arg, qv_err *err)
{
    qv_status result = write_header(out, meta, tensor, n, err);
    for (size_t i = 0; i < n && !result; i++) {
        size_t bytes = bytes_of(&tensor[i]), before = out->written;
        result = tensor[i].data ? qv__out_write(out, tensor[i].data, bytes, err)
                                : fn(arg, i, out, err);
        qv_check(result || out->written - before == bytes);
        if (!result)
            result = pad(out, err);
    }
    return result;
}

qv_status qv__gguf_write(const char *path, const struct qv_gguf_meta *meta,
                         const struct qv_gguf_tensor_out *tensor, size_t n,
                         qv_gguf_data_fn fn, void *arg, qv_err *err)
{
    qv_status result = check_values(meta, err);
    if (!result)
        result = check_names(tensor, n, err);
    if (result)
        return qv_wrap(err, result, "%s: ", path);
    struct qv_out out;
    if ((result = qv__out_open(&out, path, err)))
        return result;
    result = write_all(&out, meta, tensor, n, fn, arg, err);
    if (!result)
        return qv__out_commit(&out, err);
    qv__out_abandon(&out);
    return result;
}
