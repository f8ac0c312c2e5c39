/* Whatever adapter_config.json says, reading returns: over the tensors of several
 * adapters, or after a NUL those of a header that is made up, too. What is read has the
 * tensors' ranks, scales that are numbers, and can be bound to a model or is refused. */
#include "lora/bank.h"
#include "lora/peft.h"
#include "model/adapted.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BODY = 1 << 16 };

struct shape {
    const char *name;
    size_t rows, cols; // no cols: a vector
};

#define L0 "base_model.model.model.layers.0."
#define L1 "base_model.model.model.layers.1."

/* A model of width 4, two layers, 8 tokens: adapters that fit it. */
static const struct shape expert[] = {
    {L0 "self_attn.q_proj.lora_A.weight", 2, 4},
    {L0 "self_attn.q_proj.lora_B.weight", 4, 2},
    {L1 "self_attn.q_proj.lora_A.weight", 1, 4},
    {L1 "self_attn.q_proj.lora_B.weight", 4, 1},
    {NULL, 0, 0},
};
static const struct shape dora[] = {
    {L0 "self_attn.q_proj.lora_A.weight", 2, 4},
    {L0 "self_attn.q_proj.lora_B.weight", 4, 2},
    {L0 "self_attn.q_proj.lora_magnitude_vector", 4, 0},
    {"base_model.model.model.embed_tokens.lora_embedding_A", 2, 8},
    {"base_model.model.model.embed_tokens.lora_embedding_B", 4, 2},
    {"base_model.model.model.embed_tokens.lora_magnitude_vector", 4, 0},
    {"base_model.model.lm_head.lora_A.weight", 2, 4},
    {"base_model.model.lm_head.lora_B.weight", 8, 2},
    {"base_model.model.lm_head.lora_magnitude_vector", 8, 0},
    {"base_model.model.lm_head.base_layer.weight", 8, 4},
    {NULL, 0, 0},
};
static const struct shape whole[] = {
    {L0 "mlp.down_proj.lora_A.weight", 2, 6},
    {L0 "mlp.down_proj.lora_B.weight", 4, 2},
    {L0 "mlp.down_proj.lora_B.bias", 4, 0},
    {L1 "mlp.up_proj.weight", 6, 4},
    {"base_model.model.lm_head.weight", 8, 4},
    {"base_model.model.model.norm.weight", 4, 0},
    {"base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta", 2, 4},
    {NULL, 0, 0},
};
static const struct shape *const adapters[] = {expert, dora, whole};

/* A safetensors file in `file`, of finite numbers; returns its size. */
static size_t file_of(char *file, const char *header, size_t n, size_t body)
{
    uint64_t size = n;
    memcpy(file, &size, sizeof size);
    memcpy(file + sizeof size, header, n);
    memset(file + sizeof size + n, 0x3c, body);
    return sizeof size + n + body;
}

static size_t file_of_shapes(char *file, const struct shape *s)
{
    char header[4096] = "{";
    size_t n = 1, body = 0;
    for (; s->name; s++) {
        size_t bytes = 4 * s->rows * (s->cols ? s->cols : 1);
        n += (size_t)snprintf(header + n, sizeof header - n,
                              "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%zu",
                              n > 1 ? "," : "", s->name, s->rows);
        if (s->cols)
            n += (size_t)snprintf(header + n, sizeof header - n, ",%zu", s->cols);
        n += (size_t)snprintf(header + n, sizeof header - n,
                              "],\"data_offsets\":[%zu,%zu]}", body, body + bytes);
        body += bytes;
    }
    header[n++] = '}';
    return file_of(file, header, n, body);
}

/* The largest number in a header: where its data probably ends. */
static size_t largest_number(const char *text, size_t n)
{
    size_t largest = 0, x = 0;
    for (size_t i = 0; i < n; i++) {
        bool is_digit = text[i] >= '0' && text[i] <= '9';
        x = is_digit ? qv__min(10 * x + (size_t)(text[i] - '0'), MAX_BODY) : 0;
        largest = qv__max(largest, x);
    }
    return largest;
}

static void check_expert(const struct qv_expert *e)
{
    for (size_t i = 0; i < e->n_sites; i++)
        qv_check(e->site[i].R > 0 && e->site[i].D_in > 0 && isfinite(e->site[i].scale));
}

static void bind(const qv_model *m, const struct qv_adapter *a)
{
    struct qv_bank *bank;
    struct qv_adapted *x;
    qv_check(!qv__bank_new(&bank, &m->sites, &a->expert, 1, NULL));
    if (!qv__adapted_new(&x, m, a, NULL)) {
        (void)!qv__adapted_gains(bank, x, a, NULL);
        qv__adapted_free(x);
    }
    qv__bank_free(bank);
}

static void read_all(const qv_model *m, const char *config, size_t size, const char *file,
                     size_t n)
{
    struct qv_st st;
    if (qv__st_parse(&st, file, n, NULL))
        return;
    const struct qv_peft_files files = {config, size, &st};
    const struct qv_sites *const sites[] = {NULL, &m->sites};
    for (size_t i = 0; i < QV_COUNT(sites); i++) {
        struct qv_expert *e;
        struct qv_adapter *a;
        bool is_expert = !qv__peft_parse(&e, "fuzz", files, sites[i], NULL);
        if (is_expert) {
            qv_check(e->n_sites > 0);
            check_expert(e);
            qv__expert_free(e);
        }
        if (!qv__peft_parse_adapter(&a, "fuzz", files, sites[i], NULL)) {
            qv_check(!is_expert || (a->n_extra == 0 && a->tables->n_sites == 0));
            check_expert(a->expert);
            check_expert(a->tables);
            if (sites[i])
                bind(m, a);
            qv__adapter_free(a);
        } else {
            qv_check(!is_expert);
        }
    }
    qv__st_close(&st);
}

static qv_model *make_model(void)
{
    const struct qv_config c = {.D = 4,
                                .L = 2,
                                .H = 2,
                                .Hk = 1,
                                .E = 2,
                                .F = 6,
                                .V = 8,
                                .n_ctx = 4,
                                .theta = 1e4f,
                                .eps = 1e-5f,
                                .bos = -1,
                                .eos = -1};
    qv_model *m;
    qv_check(!qv__model_new(&m, &c, 1, NULL));
    return m;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static qv_model *m;
    static char file[MAX_BODY * 2];
    m = m ? m : make_model();
    const uint8_t *end = size ? memchr(bytes, 0, size) : NULL;
    size_t n = end ? (size_t)(end - bytes) : size;
    char *exact = malloc(qv__max(n, 1)); // so that reading past it traps
    qv_check(exact);
    if (n)
        memcpy(exact, bytes, n);
    for (size_t i = 0; i < QV_COUNT(adapters); i++)
        read_all(m, exact, n, file, file_of_shapes(file, adapters[i]));
    if (end && size - n - 1 < MAX_BODY - 8) {
        const char *header = (const char *)end + 1;
        size_t length = size - n - 1, body = largest_number(header, length);
        read_all(m, exact, n, file, file_of(file, header, length, body));
    }
    free(exact);
    return 0;
}
