/* safetensors.h - a header of names, types and shapes, then raw tensors.
 *
 * Reading maps the file and checks every rule of the format at the door: after
 * a successful open each tensor's bytes lie inside the mapping, sizes agree
 * with shapes, and the tensors tile the file without holes or overlaps. Data
 * may be unaligned (old writers), so read elements through qv__st_f32.
 *
 * Writing goes to a temporary name and is renamed when complete.
 */
#ifndef QV_FORMAT_SAFETENSORS_H
#define QV_FORMAT_SAFETENSORS_H

#include "base/arena.h"
#include "base/base.h"
#include "base/file.h"

enum { QV_MAX_RANK = 8 };

/* Element types. Those that quiver computes with come first. */
enum qv_dtype {
    QV_F32,
    QV_F16,
    QV_BF16,
    QV_F64,
    QV_I64,
    QV_I32,
    QV_I16,
    QV_I8,
    QV_U8,
    QV_BOOL,
    QV_DTYPE_OTHER, // legal in the format (F8_*, U16, ...), of known size, not computed
                    // with
};

struct qv_tensor {
    const char *name; // NUL-terminated, no NUL inside
    enum qv_dtype dtype;
    const char *dtype_name; // as written in the file
    int rank;               // 0 is a scalar
    size_t shape[QV_MAX_RANK];
    size_t n;         // elements
    size_t bytes;     // of data
    const void *data; // borrows from the mapping; maybe unaligned
};

/* One open file. Tensors are in file order. */
struct qv_st {
    struct qv_tensor *tensor;         // [n]
    const struct qv_tensor **by_name; // [n] the same, sorted for qv__st_find
    size_t n;
    const char **meta_key, **meta_value; // [n_meta], "__metadata__"
    size_t n_meta;
    qv_arena arena;    // owns the tables
    struct qv_map map; // owns the bytes when opened from a path
};

/* Parse bytes that the caller keeps alive. Fails with QV_EFORMAT. */
qv_status qv__st_parse(struct qv_st *st, const void *bytes, size_t size,
                       qv_err *err) QV_MUST_CHECK;

/* Map and parse the file at `path`. *st owns the mapping until qv__st_close. */
qv_status qv__st_open(struct qv_st *st, const char *path, qv_err *err) QV_MUST_CHECK;
void qv__st_close(struct qv_st *st);

/* The tensor of that name, or NULL. */
const struct qv_tensor *qv__st_find(const struct qv_st *st, const char *name);

/* The metadata value of that key, or NULL. */
const char *qv__st_meta(const struct qv_st *st, const char *key);

/* Convert elements [first, first + n) of a F32, F16, BF16 or F64 tensor to
 * float. Asking for another type is a bug. */
void qv__st_f32(float *out, const struct qv_tensor *t, size_t first, size_t n);

/* What a writer is given: the tensor's fields but dtype_name, n and bytes. The
 * dtype is not QV_DTYPE_OTHER, and the data is in memory, so sizes are known to
 * fit. */
struct qv_tensor_out {
    const char *name;
    enum qv_dtype dtype;
    int rank;
    size_t shape[QV_MAX_RANK];
    const void *data; // [product of shape] elements of dtype
};

/* Write a whole file atomically: wide element types first, then by name, the
 * header padded to 8 bytes, so that the bytes are those of the official writer.
 * `meta` is n_meta pairs key, value; {"format","pt"} is what PEFT and
 * transformers write. Fails with QV_EFORMAT if names are not UTF-8 or not
 * distinct. */
qv_status qv__st_write(const char *path, const struct qv_tensor_out *tensor, size_t n,
                       const char *const (*meta)[2], size_t n_meta,
                       qv_err *err) QV_MUST_CHECK;

#endif
