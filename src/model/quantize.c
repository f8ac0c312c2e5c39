/* quantize.c - see quantize.h. Tensors are encoded a slab of rows at a time, when their
 * turn to be written comes, so that memory does not grow with the model. */
#include "model/quantize.h"
#include "base/file.h"
#include "format/block_encode.h"
#include "format/gguf_write.h"
#include "model/gguf_names.h"
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

/* A directory's name without the slashes at its end. */
static const char *name_of(qv_arena *a, const char *dir)
{
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/')
        n--;
    return qv__base_name(qv__arena_strn(a, dir, n));
}

static void put_numbers(struct qv_gguf_meta *meta, const qv_model *m,
                        const struct qv_block_type *type)
{
    const struct qv_config *c = &m->c;
    const struct {
        const char *key;
        size_t x;
    } sizes[] = {
        {"llama.block_count", c->L},
        {"llama.context_length", c->n_ctx},
        {"llama.embedding_length", c->D},
        {"llama.feed_forward_length", c->F},
        {"llama.attention.head_count", c->H},
        {"llama.attention.head_count_kv", c->Hk},
        {"llama.attention.key_length", c->E},
        {"llama.attention.value_length", c->E},
        {"llama.vocab_size", c->V},
        {"llama.rope.dimension_count", c->E},
        {"general.file_type", file_type(type->id)},
        {"general.quantization_version", 2},
    };
    for (size_t i = 0; i < QV_COUNT(sizes); i++)
        qv__gguf_put_u32(meta, sizes[i].key, (uint32_t)sizes[i].x);
    qv__gguf_put_f32(meta, "llama.rope.freq_base", c->theta);
    qv__gguf_put_f32(meta, "llama.attention.layer_norm_rms_epsilon", c->eps);
}

struct item {
    const struct qv_weight *w;
    bool is_reordered;
};

struct job {
    qv_model *m;
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

static qv_status describe(void *arg, const char *name, struct qv_weight *w, qv_err *err)
{
    struct job *j = arg;
    char gguf[QV_GGUF_NAME];
    if (!qv__gguf_from_hf(gguf, name))
        return qv_fail(err, QV_EUNSUPPORTED, "GGUF has no name for tensor '%s'", name);
    struct qv_gguf_tensor_out *t = &j->tensor[j->n];
    bool is_norm = w->D_out == 1;
    bool is_head = w == &j->m->head.w || (j->m->c.is_tied && w == &j->m->embed);
    *t = (struct qv_gguf_tensor_out){
        .name = qv__arena_str(&j->arena, gguf),
        .type = is_norm ? qv__block(QV_BLOCK_F32)
                        : qv__quantize_type(j->type, w->D_in, is_head),
        .rank = is_norm ? 1 : 2,
        .shape = {is_norm ? w->D_in : w->D_out, w->D_in},
    };
    size_t rows = qv__min(w->D_out, qv__max(1, SLAB / w->D_in));
    j->slab = qv__max(j->slab, rows * w->D_in);
    j->slab_bytes = qv__max(j->slab_bytes, qv__block_bytes(t->type, rows * w->D_in));
    j->item[j->n++] = (struct item){w, qv__gguf_is_reordered(gguf)};
    j->total += (double)w->D_out * (double)w->D_in;
    return QV_OK;
}

/* out [D_in] = row o of w, as floats. Returns whether they are finite. */
static bool widen(float *out, const struct qv_weight *w, size_t o)
{
    bool is_finite = true;
    qv__weight_row(out, w, o);
    for (size_t i = 0; i < w->D_in; i++)
        is_finite &= isfinite(out[i]) != 0;
    return is_finite;
}

/* Rows first to first + n - 1, as they will lie in the file, into j->blocks. Returns
 * whether all is finite. */
static bool encode(const struct job *j, size_t index, size_t first, size_t n)
{
    const struct item *item = &j->item[index];
    const struct qv_block_type *type = j->tensor[index].type;
    size_t D_in = item->w->D_in, row_bytes = qv__block_bytes(type, D_in);
    bool is_finite = true;
#pragma omp parallel for schedule(dynamic) reduction(&& : is_finite)
    for (size_t r = 0; r < n; r++) {
        size_t row = item->is_reordered ? qv__gguf_row_of(first + r, j->m->c.E) : first + r;
        bool finite_row = widen(j->x + r * D_in, item->w, row);
        if (finite_row)
            qv__block_encode((char *)j->blocks + r * row_bytes, type, j->x + r * D_in,
                             D_in);
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
    qv__gguf_put_str(meta, "general.architecture", "llama");
    qv__gguf_put_str(meta, "general.type", "model");
    qv__gguf_put_str(meta, "general.name", name_of(&j->arena, m->dir));
    put_numbers(meta, m, j->type);
    return m->tokenizer ? qv__tokenizer_to_gguf(meta, m->tokenizer, m->dir, m->c.V, err)
                        : QV_OK;
}

qv_status qv__model_quantize(qv_model *m, const char *path,
                             const struct qv_block_type *type, qv_progress progress,
                             qv_err *err)
{
    qv_check(m->dir && type->computes);
    struct job j = {.m = m, .type = type, .progress = progress};
    struct qv_gguf_meta meta = {0};
    size_t most = m->c.L * (QV_N_MAPS + 2) + 3;
    j.tensor = qv_new_n(&j.arena, struct qv_gguf_tensor_out, most);
    j.item = qv_new_n(&j.arena, struct item, most);
    qv_status result = qv__model_each(m, describe, &j, err);
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
