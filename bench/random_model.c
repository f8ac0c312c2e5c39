/* random_model.c - a model of full size with random weights, to measure with.
 *
 *     build/release/bench/random_model 110m|1.1b|phi-2|mistral-7b DIR
 *
 * Writes DIR/config.json and one file of bfloat16 weights a layer, 5.6 GB for Phi-2, 14.5
 * GB for Mistral-7B, 2.2 and 0.2 GB for Llamas of 1.1 billion and 110 million weights: what
 * such a model costs to run depends on its shape alone. It has no tokenizer; put one beside
 * it to talk to it, in tongues.
 */
#include "base/base.h"
#include "base/file.h"
#include "base/json.h"
#include "base/rng.h"
#include "format/safetensors.h"
#include "kern/half.h"
#include "kern/kern.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tensor {
    const char *name;  // of a layer: after "model.layers.7."
    size_t rows, cols; // rows 0: a vector
};

struct shape {
    const char *name, *config;
    size_t L;
    const struct tensor *of_layer, *rest; // ended by a name of NULL
};

static const struct tensor phi_layer[] = {
    {"input_layernorm.weight", 0, 2560},
    {"input_layernorm.bias", 0, 2560},
    {"self_attn.q_proj.weight", 2560, 2560},
    {"self_attn.q_proj.bias", 0, 2560},
    {"self_attn.k_proj.weight", 2560, 2560},
    {"self_attn.k_proj.bias", 0, 2560},
    {"self_attn.v_proj.weight", 2560, 2560},
    {"self_attn.v_proj.bias", 0, 2560},
    {"self_attn.dense.weight", 2560, 2560},
    {"self_attn.dense.bias", 0, 2560},
    {"mlp.fc1.weight", 10240, 2560},
    {"mlp.fc1.bias", 0, 10240},
    {"mlp.fc2.weight", 2560, 10240},
    {"mlp.fc2.bias", 0, 2560},
    {NULL, 0, 0},
};
static const struct tensor phi_rest[] = {
    {"model.embed_tokens.weight", 51200, 2560},
    {"model.final_layernorm.weight", 0, 2560},
    {"model.final_layernorm.bias", 0, 2560},
    {"lm_head.weight", 51200, 2560},
    {"lm_head.bias", 0, 51200},
    {NULL, 0, 0},
};
/* A layer of Llama's kind, of width D, keys and values of width KV, and F in between. */
#define LLAMA(D, KV, F)                                                                    \
    {                                                                                      \
        {"input_layernorm.weight", 0, D}, {"self_attn.q_proj.weight", D, D},               \
            {"self_attn.k_proj.weight", KV, D}, {"self_attn.v_proj.weight", KV, D},        \
            {"self_attn.o_proj.weight", D, D}, {"post_attention_layernorm.weight", 0, D},  \
            {"mlp.gate_proj.weight", F, D}, {"mlp.up_proj.weight", F, D},                  \
            {"mlp.down_proj.weight", D, F}, {NULL, 0, 0},                                  \
    }
static const struct tensor mistral_layer[] = LLAMA(4096, 1024, 14336);
static const struct tensor mistral_rest[] = {
    {"model.embed_tokens.weight", 32000, 4096},
    {"model.norm.weight", 0, 4096},
    {"lm_head.weight", 32000, 4096},
    {NULL, 0, 0},
};
static const struct tensor small_layer[] = LLAMA(768, 768, 2048);
static const struct tensor small_rest[] = {
    {"model.embed_tokens.weight", 32000, 768},
    {"model.norm.weight", 0, 768},
    {NULL, 0, 0},
};
static const struct tensor billion_layer[] = LLAMA(2048, 256, 5632); // TinyLlama's shape
static const struct tensor billion_rest[] = {
    {"model.embed_tokens.weight", 32000, 2048},
    {"model.norm.weight", 0, 2048},
    {"lm_head.weight", 32000, 2048},
    {NULL, 0, 0},
};

static const struct shape shapes[] = {
    {"110m",
     "{\"model_type\":\"llama\",\"hidden_size\":768,\"intermediate_size\":2048,"
     "\"num_hidden_layers\":12,\"num_attention_heads\":12,\"num_key_value_heads\":12,"
     "\"vocab_size\":32000,\"max_position_embeddings\":4096,\"hidden_act\":\"silu\","
     "\"rms_norm_eps\":1e-05,\"rope_theta\":10000.0,\"tie_word_embeddings\":true,"
     "\"torch_dtype\":\"bfloat16\"}",
     12, small_layer, small_rest},
    {"1.1b",
     "{\"model_type\":\"llama\",\"hidden_size\":2048,\"intermediate_size\":5632,"
     "\"num_hidden_layers\":22,\"num_attention_heads\":32,\"num_key_value_heads\":4,"
     "\"vocab_size\":32000,\"max_position_embeddings\":2048,\"hidden_act\":\"silu\","
     "\"rms_norm_eps\":1e-05,\"rope_theta\":10000.0,\"tie_word_embeddings\":false,"
     "\"torch_dtype\":\"bfloat16\"}",
     22, billion_layer, billion_rest},
    {"phi-2",
     "{\"model_type\":\"phi\",\"hidden_size\":2560,\"intermediate_size\":10240,"
     "\"num_hidden_layers\":32,\"num_attention_heads\":32,\"num_key_value_heads\":32,"
     "\"vocab_size\":51200,\"max_position_embeddings\":2048,\"hidden_act\":\"gelu_new\","
     "\"layer_norm_eps\":1e-05,\"partial_rotary_factor\":0.4,\"rope_theta\":10000.0,"
     "\"qk_layernorm\":false,\"tie_word_embeddings\":false,\"torch_dtype\":\"bfloat16\"}",
     32, phi_layer, phi_rest},
    {"mistral-7b",
     "{\"model_type\":\"mistral\",\"hidden_size\":4096,\"intermediate_size\":14336,"
     "\"num_hidden_layers\":32,\"num_attention_heads\":32,\"num_key_value_heads\":8,"
     "\"vocab_size\":32000,\"max_position_embeddings\":32768,\"sliding_window\":4096,"
     "\"hidden_act\":\"silu\",\"rms_norm_eps\":1e-05,\"rope_theta\":10000.0,"
     "\"tie_word_embeddings\":false,\"torch_dtype\":\"bfloat16\"}",
     32, mistral_layer, mistral_rest},
};

static _Noreturn void stop(const char *what)
{
    fprintf(stderr, "random_model: %s\n", what);
    exit(1);
}

/* Normal numbers of spread 0.02, of a table; norms 1, biases 0. */
static uint16_t *values(const struct tensor *t, const char *name)
{
    enum { TABLE = 1 << 12 };
    static uint16_t table[TABLE];
    static bool is_filled;
    for (size_t i = 0; !is_filled && i < TABLE; i++)
        table[i] = qv__f32_to_bf16(0.02f * qv__normal(1, i));
    is_filled = true;
    size_t n = qv__max(t->rows, 1) * t->cols;
    uint16_t *w = malloc(n * sizeof *w);
    if (!w)
        stop("no memory");
    const uint64_t seed = qv__seed_named(1, name);
    const uint16_t fixed = qv__f32_to_bf16(strstr(name, "norm.weight") ? 1 : 0);
#pragma omp parallel for
    for (size_t i = 0; i < n; i++)
        w[i] = t->rows ? table[qv__drop_bits(seed, (uint32_t)i) % TABLE] : fixed;
    return w;
}

/* One file of those tensors; each is told to the index. */
static void write_file(const char *dir, const char *file, const char *prefix,
                       const struct tensor *t, json_t *map)
{
    enum { MOST = 16 };
    struct qv_tensor_out out[MOST];
    char name[MOST][96], path[512];
    size_t n = 0;
    for (; t->name; t++, n++) {
        snprintf(name[n], sizeof name[n], "%s%s", prefix, t->name);
        out[n] = (struct qv_tensor_out){.name = name[n],
                                        .dtype = QV_BF16,
                                        .rank = t->rows ? 2 : 1,
                                        .shape = {t->rows ? t->rows : t->cols, t->cols},
                                        .data = values(t, name[n])};
        json_object_set_new(map, name[n], json_string(file));
    }
    qv_err err;
    snprintf(path, sizeof path, "%s/%s", dir, file);
    if (qv__st_write(path, out, n, NULL, 0, &err))
        stop(err.msg);
    while (n-- > 0)
        free((void *)(uintptr_t)out[n].data);
}

int main(int argc, char **argv)
{
    const struct shape *s = NULL;
    for (size_t i = 0; argc == 3 && i < QV_COUNT(shapes); i++)
        if (strcmp(argv[1], shapes[i].name) == 0)
            s = &shapes[i];
    if (!s)
        stop("give 110m, 1.1b, phi-2 or mistral-7b, and a directory");
    qv_err err;
    char path[512], file[64], prefix[64];
    json_t *map = json_object();
    if (qv__make_dir(argv[2], &err))
        stop(err.msg);
    for (size_t l = 0; l < s->L; l++) {
        snprintf(file, sizeof file, "layer-%02zu.safetensors", l);
        snprintf(prefix, sizeof prefix, "model.layers.%zu.", l);
        write_file(argv[2], file, prefix, s->of_layer, map);
    }
    write_file(argv[2], "rest.safetensors", "", s->rest, map);
    json_t *index = json_pack("{s:{}, s:o}", "metadata", "weight_map", map);
    snprintf(path, sizeof path, "%s/model.safetensors.index.json", argv[2]);
    if (qv__json_write(index, path, &err))
        stop(err.msg);
    json_decref(index);
    snprintf(path, sizeof path, "%s/config.json", argv[2]);
    if (qv__write_file(path, s->config, strlen(s->config), &err))
        stop(err.msg);
    return 0;
}
