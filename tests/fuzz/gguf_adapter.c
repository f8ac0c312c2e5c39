/* Whatever the bytes, reading them as a GGUF adapter returns; if it succeeds, every
 * weight can be read, and an expert that fits one of four models can be written and read
 * again, unless a factor of its is too large for a float. */
#include "model/gguf_adapter.h"
#include "model/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define USUAL                                                                              \
    ",\"hidden_size\":8,\"num_hidden_layers\":2,\"num_attention_heads\":2,\"vocab_size\":" \
    "5,\"intermediate_size\":12,\"max_position_embeddings\":4}"
#define GPT2                                                                               \
    "{\"model_type\":\"gpt2\",\"n_embd\":8,\"n_layer\":2,\"n_head\":2,\"vocab_size\":5,"   \
    "\"n_positions\":4}"

/* One of each order of rows, and one that is turned. */
static const char *const configs[] = {
    "{\"model_type\":\"llama\",\"num_key_value_heads\":1" USUAL,
    "{\"model_type\":\"gpt_neox\",\"rotary_pct\":0.5" USUAL,
    "{\"model_type\":\"phi\"" USUAL,
    GPT2,
};
static qv_model *models[QV_COUNT(configs)];

static void make_models(void)
{
    for (size_t i = 0; !models[QV_COUNT(models) - 1] && i < QV_COUNT(models); i++) {
        struct qv_config c;
        qv_status result = qv__config_parse(&c, configs[i], strlen(configs[i]), NULL);
        qv_check(!result);
        result = qv__model_new(&models[i], &c, 1, NULL);
        qv_check(!result);
    }
}

static void write_and_read(const struct qv_expert *e, const qv_model *m)
{
    char path[64];
    struct qv_expert *again;
    snprintf(path, sizeof path, "/tmp/quiver-fuzz-%ld.gguf", (long)getpid());
    qv_err err;
    if (qv__gguf_adapter_write(e, NULL, path, m, &err)) {
        qv_check(strstr(err.msg, "is not finite") || strstr(err.msg, "general.name"));
        return;
    }
    qv_check(!qv__adapter_read(&again, path, m, &err));
    qv_check(again->n_sites == e->n_sites && again->n_w == e->n_w);
    qv__expert_free(again);
    unlink(path);
}

static void fit(const struct qv_gguf_lora *l)
{
    for (size_t i = 0; i < QV_COUNT(models); i++) {
        struct qv_expert *e;
        if (qv__gguf_adapter_expert(&e, "fuzz", l, models[i], NULL))
            continue;
        for (size_t k = 0; k < e->n_sites; k++)
            qv_check(isfinite(e->site[k].scale));
        write_and_read(e, models[i]);
        qv__expert_free(e);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct qv_gguf_lora l;
    make_models();
    uint8_t *exact = malloc(qv__max(size, 1)); // so that reading past `size` traps
    qv_check(exact);
    if (size)
        memcpy(exact, bytes, size);
    if (!qv__gguf_lora_parse(&l, exact, size, NULL)) {
        for (size_t i = 0; i < l.n; i++) {
            const struct qv_gguf_pair *p = &l.pair[i];
            qv_check(p->A->n == p->R * p->D_in && p->B->n == p->R * p->D_out);
        }
        fit(&l);
        qv__gguf_lora_close(&l);
    }
    free(exact);
    return 0;
}
