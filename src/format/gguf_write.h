/* gguf_write.h - making a GGUF file: values collected one by one, then all at once
 * the header and the tensors' data, to a temporary name, renamed when complete. */
#ifndef QV_FORMAT_GGUF_WRITE_H
#define QV_FORMAT_GGUF_WRITE_H

#include "format/gguf.h"

/* Values as they will lie in the file, all-zero at first. Keys and strings are copied.
 * What is wrong with them, memory running out too, is reported by qv__gguf_write. */
struct qv_gguf_meta {
    char *bytes; // owned, [size]
    size_t size, room;
    uint64_t n;
    bool failed;
};

void qv__gguf_put_str(struct qv_gguf_meta *m, const char *key, const char *text);
void qv__gguf_put_u32(struct qv_gguf_meta *m, const char *key, uint32_t x);
void qv__gguf_put_f32(struct qv_gguf_meta *m, const char *key, float x);
void qv__gguf_put_bool(struct qv_gguf_meta *m, const char *key, bool x);
void qv__gguf_put_strs(struct qv_gguf_meta *m, const char *key, const struct qv_gguf_str *s,
                       size_t n);
void qv__gguf_put_i32s(struct qv_gguf_meta *m, const char *key, const int32_t *x, size_t n);
void qv__gguf_put_f32s(struct qv_gguf_meta *m, const char *key, const float *x, size_t n);
void qv__gguf_meta_free(struct qv_gguf_meta *m);

/* A tensor of whole blocks whose sizes are known to fit. */
struct qv_gguf_tensor_out {
    const char *name; // 1 to 64 bytes
    const struct qv_block_type *type;
    int rank;
    size_t shape[QV_GGUF_RANK]; // rows before columns
    const void *data;           // or NULL: made when its turn comes
};

/* Writes all bytes of tensor i to `out`, no more and no less. */
typedef qv_status (*qv_gguf_data_fn)(void *arg, size_t i, struct qv_out *out, qv_err *err);

/* Write a whole file atomically, version 3, tensors in the order given. `fn` makes
 * the data of tensors without; NULL if all have it. Fails if two tensors have one name
 * or qv__gguf_parse would refuse the values, as it does; with QV_ENOMEM; as fn does. */
qv_status qv__gguf_write(const char *path, const struct qv_gguf_meta *meta,
                         const struct qv_gguf_tensor_out *tensor, size_t n,
                         qv_gguf_data_fn fn, void *arg, qv_err *err) QV_MUST_CHECK;

#endif
