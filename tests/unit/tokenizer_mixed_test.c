/* Ten thousand lines of mixed text become the ids that transformers gives them, and the
 * ids become the text again, byte for byte. Every tokenizer of tests/golden/text/mixed
 * is asked; the real ones where ../shared is present. */
#include <quiver/tokenizer.h>

#include "base/file.h"
#include "base/hash.h"
#include "support/mixed.h"
#include "support/scratch.h"
#include "text/pieces.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct mixed mixed;

/* Adds the line's ids to `said`, as the recipe writes them. */
static void say(struct qv__str *said, const qv_tokenizer *tok, const char *line, size_t n,
                bool special)
{
    int *ids;
    size_t n_ids;
    qv_err err;
    char number[16];
    assert_works(qv_tokenizer_encode(tok, line, n, special, &ids, &n_ids, &err), &err);
    for (size_t i = 0; i < n_ids; i++) {
        int len = snprintf(number, sizeof number, i ? " %d" : "%d", ids[i]);
        qv__str_add(said, number, (size_t)len);
    }
    qv__str_add(said, "\n", 1);
    free(ids);
}

static void check_ids(const char *name, const char *path)
{
    json_t *golden;
    qv_tokenizer *tok;
    qv_err err;
    char file[128], hex[QV_HASH_TEXT];
    snprintf(file, sizeof file, "tests/golden/text/mixed/%s.json", name);
    assert_works(qv__json_read(&golden, file, 1 << 20, &err), &err);
    assert_works(qv_tokenizer_open(&tok, path, &err), &err);
    const json_t *hashes = json_object_get(golden, "hashes");
    bool special = json_is_true(json_object_get(golden, "special"));
    assert_int_equal(json_array_size(hashes), mixed.n_lines / mixed.block);
    struct qv__str said = {0};
    for (size_t i = 0; i < mixed.n_lines; i++) {
        size_t n;
        const char *line = mixed_line(&n, &mixed, i);
        say(&said, tok, line, n, special);
        if ((i + 1) % mixed.block)
            continue;
        const char *want = json_string_value(json_array_get(hashes, i / mixed.block));
        qv__hash_bytes(hex, said.bytes, said.size);
        if (strncmp(hex, want, strlen(want)) != 0)
            fail_msg("%s: not the ids of lines %zu to %zu", path, i + 1 - mixed.block, i);
        qv__str_clear(&said);
    }
    qv__str_free(&said);
    qv_tokenizer_close(tok);
    json_decref(golden);
}

/* What a line must decode to: itself, save that SentencePiece writes a space as U+2581
 * and reads that character back as one. */
static size_t expected(char *out, const char *line, size_t n, bool is_spm)
{
    size_t size = 0;
    for (size_t at = 0; at < n; at++) {
        bool space = is_spm && n - at >= 3 && !memcmp(line + at, "\xe2\x96\x81", 3);
        out[size++] = space ? ' ' : line[at];
        at += space ? 2 : 0;
    }
    return size;
}

static void check_decoding(const char *path, bool is_spm)
{
    static char want[8192];
    qv_tokenizer *tok;
    qv_err err;
    assert_works(qv_tokenizer_open(&tok, path, &err), &err);
    for (size_t i = 0; i < mixed.n_lines; i++) {
        size_t n, n_ids, n_back;
        int *ids;
        char *back;
        const char *line = mixed_line(&n, &mixed, i);
        assert_works(qv_tokenizer_encode(tok, line, n, false, &ids, &n_ids, &err), &err);
        assert_works(qv_tokenizer_decode(tok, ids, n_ids, false, &back, &n_back, &err),
                     &err);
        n = expected(want, line, n, is_spm);
        if (n_back != n || memcmp(back, want, n) != 0)
            fail_msg("%s: line %zu decodes to something else", path, i);
        free(back);
        free(ids);
    }
    qv_tokenizer_close(tok);
}

/* ---- small tokenizers, kept here ---- */

static void tiny_byte_level_tokenizers_agree_with_transformers(void **state)
{
    (void)state;
    check_ids("tiny_gpt2", "tests/golden/text/tiny_gpt2");
    check_ids("tiny_llama3", "tests/golden/text/tiny_llama3");
    check_ids("tiny_qwen", "tests/golden/text/tiny_qwen");
}

static void a_unigram_model_agrees_with_sentencepiece(void **state)
{
    (void)state;
    check_ids("tiny_unigram", "tests/golden/text/tiny_unigram");
}

static void a_unigram_model_as_json_agrees_with_transformers(void **state)
{
    (void)state;
    check_ids("tiny_unigram_json", "tests/golden/text/tiny_unigram_json");
}

static void tiny_tokenizers_decode_exactly(void **state)
{
    (void)state;
    check_decoding("tests/golden/text/tiny_gpt2", false);
    check_decoding("tests/golden/text/tiny_llama3", false);
    check_decoding("tests/golden/text/tiny_spm", true);
    check_decoding("tests/golden/text/tiny_spm_json", true);
}

/* ---- real ones ---- */

static void check_shared(const char *name, const char *path, bool is_spm)
{
    need(path);
    check_ids(name, path);
    check_decoding(path, is_spm);
}

#define TOKENIZERS "../shared/data/tokenizers/"

static void gpt2_agrees_with_transformers_and_decodes_exactly(void **state)
{
    (void)state;
    check_shared("gpt2", TOKENIZERS "gpt2/tokenizer.json", false);
}

static void phi2_agrees_with_transformers_and_decodes_exactly(void **state)
{
    (void)state;
    check_shared("phi", TOKENIZERS "phi", false);
}

/* The pair of files that Phi-2 has beside its tokenizer.json is the same tokenizer. */
static void phi2s_pair_of_files_agrees_with_transformers(void **state)
{
    static const char *const names[] = {"vocab.json", "merges.txt", "added_tokens.json",
                                        "special_tokens_map.json", "tokenizer_config.json"};
    need(TOKENIZERS "phi");
    for (size_t i = 0; i < QV_COUNT(names); i++) {
        char from[128];
        struct qv_map map;
        qv_err err;
        snprintf(from, sizeof from, TOKENIZERS "phi/%s", names[i]);
        assert_works(qv__map(&map, from, &err), &err);
        assert_works(
            qv__write_file(scratch_path(state, names[i]), map.bytes, map.size, &err), &err);
        qv__unmap(&map);
    }
    check_ids("phi", *state);
}

static void mistral_v1_agrees_with_transformers_and_decodes_exactly(void **state)
{
    (void)state;
    check_shared("mistral_v1", TOKENIZERS "mistral/tokenizer.model.v1", true);
}

static void mistral_v2_agrees_with_transformers_and_decodes_exactly(void **state)
{
    (void)state;
    check_shared("mistral_v2",
                 TOKENIZERS "mistral/mistral_instruct_tokenizer_240216.model.v2", true);
}

static void mistral_v3_agrees_with_transformers_and_decodes_exactly(void **state)
{
    (void)state;
    check_shared("mistral_v3",
                 TOKENIZERS "mistral/mistral_instruct_tokenizer_240323.model.v3", true);
}

static int make_lines(void **state)
{
    (void)state;
    mixed_init(&mixed);
    return 0;
}

static int end_lines(void **state)
{
    (void)state;
    mixed_end(&mixed);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiny_byte_level_tokenizers_agree_with_transformers),
        cmocka_unit_test(a_unigram_model_agrees_with_sentencepiece),
        cmocka_unit_test(a_unigram_model_as_json_agrees_with_transformers),
        cmocka_unit_test(tiny_tokenizers_decode_exactly),
        cmocka_unit_test(gpt2_agrees_with_transformers_and_decodes_exactly),
        cmocka_unit_test(phi2_agrees_with_transformers_and_decodes_exactly),
        cmocka_unit_test_setup_teardown(phi2s_pair_of_files_agrees_with_transformers,
                                        make_scratch, remove_scratch),
        cmocka_unit_test(mistral_v1_agrees_with_transformers_and_decodes_exactly),
        cmocka_unit_test(mistral_v2_agrees_with_transformers_and_decodes_exactly),
        cmocka_unit_test(mistral_v3_agrees_with_transformers_and_decodes_exactly),
    };
    return cmocka_run_group_tests(tests, make_lines, end_lines);
}
