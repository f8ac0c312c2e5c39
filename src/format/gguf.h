/* gguf.h - a table of named values, a table of tensors, then the tensors' blocks.
 *
 * Reading maps the file and checks every rule of the format at the door, for
 * versions 2 and 3: after a successful open each value and each tensor's data lie
 * inside the mapping, rows are whole blocks, and tensors neither overlap nor leave
 * more room between them than alignment asks for. Values stay where they lie, so
 * they may be unaligned: read them through the functions here.
 *
 * Writing goes to a temporary name and is renamed when complete.
 */
#ifndef QV_FORMAT_GGUF_H
#define QV_FORMAT_GGUF_H

#include "base/arena.h"
#include "base/base.h"
#include "base/file.h"
#include "kern/block.h"

enum { QV_GGUF_RANK = 4, QV_GGUF_ALIGNMENT = 32 };

/* Types of values, by the format's numbers. */
enum qv_gguf_kind {
    QV_GGUF_U8,
    QV_GGUF_I8,
    QV_GGUF_U16,
    QV_GGUF_I16,
    QV_GGUF_U32,
    QV_GGUF_I32,
    QV_GGUF_F32,
    QV_GGUF_BOOL,
    QV_GGUF_STR,
    QV_GGUF_ARRAY,
    QV_GGUF_U64,
    QV_GGUF_I64,
    QV_GGUF_F64,
};

struct qv_gguf_value {
    const char *key;        // NUL-terminated printable ASCII
    enum qv_gguf_kind kind; // of the value, or of a list's items; never ARRAY
    bool is_list;
    size_t n;         // items; 1 if it is no list
    const char *data; // the items as they lie; strings each behind their length
    const char *text; // a string that is no list, NUL-terminated, no NUL inside
};

struct qv_gguf_tensor {
    const char *name; // NUL-terminated, no NUL inside
    const struct qv_block_type *type;
    int rank;                   // 0 is a scalar
    size_t shape[QV_GGUF_RANK]; // rows before columns: the file's order reversed
    size_t n, bytes;            // elements, and bytes of data
    const void *data;           // borrows from the mapping
};

/* One open file. Values and tensors are in file order. */
struct qv_gguf {
    unsigned version;
    size_t alignment;
    struct qv_gguf_value *value;         // [n_values]
    const struct qv_gguf_value **by_key; // [n_values] the same, sorted
    size_t n_values;
    struct qv_gguf_tensor *tensor;         // [n]
    const struct qv_gguf_tensor **by_name; // [n] the same, sorted
    size_t n;
    qv_arena arena;    // owns the tables
    struct qv_map map; // owns the bytes when opened from a path
};

/* Parse bytes that the caller keeps alive. Fails with QV_EFORMAT; QV_EUNSUPPORTED
 * for other versions, big-endian files and lists of lists; QV_ELIMIT. */
qv_status qv__gguf_parse(struct qv_gguf *g, const void *bytes, size_t size,
                         qv_err *err) QV_MUST_CHECK;

/* Map and parse the file at `path`. *g owns the mapping until qv__gguf_close. */
qv_status qv__gguf_open(struct qv_gguf *g, const char *path, qv_err *err) QV_MUST_CHECK;
void qv__gguf_close(struct qv_gguf *g);

/* The tensor of that name, the value of that key, or NULL. */
const struct qv_gguf_tensor *qv__gguf_find(const struct qv_gguf *g, const char *name);
const struct qv_gguf_value *qv__gguf_get(const struct qv_gguf *g, const char *key);

/* Typed reads of optional keys. An absent one leaves *out alone and succeeds; a
 * value of another type or out of range fails with QV_EFORMAT and names the key.
 * Integers may be of any width and signedness, floats of either width. */
qv_status qv__gguf_int(const struct qv_gguf *g, const char *key, int64_t *out,
                       qv_err *err) QV_MUST_CHECK;
qv_status qv__gguf_size(const struct qv_gguf *g, const char *key, size_t *out,
                        qv_err *err) QV_MUST_CHECK;
qv_status qv__gguf_float(const struct qv_gguf *g, const char *key, float *out,
                         qv_err *err) QV_MUST_CHECK;
qv_status qv__gguf_bool(const struct qv_gguf *g, const char *key, bool *out,
                        qv_err *err) QV_MUST_CHECK;
/* *out borrows from g. */
qv_status qv__gguf_str(const struct qv_gguf *g, const char *key, const char **out,
                       qv_err *err) QV_MUST_CHECK;

/* A list whose items are like `like`: QV_GGUF_STR, QV_GGUF_BOOL, QV_GGUF_I64 for
 * integers of any kind, QV_GGUF_F64 for floats of either. *out borrows from g. */
qv_status qv__gguf_list(const struct qv_gguf *g, const char *key, enum qv_gguf_kind like,
                        const struct qv_gguf_value **out, qv_err *err) QV_MUST_CHECK;

/* Item i of a value that is known to hold integers or truths, or floats. An integer
 * from 2^63 on, which qv__gguf_list refuses, comes out negative. */
int64_t qv__gguf_int_at(const struct qv_gguf_value *v, size_t i);
double qv__gguf_float_at(const struct qv_gguf_value *v, size_t i);

/* The strings of a list one after the other: *at starts as v->data. Not
 * NUL-terminated, any bytes. */
struct qv_gguf_str {
    const char *at;
    size_t n;
};
struct qv_gguf_str qv__gguf_next(const char **at);

#endif
