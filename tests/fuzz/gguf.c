/* Whatever the bytes, parsing returns; and if it succeeds, every value, string and block
 * can be read, tensors do not overlap, and all are found by their names. */
#include "format/gguf.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void read_value(const struct qv_gguf *g, const struct qv_gguf_value *v)
{
    int64_t i;
    size_t n;
    float f;
    bool b;
    const char *text = v->text, *at = v->data;
    const struct qv_gguf_value *list = v;
    qv_check(qv__gguf_get(g, v->key) == v);
    qv_check(v->is_list || v->n == 1);
    bool is_int = !qv__gguf_int(g, v->key, &i, NULL);
    bool is_size = !qv__gguf_size(g, v->key, &n, NULL);
    qv_check(is_int ? is_size == (i >= 0) : !is_size);
    bool is_scalar = is_int + !qv__gguf_float(g, v->key, &f, NULL) +
                     !qv__gguf_bool(g, v->key, &b, NULL) +
                     !qv__gguf_str(g, v->key, &text, NULL);
    qv_check(!is_scalar || !v->is_list);
    qv_check(text == v->text);
    for (size_t k = 0; v->kind == QV_GGUF_STR && k < v->n; k++) {
        struct qv_gguf_str s = qv__gguf_next(&at);
        for (size_t j = 0; j < s.n; j++)
            qv_check(s.at + j < at);
    }
    if (!qv__gguf_list(g, v->key, QV_GGUF_I64, &list, NULL))
        for (size_t k = 0; k < v->n; k++)
            qv_check(qv__gguf_int_at(list, k) >= 0 || v->kind != QV_GGUF_U64);
    if (!qv__gguf_list(g, v->key, QV_GGUF_F64, &list, NULL))
        for (size_t k = 0; k < v->n; k++)
            (void)qv__gguf_float_at(list, k);
}

static void read_tensor(const struct qv_gguf *g, const struct qv_gguf_tensor *t)
{
    const char *begin = t->data;
    qv_check(qv__gguf_find(g, t->name) == t);
    for (size_t i = 0; i < g->n; i++) {
        const char *other = g->tensor[i].data;
        qv_check(t == &g->tensor[i] || other >= begin + t->bytes ||
                 begin >= other + g->tensor[i].bytes);
    }
    float value[QV_BLOCK_MAX];
    for (size_t i = 0; t->type->computes && i < t->n; i += t->type->n)
        qv__block_decode(value, t->type, begin + qv__block_bytes(t->type, i), t->type->n);
    for (size_t i = 0; !t->type->computes && i < t->bytes; i++)
        value[0] = (float)begin[i];
    (void)value;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    uint8_t *exact = malloc(qv__max(size, 1)); // so that reading past `size` traps
    qv_check(exact);
    if (size)
        memcpy(exact, bytes, size);
    struct qv_gguf g;
    if (!qv__gguf_parse(&g, exact, size, NULL)) {
        for (size_t i = 0; i < g.n_values; i++)
            read_value(&g, &g.value[i]);
        for (size_t i = 0; i < g.n; i++)
            read_tensor(&g, &g.tensor[i]);
        qv__gguf_close(&g);
    }
    free(exact);
    return 0;
}
