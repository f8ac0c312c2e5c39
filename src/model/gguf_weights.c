/* gguf_weights.c - see gguf_weights.h. */
#include "model/gguf_weights.h"
#include "model/gguf_arch.h"
#include "model/layout.h"
#include "model/weights.h"

#include <math.h>
#include <string.h>

struct placing {
    qv_model *m;
    const struct qv_gguf_arch *arch;
    size_t need;  // floats of our own
    bool *is_met; // [tensors of the file]
};

static bool is_vector(const struct qv_weight *w)
{
    return w->D_out == 1;
}

/* Whether the weight is multiplied row by row, so that its rows may lie in any order. */
static bool is_by_rows(const struct placing *p, const struct qv_gguf_tensor *t)
{
    return t->type->id != QV_BLOCK_F32 &&
           !(t->type->id == QV_BLOCK_BF16 && p->m->wants_bf16);
}

/* How many floats' room the copy takes; 0: the weight is used where it lies. */
static size_t room_for(const struct placing *p, const struct qv_gguf_tensor *t,
                       const struct qv_weight *w)
{
    if (is_vector(w))
        return t->n;
    if (qv__gguf_order(p->arch, t->name) == QV_ROWS_AS_THEY_ARE || is_by_rows(p, t))
        return 0;
    return (t->bytes + sizeof(float) - 1) / sizeof(float);
}

static qv_status check(void *arg, const char *name, struct qv_weight *w, qv_err *err)
{
    struct placing *p = arg;
    const struct qv_gguf_tensor *t = qv__gguf_find(p->m->gguf, name);
    if (!t)
        return qv_fail(err, QV_EFORMAT, "tensor '%s' is missing", name);
    if (!t->type->computes)
        return qv_fail(err, QV_EUNSUPPORTED, "tensor '%s' is of type %s", name,
                       t->type->name);
    bool fits = is_vector(w)
                    ? t->rank == 1 && t->shape[0] == w->D_in
                    : t->rank == 2 && t->shape[0] == w->D_out && t->shape[1] == w->D_in;
    if (!fits)
        return qv_fail(err, QV_EFORMAT,
                       "tensor '%s' has %zu elements in %d dimensions, the file's values "
                       "say %zu x %zu",
                       name, t->n, t->rank, w->D_out, w->D_in);
    p->is_met[t - p->m->gguf->tensor] = true;
    p->need += room_for(p, t, w);
    return QV_OK;
}

/* What is not met would have to be computed with: a norm, a bias, other experts. Old
 * converters wrote the rotation's frequencies, which follow from the numbers. */
static qv_status check_rest(const struct placing *p, qv_err *err)
{
    const struct qv_gguf *g = p->m->gguf;
    for (size_t i = 0; i < g->n; i++) {
        const char *name = g->tensor[i].name;
        if (!p->is_met[i] && strcmp(name, "rope_freqs.weight") != 0 &&
            !strstr(name, ".attn_rot_embd"))
            return qv_fail(
                err, QV_EUNSUPPORTED,
                "tensor '%s' is no part of architecture '%s' as it is known here", name,
                p->arch->name);
    }
    return QV_OK;
}

static qv_status place_vector(struct placing *p, const struct qv_gguf_tensor *t,
                              struct qv_weight *w, qv_err *err)
{
    enum qv_gguf_order order = qv__gguf_order(p->arch, t->name);
    float *to = p->m->own + p->m->n_own;
    const size_t n = t->type->n, bytes = t->type->bytes;
    float value[QV_BLOCK_MAX];
    for (size_t i = 0; i < t->n; i++) {
        if (i % n == 0)
            qv__block_decode(value, t->type, (const char *)t->data + i / n * bytes, n);
        if (!isfinite(value[i % n]))
            return qv_fail(err, QV_EFORMAT, "tensor '%s': element %zu is not finite",
                           t->name, i);
        to[qv__gguf_row(order, &p->m->c, i)] = value[i % n];
    }
    w->f32 = to;
    return QV_OK;
}

/* The rows of t, as they are stored, in the Hugging Face order. */
static const void *put_in_order(struct placing *p, const struct qv_gguf_tensor *t,
                                size_t D_out)
{
    enum qv_gguf_order order = qv__gguf_order(p->arch, t->name);
    char *to = (char *)(p->m->own + p->m->n_own);
    const size_t bytes = t->bytes / D_out;
    for (size_t r = 0; r < D_out; r++)
        memcpy(to + qv__gguf_row(order, &p->m->c, r) * bytes,
               (const char *)t->data + r * bytes, bytes);
    return to;
}

/* Which row of the file each row of the Hugging Face matrix is. */
static const uint32_t *order_of(struct placing *p, const struct qv_gguf_tensor *t,
                                size_t D_out)
{
    enum qv_gguf_order order = qv__gguf_order(p->arch, t->name);
    if (order == QV_ROWS_AS_THEY_ARE)
        return NULL;
    uint32_t *at = qv_new_n(&p->m->arena, uint32_t, D_out);
    for (size_t r = 0; r < D_out; r++)
        at[qv__gguf_row(order, &p->m->c, r)] = (uint32_t)r;
    return at;
}

static qv_status place(void *arg, const char *name, struct qv_weight *w, qv_err *err)
{
    struct placing *p = arg;
    qv_model *m = p->m;
    const struct qv_gguf_tensor *t = qv__gguf_find(m->gguf, name);
    size_t room = room_for(p, t, w);
    const void *data = t->data;
    if (is_vector(w)) {
        qv_status result = place_vector(p, t, w, err);
        m->n_own += room;
        return result;
    }
    if (room)
        data = put_in_order(p, t, w->D_out);
    else
        w->order = order_of(p, t, w->D_out);
    m->n_own += room;
    qv__weight_lies_at(w, data, t->type, m->wants_bf16);
    m->has_blocks |= w->blocks != NULL;
    return QV_OK;
}

qv_status qv__gguf_weights(qv_model *m, qv_err *err)
{
    struct placing p = {.m = m, .arch = qv__gguf_arch_of(m->c.family)};
    p.is_met = qv_new_n(&m->arena, bool, m->gguf->n);
    qv_status result = qv__model_each_as(m, &qv__gguf_names, check, &p, err);
    if (!result)
        result = check_rest(&p, err);
    if (!result)
        result = qv__weights_allocate(m, p.need, err);
    if (!result)
        result = qv__model_each_as(m, &qv__gguf_names, place, &p, err);
    if (m->c.is_tied)
        m->head.w = m->embed;
    return result;
}
