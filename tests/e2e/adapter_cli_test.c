/* adapter_cli_test.c - adapters of others, as users meet them: what info says of each,
 * and the one sentence for each that cannot be used. */
#include "base/file.h"
#include "format/safetensors.h"
#include "support/scratch.h"
#include "support/world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char golden[4096]; // tests/golden, absolute: commands run elsewhere

/* Make "bad" a copy of the adapter "ad" with two texts of `file` exchanged for others of
 * their length; the rest of the file from `cut` bytes before its end is left out. */
static void spoil(const char *file, const char *from, const char *to, size_t cut)
{
    static const char *const files[] = {"adapter_config.json", "adapter_model.safetensors"};
    qv_err err = {0};
    assert_works(qv__remove_tree(in_world("bad"), &err), &err);
    assert_works(qv__make_dir(in_world("bad"), &err), &err);
    for (size_t i = 0; i < QV_COUNT(files); i++) {
        char name[64], *bytes;
        qv_arena a = {0};
        size_t size;
        bool is_it = strcmp(files[i], file) == 0;
        snprintf(name, sizeof name, "ad/%s", files[i]);
        assert_works(qv__read_file(&bytes, &size, &a, in_world(name), 1 << 24, &err), &err);
        if (is_it && from) {
            size_t at = 0, n = strlen(from);
            while (at + n < size && memcmp(bytes + at, from, n) != 0)
                at++;
            assert_true(at + n < size && strlen(to) == n);
            memcpy(bytes + at, to, n);
        }
        snprintf(name, sizeof name, "bad/%s", files[i]);
        assert_works(qv__write_file(in_world(name), bytes, size - (is_it ? cut : 0), &err),
                     &err);
        qv__arena_free(&a);
    }
}

static void refused(const char *args, const char *words)
{
    says(args, 1, words);
    assert_string_equal(said.out, "");
    assert_string_equal(strchr(said.err, '\n'), "\n");
}

#define SCORE "score -m m -t abc --adapter "
#define A0    "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"

static void an_adapter_that_cannot_be_used_ends_in_one_sentence_that_names_why(void **state)
{
    (void)state;
    static const char *const config = "adapter_config.json";
    static const char *const weights = "adapter_model.safetensors";
    const struct {
        const char *file, *from, *to;
        size_t cut;
        const char *says;
    } bad[] = {
        {config, "LORA", "LOHA", 0,
         "bad/adapter_config.json: peft_type 'LOHA' is not supported, LORA is"},
        {config, "fan_in_fan_out\": false", "feature_of_2031\": true", 0,
         "bad/adapter_config.json: unknown key 'feature_of_2031' is set"},
        {config, "\"r\": 4", "\"r\": 3", 0, "rank 4, but the config says 3"},
        {weights, "layers.0.self_attn.q_proj.lora_A", "layers.9.self_attn.q_proj.lora_A", 0,
         "layers.0.self_attn.q_proj.lora_B.weight': its lora_A is missing"},
        {weights, A0, "base_model.model.model.layers.0.self_attn.q_proj.lora_X.weight", 0,
         "q_proj.lora_X.weight': a name that PEFT does not give"},
        {weights, NULL, NULL, 5, "data ends at"},
        {weights, NULL, NULL, 1 << 10, "bad/adapter_model.safetensors: "},
    };
    for (size_t i = 0; i < QV_COUNT(bad); i++) {
        spoil(bad[i].file, bad[i].from, bad[i].to, bad[i].cut);
        refused(SCORE "bad", bad[i].says);
        refused("library add lib x bad", "bad/adapter_");
    }
    spoil(config, NULL, NULL, 0);
    works(SCORE "bad");
}

static void what_is_no_number_is_found_and_named(void **state)
{
    (void)state;
    qv_arena a = {0};
    char *bytes;
    size_t size;
    qv_err err = {0};
    spoil("adapter_config.json", NULL, NULL, 0);
    const char *file = in_world("bad/adapter_model.safetensors");
    assert_works(qv__read_file(&bytes, &size, &a, file, 1 << 24, &err), &err);
    memcpy(bytes + size - 4, "\0\0\xc0\x7f", 4);
    assert_works(qv__write_file(file, bytes, size, &err), &err);
    refused(SCORE "bad", "is not finite");
    memcpy(bytes + size - 4, "\0\0\x80\x7f", 4);
    assert_works(qv__write_file(file, bytes, size, &err), &err);
    refused(SCORE "bad", "is not finite");
    qv__arena_free(&a);
}

static void a_pickle_is_refused_under_both_its_names(void **state)
{
    (void)state;
    qv_err err = {0};
    spoil("adapter_config.json", NULL, NULL, 0);
    const char *file = in_world("bad/adapter_model.safetensors");
    assert_works(qv__write_file(file, "PK\3\4\0\0\10\10", 8, &err), &err);
    refused(SCORE "bad", "bad/adapter_model.safetensors: a Python pickle, not a "
                         "safetensors file\n");
    assert_int_equal(rename(file, in_world("bad/adapter_model.bin")), 0);
    refused(SCORE "bad", "bad/adapter_model.bin: a Python pickle, which is not read; have "
                         "PEFT save it as safetensors\n");
}

static void an_adapter_for_another_model_is_refused_by_tensor(void **state)
{
    (void)state;
    char args[4400];
    snprintf(args, sizeof args, SCORE "%s/adapters/gpt2/dora", golden);
    refused(args, "the model has no site 'transformer.h.0.attn.c_attn'\n");
    snprintf(args, sizeof args, SCORE "%s/adapters/llama_linear/patterns", golden);
    refused(args, ", but the model's site has ");
    // Another name of the base alone is no reason: people rename and quantise models.
    spoil("adapter_config.json", "\"base_model_name_or_path\": \"m\"",
          "\"base_model_name_or_path\": \"n\"", 0);
    works(SCORE "bad");
}

static void more_than_an_expert_is_explained_and_kept_out_of_libraries(void **state)
{
    (void)state;
    static const char *const more[][2] = {
        {"dora", "use_dora"},
        {"lora_bias", "lora_bias"},
        {"saved", "modules_to_save"},
        {"tokens", "trainable_token_indices"},
    };
    char args[4400], words[256];
    for (size_t i = 0; i < QV_COUNT(more); i++) {
        snprintf(args, sizeof args, "info --json %s/adapters/gpt2/%s", golden, more[i][0]);
        json_t *v = json_of(args);
        assert_string_equal(json_string_value(json_object_get(v, "kind")), "adapter");
        assert_true(json_is_false(json_object_get(v, "is_expert")));
        json_t *features = json_object_get(v, "features");
        const char *last = NULL;
        for (size_t k = 0; k < json_array_size(features); k++)
            if (strcmp(json_string_value(json_array_get(features, k)), more[i][1]) == 0)
                last = more[i][1];
        assert_ptr_equal(last, more[i][1]);
        assert_true(json_array_size(json_object_get(v, "extras")) > 0);
        json_decref(v);
        snprintf(args, sizeof args, "library add lib x %s/adapters/gpt2/%s", golden,
                 more[i][0]);
        snprintf(words, sizeof words,
                 "'%s' is set, which only an adapter used alone may have", more[i][1]);
        refused(args, words);
    }
}

static void info_says_what_an_adapter_computes(void **state)
{
    (void)state;
    char args[4400];
    snprintf(args, sizeof args, "info --json %s/adapters/mistral/patterns", golden);
    json_t *v = json_of(args);
    json_t *want =
        json_pack("{s:s, s:s, s:[i,i,i,i], s:[s,s], s:s, s:i, s:i, s:i, s:b}", "kind",
                  "adapter", "base", "families/mistral", "ranks", 5, 2, 3, 1, "features",
                  "alpha_pattern", "rank_pattern", "dtype", "F32", "bytes", 4896, "n_sites",
                  8, "n_weights", 1224, "is_expert", 1);
    const char *key;
    json_t *value;
    json_object_foreach(want, key, value) if (!json_equal(value, json_object_get(v, key)))
        fail_msg("'%s' is not so", key);
    assert_int_equal(json_array_size(json_object_get(v, "scales")), 5);
    assert_int_equal(json_array_size(json_object_get(v, "sites")), 8);
    json_decref(want);
    json_decref(v);
    works(args);
}

/* "flat", an adapter for "m" whose only effect is a head of zeros: all of the 400 tokens
 * are alike, whatever the text. */
static void write_flat_adapter(void)
{
    qv_err err = {0};
    float *zero = calloc(400 * 32, sizeof *zero);
    assert_non_null(zero);
#define Q "base_model.model.model.layers.0.self_attn.q_proj."
    const struct qv_tensor_out tensor[] = {
        {Q "lora_A.weight", QV_F32, 2, {1, 32}, zero},
        {Q "lora_B.weight", QV_F32, 2, {32, 1}, zero},
        {"base_model.model.lm_head.weight", QV_F32, 2, {400, 32}, zero},
    };
    assert_works(qv__make_dir(in_world("flat"), &err), &err);
    assert_works(
        qv__st_write(in_world("flat/adapter_model.safetensors"), tensor, 3, NULL, 0, &err),
        &err);
    write_text(in_world("flat/adapter_config.json"),
               "{\"peft_type\":\"LORA\",\"r\":1,\"target_modules\":[\"q_proj\"],"
               "\"modules_to_save\":[\"lm_head\"]}");
    free(zero);
}

static bool first_answer_is_empty(const char *who)
{
    char args[128];
    json_t *v;
    qv_err err = {0};
    snprintf(args, sizeof args,
             "eval -m m --metric exact tasks/a.jsonl --out answers.json %s", who);
    works(args);
    assert_works(qv__json_read(&v, in_world("answers.json"), 1 << 20, &err), &err);
    const json_t *task = json_object_get(json_object_get(v, "tasks"), "a");
    const char *answer =
        json_string_value(json_array_get(json_object_get(task, "answers"), 0));
    assert_non_null(answer);
    bool is_empty = *answer == '\0';
    json_decref(v);
    return is_empty;
}

static void every_way_to_run_a_model_uses_the_head_of_an_adapter(void **state)
{
    (void)state;
    write_flat_adapter();
    json_t *v = json_of("score -m m --text 'The cat sat.' --json --adapter flat");
    const json_t *all = json_object_get(v, "logprobs");
    assert_true(json_array_size(all) > 3);
    for (size_t i = 1; i < json_array_size(all); i++)
        assert_float_equal((float)json_number_value(json_array_get(all, i)), -logf(400),
                           1e-4);
    json_decref(v);
    v = json_of("generate -m m -p Say --max-tokens 4 --json --adapter flat");
    // Of tokens that are alike the first is taken, and it ends the text.
    assert_int_equal(json_array_size(json_object_get(v, "ids")), 0);
    json_decref(v);
    v = json_of("generate -m m -p Say --max-tokens 4 --json");
    assert_int_equal(json_array_size(json_object_get(v, "ids")), 4);
    json_decref(v);
    v = json_of("eval -m m --metric loglik tasks/a.jsonl --json --adapter flat");
    json_t *mean = json_object_get(json_object_get(v, "mean"), "loglik");
    assert_float_equal((float)json_number_value(mean), -logf(400), 1e-4);
    json_decref(v);
    assert_true(first_answer_is_empty("--adapter flat"));
    assert_false(first_answer_is_empty(""));
}

int main(void)
{
    if (!realpath("tests/golden", golden))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            an_adapter_that_cannot_be_used_ends_in_one_sentence_that_names_why),
        cmocka_unit_test(what_is_no_number_is_found_and_named),
        cmocka_unit_test(a_pickle_is_refused_under_both_its_names),
        cmocka_unit_test(an_adapter_for_another_model_is_refused_by_tensor),
        cmocka_unit_test(more_than_an_expert_is_explained_and_kept_out_of_libraries),
        cmocka_unit_test(every_way_to_run_a_model_uses_the_head_of_an_adapter),
        cmocka_unit_test(info_says_what_an_adapter_computes),
    };
    return cmocka_run_group_tests(tests, make_world, end_world);
}
