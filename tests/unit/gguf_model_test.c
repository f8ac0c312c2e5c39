/* gguf_model_test.c - a GGUF file as a model: the logits, tokens and adapters of the
 * directory it was made from. llama.cpp's converter made the files, transformers the
 * logits: tests/golden/recipes/gguf_files.py. */
#include "base/file.h"
#include "format/gguf_write.h"
#include "lora/expert.h"
#include "lora/peft.h"
#include "model/gguf_arch.h"
#include "model/quantize.h"
#include "model/reuse.h"
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

static qv_model *opened(const char *path, qv_compute compute)
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
        qv_model *m = opened(path, QV_COMPUTE_F32);
        print_message("%s\n", families[i]);
        assert_logits(m, ids, n, want, 1e-4);
        qv_model_close(m);
        free(want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_architecture_has_the_logits_of_its_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
