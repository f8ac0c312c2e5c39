/* gguf_tokenizer_test.c - tokenizers as GGUF values and back: the same tokens as those of
 * the files they came from, and as llama.cpp's own lists of what they should be. */
#include "text/gguf_tokenizer.h"
#include "base/file.h"
#include "format/gguf_write.h"
#include "support/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- there and back ---- */

static const char *const samples[] = {
    "",
    "Hello, world! It's 12345 o'clock; we'll see.",
    "  two  spaces\n\n\ttabs\r\nand lines  ",
    "caf\303\251 \346\227\245\346\234\254\350\252\236 \360\237\230\200 e\314\201",
    "<s>special</s><|begin|><|endoftext|>",
    "\377\376 not UTF-8 \200",
};

static void assert_same_tokens(const qv_tokenizer *a, const qv_tokenizer *b)
{
    qv_err err;
    for (size_t i = 0; i < QV_COUNT(samples); i++) {
        int *x, *y;
        size_t n_x, n_y;
        size_t size = strlen(samples[i]);
        assert_works(qv_tokenizer_encode(a, samples[i], size, true, &x, &n_x, &err), &err);
        assert_works(qv_tokenizer_encode(b, samples[i], size, true, &y, &n_y, &err), &err);
        assert_int_equal(n_x, n_y);
        if (n_x)
            assert_memory_equal(x, y, n_x * sizeof *x);
        char *text_x, *text_y;
        assert_works(qv_tokenizer_decode(a, x, n_x, false, &text_x, &n_x, &err), &err);
        assert_works(qv_tokenizer_decode(b, y, n_y, false, &text_y, &n_y, &err), &err);
        assert_string_equal(text_x, text_y);
        free(x), free(y), free(text_x), free(text_y);
    }
    assert_int_equal(qv_tokenizer_bos(a), qv_tokenizer_bos(b));
    assert_int_equal(qv_tokenizer_eos(a), qv_tokenizer_eos(b));
    assert_int_equal(qv_tokenizer_adds_bos(a), qv_tokenizer_adds_bos(b));
}

static void a_tokenizer_comes_back_from_a_file_as_it_went(void **state)
{
    static const char *const dirs[] = {
        "tests/golden/text/tiny_gpt2",     "tests/golden/text/tiny_llama3",
        "tests/golden/text/tiny_qwen",     "tests/golden/text/tiny_spm",
        "tests/golden/text/tiny_spm_json", "models/base",
    };
    const char *path = scratch_path(state, "x.gguf");
    for (size_t i = 0; i < QV_COUNT(dirs); i++) {
        struct qv_gguf_meta meta = {0};
        qv_tokenizer *went, *came;
        qv_err err = {0};
        assert_works(qv_tokenizer_open(&went, dirs[i], &err), &err);
        assert_works(
            qv__tokenizer_to_gguf(&meta, went, dirs[i], qv_tokenizer_size(went) + 5, &err),
            &err);
        assert_works(qv__gguf_write(path, &meta, NULL, 0, NULL, NULL, &err), &err);
        assert_works(qv_tokenizer_open(&came, path, &err), &err);
        print_message("%s\n", dirs[i]);
        assert_same_tokens(went, came);
        qv__gguf_meta_free(&meta);
        qv_tokenizer_close(went);
        qv_tokenizer_close(came);
    }
}

/* Files of llama.cpp's converter. */
static void the_converters_file_has_the_tokens_of_the_directory(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"tests/golden/gguf/spm", "tests/golden/gguf/spm/q8_0.gguf"},
        {"tests/golden/gguf/bpe", "tests/golden/gguf/bpe/f16.gguf"},
    };
    for (size_t i = 0; i < QV_COUNT(pairs); i++) {
        qv_tokenizer *dir, *file;
        qv_err err = {0};
        assert_works(qv_tokenizer_open(&dir, pairs[i][0], &err), &err);
        assert_works(qv_tokenizer_open(&file, pairs[i][1], &err), &err);
        assert_same_tokens(dir, file);
        qv_tokenizer_close(dir);
        qv_tokenizer_close(file);
    }
}

/* ---- llama.cpp's lists ---- */

/* The next text of an .inp file and the line of ids of its .out file. */
static bool next_case(char **text, char **line, char **inp, char **out)
{
    static const char mark[] = "\n__ggml_vocab_test__\n";
    char *end = strstr(*inp, mark), *newline = strchr(*out, '\n');
    if (!end || !newline)
        return false;
    *text = *inp;
    *line = *out;
    *end = *newline = '\0';
    *inp = end + sizeof mark - 1;
    *out = newline + 1;
    return true;
}

static void assert_case(const qv_tokenizer *tok, const char *text, const char *line)
{
    int *ids;
    size_t n, k = 0;
    qv_err err;
    assert_works(qv_tokenizer_encode(tok, text, strlen(text), true, &ids, &n, &err), &err);
    char *end;
    for (long id = strtol(line, &end, 10); end != line; id = strtol(line, &end, 10), k++) {
        if (k >= n || id != ids[k])
            fail_msg("token %zu of '%s' is not %ld", k, text, id);
        line = end;
    }
    assert_int_equal(k, n);
    free(ids);
}

static void llama_cpps_vocabularies_pass_its_own_tests(void **state)
{
    (void)state;
    static const char *const names[] = {"gpt-2", "llama-spm", "phi-3"};
    for (size_t i = 0; i < QV_COUNT(names); i++) {
        char path[128];
        qv_arena a = {0};
        char *inp, *out, *text, *line;
        size_t size, n_cases = 0;
        qv_tokenizer *tok;
        qv_err err = {0};
        snprintf(path, sizeof path,
                 "../shared/data/tokenizers/llama.cpp/ggml-vocab-%s.gguf", names[i]);
        need(path);
        assert_works(qv_tokenizer_open(&tok, path, &err), &err);
        assert_works(qv__read_file(&inp, &size, &a, qv__arena_fmt(&a, "%s.inp", path),
                                   1 << 20, &err),
                     &err);
        assert_works(qv__read_file(&out, &size, &a, qv__arena_fmt(&a, "%s.out", path),
                                   1 << 20, &err),
                     &err);
        for (; next_case(&text, &line, &inp, &out); n_cases++)
            assert_case(tok, text, line);
        print_message("%s: %zu texts\n", names[i], n_cases);
        assert_true(n_cases > 40);
        qv_tokenizer_close(tok);
        qv__arena_free(&a);
    }
}

/* ---- what is refused ---- */

struct lie {
    const char *model, *pre;
    const char *token[4], *merge[2]; // until NULL
    int32_t type[4];                 // 0: no list of types
    size_t n_types, n_scores;
    int bos; // 0: not said
    qv_status status;
    const char *sentence;
};

static void put_list(struct qv_gguf_meta *meta, const char *key, const char *const *text,
                     size_t room)
{
    struct qv_gguf_str s[4];
    size_t n = 0;
    for (; n < room && text[n]; n++)
        s[n] = (struct qv_gguf_str){text[n], strlen(text[n])};
    if (n)
        qv__gguf_put_strs(meta, key, s, n);
}

static const struct lie lies[] = {
    {.model = "bert",
     .token = {"a"},
     .status = QV_EUNSUPPORTED,
     .sentence = "tokenizer 'bert' is not supported (gpt2 and llama are)"},
    {.model = "gpt2",
     .status = QV_EFORMAT,
     .sentence = "'tokenizer.ggml.tokens' is missing"},
    {.model = "gpt2",
     .token = {"a"},
     .status = QV_EUNSUPPORTED,
     .sentence = "a byte-level tokenizer whose 'tokenizer.ggml.pre' is missing"},
    {.model = "gpt2",
     .pre = "viking",
     .token = {"a"},
     .status = QV_EUNSUPPORTED,
     .sentence = "pre-tokenizer 'viking' is not supported"},
    {.model = "gpt2",
     .pre = "gpt-2",
     .token = {"a"},
     .status = QV_EFORMAT,
     .sentence = "'tokenizer.ggml.merges' is missing"},
    {.model = "gpt2",
     .pre = "gpt-2",
     .token = {"a", "b"},
     .type = {1},
     .n_types = 1,
     .status = QV_EFORMAT,
     .sentence = "'tokenizer.ggml.token_type' has 1 items for 2 tokens"},
    {.model = "gpt2",
     .pre = "gpt-2",
     .token = {"a", "b", "a"},
     .merge = {"a b"},
     .status = QV_EFORMAT,
     .sentence = "token 2, 'a', is token 0 too"},
    {.model = "gpt2",
     .pre = "gpt-2",
     .token = {"a", "b"},
     .type = {1, 9},
     .n_types = 2,
     .status = QV_EFORMAT,
     .sentence = "token 1 is of type 9"},
    {.model = "gpt2",
     .pre = "gpt-2",
     .token = {"a", "\377"},
     .status = QV_EFORMAT,
     .sentence = "token 1 is not UTF-8"},
    {.model = "gpt2",
     .pre = "gpt-2",
     .token = {"a", "b"},
     .merge = {"\377 a"},
     .status = QV_EFORMAT,
     .sentence = "merge 0 is not UTF-8"},
    {.model = "gpt2",
     .pre = "gpt-2",
     .token = {"a", "b"},
     .merge = {"a b"},
     .status = QV_EFORMAT,
     .sentence = "merge 0: 'ab' is not in the vocabulary"},
    {.model = "gpt2",
     .pre = "gpt-2",
     .token = {"a", "b", "ab"},
     .merge = {"a b"},
     .bos = 3,
     .status = QV_EFORMAT,
     .sentence = "'tokenizer.ggml.bos_token_id' is 3 of 3 tokens"},
    {.model = "llama",
     .token = {"a"},
     .status = QV_EFORMAT,
     .sentence = "'tokenizer.ggml.scores' is missing"},
    {.model = "llama",
     .token = {"a"},
     .n_scores = 1,
     .status = QV_EFORMAT,
     .sentence = "no piece is of type UNKNOWN"},
    {.model = "llama",
     .token = {"a", "b"},
     .type = {1, 7},
     .n_types = 2,
     .n_scores = 2,
     .status = QV_EFORMAT,
     .sentence = "piece 1 has an unknown type"},
    {.model = "llama",
     .token = {"a", "<0x41>"},
     .type = {2, 6},
     .n_types = 2,
     .n_scores = 2,
     .status = QV_EFORMAT,
     .sentence = "byte_fallback with 1 of 256 bytes"},
};

static void each_lie_has_its_sentence(void **state)
{
    static const float scores[4] = {0};
    const char *path = scratch_path(state, "x.gguf");
    for (size_t i = 0; i < QV_COUNT(lies); i++) {
        const struct lie *l = &lies[i];
        struct qv_gguf_meta meta = {0};
        qv_tokenizer *tok;
        qv_err err = {0};
        qv__gguf_put_str(&meta, "tokenizer.ggml.model", l->model);
        if (l->pre)
            qv__gguf_put_str(&meta, "tokenizer.ggml.pre", l->pre);
        put_list(&meta, "tokenizer.ggml.tokens", l->token, 4);
        put_list(&meta, "tokenizer.ggml.merges", l->merge, 2);
        if (l->n_types)
            qv__gguf_put_i32s(&meta, "tokenizer.ggml.token_type", l->type, l->n_types);
        if (l->n_scores)
            qv__gguf_put_f32s(&meta, "tokenizer.ggml.scores", scores, l->n_scores);
        if (l->bos)
            qv__gguf_put_u32(&meta, "tokenizer.ggml.bos_token_id", (uint32_t)l->bos);
        assert_works(qv__gguf_write(path, &meta, NULL, 0, NULL, NULL, &err), &err);
        assert_fails(qv_tokenizer_open(&tok, path, &err), l->status, &err, l->sentence);
        assert_null(tok);
        qv__gguf_meta_free(&meta);
    }
}

static void a_table_of_characters_has_no_place(void **state)
{
    (void)state;
    static const char dir[] = "tests/golden/text/tiny_spm";
    struct qv_gguf_meta meta = {0};
    qv_tokenizer *tok;
    qv_err err = {0};
    assert_works(qv_tokenizer_open(&tok, dir, &err), &err);
    tok->norm[0].spm.map.n_units = 1;
    assert_fails(qv__tokenizer_to_gguf(&meta, tok, dir, qv_tokenizer_size(tok), &err),
                 QV_EUNSUPPORTED, &err,
                 "tiny_spm: a tokenizer that normalises by a table cannot be written as "
                 "GGUF");
    qv_tokenizer_close(tok);
}

static void a_nul_in_a_token_is_refused(void **state)
{
    const char *path = scratch_path(state, "x.gguf");
    const struct qv_gguf_str tokens[] = {{"a", 1}, {"b\0c", 3}};
    struct qv_gguf_meta meta = {0};
    qv_tokenizer *tok;
    qv_err err = {0};
    qv__gguf_put_str(&meta, "tokenizer.ggml.model", "gpt2");
    qv__gguf_put_str(&meta, "tokenizer.ggml.pre", "gpt-2");
    qv__gguf_put_strs(&meta, "tokenizer.ggml.tokens", tokens, 2);
    assert_works(qv__gguf_write(path, &meta, NULL, 0, NULL, NULL, &err), &err);
    assert_fails(qv_tokenizer_open(&tok, path, &err), QV_EFORMAT, &err,
                 "x.gguf: tokenizer: token 1 holds a NUL");
    qv__gguf_meta_free(&meta);
    meta = (struct qv_gguf_meta){0};
    assert_works(qv__gguf_write(path, &meta, NULL, 0, NULL, NULL, &err), &err);
    assert_fails(qv_tokenizer_open(&tok, path, &err), QV_ENOTFOUND, &err,
                 "x.gguf: holds no tokenizer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_tokenizer_comes_back_from_a_file_as_it_went,
                                        make_scratch, remove_scratch),
        cmocka_unit_test(the_converters_file_has_the_tokens_of_the_directory),
        cmocka_unit_test(llama_cpps_vocabularies_pass_its_own_tests),
        cmocka_unit_test_setup_teardown(each_lie_has_its_sentence, make_scratch,
                                        remove_scratch),
        cmocka_unit_test(a_table_of_characters_has_no_place),
        cmocka_unit_test_setup_teardown(a_nul_in_a_token_is_refused, make_scratch,
                                        remove_scratch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
