/* The ids that Hugging Face's tokenizers and sentencepiece compute, for small
 * tokenizers kept here and, where ../shared is present, for real ones. */
#include <quiver/tokenizer.h>

#include "base/file.h"
#include "base/json.h"
#include "support/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LLAMA_CPP "../shared/data/tokenizers/llama.cpp/ggml-vocab-"

/* One text: its ids, and what they decode to. A file made by sentencepiece does
 * not recognise control tokens in a text. */
static void check_case(const qv_tokenizer *tok, const json_t *row, bool parse_special)
{
    const json_t *text = json_array_get(row, 0), *want = json_array_get(row, 1);
    const json_t *back = json_array_size(row) > 2 ? json_array_get(row, 2) : text;
    int *ids;
    size_t n, size;
    char *decoded;
    qv_err err;
    assert_int_equal(qv_tokenizer_encode(tok, json_string_value(text),
                                         json_string_length(text), parse_special, &ids, &n,
                                         &err),
                     QV_OK);
    size_t same = 0;
    while (same < n && same < json_array_size(want) &&
           ids[same] == json_integer_value(json_array_get(want, same)))
        same++;
    if (same < n || n != json_array_size(want))
        fail_msg("'%s': %zu ids where %zu are right, the first %zu the same",
                 json_string_value(text), n, json_array_size(want), same);
    assert_int_equal(qv_tokenizer_decode(tok, ids, n, false, &decoded, &size, &err), QV_OK);
    if (strcmp(decoded, json_string_value(back)) != 0)
        fail_msg("'%s' decodes to '%s'", json_string_value(back), decoded);
    free(decoded);
    free(ids);
}

static void check_golden(const char *name, const char *path)
{
    json_t *golden;
    qv_tokenizer *tok;
    qv_err err;
    char file[128];
    snprintf(file, sizeof file, "tests/golden/text/%s.json", name);
    assert_int_equal(qv__json_read(&golden, file, 1 << 24, &err), QV_OK);
    if (qv_tokenizer_open(&tok, path, &err))
        fail_msg("%s", err.msg);
    const json_t *cases = json_object_get(golden, "cases"), *row;
    const char *kind = json_string_value(json_object_get(golden, "kind"));
    size_t i;
    json_array_foreach((json_t *)(uintptr_t)cases, i, row)
        check_case(tok, row, !strcmp(kind, "hf"));
    assert_true(i > 100);
    if (json_is_integer(json_object_get(golden, "bos"))) {
        assert_int_equal(qv_tokenizer_bos(tok),
                         json_integer_value(json_object_get(golden, "bos")));
        assert_true(qv_tokenizer_adds_bos(tok));
    }
    qv_tokenizer_close(tok);
    json_decref(golden);
}

static void check_shared(const char *name, const char *path)
{
    need(path);
    check_golden(name, path);
}

static void a_gpt2_tokenizer_agrees(void **state)
{
    (void)state;
    check_golden("tiny_gpt2", "tests/golden/text/tiny_gpt2");
}

static void a_llama3_tokenizer_agrees(void **state)
{
    (void)state;
    check_golden("tiny_llama3", "tests/golden/text/tiny_llama3");
}

static void a_qwen_tokenizer_agrees(void **state)
{
    (void)state;
    check_golden("tiny_qwen", "tests/golden/text/tiny_qwen");
}

static void a_sentencepiece_tokenizer_as_json_agrees(void **state)
{
    (void)state;
    check_golden("tiny_spm_json", "tests/golden/text/tiny_spm_json");
}

static void a_sentencepiece_model_agrees(void **state)
{
    (void)state;
    check_golden("tiny_spm", "tests/golden/text/tiny_spm");
}

static void gpt2_agrees(void **state)
{
    (void)state;
    check_shared("gpt2", "../shared/data/tokenizers/gpt2/tokenizer.json");
}

static void phi_agrees(void **state)
{
    (void)state;
    check_shared("phi", "../shared/data/tokenizers/phi/tokenizer.json");
}

static void mistral_agrees(void **state)
{
    (void)state;
    check_shared("mistral", "../shared/data/tokenizers/mistral/tokenizer.model.v1");
}

static void stories260K_agrees(void **state)
{
    (void)state;
    check_shared("stories260K", "../shared/data/models/stories260K/tok512.model");
}

/* llama.cpp's vectors for one vocabulary: texts, each ended by a line
 * __ggml_vocab_test__, and their ids, a line each. The pair lies beside the vocabulary,
 * which may be another file with the same tokens. */
static void check_vectors(const char *pair, const char *vocabulary)
{
    static const char mark[] = "\n__ggml_vocab_test__\n";
    char path[128];
    qv_arena a = {0};
    qv_tokenizer *tok;
    qv_err err;
    char *texts, *lines;
    size_t size, n_texts = 0;
    need(vocabulary);
    snprintf(path, sizeof path, LLAMA_CPP "%s.inp", pair);
    assert_works(qv__read_file(&texts, &size, &a, path, 1 << 20, &err), &err);
    snprintf(path, sizeof path, LLAMA_CPP "%s.out", pair);
    assert_works(qv__read_file(&lines, &size, &a, path, 1 << 20, &err), &err);
    assert_works(qv_tokenizer_open(&tok, vocabulary, &err), &err);
    for (char *end; (end = strstr(texts, mark)); texts = end + sizeof mark - 1, n_texts++) {
        int *ids;
        size_t n, n_back;
        char *back;
        assert_works(
            qv_tokenizer_encode(tok, texts, (size_t)(end - texts), false, &ids, &n, &err),
            &err);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(strtol(lines, &lines, 10), ids[i]);
        while (*lines == ' ')
            lines++;
        assert_true(*lines++ == '\n');
        assert_works(qv_tokenizer_decode(tok, ids, n, false, &back, &n_back, &err), &err);
        assert_int_equal(n_back, end - texts);
        assert_memory_equal(back, texts, n_back);
        free(back);
        free(ids);
    }
    assert_int_equal(n_texts, 46);
    qv_tokenizer_close(tok);
    qv__arena_free(&a);
}

static void gpt2_passes_llama_cpps_vectors(void **state)
{
    (void)state;
    check_vectors("gpt-2.gguf", LLAMA_CPP "gpt-2.gguf");
}

static void gpt2_as_json_passes_llama_cpps_vectors(void **state)
{
    (void)state;
    check_vectors("gpt-2.gguf", "../shared/data/tokenizers/gpt2/tokenizer.json");
}

static void llama2_passes_llama_cpps_vectors(void **state)
{
    (void)state;
    check_vectors("llama-spm.gguf", LLAMA_CPP "llama-spm.gguf");
}

static void phi3_passes_llama_cpps_vectors(void **state)
{
    (void)state;
    check_vectors("phi-3.gguf", LLAMA_CPP "phi-3.gguf");
}

/* Of these there are the vectors and, so far, no vocabulary: the test waits for one. */
static void llama3_passes_llama_cpps_vectors(void **state)
{
    (void)state;
    check_vectors("llama-bpe.gguf", LLAMA_CPP "llama-bpe.gguf");
}

static void qwen2_passes_llama_cpps_vectors(void **state)
{
    (void)state;
    check_vectors("qwen2.gguf", LLAMA_CPP "qwen2.gguf");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gpt2_tokenizer_agrees),
        cmocka_unit_test(a_llama3_tokenizer_agrees),
        cmocka_unit_test(a_qwen_tokenizer_agrees),
        cmocka_unit_test(a_sentencepiece_tokenizer_as_json_agrees),
        cmocka_unit_test(a_sentencepiece_model_agrees),
        cmocka_unit_test(gpt2_agrees),
        cmocka_unit_test(phi_agrees),
        cmocka_unit_test(mistral_agrees),
        cmocka_unit_test(stories260K_agrees),
        cmocka_unit_test(gpt2_passes_llama_cpps_vectors),
        cmocka_unit_test(gpt2_as_json_passes_llama_cpps_vectors),
        cmocka_unit_test(llama2_passes_llama_cpps_vectors),
        cmocka_unit_test(phi3_passes_llama_cpps_vectors),
        cmocka_unit_test(llama3_passes_llama_cpps_vectors),
        cmocka_unit_test(qwen2_passes_llama_cpps_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
