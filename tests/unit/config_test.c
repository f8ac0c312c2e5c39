/* config.json: what is read, under its old and new spellings, and what is refused. */
#include "model/config.h"
#include "base/json.h"
#include "support/scratch.h"
#include "support/tiny.h"

#include <stdlib.h>
#include <string.h>

static const char whole[] =
    "{\"model_type\":\"llama\",\"hidden_act\":\"silu\",\"hidden_size\":24,"
    "\"num_hidden_layers\":2,\"num_attention_heads\":6,\"num_key_value_heads\":3,"
    "\"head_dim\":8,\"intermediate_size\":40,\"vocab_size\":50,"
    "\"max_position_embeddings\":64,\"rms_norm_eps\":1e-05,\"rope_theta\":500.5,"
    "\"tie_word_embeddings\":true,\"bos_token_id\":1,\"eos_token_id\":2}";

/* Read `whole` with some keys replaced; null takes a key away. */
static qv_status parse_with(struct qv_config *c, const char *changes, qv_err *err)
{
    json_t *o, *with;
    assert_int_equal(qv__json_parse(&o, whole, strlen(whole), err), QV_OK);
    assert_int_equal(qv__json_parse(&with, changes, strlen(changes), err), QV_OK);
    json_object_update(o, with);
    char *text = json_dumps(o, 0);
    qv_status result = qv__config_parse(c, text, strlen(text), err);
    free(text);
    json_decref(o);
    json_decref(with);
    return result;
}

static struct qv_config parsed_with(const char *changes)
{
    struct qv_config c;
    qv_err err = {0};
    assert_works(parse_with(&c, changes, &err), &err);
    return c;
}

static void every_number_is_read(void **state)
{
    (void)state;
    struct qv_config c = parsed_with("{}");
    const size_t got[] = {c.D, c.L, c.H, c.Hk, c.E, c.F, c.V, c.n_ctx};
    static const size_t want[] = {24, 2, 6, 3, 8, 40, 50, 64};
    assert_memory_equal(got, want, sizeof want);
    assert_true(c.theta == 500.5f && c.eps == 1e-5f && c.is_tied);
    assert_int_equal(c.bos, 1);
    assert_int_equal(c.eos, 2);
}

static void what_is_absent_has_transformers_default(void **state)
{
    (void)state;
    struct qv_config c = parsed_with(
        "{\"hidden_act\":null,\"num_key_value_heads\":null,\"head_dim\":null,"
        "\"rms_norm_eps\":null,\"rope_theta\":null,\"tie_word_embeddings\":null,"
        "\"bos_token_id\":null,\"eos_token_id\":null,\"quantization_config\":null}");
    assert_int_equal(c.Hk, 6);
    assert_int_equal(c.E, 4);
    assert_true(c.theta == 10000 && c.eps == 1e-6f && !c.is_tied);
    assert_int_equal(c.bos, -1);
    assert_int_equal(c.eos, -1);
}

static void rotation_is_read_in_the_spelling_of_versions_4_and_5(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        float theta;
    } c[] = {
        {"{\"rope_theta\":5000.0,\"rope_scaling\":null}", 5000},
        {"{\"rope_theta\":5000,\"rope_scaling\":{\"type\":\"default\"}}", 5000},
        {"{\"rope_theta\":null,\"rope_parameters\":"
         "{\"rope_theta\":7000.0,\"rope_type\":\"default\"}}",
         7000},
        {"{\"rope_theta\":5000,\"rope_parameters\":{\"rope_theta\":7000}}", 7000},
    };
    for (size_t i = 0; i < QV_COUNT(c); i++)
        assert_true(parsed_with(c[i].json).theta == c[i].theta);
}

static void the_first_of_several_eos_tokens_is_taken_and_no_token_is_none(void **state)
{
    (void)state;
    assert_int_equal(parsed_with("{\"eos_token_id\":[7,8]}").eos, 7);
    assert_int_equal(parsed_with("{\"eos_token_id\":[]}").eos, -1);
    assert_int_equal(parsed_with("{\"eos_token_id\":\"</s>\"}").eos, -1);
    assert_int_equal(parsed_with("{\"eos_token_id\":49}").eos, 49);
    assert_int_equal(parsed_with("{\"eos_token_id\":50}").eos, -1);
    assert_int_equal(parsed_with("{\"bos_token_id\":-7}").bos, -1);
    assert_int_equal(parsed_with("{\"bos_token_id\":4294967301}").bos, -1);
}

static const struct {
    const char *json;
    qv_status code;
    const char *says;
} lie[] = {
    {"{\"hidden_size\":131073}", QV_EFORMAT, "'hidden_size' is 131073, more than 131072"},
    {"{\"num_hidden_layers\":1025}", QV_EFORMAT, "'num_hidden_layers' is 1025, more than"},
    {"{\"vocab_size\":4194305}", QV_EFORMAT, "'vocab_size' is 4194305, more than 4194304"},
    {"{\"max_position_embeddings\":9223372036854775807}", QV_EFORMAT, "more than 16777216"},
    {"{\"hidden_size\":null}", QV_EFORMAT, "'hidden_size' is missing or 0"},
    {"{\"num_hidden_layers\":0}", QV_EFORMAT, "'num_hidden_layers' is missing or 0"},
    {"{\"num_attention_heads\":0}", QV_EFORMAT, "'num_attention_heads' is missing or 0"},
    {"{\"intermediate_size\":null}", QV_EFORMAT, "'intermediate_size' is missing or 0"},
    {"{\"vocab_size\":null}", QV_EFORMAT, "'vocab_size' is missing or 0"},
    {"{\"max_position_embeddings\":0}", QV_EFORMAT, "'max_position_embeddings' is missing"},
    {"{\"head_dim\":null,\"hidden_size\":5}", QV_EFORMAT, "'head_dim' is missing or 0"},
    {"{\"hidden_size\":-1}", QV_EFORMAT, "'hidden_size' is not a whole number"},
    {"{\"hidden_size\":1.5}", QV_EFORMAT, "'hidden_size' is not a whole number"},
    {"{\"num_key_value_heads\":4}", QV_EFORMAT, "6 heads cannot share 4 key/value heads"},
    {"{\"num_key_value_heads\":12}", QV_EFORMAT, "6 heads cannot share 12 key/value heads"},
    {"{\"head_dim\":7}", QV_EFORMAT, "7 of a head's 7 numbers cannot be rotated"},
    {"{\"rope_theta\":0}", QV_EFORMAT, "'rope_theta' is not a positive number"},
    {"{\"rope_theta\":-2.5}", QV_EFORMAT, "'rope_theta' is not a positive number"},
    {"{\"rope_theta\":1e39}", QV_EFORMAT, "'rope_theta' is not a positive number"},
    {"{\"rope_theta\":\"x\"}", QV_EFORMAT, "'rope_theta' is not a number"},
    {"{\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":2}}", QV_EUNSUPPORTED,
     "rope_scaling of type 'dynamic' is not supported"},
    {"{\"rope_scaling\":{\"type\":\"linear\"}}", QV_EFORMAT,
     "'factor' is missing or not a positive number"},
    {"{\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8,\"low_freq_factor\":4,"
     "\"high_freq_factor\":1,\"original_max_position_embeddings\":64}}",
     QV_EFORMAT,
     "rope_scaling: original_max_position_embeddings is 64, low_freq_factor 4, "
     "high_freq_factor 1"},
    {"{\"partial_rotary_factor\":1.5}", QV_EFORMAT, "1.5 of a head cannot be rotated"},
    {"{\"rope_scaling\":{\"rope_type\":\"llama3\"}}", QV_EFORMAT,
     "'factor' is missing or not a positive number"},
    {"{\"rope_parameters\":{\"rope_type\":\"yarn\"}}", QV_EUNSUPPORTED,
     "rope_parameters of type 'yarn' is not supported"},
    {"{\"rope_scaling\":{\"type\":3}}", QV_EFORMAT, "'type' is not a string"},
    {"{\"rope_parameters\":{\"rope_type\":3}}", QV_EFORMAT, "'rope_type' is not a string"},
    {"{\"rope_parameters\":{\"rope_theta\":[]}}", QV_EFORMAT,
     "'rope_theta' is not a number"},
    {"{\"rope_scaling\":\"linear\"}", QV_EFORMAT, "'rope_scaling' is not an object"},
    {"{\"rope_parameters\":[2]}", QV_EFORMAT, "'rope_parameters' is not an object"},
    {"{\"rms_norm_eps\":true}", QV_EFORMAT, "'rms_norm_eps' is not a number"},
    {"{\"rms_norm_eps\":-1e-5}", QV_EFORMAT, "the norms' epsilon is not a number from 0"},
    {"{\"rms_norm_eps\":1e39}", QV_EFORMAT, "the norms' epsilon is not a number from 0"},
    {"{\"tie_word_embeddings\":1}", QV_EFORMAT, "'tie_word_embeddings' is neither true"},
    {"{\"model_type\":null}", QV_EUNSUPPORTED, "model_type '' is not supported (gpt2, "},
    {"{\"model_type\":\"bert\"}", QV_EUNSUPPORTED, "model_type 'bert' is not supported"},
    {"{\"model_type\":7}", QV_EFORMAT, "'model_type' is not a string"},
    {"{\"hidden_act\":\"gelu\"}", QV_EUNSUPPORTED, "hidden_act 'gelu' is not supported"},
    {"{\"hidden_act\":[]}", QV_EFORMAT, "'hidden_act' is not a string"},
    {"{\"attention_bias\":\"no\"}", QV_EFORMAT, "'attention_bias' is neither true nor"},
    {"{\"mlp_bias\":1}", QV_EFORMAT, "'mlp_bias' is neither true nor"},
    {"{\"quantization_config\":{\"bits\":4}}", QV_EUNSUPPORTED,
     "'quantization_config' is not supported"},
};

static void every_lie_is_answered_by_name(void **state)
{
    (void)state;
    struct qv_config c;
    for (size_t i = 0; i < QV_COUNT(lie); i++) {
        qv_err err = {0};
        assert_fails(parse_with(&c, lie[i].json, &err), lie[i].code, &err, lie[i].says);
        assert_int_equal(strncmp(err.msg, "config.json: ", 13), 0);
    }
    qv_err err = {0};
    assert_fails(qv__config_parse(&c, "[]", 2, &err), QV_EFORMAT, &err,
                 "not a JSON object");
    assert_fails(qv__config_parse(&c, "{", 1, &err), QV_EFORMAT, &err, "not JSON: line 1");
}

static void a_file_is_named_with_its_path(void **state)
{
    struct qv_config c;
    qv_err err = {0};
    const char *path = scratch_path(state, "config.json");
    assert_fails(qv__config_read(&c, *state, &err), QV_ENOTFOUND, &err, path);
    write_text(path, "{\"model_type\":\"opt\"}");
    assert_fails(qv__config_read(&c, *state, &err), QV_EUNSUPPORTED, &err, path);
    write_text(path, whole);
    assert_works(qv__config_read(&c, *state, &err), &err);
}

static void what_is_written_is_read_back(void **state)
{
    struct qv_config a = parsed_with("{}"), b = {0};
    qv_err err = {0};
    a.theta = 12345.678f;
    a.eps = 1.234567e-5f;
    assert_works(qv__config_write(&a, *state, "float32", &err), &err);
    assert_works(qv__config_read(&b, *state, &err), &err);
    assert_same_config(&a, &b);
    a.bos = a.eos = -1;
    a.is_tied = false;
    assert_works(qv__config_write(&a, *state, "bfloat16", &err), &err);
    assert_works(qv__config_read(&b, *state, &err), &err);
    assert_same_config(&a, &b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_is_read),
        cmocka_unit_test(what_is_absent_has_transformers_default),
        cmocka_unit_test(rotation_is_read_in_the_spelling_of_versions_4_and_5),
        cmocka_unit_test(the_first_of_several_eos_tokens_is_taken_and_no_token_is_none),
        cmocka_unit_test(every_lie_is_answered_by_name),
        cmocka_unit_test_setup_teardown(a_file_is_named_with_its_path, make_scratch,
                                        remove_scratch),
        cmocka_unit_test_setup_teardown(what_is_written_is_read_back, make_scratch,
                                        remove_scratch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
