/* llama2c.c - turn a llama2.c checkpoint into a Hugging Face directory.
 *
 *     llama2c MODEL.bin TOKENIZER.model OUT
 *
 * MODEL.bin is llama2.c's first format: seven int32 (width, feed-forward, layers,
 * heads, key/value heads, vocabulary, positions; a negative vocabulary means that
 * the head is not the embedding), then float32: embedding, attention norms, wq, wk,
 * wv, wo, feed-forward norms, w1 (gate), w2 (down), w3 (up), final norm, two tables
 * of rotations that nobody reads, and the head if it has its own. Each of these
 * holds all layers, one after another. TOKENIZER.model is its SentencePiece model.
 *
 * OUT gets config.json, model.safetensors and tokenizer.model. llama2.c rotates
 * elements 2i and 2i + 1 of a head together, Hugging Face i and i + E/2, so the rows
 * of wq and wk change places; all else is copied.
 */
#include "base/arena.h"
#include "base/base.h"
#include "base/file.h"
#include "format/safetensors.h"
#include "model/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER = 7 * 4, MAX_SIZE = 1 << 20, MAX_LAYERS = 1 << 10 };

struct converter {
    struct qv_config c;
    const char *at, *end; // weights not yet taken
    struct qv_tensor_out *tensor;
    size_t n;
    float **turned; // [2 L] rows in their new places
    size_t n_turned;
    qv_arena arena;
};

static qv_status read_header(struct qv_config *c, const struct qv_map *file, qv_err *err)
{
    int32_t h[7];
    if (file->size < HEADER)
        return qv_fail(err, QV_EFORMAT, "%zu bytes are no llama2.c model", file->size);
    memcpy(h, file->bytes, sizeof h);
    *c = (struct qv_config){.theta = 10000, .eps = 1e-5f, .bos = 1, .eos = 2};
    c->is_tied = h[5] > 0;
    if (h[5] < 0) // beyond the limit it stays what is refused below
        h[5] = h[5] < -MAX_SIZE ? 0 : -h[5];
    for (size_t i = 0; i < QV_COUNT(h); i++)
        if (h[i] <= 0 || h[i] > MAX_SIZE)
            return qv_fail(err, QV_EFORMAT, "number %zu of the header is %d", i, (int)h[i]);
    c->D = (size_t)h[0], c->F = (size_t)h[1], c->L = (size_t)h[2], c->H = (size_t)h[3];
    c->Hk = (size_t)h[4], c->V = (size_t)h[5], c->n_ctx = (size_t)h[6];
    c->E = c->D / c->H;
    if (c->D % c->H || c->H % c->Hk || c->E % 2 || c->L > MAX_LAYERS)
        return qv_fail(err, QV_EFORMAT,
                       "width %zu, %zu heads, %zu key/value heads and %zu layers do not go "
                       "together",
                       c->D, c->H, c->Hk, c->L);
    return QV_OK;
}

/* The next rows x columns numbers of the file; NULL past its end. */
static const float *take(struct converter *k, size_t rows, size_t columns)
{
    size_t bytes = rows * columns * sizeof(float);
    if (!k->at || (size_t)(k->end - k->at) < bytes) {
        k->at = NULL;
        return NULL;
    }
    const void *here = k->at; // the header's 28 bytes keep floats aligned
    k->at += bytes;
    return here;
}

static void add(struct converter *k, const char *name, const float *data, size_t rows,
                size_t columns)
{
    struct qv_tensor_out *t = &k->tensor[k->n++];
    *t = (struct qv_tensor_out){
        .name = name, .dtype = QV_F32, .rank = columns ? 2 : 1, .data = data};
    t->shape[0] = rows;
    t->shape[1] = columns;
}

/* Row 2i of each head goes to i, row 2i + 1 to i + E/2. */
static const float *turn(struct converter *k, const float *w, size_t heads)
{
    size_t E = k->c.E, D = k->c.D;
    float *to = w ? malloc(heads * E * D * sizeof *to) : NULL;
    if (!to)
        return NULL;
    for (size_t h = 0; h < heads; h++)
        for (size_t i = 0; i < E; i++)
            memcpy(to + (h * E + i / 2 + i % 2 * (E / 2)) * D, w + (h * E + i) * D,
                   D * sizeof *to);
    return k->turned[k->n_turned++] = to;
}

/* The matrices of one kind, layer by layer; columns 0 are norms, heads > 0 are
 * turned. */
static bool layers(struct converter *k, const char *name, size_t rows, size_t columns,
                   size_t heads)
{
    for (size_t l = 0; l < k->c.L; l++) {
        const float *w = take(k, rows, qv__max(columns, 1));
        if (heads)
            w = turn(k, w, heads);
        if (!w)
            return false;
        add(k, qv__arena_fmt(&k->arena, "model.layers.%zu.%s.weight", l, name), w, rows,
            columns);
    }
    return true;
}

/* Every tensor in the file's order. */
static bool take_all(struct converter *k)
{
    const struct qv_config *c = &k->c;
    size_t D = c->D, kv = c->Hk * c->E;
    const float *embed = take(k, c->V, D);
    if (!embed || !layers(k, "input_layernorm", D, 0, 0) ||
        !layers(k, "self_attn.q_proj", D, D, c->H) ||
        !layers(k, "self_attn.k_proj", kv, D, c->Hk) ||
        !layers(k, "self_attn.v_proj", kv, D, 0) ||
        !layers(k, "self_attn.o_proj", D, D, 0) ||
        !layers(k, "post_attention_layernorm", D, 0, 0) ||
        !layers(k, "mlp.gate_proj", c->F, D, 0) ||
        !layers(k, "mlp.down_proj", D, c->F, 0) || !layers(k, "mlp.up_proj", c->F, D, 0))
        return false;
    const float *norm = take(k, D, 1);
    bool whole = take(k, c->n_ctx, c->E) != NULL;
    const float *head = c->is_tied ? embed : take(k, c->V, D);
    if (!norm || !whole || !head || k->at != k->end)
        return false;
    add(k, "model.embed_tokens.weight", embed, c->V, D);
    add(k, "model.norm.weight", norm, D, 0);
    if (!c->is_tied)
        add(k, "lm_head.weight", head, c->V, D);
    return true;
}

static qv_status write_all(struct converter *k, const char *tokenizer, const char *out,
                           qv_err *err)
{
    struct qv_map map;
    const char *const meta[][2] = {{"format", "pt"}};
    qv_status result = qv__map(&map, tokenizer, err);
    if (result)
        return result;
    result = qv__make_dir(out, err);
    if (!result)
        result = qv__write_file(qv__arena_fmt(&k->arena, "%s/tokenizer.model", out),
                                map.bytes, map.size, err);
    if (!result)
        result = qv__st_write(qv__arena_fmt(&k->arena, "%s/model.safetensors", out),
                              k->tensor, k->n, meta, 1, err);
    if (!result)
        result = qv__config_write(&k->c, out, "float32", err);
    qv__unmap(&map);
    return result;
}

static qv_status convert(const char *model, const char *tokenizer, const char *out,
                         qv_err *err)
{
    struct converter k = {0};
    struct qv_map file;
    qv_status result = qv__map(&file, model, err);
    if (result)
        return result;
    result = read_header(&k.c, &file, err);
    if (!result) {
        k.at = file.bytes + HEADER;
        k.end = file.bytes + file.size;
        k.tensor = qv_new_n(&k.arena, struct qv_tensor_out, 9 * k.c.L + 3);
        k.turned = qv_new_n(&k.arena, float *, 2 * k.c.L);
        if (!take_all(&k))
            result = qv_fail(err, QV_EFORMAT,
                             "its %zu bytes are not the weights that its header announces",
                             file.size);
    }
    result =
        result ? qv_wrap(err, result, "%s: ", model) : write_all(&k, tokenizer, out, err);
    for (size_t i = 0; i < k.n_turned; i++)
        free(k.turned[i]);
    qv__arena_free(&k.arena);
    qv__unmap(&file);
    return result;
}

int main(int argc, char **argv)
{
    qv_err err = {0};
    if (argc != 4) {
        fprintf(stderr, "usage: llama2c MODEL.bin TOKENIZER.model OUT\n");
        return 2;
    }
    if (convert(argv[1], argv[2], argv[3], &err)) {
        fprintf(stderr, "llama2c: %s\n", err.msg);
        return 1;
    }
    return 0;
}
