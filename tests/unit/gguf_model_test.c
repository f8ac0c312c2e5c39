/* gguf_model_test.c - a GGUF file as a model: the logits, tokens and adapters of the
 * directory it was made from. llama.cpp's converter made the files, transformers the
 * logits: tests/golden/recipes/gguf_files.py. */
#include "base/file.h"
#include "base/json.h"
#include "format/gguf_write.h"
#include "kern/kern.h"
#include "model/gguf_arch.h"
#include "model/layout.h"
#include "model/quantize.h"
#include "model/reuse.h"
#include "support/experts.h"
#include "support/golden.h"
#include "support/scratch.h"
#include "support/tiny.h"

#include <quiver/session.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GGUF     "tests/golden/gguf/"
#define FAMILIES "tests/golden/families/"

static qv_model *opened_as(const char *path, qv_compute compute)
{
    qv_model *m;
    qv_err err = {0};
    assert_works(qv_model_open(&m, path, &(qv_model_opts){.compute = compute}, &err), &err);
    return m;
}

static void assert_logits(const qv_model *m, const int *ids, size_t n, const float *want,
                          double bound)
{
    float *got = logits_of(m, NULL, ids, n);
    assert_close_to_scale(got, want, n * m->c.V, bound);
    free(got);
}

static const char *const families[] = {
    "llama_biased", "llama_linear",        "mistral",  "qwen2",
    "qwen3",        "phi_square",          "stablelm", "stablelm_parallel",
    "gpt_neox",     "gpt_neox_sequential", "gpt2",
};

static void each_architecture_has_the_logits_of_its_directory(void **state)
{
    (void)state;
    for (size_t i = 0; i < QV_COUNT(families); i++) {
        char path[128];
        int ids[64];
        snprintf(path, sizeof path, FAMILIES "%s/expect.json", families[i]);
        size_t n = golden_ids(ids, 64, path, "ids_b");
        snprintf(path, sizeof path, GGUF "families/%s.safetensors", families[i]);
        float *want = golden_tensor(NULL, path, "logits");
        snprintf(path, sizeof path, GGUF "families/%s.gguf", families[i]);
        qv_model *m = opened_as(path, QV_COMPUTE_F32);
        print_message("%s\n", families[i]);
        assert_logits(m, ids, n, want, 1e-4);
        qv_model_close(m);
        free(want);
    }
}

/* The gguf package read the converter's quantised files for transformers. */
static void the_converters_types_have_the_logits_that_transformers_gives(void **state)
{
    (void)state;
    static const char *const files[] = {"spm/q8_0", "bpe/f16", "bpe/bf16"};
    int ids[64];
    size_t n = golden_ids(ids, 64, GGUF "ids.json", "ids");
    for (size_t i = 0; i < QV_COUNT(files); i++) {
        char path[128];
        snprintf(path, sizeof path, GGUF "%s.safetensors", files[i]);
        float *want = golden_tensor(NULL, path, "logits");
        snprintf(path, sizeof path, GGUF "%s.gguf", files[i]);
        qv_model *m = opened_as(path, QV_COMPUTE_F32);
        assert_logits(m, ids, n, want, 1e-4);
        qv_model_close(m);
        free(want);
    }
}

/* ---- what we write ---- */

static const char *quantized(void **state, const char *dir, const char *type)
{
    qv_err err = {0};
    const char *path = scratch_path(state, "q.gguf");
    qv_model *m = opened_as(dir, QV_COMPUTE_F32);
    assert_works(qv__model_quantize(m, path, qv__block_named(type), (qv_progress){0}, &err),
                 &err);
    qv_model_close(m);
    return path;
}

static void assert_same_logits(const qv_model *a, const qv_model *b, double bound)
{
    const int ids[] = {1, 17, 40, 9, 33, 51, 5, 2, 60, 8};
    float *want = logits_of(a, NULL, ids, QV_COUNT(ids));
    assert_logits(b, ids, QV_COUNT(ids), want, bound);
    free(want);
}

static void a_directory_and_the_file_made_of_it_are_one_model(void **state)
{
    static const char *const dirs[] = {
        "llama_biased", "llama_linear",
        "mistral",      "qwen3",
        "phi",          "phi_msft",
        "stablelm",     "stablelm_parallel",
        "gpt_neox",     "gpt_neox_sequential",
        "gpt2",
    };
    for (size_t i = 0; i < QV_COUNT(dirs); i++) {
        char path[128];
        snprintf(path, sizeof path, FAMILIES "%s", dirs[i]);
        qv_model *dir = opened_as(path, QV_COMPUTE_F32);
        qv_model *file = opened_as(quantized(state, path, "f32"), QV_COMPUTE_F32);
        print_message("%s\n", dirs[i]);
        assert_same_logits(dir, file, 1e-6);
        assert_string_equal(qv_model_identity(file), qv_model_identity(dir));
        assert_int_equal(qv_model_parameters(file), qv_model_parameters(dir));
        for (size_t k = 0; k < qv_model_sites(dir); k++)
            assert_string_equal(qv_model_site(file, k), qv_model_site(dir, k));
        qv_model_close(dir);
        qv_model_close(file);
    }
}

/* Overwrites a trainable model's weights with those of another, of whatever type. */
struct copying {
    qv_model *to;
    size_t at;
};

static qv_status copy(void *arg, const char *name, struct qv_weight *w, qv_err *err)
{
    struct copying *c = arg;
    (void)name, (void)err;
    for (size_t o = 0; o < w->D_out; o++, c->at += w->D_in)
        qv__weight_row(c->to->own + c->at, w, o);
    return QV_OK;
}

static void each_type_computes_what_its_numbers_do(void **state)
{
    size_t n;
    const struct qv_block_type *all = qv__block_all(&n);
    for (size_t i = 0; i < n; i++) {
        if (!all[i].computes)
            continue;
        qv_model *file =
            opened_as(quantized(state, GGUF "spm", all[i].name), QV_COMPUTE_F32);
        qv_model *floats;
        qv_err err = {0};
        const qv_model_opts opts = {.trainable = true};
        assert_works(qv_model_open(&floats, GGUF "spm", &opts, &err), &err);
        struct copying c = {.to = floats};
        assert_works(qv__model_each(file, copy, &c, &err), &err);
        assert_int_equal(c.at, floats->n_own);
        assert_same_logits(floats, file, 1e-5);
        qv_model_close(floats);
        qv_model_close(file);
    }
}

/* The file's golden logits are those of floats, and asking for floats gives them. */
static void few_tokens_are_narrowed_unless_floats_are_asked_for(void **state)
{
    (void)state;
    enum { N = 10 };
    int ids[64];
    assert_true(golden_ids(ids, 64, GGUF "ids.json", "ids") >= N);
    float *want = golden_tensor(NULL, GGUF "spm/q8_0.safetensors", "logits");
    qv_model *exact = opened_as(GGUF "spm/q8_0.gguf", QV_COMPUTE_F32);
    qv_model *narrow = opened_as(GGUF "spm/q8_0.gguf", QV_COMPUTE_AUTO);
    assert_logits(exact, ids, N, want, 1e-5);
    assert_logits(narrow, ids, N, want, 1e-3);
    float *a = logits_of(exact, NULL, ids, N), *b = logits_of(narrow, NULL, ids, N);
    bool is_ref = strcmp(qv__kern()->name, "ref") == 0; // narrows nothing
    assert_int_equal(memcmp(a, b, N * exact->c.V * sizeof *a) == 0, is_ref);
    free(a), free(b), free(want);
    qv_model_close(exact);
    qv_model_close(narrow);
}

/* One LoRA, folded of two, beside a base in codes: where single rows are narrowed, so is
 * it; and by no more. */
static void a_lora_is_narrowed_where_the_base_is(void **state)
{
    (void)state;
    enum { N = 10 };
    int ids[64];
    assert_true(golden_ids(ids, 64, GGUF "ids.json", "ids") >= N);
    float *last[2];
    for (int i = 0; i < 2; i++) {
        qv_model *m = opened_as(GGUF "spm/q8_0.gguf", i ? QV_COMPUTE_AUTO : QV_COMPUTE_F32);
        struct qv_expert_shape shape[64];
        qv_reuse *r;
        qv_session *s;
        qv_err err = {0};
        assert_true(m->sites.n <= 64);
        for (size_t j = 0; j < m->sites.n; j++)
            shape[j] = (struct qv_expert_shape){m->sites.at[j].path, m->sites.at[j].D_in,
                                                m->sites.at[j].D_out, 3, .1f};
        struct qv_expert *e[] = {expert_drawn("a", shape, m->sites.n, 1),
                                 expert_drawn("b", shape, m->sites.n, 2)};
        const struct qv_reuse_from from = {.experts = e, .n = 2, .router = "uniform"};
        assert_works(qv__reuse_new(&r, m, &from, &err), &err);
        const bool narrows = i && strcmp(qv__kern()->name, "ref") != 0;
        assert_int_equal(r->bank->thin != NULL, narrows);
        assert_works(qv_session_new(&s, m, r, 0, &err), &err);
        assert_works(qv_session_sync(s, ids, N - 1, &err), &err);
        assert_works(qv_session_sync(s, ids, N, &err), &err);
        last[i] = malloc(m->c.V * sizeof *last[i]);
        assert_non_null(last[i]);
        memcpy(last[i], qv_session_logits(s), m->c.V * sizeof *last[i]);
        if (i)
            assert_close_to_scale(last[1], last[0], m->c.V, 1e-3);
        qv_session_free(s);
        qv_reuse_close(r);
        free_experts(e, 2);
        qv_model_close(m);
    }
    free(last[0]), free(last[1]);
}

/* A bf16 matrix of the file is multiplied as such where that is asked for. */
static void bf16_in_a_file_is_bf16_in_a_directory(void **state)
{
    qv_model *dir = opened_as(GGUF "bpe", QV_COMPUTE_BF16);
    qv_model *file = opened_as(quantized(state, GGUF "bpe", "bf16"), QV_COMPUTE_BF16);
    assert_non_null(file->layer[0].map[QV_Q].w.bf16);
    assert_same_logits(dir, file, 0);
    assert_string_equal(qv_model_identity(file), qv_model_identity(dir));
    qv_model_close(dir);
    qv_model_close(file);
}

static void llama_3s_frequencies_survive(void **state)
{
    qv_err err = {0};
    json_t *config;
    struct qv_map weights;
    char dir[256];
    snprintf(dir, sizeof dir, "%s", scratch_path(state, "m"));
    assert_works(qv__make_dir(dir, &err), &err);
    assert_works(qv__json_read(&config, FAMILIES "llama_biased/config.json", 1 << 16, &err),
                 &err);
    json_object_del(config, "rope_parameters");
    json_object_set_new(config, "rope_scaling",
                        json_pack("{s:s, s:f, s:f, s:f, s:i}", "rope_type", "llama3",
                                  "factor", 8.0, "low_freq_factor", 1.0, "high_freq_factor",
                                  4.0, "original_max_position_embeddings", 16));
    assert_works(qv__json_write(config, scratch_path(state, "m/config.json"), &err), &err);
    assert_works(qv__map(&weights, FAMILIES "llama_biased/model.safetensors", &err), &err);
    assert_works(qv__write_file(scratch_path(state, "m/model.safetensors"), weights.bytes,
                                weights.size, &err),
                 &err);
    qv_model *plain = opened_as(FAMILIES "llama_biased", QV_COMPUTE_F32);
    qv_model *scaled = opened_as(dir, QV_COMPUTE_F32);
    qv_model *file = opened_as(quantized(state, dir, "f32"), QV_COMPUTE_F32);
    assert_true(fabsf(scaled->rope[3] - plain->rope[3]) < 1e-6f); // high: kept
    size_t last = 9 * plain->c.R + plain->c.R - 1;                // low: divided
    assert_true(fabsf(scaled->rope[last] - plain->rope[last]) > 1e-3f);
    assert_same_logits(scaled, file, 1e-6);
    qv_model_close(plain);
    qv_model_close(scaled);
    qv_model_close(file);
    qv__unmap(&weights);
    json_decref(config);
}

static void adapters_of_the_directory_fit_the_converters_file(void **state)
{
    (void)state;
    static const char *const names[] = {"llama_biased", "llama_linear", "qwen3",
                                        "stablelm",     "gpt_neox",     "gpt2"};
    for (size_t i = 0; i < QV_COUNT(names); i++) {
        char path[128];
        qv_reuse *r;
        struct qv_update u;
        struct golden_batch b;
        qv_err err = {0};
        snprintf(path, sizeof path, GGUF "families/%s.gguf", names[i]);
        qv_model *m = opened_as(path, QV_COMPUTE_F32);
        golden_batch(&b, FAMILIES "batch.json");
        snprintf(path, sizeof path, FAMILIES "%s/adapter", names[i]);
        assert_works(qv_reuse_open(&r, m, &(qv_reuse_opts){.adapter = path}, &err), &err);
        assert_works(qv__reuse_update(&u, r, NULL, 12, &err), &err);
        float *got = logits_of(m, &u, b.s[1].ids, b.s[1].n);
        snprintf(path, sizeof path, FAMILIES "%s/adapted.safetensors", names[i]);
        float *want = golden_tensor(NULL, path, "logits");
        print_message("%s\n", names[i]);
        assert_close_to_scale(got, want, b.s[1].n * m->c.V, 1e-4);
        free(got);
        free(want);
        qv__update_end(&u);
        qv_reuse_close(r);
        qv_model_close(m);
    }
}

/* ---- what is refused ---- */

/* A change to a sound file: a value, a tensor's name, type or shape, or a number. */
struct lie {
    const char *file; // of GGUF "families/"
    const char *drop_value, *drop_tensor;
    const char *put_string[2]; // key, value
    const char *put_key;
    uint32_t put_number;
    const char *put_floats[1]; // a tensor of that name, and
    float number;              // its one number
    const char *rename[2];
    const char *make_i8;
    const char *poison; // gets a NaN
    qv_status status;
    const char *sentence;
};

static void put_value(struct qv_gguf_meta *meta, const struct qv_gguf_value *v,
                      const struct lie *l)
{
    bool replaced = (l->put_key && !strcmp(v->key, l->put_key)) ||
                    (l->put_string[0] && !strcmp(v->key, l->put_string[0])) ||
                    (l->drop_value && !strcmp(v->key, l->drop_value));
    if (replaced || v->is_list)
        return;
    if (v->kind == QV_GGUF_STR)
        qv__gguf_put_str(meta, v->key, v->text);
    else if (v->kind == QV_GGUF_F32)
        qv__gguf_put_f32(meta, v->key, (float)qv__gguf_float_at(v, 0));
    else if (v->kind == QV_GGUF_BOOL)
        qv__gguf_put_bool(meta, v->key, qv__gguf_int_at(v, 0) != 0);
    else
        qv__gguf_put_u32(meta, v->key, (uint32_t)qv__gguf_int_at(v, 0));
}

static void write_lie(const char *path, const struct lie *l)
{
    struct qv_gguf g;
    struct qv_gguf_meta meta = {0};
    struct qv_gguf_tensor_out out[64];
    float poisoned[256];
    size_t n = 0;
    char from[128];
    qv_err err = {0};
    snprintf(from, sizeof from, GGUF "families/%s.gguf", l->file);
    assert_works(qv__gguf_open(&g, from, &err), &err);
    for (size_t i = 0; i < g.n_values; i++)
        put_value(&meta, &g.value[i], l);
    if (l->put_string[0])
        qv__gguf_put_str(&meta, l->put_string[0], l->put_string[1]);
    if (l->put_key)
        qv__gguf_put_u32(&meta, l->put_key, l->put_number);
    for (size_t i = 0; i < g.n; i++) {
        const struct qv_gguf_tensor *t = &g.tensor[i];
        if (l->drop_tensor && !strcmp(t->name, l->drop_tensor))
            continue;
        out[n] = (struct qv_gguf_tensor_out){
            .name = t->name, .type = t->type, .rank = t->rank, .data = t->data};
        memcpy(out[n].shape, t->shape, sizeof t->shape);
        if (l->rename[0] && !strcmp(t->name, l->rename[0]))
            out[n].name = l->rename[1];
        if (l->make_i8 && !strcmp(t->name, l->make_i8))
            out[n].type = qv__block(24);
        if (l->poison && !strcmp(t->name, l->poison)) {
            memcpy(poisoned, t->data, t->bytes);
            poisoned[5] = NAN;
            out[n].data = poisoned;
        }
        n++;
    }
    if (l->put_floats[0])
        out[n++] = (struct qv_gguf_tensor_out){.name = l->put_floats[0],
                                               .type = qv__block(QV_BLOCK_F32),
                                               .rank = 1,
                                               .shape = {1},
                                               .data = &l->number};
    assert_works(qv__gguf_write(path, &meta, out, n, NULL, NULL, &err), &err);
    qv__gguf_meta_free(&meta);
    qv__gguf_close(&g);
}

static const struct lie lies[] = {
    {.file = "gpt2",
     .drop_value = "general.architecture",
     .status = QV_EFORMAT,
     .sentence = "'general.architecture' is missing"},
    {.file = "gpt2",
     .put_string = {"general.architecture", "bloom"},
     .status = QV_EUNSUPPORTED,
     .sentence = "architecture 'bloom' is not supported (gpt2, gptneox, llama, phi2, "
                 "qwen2, qwen3 and stablelm are)"},
    {.file = "gpt2",
     .drop_tensor = "token_embd.weight",
     .status = QV_EFORMAT,
     .sentence = "tensor 'token_embd.weight' is missing or no matrix"},
    {.file = "gpt2",
     .drop_value = "gpt2.block_count",
     .status = QV_EFORMAT,
     .sentence = "as a config.json: 'n_layer' is missing or 0"},
    {.file = "qwen3",
     .put_string = {"qwen3.rope.scaling.type", "yarn"},
     .status = QV_EUNSUPPORTED,
     .sentence = "as a config.json: rope_scaling of type 'yarn' is not supported"},
    {.file = "qwen3",
     .put_key = "qwen3.attention.value_length",
     .put_number = 7,
     .status = QV_EUNSUPPORTED,
     .sentence = "keys of width 8 with values of width 7 are not supported"},
    {.file = "qwen3",
     .put_key = "qwen3.rope.dimension_count",
     .put_number = 3,
     .status = QV_EFORMAT,
     .sentence = "3 of a head's 8 numbers cannot be rotated"},
    {.file = "mistral",
     .put_key = "llama.rope.dimension_count",
     .put_number = 4,
     .status = QV_EUNSUPPORTED,
     .sentence = "architecture 'llama' that rotates 4 of a head's 8 numbers is not "
                 "supported"},
    {.file = "gpt_neox",
     .put_key = "gptneox.attention.head_count_kv",
     .put_number = 2,
     .status = QV_EUNSUPPORTED,
     .sentence = "4 heads that share 2 key/value heads are not supported"},
    {.file = "gpt_neox",
     .put_floats = {"rope_freqs.weight"},
     .number = 0,
     .status = QV_EFORMAT,
     .sentence = "tensor 'rope_freqs.weight': element 0 is not positive"},
    {.file = "mistral",
     .put_floats = {"rope_freqs.weight"},
     .number = 1,
     .status = QV_EFORMAT,
     .sentence = "tensor 'rope_freqs.weight' is not 4 of F32"},
    {.file = "mistral",
     .drop_tensor = "blk.1.ffn_up.weight",
     .status = QV_EFORMAT,
     .sentence = "tensor 'blk.1.ffn_up.weight' is missing"},
    {.file = "mistral",
     .rename = {"blk.1.ffn_up.weight", "blk.1.ffn_up_exps.weight"},
     .status = QV_EFORMAT,
     .sentence = "tensor 'blk.1.ffn_up.weight' is missing"},
    {.file = "mistral",
     .put_floats = {"blk.1.attn_sub_norm.weight"},
     .number = 1,
     .status = QV_EUNSUPPORTED,
     .sentence = "tensor 'blk.1.attn_sub_norm.weight' is no part of architecture "
                 "'llama' as it is known here"},
    {.file = "mistral",
     .make_i8 = "blk.0.attn_q.weight",
     .status = QV_EUNSUPPORTED,
     .sentence = "tensor 'blk.0.attn_q.weight' is of type I8"},
    {.file = "mistral",
     .put_key = "llama.feed_forward_length",
     .put_number = 35,
     .status = QV_EFORMAT,
     .sentence = "tensor 'blk.0.ffn_gate.weight' has 864 elements in 2 dimensions, the "
                 "file's values say 35 x 24"},
    {.file = "mistral",
     .poison = "blk.1.ffn_norm.weight",
     .status = QV_EFORMAT,
     .sentence = "tensor 'blk.1.ffn_norm.weight': element 5 is not finite"},
};

static void each_lie_has_its_sentence(void **state)
{
    const char *path = scratch_path(state, "lie.gguf");
    for (size_t i = 0; i < QV_COUNT(lies); i++) {
        qv_model *m;
        qv_err err = {0};
        write_lie(path, &lies[i]);
        assert_fails(qv_model_open(&m, path, NULL, &err), lies[i].status, &err,
                     lies[i].sentence);
        assert_non_null(strstr(err.msg, "lie.gguf: "));
        assert_null(m);
    }
}

static void other_refusals(void **state)
{
    qv_model *m;
    qv_err err = {0};
    const qv_model_opts whole = {.trainable = true};
    assert_fails(qv_model_open(&m, GGUF "spm/q8_0.gguf", &whole, &err), QV_EUNSUPPORTED,
                 &err, "q8_0.gguf: a GGUF file cannot be trained whole; a directory can");
    assert_fails(qv_model_open(&m, GGUF "values.safetensors", NULL, &err), QV_EFORMAT, &err,
                 "values.safetensors: does not start with 'GGUF'");
    // A tokenizer of more tokens than the model has rows.
    const char *path = scratch_path(state, "x.gguf");
    struct qv_gguf_meta meta = {0};
    struct qv_gguf_tensor_out out[64];
    struct qv_gguf g, t;
    assert_works(qv__gguf_open(&g, GGUF "families/gpt2.gguf", &err), &err);
    assert_works(qv__gguf_open(&t, GGUF "bpe/f16.gguf", &err), &err);
    for (size_t i = 0; i < g.n_values; i++)
        put_value(&meta, &g.value[i], &(struct lie){0});
    static const char *const lists[] = {"tokenizer.ggml.tokens", "tokenizer.ggml.merges"};
    qv__gguf_put_str(&meta, "tokenizer.ggml.model", "gpt2");
    qv__gguf_put_str(&meta, "tokenizer.ggml.pre", "gpt-2");
    for (size_t i = 0; i < QV_COUNT(lists); i++) {
        const struct qv_gguf_value *v = qv__gguf_get(&t, lists[i]);
        struct qv_gguf_str text[1024];
        const char *at = v->data;
        for (size_t k = 0; k < v->n; k++)
            text[k] = qv__gguf_next(&at);
        qv__gguf_put_strs(&meta, lists[i], text, v->n);
    }
    for (size_t i = 0; i < g.n; i++) {
        out[i] = (struct qv_gguf_tensor_out){.name = g.tensor[i].name,
                                             .type = g.tensor[i].type,
                                             .rank = g.tensor[i].rank,
                                             .data = g.tensor[i].data};
        memcpy(out[i].shape, g.tensor[i].shape, sizeof out[i].shape);
    }
    assert_works(qv__gguf_write(path, &meta, out, g.n, NULL, NULL, &err), &err);
    assert_fails(qv_model_open(&m, path, NULL, &err), QV_EFORMAT, &err,
                 "x.gguf: the tokenizer has 420 tokens, the model 61");
    qv__gguf_meta_free(&meta);
    qv__gguf_close(&g);
    qv__gguf_close(&t);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_scratch, remove_scratch)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_architecture_has_the_logits_of_its_directory),
        cmocka_unit_test(few_tokens_are_narrowed_unless_floats_are_asked_for),
        cmocka_unit_test(a_lora_is_narrowed_where_the_base_is),
        cmocka_unit_test(the_converters_types_have_the_logits_that_transformers_gives),
        TEST(a_directory_and_the_file_made_of_it_are_one_model),
        TEST(each_type_computes_what_its_numbers_do),
        TEST(bf16_in_a_file_is_bf16_in_a_directory),
        TEST(llama_3s_frequencies_survive),
        cmocka_unit_test(adapters_of_the_directory_fit_the_converters_file),
        TEST(each_lie_has_its_sentence),
        TEST(other_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
