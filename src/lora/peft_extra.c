/* peft_extra.c - see peft_extra.h. */
#include "lora/peft_extra.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct part {
    enum qv_extra_kind kind;
    const char *says;
} parts[] = {
    [QV_PEFT_EMBEDDING_A] = {0, "an adapted embedding"},
    [QV_PEFT_EMBEDDING_B] = {0, "an adapted embedding"},
    [QV_PEFT_B_BIAS] = {QV_EXTRA_B_BIAS, "a bias beside B"},
    [QV_PEFT_MAGNITUDE] = {QV_EXTRA_MAGNITUDE, "a magnitude of DoRA"},
    [QV_PEFT_TOKENS] = {QV_EXTRA_TOKENS, "retrained tokens"},
    [QV_PEFT_WEIGHT] = {QV_EXTRA_WEIGHT, "a weight in place of the model's"},
    [QV_PEFT_BIAS] = {QV_EXTRA_BIAS, "a bias in place of the model's"},
};

const char *qv__peft_extra_says(enum qv_peft_part part)
{
    return parts[part].says;
}

bool qv__peft_is_same_module(const struct qv_peft_tensor *a, const struct qv_peft_tensor *b)
{
    return a->site == b->site && strcmp(a->name.path, b->name.path) == 0;
}

qv_status qv__peft_check_tensor(const struct qv_tensor *t, int rank, qv_err *err)
{
    if (t->dtype != QV_F32 && t->dtype != QV_F16 && t->dtype != QV_BF16)
        return qv_fail(err, QV_EUNSUPPORTED,
                       "dtype %s is not supported, F32, F16 and BF16 are", t->dtype_name);
    if (t->rank != rank && rank == 2)
        return qv_fail(err, QV_EUNSUPPORTED,
                       "%d dimensions, and only matrices are supported", t->rank);
    if (t->rank != rank)
        return qv_fail(err, QV_EFORMAT, "%d dimensions, not %d", t->rank, rank);
    if (t->n == 0)
        return qv_fail(err, QV_EFORMAT, "an empty matrix");
    return QV_OK;
}

qv_status qv__peft_copy(float *to, const struct qv_tensor *t, qv_err *err)
{
    qv__st_f32(to, t, 0, t->n);
    for (size_t i = 0; i < t->n; i++)
        if (!isfinite(to[i]))
            return qv_fail(err, QV_EFORMAT, "tensor '%.200s': element %zu is not finite",
                           t->name, i);
    return QV_OK;
}

/* The B of the module's pair, or NULL. */
static const struct qv_peft_tensor *pair_of(const struct qv_peft_tensor *x,
                                            const struct qv_peft_tensor *pairs, size_t n)
{
    for (size_t i = 0; i < n; i += 2)
        if (qv__peft_is_same_module(&pairs[i], x))
            return &pairs[i + 1];
    return NULL;
}

static qv_status check_vector(const struct qv_peft_tensor *x,
                              const struct qv_peft_tensor *B, bool is_on, const char *key,
                              qv_err *err)
{
    if (!is_on)
        return qv_fail(err, QV_EFORMAT, "the config's '%s' is not set", key);
    if (!B)
        return qv_fail(err, QV_EFORMAT, "its lora_A and lora_B are missing");
    if (x->t->n != B->t->shape[0])
        return qv_fail(err, QV_EFORMAT, "%zu elements, but its B has %zu outputs", x->t->n,
                       B->t->shape[0]);
    return QV_OK;
}

static qv_status check_rows(struct qv_extra *e, const struct qv_peft_config *config,
                            const char *path, qv_arena *a, qv_err *err)
{
    const struct qv_peft_rows *rows = qv__peft_config_rows(config, path);
    if (!rows)
        return qv_fail(err, QV_EFORMAT,
                       "the config's 'trainable_token_indices' does not name it");
    if (rows->n != e->rows)
        return qv_fail(err, QV_EFORMAT, "%zu rows, but the config names %zu tokens",
                       e->rows, rows->n);
    size_t *row = qv_new_n(a, size_t, rows->n);
    memcpy(row, rows->row, rows->n * sizeof *row);
    e->row = row;
    return QV_OK;
}

/* What takes a weight's place must have been asked for: by modules_to_save, by `bias`, or
 * as PEFT does for an adapted embedding or head, whose base it saves with the adapter. */
static qv_status check_place(const struct qv_peft_tensor *x, const struct qv_peft_tensor *B,
                             const struct qv_peft_config *config, qv_err *err)
{
    const bool is_bias = x->name.part == QV_PEFT_BIAS;
    if (qv__peft_saves(config->saved.name, config->saved.n, x->name.path))
        return QV_OK;
    if (x->name.is_base_layer)
        return B ? QV_OK : qv_fail(err, QV_EFORMAT, "its lora_A and lora_B are missing");
    if (is_bias &&
        (config->bias == QV_BIAS_ALL || (config->bias == QV_BIAS_LORA_ONLY && B)))
        return QV_OK;
    return qv_fail(err, QV_EFORMAT, "the config's 'modules_to_save'%s does not ask for it",
                   is_bias ? " or 'bias'" : "");
}

static qv_status read_extra(struct qv_extra *e, const struct qv_peft_tensor *x,
                            const struct qv_peft_tensor *pairs, size_t n_pairs,
                            const struct qv_peft_config *config, qv_arena *a, qv_err *err)
{
    const struct qv_peft_tensor *B = pair_of(x, pairs, n_pairs);
    const struct qv_tensor *t = x->t;
    // A norm's weight is a vector.
    const bool is_matrix =
        x->name.part == QV_PEFT_TOKENS || (x->name.part == QV_PEFT_WEIGHT && t->rank != 1);
    qv_status result = qv__peft_check_tensor(t, is_matrix ? 2 : 1, err);
    if (result)
        return result;
    *e = (struct qv_extra){.kind = parts[x->name.part].kind,
                           .path = qv__arena_str(a, x->name.path),
                           .tensor = qv__arena_str(a, t->name),
                           .rows = is_matrix ? t->shape[0] : 1,
                           .cols = t->shape[is_matrix ? 1 : 0],
                           .is_base_layer = x->name.is_base_layer};
    switch (e->kind) {
    case QV_EXTRA_MAGNITUDE:
        return check_vector(x, B, config->is_dora, "use_dora", err);
    case QV_EXTRA_B_BIAS:
        return check_vector(x, B, config->has_lora_bias, "lora_bias", err);
    case QV_EXTRA_TOKENS:
        return check_rows(e, config, x->name.path, a, err);
    default:
        return check_place(x, B, config, err);
    }
}

static bool has_part(const struct qv_peft_tensor *of, enum qv_peft_part part,
                     const struct qv_peft_tensor *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (x[i].name.part == part && qv__peft_is_same_module(&x[i], of))
            return true;
    return false;
}

/* That each pair has what the config promises of all. */
static qv_status check_promises(const struct qv_peft_tensor *tensor, size_t n_pairs,
                                size_t n, const struct qv_peft_config *config, qv_err *err)
{
    const struct qv_peft_tensor *x = tensor + n_pairs;
    for (size_t i = 0; i < n_pairs; i += 2) {
        const struct qv_peft_tensor *A = &tensor[i];
        const char *lacks = NULL;
        if (config->is_dora && !has_part(A, QV_PEFT_MAGNITUDE, x, n - n_pairs))
            lacks = "lora_magnitude_vector";
        if (config->has_lora_bias && !has_part(A, QV_PEFT_B_BIAS, x, n - n_pairs))
            lacks = "lora_B.bias";
        if (lacks)
            return qv_fail(err, QV_EFORMAT, "tensor '%.200s': its %s is missing",
                           A->t->name, lacks);
        if (config->ties && A->is_table)
            return qv_fail(err, QV_EUNSUPPORTED,
                           "tensor '%.200s': 'ensure_weight_tying' is not supported here",
                           A->t->name);
    }
    return QV_OK;
}

static qv_status check_tokens(const struct qv_peft_tensor *x, size_t n,
                              const struct qv_peft_config *config, qv_err *err)
{
    bool has_tokens = config->n_rows == 0;
    for (size_t i = 0; i < n && !has_tokens; i++)
        has_tokens = x[i].name.part == QV_PEFT_TOKENS;
    return has_tokens ? QV_OK
                      : qv_fail(err, QV_EFORMAT,
                                "no trainable_tokens_delta, which the config's "
                                "'trainable_token_indices' wants");
}

qv_status qv__peft_extras(struct qv_adapter *a, const struct qv_peft_tensor *tensor,
                          size_t n_pairs, size_t n, const struct qv_peft_config *config,
                          qv_err *err)
{
    const struct qv_peft_tensor *x = tensor + n_pairs;
    size_t room = 0;
    a->saved = qv_new_n(&a->arena, const char *, config->saved.n);
    for (; a->n_saved < config->saved.n; a->n_saved++)
        a->saved[a->n_saved] = qv__arena_str(&a->arena, config->saved.name[a->n_saved]);
    a->n_extra = n - n_pairs;
    a->extra = qv_new_n(&a->arena, struct qv_extra, a->n_extra);
    qv_status result = check_promises(tensor, n_pairs, n, config, err);
    if (!result)
        result = check_tokens(x, a->n_extra, config, err);
    for (size_t i = 0; i < a->n_extra && !result; i++) {
        result = read_extra(&a->extra[i], &x[i], tensor, n_pairs, config, &a->arena, err);
        room += x[i].t->n;
        if (result)
            result = qv_wrap(err, result, "tensor '%.200s': ", x[i].t->name);
    }
    if (result || room == 0)
        return result;
    a->x = malloc(room * sizeof *a->x);
    if (!a->x)
        return qv_fail(err, QV_ENOMEM, "no memory for %zu weights", room);
    float *at = a->x;
    for (size_t i = 0; i < a->n_extra && !result; i++) {
        result = qv__peft_copy(at, x[i].t, err);
        a->extra[i].x = at;
        at += x[i].t->n;
    }
    return result;
}
