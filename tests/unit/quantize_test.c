/* quantize_test.c - a model as GGUF: llama.cpp's names, values and order of rows. What is
 * expected was made by its converter: tests/golden/recipes/gguf_files.py. */
#include "model/quantize.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "format/gguf.h"
#include "model/family.h"
#include "model/gguf_arch.h"
#include "support/scratch.h"
#include "support/tiny.h"
#include "text/gguf_tokenizer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void rows_go_where_llama_cpp_has_them(void **state)
{
    (void)state;
    const struct qv_config c = {.E = 6, .H = 2};
    static const size_t paired[12] = {0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11};
    for (size_t i = 0; i < 12; i++)
        assert_int_equal(qv__gguf_row(QV_ROWS_PAIRED, &c, i), paired[i]);
    const struct qv_config d = {.E = 2, .H = 2}; // heads 0 and 1, two rows each
    static const size_t in_three[12] = {0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11};
    for (size_t i = 0; i < 12; i++) {
        assert_int_equal(qv__gguf_row(QV_ROWS_IN_THREE, &d, i), in_three[i]);
        assert_int_equal(qv__gguf_row(QV_ROWS_AS_THEY_ARE, &d, i), i);
    }
    const struct qv_gguf_arch *llama = qv__gguf_arch_of(qv__family("llama"));
    const struct qv_gguf_arch *neox = qv__gguf_arch_of(qv__family("gpt_neox"));
    assert_int_equal(qv__gguf_order(llama, "blk.3.attn_q.weight"), QV_ROWS_PAIRED);
    assert_int_equal(qv__gguf_order(llama, "blk.3.attn_k.bias"), QV_ROWS_PAIRED);
    assert_int_equal(qv__gguf_order(llama, "blk.3.attn_v.weight"), QV_ROWS_AS_THEY_ARE);
    assert_int_equal(qv__gguf_order(neox, "blk.3.attn_qkv.bias"), QV_ROWS_IN_THREE);
    assert_int_equal(qv__gguf_order(neox, "blk.3.attn_output.bias"), QV_ROWS_AS_THEY_ARE);
}

static const char *type_for(const char *asked, size_t D_in, bool is_head)
{
    return qv__quantize_type(qv__block_named(asked), D_in, is_head)->name;
}

static void a_type_that_does_not_divide_the_rows_gives_way_to_the_like_of_it(void **state)
{
    (void)state;
    static const char *const smaller[][2] = {
        {"q2_k", "Q4_0"}, {"q3_k", "Q4_0"}, {"q4_k", "Q5_0"}, {"q5_k", "Q5_1"},
        {"q6_k", "Q8_0"}, {"q8_0", "Q8_0"}, {"q4_0", "Q4_0"}, {"f16", "F16"},
    };
    for (size_t i = 0; i < QV_COUNT(smaller); i++) {
        const char *same = qv__block_named(smaller[i][0])->name;
        assert_string_equal(type_for(smaller[i][0], 640, false), smaller[i][1]);
        assert_string_equal(type_for(smaller[i][0], 512, false), same);
        if (i < 7)
            assert_string_equal(type_for(smaller[i][0], 36, false), "F16");
    }
    assert_string_equal(type_for("bf16", 36, false), "BF16");
    assert_string_equal(type_for("q4_0", 512, true), "Q6_K");
    assert_string_equal(type_for("q4_0", 640, true), "Q8_0");
    assert_string_equal(type_for("q5_k", 512, true), "Q6_K");
    assert_string_equal(type_for("q6_k", 512, true), "Q6_K");
    assert_string_equal(type_for("q8_0", 512, true), "Q8_0");
    assert_string_equal(type_for("f16", 512, true), "F16");
}

/* ---- against the converter ---- */

static json_t *as_json(const struct qv_gguf_value *v, size_t i, const char **at)
{
    if (v->kind == QV_GGUF_STR) {
        struct qv_gguf_str s = qv__gguf_next(at);
        return json_stringn(s.at, s.n);
    }
    if (v->kind == QV_GGUF_BOOL)
        return json_boolean(qv__gguf_int_at(v, i));
    return v->kind == QV_GGUF_F32 ? json_real(qv__gguf_float_at(v, i))
                                  : json_integer(qv__gguf_int_at(v, i));
}

static void assert_value(const struct qv_gguf *g, const char *key, const json_t *want)
{
    const struct qv_gguf_value *v = qv__gguf_get(g, key);
    if (!v)
        fail_msg("'%s' is missing", key);
    assert_int_equal(v->is_list, json_is_array(want));
    const char *at = v->data;
    for (size_t i = 0; i < v->n; i++) {
        json_t *got = as_json(v, i, &at);
        if (!json_equal(got, v->is_list ? json_array_get(want, i) : want))
            fail_msg("'%s': item %zu differs", key, i);
        json_decref(got);
    }
    assert_int_equal(v->n, v->is_list ? json_array_size(want) : 1);
}

/* Quantises the model in `dir` to a file in the scratch directory and opens that. */
static void quantized(struct qv_gguf *g, void **state, const char *dir, const char *type)
{
    qv_model *m;
    qv_err err;
    const char *path = scratch_path(state, "x.gguf");
    assert_works(qv_model_open(&m, dir, NULL, &err), &err);
    assert_works(qv__model_quantize(m, path, qv__block_named(type), (qv_progress){0}, &err),
                 &err);
    qv_model_close(m);
    assert_works(qv__gguf_open(g, path, &err), &err);
}

static void assert_is_the_converters(void **state, const char *dir)
{
    struct qv_gguf g;
    char path[128], hex[QV_HASH_TEXT];
    snprintf(path, sizeof path, "%s/expect.json", dir);
    json_t *expect, *want;
    const char *name;
    qv_err err;
    assert_works(qv__json_read(&expect, path, 1 << 20, &err), &err);
    quantized(&g, state, dir, "f32");
    json_object_foreach(json_object_get(expect, "values"), name, want)
    {
        // A name made pretty, a size for people, and what encoders alone would need.
        if (strcmp(name, "general.name") != 0 && strcmp(name, "general.size_label") != 0 &&
            strcmp(name, "tokenizer.ggml.add_sep_token") != 0)
            assert_value(&g, name, want);
    }
    json_t *tensors = json_object_get(expect, "tensors");
    assert_int_equal(g.n, json_object_size(tensors));
    json_object_foreach(tensors, name, want)
    {
        const struct qv_gguf_tensor *t = qv__gguf_find(&g, name);
        if (!t)
            fail_msg("tensor '%s' is missing", name);
        const json_t *shape = json_object_get(want, "shape");
        assert_int_equal(t->rank, json_array_size(shape));
        for (size_t i = 0; i < json_array_size(shape); i++)
            assert_int_equal(t->shape[i], json_integer_value(json_array_get(shape, i)));
        assert_string_equal(t->type->name,
                            json_string_value(json_object_get(want, "type")));
        qv__hash_bytes(hex, t->data, t->bytes);
        if (strcmp(hex, json_string_value(json_object_get(want, "sha256"))) != 0)
            fail_msg("tensor '%s' has other bytes", name);
    }
    qv__gguf_close(&g);
    json_decref(expect);
}

static void a_sentencepiece_model_becomes_what_the_converter_makes_of_it(void **state)
{
    assert_is_the_converters(state, "tests/golden/gguf/spm");
}

static void a_byte_level_model_becomes_what_the_converter_makes_of_it(void **state)
{
    assert_is_the_converters(state, "tests/golden/gguf/bpe");
}

/* Keys that say more than the converter does are no difference; a name is. */
static void assert_holds(const struct qv_gguf *g, const struct qv_gguf *want)
{
    for (size_t i = 0; i < want->n_values; i++) {
        const struct qv_gguf_value *w = &want->value[i], *v = qv__gguf_get(g, w->key);
        if (!strcmp(w->key, "general.name") || !strcmp(w->key, "general.size_label"))
            continue;
        if (!v)
            fail_msg("'%s' is missing", w->key);
        const char *at = w->data;
        json_t *one = as_json(w, 0, &at);
        assert_value(g, w->key, one);
        json_decref(one);
    }
    assert_int_equal(g->n, want->n);
    for (size_t i = 0; i < want->n; i++) {
        const struct qv_gguf_tensor *w = &want->tensor[i];
        const struct qv_gguf_tensor *t = qv__gguf_find(g, w->name);
        if (!t || t->rank != w->rank || t->type != w->type || t->bytes != w->bytes ||
            memcmp(t->shape, w->shape, sizeof t->shape) != 0 ||
            memcmp(t->data, w->data, t->bytes) != 0)
            fail_msg("tensor '%s' is missing or differs", w->name);
    }
}

static void each_family_becomes_what_the_converter_makes_of_it(void **state)
{
    static const char *const families[] = {
        "llama_biased",      "llama_linear", "mistral",  "qwen3",
        "stablelm_parallel", "stablelm",     "gpt_neox", "gpt2",
    };
    for (size_t i = 0; i < QV_COUNT(families); i++) {
        char path[128];
        struct qv_gguf ours, theirs;
        qv_err err;
        print_message("%s\n", families[i]);
        snprintf(path, sizeof path, "tests/golden/gguf/families/%s.gguf", families[i]);
        assert_works(qv__gguf_open(&theirs, path, &err), &err);
        snprintf(path, sizeof path, "tests/golden/families/%s", families[i]);
        quantized(&ours, state, path, "f32");
        assert_holds(&ours, &theirs);
        qv__gguf_close(&ours);
        qv__gguf_close(&theirs);
    }
}

static void what_gguf_cannot_say_is_refused(void **state)
{
    static const struct {
        const char *path, *sentence;
    } bad[] = {
        {"tests/golden/families/gpt_neo",
         "gpt_neo: GGUF has no architecture for model_type 'gpt_neo'"},
        {"tests/golden/families/qwen2",
         "qwen2: GGUF cannot say which layers see 3 positions"},
        {"tests/golden/gguf/families/gpt2.gguf",
         "gpt2.gguf: a GGUF file already; quantise the model it was made from"},
    };
    const char *path = scratch_path(state, "x.gguf");
    for (size_t i = 0; i < QV_COUNT(bad); i++) {
        qv_model *m;
        qv_err err;
        assert_works(qv_model_open(&m, bad[i].path, NULL, &err), &err);
        assert_fails(
            qv__model_quantize(m, path, qv__block_named("q8_0"), (qv_progress){0}, &err),
            QV_EUNSUPPORTED, &err, bad[i].sentence);
        qv_model_close(m);
    }
    qv_model *m;
    qv_err err;
    assert_works(qv_model_open(&m, "tests/golden/families/gpt2", NULL, &err), &err);
    m->c.scale = 1;
    assert_fails(
        qv__model_quantize(m, path, qv__block_named("f16"), (qv_progress){0}, &err),
        QV_EUNSUPPORTED, &err, "gpt2: GGUF cannot say that attention's scores are times 1");
    qv_model_close(m);
    assert_int_not_equal(access(path, F_OK), 0);
}

/* ---- the rest ---- */

static void quantised_rows_stand_where_their_names_say(void **state)
{
    struct qv_gguf g;
    qv_model *m;
    qv_err err;
    enum { D = 32 };
    assert_works(qv_model_open(&m, "tests/golden/gguf/bpe", NULL, &err), &err);
    quantized(&g, state, "tests/golden/gguf/bpe", "q8_0");
    const struct qv_gguf_tensor *k = qv__gguf_find(&g, "blk.0.attn_k.weight");
    const struct qv_weight *w = &m->layer[0].map[QV_K].w;
    assert_string_equal(k->type->name, "Q8_0");
    assert_string_equal(qv__gguf_find(&g, "blk.0.attn_norm.weight")->type->name, "F32");
    assert_string_equal(qv__gguf_find(&g, "output.weight")->type->name, "Q8_0");
    for (size_t r = 0; r < w->D_out; r++) {
        float row[D], want[D];
        qv__weight_row(want, w, qv__gguf_row(QV_ROWS_PAIRED, &m->c, r));
        qv__block_decode(row, k->type,
                         (const char *)k->data + qv__block_bytes(k->type, D) * r, D);
        assert_close_to_scale(row, want, D, 0.006);
    }
    qv__gguf_close(&g);
    qv_model_close(m);
}

static void a_pre_tokenizer_without_a_name_is_kept_whole(void **state)
{
    struct qv_gguf g;
    quantized(&g, state, "models/base", "q4_k");
    assert_null(qv__gguf_get(&g, "tokenizer.ggml.pre"));
    const char *text = qv__gguf_get(&g, "tokenizer.huggingface.json")->text;
    assert_file_holds("models/base/tokenizer.json", text);
    assert_string_equal(qv__gguf_find(&g, "token_embd.weight")->type->name, "Q6_K");
    assert_string_equal(qv__gguf_find(&g, "blk.5.ffn_up.weight")->type->name, "Q4_K");
    assert_string_equal(qv__gguf_find(&g, "blk.5.ffn_down.weight")->type->name, "Q5_0");
    assert_null(qv__gguf_find(&g, "output.weight")); // tied
    qv__gguf_close(&g);
}

/* Opens the tokenizer in `dir` and takes it as GGUF values. */
static qv_status as_values(struct qv_gguf_meta *meta, const char *dir, qv_err *err)
{
    qv_tokenizer *tok;
    assert_works(qv_tokenizer_open(&tok, dir, err), err);
    *meta = (struct qv_gguf_meta){0};
    qv_status result =
        qv__tokenizer_to_gguf(meta, tok, dir, qv_tokenizer_size(tok) + 3, err);
    qv_tokenizer_close(tok);
    return result;
}

static const char *string_of(const struct qv_gguf_meta *meta, const char *path,
                             struct qv_gguf *g, const char *key)
{
    qv_err err;
    const char *text = NULL;
    assert_works(qv__gguf_write(path, meta, NULL, 0, NULL, NULL, &err), &err);
    assert_works(qv__gguf_open(g, path, &err), &err);
    assert_works(qv__gguf_str(g, key, &text, &err), &err);
    return text;
}

static void pre_tokenizers_have_llama_cpps_names(void **state)
{
    static const char *const pre[][2] = {
        {"tests/golden/text/tiny_gpt2", "gpt-2"},
        {"tests/golden/text/tiny_llama3", "llama-bpe"},
        {"tests/golden/text/tiny_qwen", "qwen2"},
        {"tests/golden/text/tiny_spm", "default"},
        {"tests/golden/text/tiny_spm_json", "default"},
    };
    for (size_t i = 0; i < QV_COUNT(pre); i++) {
        struct qv_gguf_meta meta;
        struct qv_gguf g;
        qv_err err;
        assert_works(as_values(&meta, pre[i][0], &err), &err);
        assert_string_equal(
            string_of(&meta, scratch_path(state, "v.gguf"), &g, "tokenizer.ggml.pre"),
            pre[i][1]);
        qv__gguf_close(&g);
        qv__gguf_meta_free(&meta);
    }
}

#define WHOLE(pre)                                                                         \
    "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]},\"pre_"               \
    "tokenizer\":" pre "}"

static void what_else_a_tokenizer_may_be(void **state)
{
    struct qv_gguf_meta meta;
    struct qv_gguf g;
    qv_err err;
    char dir[256];
    snprintf(dir, sizeof dir, "%s", scratch_path(state, "."));
    write_text(scratch_path(state, "tokenizer.json"), WHOLE("null"));
    assert_fails(as_values(&meta, dir, &err), QV_EUNSUPPORTED, &err,
                 ": a tokenizer that is neither byte-level nor SentencePiece's cannot be "
                 "written as GGUF");
    qv__gguf_meta_free(&meta);

    write_text(
        scratch_path(state, "tokenizer.json"),
        "{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",-1]],\"byte_fallback\":true}}");
    assert_fails(as_values(&meta, dir, &err), QV_EUNSUPPORTED, &err,
                 ": a Unigram tokenizer cannot be written as GGUF");
    qv__gguf_meta_free(&meta);

    write_text(scratch_path(state, "tokenizer.json"),
               WHOLE("{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\","
                     "\"individual_digits\":true},{\"type\":\"ByteLevel\","
                     "\"add_prefix_space\":false}]}"));
    write_text(scratch_path(state, "tokenizer_config.json"),
               "{\"chat_template\":\"{{x}}\"}");
    assert_works(as_values(&meta, dir, &err), &err);
    const char *path = scratch_path(state, "v.gguf");
    assert_string_equal(string_of(&meta, path, &g, "tokenizer.ggml.pre"), "smollm");
    assert_string_equal(qv__gguf_get(&g, "tokenizer.chat_template")->text, "{{x}}");
    const struct qv_gguf_value *tokens = qv__gguf_get(&g, "tokenizer.ggml.tokens");
    const char *at = tokens->data;
    assert_int_equal(tokens->n, 4);
    qv__gguf_next(&at);
    assert_memory_equal(qv__gguf_next(&at).at, "[PAD1]", 6);
    assert_int_equal(qv__gguf_int_at(qv__gguf_get(&g, "tokenizer.ggml.token_type"), 3), 5);
    qv__gguf_close(&g);
    qv__gguf_meta_free(&meta);

    write_text(scratch_path(state, "tokenizer.json"),
               WHOLE("{\"type\":\"ByteLevel\",\"add_prefix_space\":true}"));
    assert_works(as_values(&meta, dir, &err), &err);
    assert_null(string_of(&meta, path, &g, "tokenizer.ggml.pre"));
    assert_non_null(qv__gguf_get(&g, "tokenizer.huggingface.json"));
    qv__gguf_close(&g);
    qv__gguf_meta_free(&meta);
}

static void a_weight_that_is_not_finite_is_refused(void **state)
{
    qv_model *m;
    qv_err err;
    char dir[256];
    snprintf(dir, sizeof dir, "%s", scratch_path(state, "m"));
    assert_works(qv__make_dir(dir, &err), &err);
    write_tiny_model(dir, 1);
    const qv_model_opts opts = {.trainable = true};
    assert_works(qv_model_open(&m, dir, &opts, &err), &err);
    struct qv_weight *w = &m->layer[1].map[QV_UP].w;
    m->own[(size_t)(w->f32 - m->own) + 7] = NAN;
    const char *path = scratch_path(state, "x.gguf");
    assert_fails(
        qv__model_quantize(m, path, qv__block_named("q8_0"), (qv_progress){0}, &err),
        QV_EFORMAT, &err, "tensor 'blk.1.ffn_up.weight' has a number that is not finite");
    assert_int_not_equal(access(path, F_OK), 0);
    qv_model_close(m);
}

static bool stop_later(void *arg, const char *what, double done, double total,
                       const char *note)
{
    assert_string_equal(what, "quantizing");
    assert_true(done <= total && note);
    return ++*(int *)arg == 3;
}

static void it_can_be_stopped_and_leaves_nothing(void **state)
{
    qv_model *m;
    qv_err err;
    int calls = 0;
    const char *path = scratch_path(state, "x.gguf");
    assert_works(qv_model_open(&m, "tests/golden/gguf/spm", NULL, &err), &err);
    assert_fails(qv__model_quantize(m, path, qv__block_named("q4_0"),
                                    (qv_progress){stop_later, &calls}, &err),
                 QV_ECANCEL, &err, "stopped at tensor 'blk.0.attn_q.weight'");
    assert_int_not_equal(access(path, F_OK), 0);
    qv_model_close(m);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_scratch, remove_scratch)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_go_where_llama_cpp_has_them),
        cmocka_unit_test(a_type_that_does_not_divide_the_rows_gives_way_to_the_like_of_it),
        TEST(a_sentencepiece_model_becomes_what_the_converter_makes_of_it),
        TEST(a_byte_level_model_becomes_what_the_converter_makes_of_it),
        TEST(each_family_becomes_what_the_converter_makes_of_it),
        TEST(what_gguf_cannot_say_is_refused),
        TEST(quantised_rows_stand_where_their_names_say),
        TEST(a_pre_tokenizer_without_a_name_is_kept_whole),
        TEST(pre_tokenizers_have_llama_cpps_names),
        TEST(what_else_a_tokenizer_may_be),
        TEST(a_weight_that_is_not_finite_is_refused),
        TEST(it_can_be_stopped_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
