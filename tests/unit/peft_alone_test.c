/* peft_alone_test.c - what only an adapter used alone may hold: every lie about it has its
 * sentence, before any model is asked. */
#include "lora/peft.h"
#include "lora/peft_config.h"
#include "support/near.h"
#include "support/tensors.h"

#include <stdlib.h>
#include <string.h>

#define CONFIG(more)                                                                       \
    "{\"peft_type\":\"LORA\",\"r\":2,\"target_modules\":[\"q\",\"v\"]" more "}"
#define M   "m.lora_A.weight:2x3 m.lora_B.weight:4x2 "
#define ALL "{\"peft_type\":\"LORA\",\"r\":2,\"target_modules\":\"all-linear\""

/* Both files of an adapter that is used alone, with what only such a one may have. */
static const struct {
    const char *config, *tensors;
    qv_status code;
    const char *says;
} lie_alone[] = {
    {ALL ",\"use_dora\":true}", M, QV_EFORMAT,
     "tensor 'm.lora_A.weight': its lora_magnitude_vector is missing"},
    {ALL "}", M "m.lora_magnitude_vector:4", QV_EFORMAT,
     "tensor 'm.lora_magnitude_vector': the config's 'use_dora' is not set"},
    {ALL ",\"use_dora\":true}", M "m.lora_magnitude_vector:4 n.lora_magnitude_vector:4",
     QV_EFORMAT, "tensor 'n.lora_magnitude_vector': its lora_A and lora_B are missing"},
    {ALL ",\"use_dora\":true}", M "m.lora_magnitude_vector:3", QV_EFORMAT,
     "tensor 'm.lora_magnitude_vector': 3 elements, but its B has 4 outputs"},
    {ALL ",\"use_dora\":true}", M "m.lora_magnitude_vector:4x1", QV_EFORMAT,
     "tensor 'm.lora_magnitude_vector': 2 dimensions, not 1"},
    {ALL ",\"lora_bias\":true}", M, QV_EFORMAT,
     "tensor 'm.lora_A.weight': its lora_B.bias is missing"},
    {ALL "}", M "m.lora_B.bias:4", QV_EFORMAT,
     "tensor 'm.lora_B.bias': the config's 'lora_bias' is not set"},
    {ALL ",\"lora_bias\":true}", M "m.lora_B.bias:4 m.lora_B.x.bias:4", QV_EFORMAT,
     "tensor 'm.lora_B.x.bias': adapter 'x' in the file of ''"},
    {ALL "}", "m.lora_embedding_A:2x3", QV_EFORMAT,
     "tensor 'm.lora_embedding_A': its lora_embedding_B is missing"},
    {ALL "}", "m.lora_embedding_B:2x3", QV_EFORMAT,
     "tensor 'm.lora_embedding_B': its lora_embedding_A is missing"},
    {ALL ",\"ensure_weight_tying\":true}", "m.lora_embedding_A:2x3 m.lora_embedding_B:4x2",
     QV_EUNSUPPORTED,
     "tensor 'm.lora_embedding_A': 'ensure_weight_tying' is not supported here"},
    {ALL "}", M "n.weight:2x3", QV_EFORMAT,
     "tensor 'n.weight': the config's 'modules_to_save' does not ask for it"},
    {ALL "}", M "n.bias:2", QV_EFORMAT,
     "tensor 'n.bias': the config's 'modules_to_save' or 'bias' does not ask for it"},
    {ALL ",\"bias\":\"lora_only\"}", M "n.bias:2", QV_EFORMAT,
     "tensor 'n.bias': the config's 'modules_to_save' or 'bias' does not ask for it"},
    {ALL "}", M "n.base_layer.weight:2x3", QV_EFORMAT,
     "tensor 'n.base_layer.weight': its lora_A and lora_B are missing"},
    {ALL ",\"modules_to_save\":[\"n\"]}", M "n.weight:2x3x4", QV_EUNSUPPORTED,
     "tensor 'n.weight': 3 dimensions, and only matrices are supported"},
    {ALL ",\"modules_to_save\":[\"n\"]}", M "n.weight:2x3:F64", QV_EUNSUPPORTED,
     "tensor 'n.weight': dtype F64 is not supported, F32, F16 and BF16 are"},
    {ALL ",\"modules_to_save\":[\"n\"]}", M "n.weight:2 n.base_layer.weight:2", QV_EFORMAT,
     "tensor 'n.base_layer.weight': stands for the same as 'n.weight'"},
    {ALL ",\"modules_to_save\":[\"m\"]}", M "m.weight:2x3", QV_EFORMAT,
     "tensor 'm.lora_A.weight': the config's 'modules_to_save' leaves it out"},
    {ALL ",\"trainable_token_indices\":[7]}", M, QV_EFORMAT,
     "no trainable_tokens_delta, which the config's 'trainable_token_indices' wants"},
#define TOKENS ".token_adapter.trainable_tokens_delta"
    {ALL "}", M "n" TOKENS ":1x3", QV_EFORMAT,
     "tensor 'n" TOKENS "': the config's 'trainable_token_indices' does not name it"},
    {ALL ",\"trainable_token_indices\":{\"o\":[7]}}", M "n" TOKENS ":1x3", QV_EFORMAT,
     "tensor 'n" TOKENS "': the config's 'trainable_token_indices' does not name it"},
    {ALL ",\"trainable_token_indices\":{\"o\":[7]}}", M "o" TOKENS ":2x3", QV_EFORMAT,
     "tensor 'o" TOKENS "': 2 rows, but the config names 1 tokens"},
};

static void each_lie_of_an_adapter_used_alone_has_its_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < QV_COUNT(lie_alone); i++) {
        struct qv_adapter *a;
        struct qv_st st;
        qv_err err = {0};
        char *bytes = make_tensors(&st, lie_alone[i].tensors, 0);
        const struct qv_peft_files files = {lie_alone[i].config,
                                            strlen(lie_alone[i].config), &st};
        assert_int_equal(qv__peft_parse_adapter(&a, "law", files, NULL, &err),
                         lie_alone[i].code);
        assert_memory_equal(err.msg, "adapter_model.safetensors: ", 27);
        assert_string_equal(err.msg + 27, lie_alone[i].says);
        assert_null(a);
        qv__st_close(&st);
        free(bytes);
    }
}

static void a_replaced_weight_that_is_not_finite_is_refused_by_name(void **state)
{
    (void)state;
    static const char config[] = ALL ",\"modules_to_save\":[\"n\"]}";
    struct qv_adapter *a;
    struct qv_st st;
    qv_err err = {0};
    char *bytes = make_tensors(&st, "n.weight:2x3", 0xff);
    const struct qv_peft_files files = {config, strlen(config), &st};
    assert_int_equal(qv__peft_parse_adapter(&a, "law", files, NULL, &err), QV_EFORMAT);
    assert_string_equal(err.msg, "adapter_model.safetensors: tensor 'n.weight': element 0 "
                                 "is not finite");
    qv__st_close(&st);
    free(bytes);
}

/* The config alone, of an adapter used alone. */
static void each_lie_of_the_config_of_an_adapter_used_alone_has_its_sentence(void **state)
{
    (void)state;
    static const struct {
        const char *config;
        qv_status code;
        const char *says;
    } lies[] = {
        {CONFIG(",\"use_dora\":1"), QV_EFORMAT, "'use_dora' is neither true nor false"},
        {CONFIG(",\"lora_bias\":1"), QV_EFORMAT, "'lora_bias' is neither true nor false"},
        {CONFIG(",\"ensure_weight_tying\":1"), QV_EFORMAT,
         "'ensure_weight_tying' is neither true nor false"},
        {CONFIG(",\"lora_bias\":true,\"use_dora\":true"), QV_EFORMAT,
         "'lora_bias' with 'use_dora'"},
        {CONFIG(",\"modules_to_save\":\"x\""), QV_EFORMAT,
         "'modules_to_save' is not a list of names"},
        {CONFIG(",\"modules_to_save\":[1]"), QV_EFORMAT,
         "'modules_to_save': entry 0 is not a string"},
        {CONFIG(",\"modules_to_save\":[\"x\"],\"ensure_weight_tying\":true"),
         QV_EUNSUPPORTED, "'ensure_weight_tying' with 'modules_to_save' is not supported"},
        {CONFIG(",\"trainable_token_indices\":7"), QV_EFORMAT,
         "'trainable_token_indices' is neither a list nor an object"},
        {CONFIG(",\"trainable_token_indices\":[1,-7]"), QV_EFORMAT,
         "'trainable_token_indices': entry 1 is not a token"},
        {CONFIG(",\"trainable_token_indices\":{\"x\":7}"), QV_EFORMAT,
         "'trainable_token_indices': 'x' is not a list"},
    };
    for (size_t i = 0; i < QV_COUNT(lies); i++) {
        struct qv_peft_config c;
        qv_err err = {0};
        size_t n = strlen(lies[i].config);
        assert_int_equal(qv__peft_config_parse(&c, lies[i].config, n, true, &err),
                         lies[i].code);
        assert_string_equal(err.msg, lies[i].says);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_lie_of_an_adapter_used_alone_has_its_sentence),
        cmocka_unit_test(a_replaced_weight_that_is_not_finite_is_refused_by_name),
        cmocka_unit_test(each_lie_of_the_config_of_an_adapter_used_alone_has_its_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
