/* quantize.c - see quantize.h. Tensors are encoded a slab of rows at a time, when their
 * turn to be written comes, so that memory does not grow with the model. */
#include "model/quantize.h"
#include "base/file.h"
#include "format/block_encode.h"
#include "format/gguf_write.h"
#include "model/gguf_arch.h"
#include "model/layout.h"
#include "model/weights.h"
#include "text/gguf_tokenizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SLAB = 1 << 20 }; // elements, or one row if that is more

const struct qv_block_type *qv__quantize_type(const struct qv_block_type *type, size_t D_in,
                                              bool is_head)
{
    static const uint32_t smaller[][2] = {
        {QV_BLOCK_Q2_K, QV_BLOCK_Q4_0}, {QV_BLOCK_Q3_K, QV_BLOCK_Q4_0},
        {QV_BLOCK_Q4_K, QV_BLOCK_Q5_0}, {QV_BLOCK_Q5_K, QV_BLOCK_Q5_1},
        {QV_BLOCK_Q6_K, QV_BLOCK_Q8_0},
    };
    const struct qv_block_type *q6 = qv__block(QV_BLOCK_Q6_K);
    if (is_head && type->bytes * q6->n < q6->bytes * type->n)
        type = q6;
    for (size_t i = 0; i < QV_COUNT(smaller) && D_in % type->n; i++)
        if (type->id == smaller[i][0])
            type = qv__block(smaller[i][1]);
    return D_in % type->n ? qv__block(QV_BLOCK_F16) : type;
}

/* llama.cpp's number for a file that is mostly of this type. */
static uint32_t file_type(uint32_t id)
{
    static const uint32_t numbers[][2] = {
        {QV_BLOCK_F32, 0},   {QV_BLOCK_F16, 1},   {QV_BLOCK_Q4_0, 2},  {QV_BLOCK_Q4_1, 3},
        {QV_BLOCK_Q8_0, 7},  {QV_BLOCK_Q5_0, 8},  {QV_BLOCK_Q5_1, 9},  {QV_BLOCK_Q2_K, 10},
        {QV_BLOCK_Q3_K, 11}, {QV_BLOCK_Q4_K, 14}, {QV_BLOCK_Q5_K, 16}, {QV_BLOCK_Q6_K, 18},
        {QV_BLOCK_BF16, 32},
    };
    for (size_t i = 0; i < QV_COUNT(numbers); i++)
        if (numbers[i][0] == id)
            return numbers[i][1];
    return 0;
}

/* A tensor of the file: rows of w in the file's order, or nothing if its data is there. */
struct item {
    const struct qv_weight *w;
    enum qv_gguf_order order;
};

struct job {
    qv_model *m;
    const struct qv_gguf_arch *arch;
    const struct qv_block_type *type;
    struct qv_gguf_tensor_out *tensor; // [n]
    struct item *item;                 // [n] the same
    size_t n;
    float *x;     // [slab] a slab's numbers, widened and in order
    void *blocks; // [slab_bytes] and encoded
    size_t slab, slab_bytes;
    qv_arena arena;
    qv_progress progress;
    double done, total; // elements
};

static const char *key_of(struct job *j, const char *suffix)
{
    return qv__arena_fmt(&j->arena, "%s.%s", j->arch->name, suffix);
}

static void put_numbers(struct qv_gguf_meta *meta, struct job *j)
{
    const struct qv_config *c = &j->m->c;
    const struct {
        const char *suffix;
        size_t x;
    } sizes[] = {
        {"block_count", c->L},
        {"context_length", c->n_ctx},
        {"embedding_length", c->D},
        {"feed_forward_length", c->F},
        {"attention.head_count", c->H},
        {"attention.head_count_kv", c->Hk},
        {"attention.key_length", c->E},
        {"attention.value_length", c->E},
        {"vocab_size", c->V},
        {"rope.dimension_count", c->is_learned ? 0 : c->R},
        {"attention.sliding_window", qv__config_window(c, 0)},
    };
    for (size_t i = 0; i < QV_COUNT(sizes); i++)
        if (sizes[i].x)
            qv__gguf_put_u32(meta, key_of(j, sizes[i].suffix), (uint32_t)sizes[i].x);
    qv__gguf_put_f32(meta,
                     key_of(j, c->is_layernorm ? "attention.layer_norm_epsilon"
                                               : "attention.layer_norm_rms_epsilon"),
                     c->eps);
    if (!c->is_learned)
        qv__gguf_put_f32(meta, key_of(j, "rope.freq_base"), c->theta);
    if (c->scaling.kind == QV_ROPE_LINEAR) {
        qv__gguf_put_str(meta, key_of(j, "rope.scaling.type"), "linear");
        qv__gguf_put_f32(meta, key_of(j, "rope.scaling.factor"), c->scaling.factor);
    }
    if (c->is_layernorm && !c->is_learned)
        qv__gguf_put_bool(meta, key_of(j, "use_parallel_residual"),
                          c->block != QV_SEQUENTIAL);
    qv__gguf_put_u32(meta, "general.file_type", file_type(j->type->id));
    qv__gguf_put_u32(meta, "general.quantization_version", 2);
}

static qv_status describe(void *arg, const char *name, struct qv_weight *w, qv_err *err)
{
    (void)err;
    struct job *j = arg;
    const qv_model *m = j->m;
    struct qv_gguf_tensor_out *t = &j->tensor[j->n];
    bool is_vector = w->D_out == 1;
    bool is_head = w == &m->head.w || (m->c.is_tied && w == &m->embed);
    *t = (struct qv_gguf_tensor_out){
        .name = qv__arena_str(&j->arena, name),
        .type = is_vector || w == &m->positions
                    ? qv__block(QV_BLOCK_F32)
                    : qv__quantize_type(j->type, w->D_in, is_head),
        .rank = is_vector ? 1 : 2,
        .shape = {is_vector ? w->D_in : w->D_out, w->D_in},
    };
    size_t rows = qv__min(w->D_out, qv__max(1, SLAB / w->D_in));
    j->slab = qv__max(j->slab, rows * w->D_in);
    j->slab_bytes = qv__max(j->slab_bytes, qv__block_bytes(t->type, rows * w->D_in));
    j->item[j->n++] = (struct item){w, qv__gguf_order(j->arch, name)};
    j->total += (double)w->D_out * (double)w->D_in;
    return QV_OK;
}

/* Llama 3's frequencies, as the numbers that llama.cpp divides the plain ones by. */
static void describe_rotation(struct job *j)
{
    const struct qv_config *c = &j->m->c;
    if (c->scaling.kind != QV_ROPE_LLAMA3)
        return;
    float *divisor = qv_new_n(&j->arena, float, c->R / 2);
    for (size_t i = 0; i < c->R / 2; i++)
        divisor[i] =
            (float)(qv__rope_frequency(i, c->R, c->theta, &(struct qv_rope_scaling){0}) /
                    qv__rope_frequency(i, c->R, c->theta, &c->scaling));
    j->tensor[j->n++] = (struct qv_gguf_tensor_out){.name = "rope_freqs.weight",
                                                    .type = qv__block(QV_BLOCK_F32),
                                                    .rank = 1,
                                                    .shape = {c->R / 2},
                                                    .data = divisor};
}

/* What will be row o of the file's tensor, as floats; of a bias, all its numbers.
 * Returns whether they are finite. */
static bool widen(float *out, const struct qv_config *c, const struct item *item, size_t o)
{
    const struct qv_weight *w = item->w;
    bool is_finite = true;
    if (w->D_out > 1)
        qv__weight_row(out, w, qv__gguf_row(item->order, c, o));
    else
        for (size_t i = 0; i < w->D_in; i++)
            out[i] = w->f32[qv__gguf_row(item->order, c, i)];
    for (size_t i = 0; i < w->D_in; i++)
        is_finite &= isfinite(out[i]) != 0;
    return is_finite;
}

/* Rows first to first + n - 1 of the file into j->blocks. Returns whether all is
 * finite. */
static bool encode(const struct job *j, size_t index, size_t first, size_t n)
{
    const struct qv_block_type *type = j->tensor[index].type;
    size_t D_in = j->item[index].w->D_in, row_bytes = qv__block_bytes(type, D_in);
    bool is_finite = true;
#pragma omp parallel for schedule(dynamic) reduction(&& : is_finite)
    for (size_t r = 0; r < n; r++) {
        float *x = j->x + r * D_in;
        bool finite_row = widen(x, &j->m->c, &j->item[index], first + r);
        if (finite_row)
            qv__block_encode((char *)j->blocks + r * row_bytes, type, x, D_in);
        is_finite = is_finite && finite_row;
    }
    return is_finite;
}

static qv_status write_tensor(void *arg, size_t index, struct qv_out *out, qv_err *err)
{
    struct job *j = arg;
    const struct qv_weight *w = j->item[index].w;
    const struct qv_gguf_tensor_out *t = &j->tensor[index];
    size_t step = qv__max(1, SLAB / w->D_in);
    for (size_t o = 0; o < w->D_out; o += step) {
        size_t n = qv__min(step, w->D_out - o);
        if (!encode(j, index, o, n))
            return qv_fail(err, QV_EFORMAT, "tensor '%s' has a number that is not finite",
                           t->name);
        qv_status result =
            qv__out_write(out, j->blocks, qv__block_bytes(t->type, n * w->D_in), err);
        if (result)
            return result;
        j->done += (double)n * (double)w->D_in;
        if (j->progress.fn &&
            j->progress.fn(j->progress.arg, "quantizing", j->done, j->total, t->name))
            return qv_fail(err, QV_ECANCEL, "stopped at tensor '%s'", t->name);
    }
    return QV_OK;
}

static qv_status put_values(struct qv_gguf_meta *meta, struct job *j, qv_err *err)
{
    const qv_model *m = j->m;
    qv__gguf_put_str(meta, "general.architecture", j->arch->name);
    qv__gguf_put_str(meta, "general.type", "model");
    qv__gguf_put_str(meta, "general.name", qv__dir_name(&j->arena, m->dir));
    qv__gguf_put_str(meta, QV_GGUF_ORIGIN, m->identity);
    put_numbers(meta, j);
    return m->tokenizer ? qv__tokenizer_to_gguf(meta, m->tokenizer, m->dir, m->c.V, err)
                        : QV_OK;
}

/* What llama.cpp has no architecture or no value for. */
static qv_status check_model(const struct job *j, qv_err *err)
{
    const qv_model *m = j->m;
    const struct qv_config *c = &m->c;
    if (m->gguf)
        return qv_fail(err, QV_EUNSUPPORTED,
                       "%s: a GGUF file already; quantise the model it was made from",
                       m->dir);
    if (!j->arch)
        return qv_fail(err, QV_EUNSUPPORTED,
                       "%s: GGUF has no architecture for model_type '%s'", m->dir,
                       c->family->model_type);
    bool may_see_less = strcmp(c->family->model_type, "mistral") == 0;
    for (size_t l = 0; l < c->L; l++)
        if (qv__config_window(c, l) != (may_see_less ? qv__config_window(c, 0) : 0))
            return qv_fail(err, QV_EUNSUPPORTED,
                           "%s: GGUF cannot say which layers see %zu positions", m->dir,
                           c->window);
    if (c->scale > 0)
        return qv_fail(err, QV_EUNSUPPORTED,
                       "%s: GGUF cannot say that attention's scores are times %g", m->dir,
                       (double)c->scale);
    return QV_OK;
}

qv_status qv__model_quantize(qv_model *m, const char *path,
                             const struct qv_block_type *type, qv_progress progress,
                             qv_err *err)
{
    qv_check(m->dir && type->computes);
    struct job j = {
        .m = m, .arch = qv__gguf_arch_of(m->c.family), .type = type, .progress = progress};
    struct qv_gguf_meta meta = {0};
    size_t most = qv__weights_at_most(m) + 1;
    j.tensor = qv_new_n(&j.arena, struct qv_gguf_tensor_out, most);
    j.item = qv_new_n(&j.arena, struct item, most);
    qv_status result = check_model(&j, err);
    if (!result)
        result = qv__model_each_as(m, &qv__gguf_names, describe, &j, err);
    if (!result)
        describe_rotation(&j);
    if (!result)
        result = put_values(&meta, &j, err);
    if (!result) {
        j.x = malloc(j.slab * sizeof *j.x);
        j.blocks = malloc(j.slab_bytes);
        result = j.x && j.blocks
                     ? qv__gguf_write(path, &meta, j.tensor, j.n, write_tensor, &j, err)
                     : qv_fail(err, QV_ENOMEM, "no memory to quantize %zu weights at once",
                               j.slab);
    }
    free(j.x);
    free(j.blocks);
    qv__gguf_meta_free(&meta);
    qv__arena_free(&j.arena);
    return result;
}
