/* peft_test.c - PEFT adapters: what PEFT wrote is read, what we write is the
 * same bits, and every lie has its sentence. Run from the repository's root. */
#include "base/file.h"
#include "base/json.h"
#include "lora/peft.h"
#include "lora/peft_config.h"
#include "support/scratch.h"
#include "support/tensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONFIG(more)                                                                       \
    "{\"peft_type\":\"LORA\",\"r\":2,\"target_modules\":[\"q\",\"v\"]" more "}"
#define TARGETS(t) "{\"peft_type\":\"LORA\",\"r\":2,\"target_modules\":" t "}"
#define Q          "base_model.model.model.layers.1.q"
#define GOOD       Q ".lora_A.weight:2x3 " Q ".lora_B.weight:4x2 "

static char dir[64]; // of this process alone, made and removed by main

static qv_status parse(struct qv_expert **e, const char *config, const char *tensors,
                       int fill, const struct qv_sites *sites, qv_err *err)
{
    struct qv_st st;
    char *bytes = make_tensors(&st, tensors, fill);
    const struct qv_peft_files files = {config, strlen(config), &st};
    qv_status result = qv__peft_parse(e, "law", files, sites, err);
    qv__st_close(&st);
    free(bytes);
    return result;
}

static struct qv_expert *must_read(const char *path, const struct qv_sites *sites)
{
    struct qv_expert *e = NULL;
    qv_err err = {0};
    qv_status result = qv__peft_read(&e, path, sites, &err);
    assert_string_equal(err.msg, "");
    assert_int_equal(result, QV_OK);
    return e;
}

static const struct qv_expert_site *site_of(const struct qv_expert *e, const char *path)
{
    for (size_t i = 0; i < e->n_sites; i++)
        if (strcmp(e->site[i].path, path) == 0)
            return &e->site[i];
    fail_msg("the expert does not adapt %s", path);
    return NULL;
}

/* The config alone, over the tensors GOOD. */
static const struct {
    const char *config;
    qv_status code;
    const char *says;
} config_lie[] = {
    {"{", QV_EFORMAT,
     "not JSON: line 1, column 1: string or '}' expected near end of file"},
    {"[]", QV_EFORMAT, "not an object"},
    {"{}", QV_EFORMAT, "'peft_type' is missing"},
    {"{\"peft_type\":1}", QV_EFORMAT, "'peft_type' is not a string"},
    {"{\"peft_type\":\"IA3\"}", QV_EUNSUPPORTED,
     "peft_type 'IA3' is not supported, LORA is"},
    {"{\"num_layers\":2,\"lora_parameters\":{\"rank\":8}}", QV_EUNSUPPORTED,
     "an adapter of MLX, not of PEFT"},
    {CONFIG(",\"bias\":\"some\""), QV_EFORMAT,
     "'bias' is 'some', not none, lora_only or all"},
    {CONFIG(",\"bias\":true"), QV_EFORMAT, "'bias' is not a string"},
    {CONFIG(",\"init_lora_weights\":\"pissa_niter_16\""), QV_EUNSUPPORTED,
     "'init_lora_weights' is 'pissa_niter_16': the adapter needs the base model that it "
     "changed"},
    {CONFIG(",\"init_lora_weights\":\"loftq\""), QV_EUNSUPPORTED,
     "'init_lora_weights' is 'loftq': the adapter needs the base model that it changed"},
    {CONFIG(",\"use_dora\":true"), QV_EUNSUPPORTED,
     "'use_dora' is set, which only an adapter used alone may have"},
    {CONFIG(",\"modules_to_save\":[\"lm_head\"]"), QV_EUNSUPPORTED,
     "'modules_to_save' is set, which only an adapter used alone may have"},
    {CONFIG(",\"lora_bias\":true"), QV_EUNSUPPORTED,
     "'lora_bias' is set, which only an adapter used alone may have"},
    {CONFIG(",\"trainable_token_indices\":[3]"), QV_EUNSUPPORTED,
     "'trainable_token_indices' is set, which only an adapter used alone may have"},
    {CONFIG(",\"init_lora_weights\":\"brand_new\""), QV_EUNSUPPORTED,
     "'init_lora_weights' is 'brand_new', which is not known"},
    {CONFIG(",\"init_lora_weights\":7"), QV_EFORMAT,
     "'init_lora_weights' is neither a name nor a switch"},
    {CONFIG(",\"brand_new\":3"), QV_EUNSUPPORTED, "unknown key 'brand_new' is set"},
    {CONFIG(",\"r\":2"), QV_EFORMAT,
     "not JSON: line 1, column 56: duplicate object key near '\"r\"'"},
    {"{\"peft_type\":\"LORA\",\"r\":0}", QV_EFORMAT, "'r' is 0"},
    {"{\"peft_type\":\"LORA\",\"r\":-2}", QV_EFORMAT, "'r' is not a whole number"},
    {CONFIG(",\"lora_alpha\":\"16\""), QV_EFORMAT, "'lora_alpha' is not a number"},
    {CONFIG(",\"lora_alpha\":1e39"), QV_EFORMAT,
     "'lora_alpha' is not a number a float can hold"},
    {CONFIG(",\"lora_dropout\":1"), QV_EFORMAT, "'lora_dropout' is 1, not in [0, 1)"},
    {CONFIG(",\"use_rslora\":1"), QV_EFORMAT, "'use_rslora' is neither true nor false"},
    {CONFIG(",\"base_model_name_or_path\":7"), QV_EFORMAT,
     "'base_model_name_or_path' is not a string"},
    {CONFIG(",\"rank_pattern\":[1]"), QV_EFORMAT, "'rank_pattern' is not an object"},
    {CONFIG(",\"rank_pattern\":{\"q\":0}"), QV_EFORMAT,
     "'rank_pattern': 'q' is not a positive whole number"},
    {CONFIG(",\"rank_pattern\":{\"q\":2.0}"), QV_EFORMAT,
     "'rank_pattern': 'q' is not a positive whole number"},
    {CONFIG(",\"alpha_pattern\":{\"q\":\"4\"}"), QV_EFORMAT,
     "'alpha_pattern': 'q' is not a number a float can hold"},
    {CONFIG(",\"alpha_pattern\":{\"(q\":4}"), QV_EFORMAT,
     "'alpha_pattern': pattern '(.*\\.)?((q)': at 11: missing closing parenthesis"},
    {TARGETS("3"), QV_EFORMAT, "'target_modules' is neither a list of names nor a string"},
    {TARGETS("[\"q\",null]"), QV_EFORMAT, "'target_modules': entry 1 is not a string"},
    {TARGETS("\"q(\""), QV_EFORMAT,
     "'target_modules': pattern 'q(': at 2: missing closing parenthesis"},
    {TARGETS("\".*q\",\"layers_to_transform\":0"), QV_EFORMAT,
     "'layers_to_transform' needs 'target_modules' to be a list"},
    {TARGETS("\".*q\",\"layers_pattern\":\"layers\""), QV_EFORMAT,
     "'layers_pattern' needs 'target_modules' to be a list"},
    {CONFIG(",\"layers_pattern\":\"layers\""), QV_EFORMAT,
     "'layers_pattern' without 'layers_to_transform'"},
    {CONFIG(",\"layers_to_transform\":[1.0]"), QV_EFORMAT,
     "'layers_to_transform' is neither a whole number nor a list of them"},
    {CONFIG(",\"layers_to_transform\":1,\"layers_pattern\":[1]"), QV_EFORMAT,
     "'layers_pattern' is neither a string nor a list of strings"},
    {CONFIG(",\"layers_to_transform\":1,\"layers_pattern\":\"(\""), QV_EFORMAT,
     "'layers_pattern': pattern '\\A(?:(?:^|.*?\\.)(\\.\\K\\d+(?=\\.))': at 31: missing "
     "closing "
     "parenthesis"},
};

static void each_lie_of_a_config_has_its_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < QV_COUNT(config_lie); i++) {
        struct qv_peft_config c;
        qv_err err = {0};
        size_t n = strlen(config_lie[i].config);
        assert_int_equal(qv__peft_config_parse(&c, config_lie[i].config, n, false, &err),
                         config_lie[i].code);
        assert_string_equal(err.msg, config_lie[i].says);
    }
}

/* Both files, where the config is in order by itself. */
static const struct {
    const char *config, *tensors;
    qv_status code;
    const char *says;
} lie[] = {
    {CONFIG(""), "", QV_EFORMAT, "no tensors"},
    {CONFIG(""), Q ".lora_A.weight:2x3", QV_EFORMAT,
     "tensor '" Q ".lora_A.weight': its lora_B is missing"},
    {CONFIG(""), GOOD "v.lora_B.weight:4x2", QV_EFORMAT,
     "tensor 'v.lora_B.weight': its lora_A is missing"},
    {CONFIG(""), Q ".lora_A.weight:2x3 " Q ".lora_B.weight:4x3", QV_EFORMAT,
     "tensor '" Q ".lora_B.weight': rank 3, but its A has 2"},
    {CONFIG(""), Q ".lora_A.weight:3x3 " Q ".lora_B.weight:4x3", QV_EFORMAT,
     "tensor '" Q ".lora_A.weight': rank 3, but the config says 2"},
    {CONFIG(",\"rank_pattern\":{\"q\":5}"), GOOD, QV_EFORMAT,
     "tensor '" Q ".lora_A.weight': rank 2, but the config says 5"},
    {CONFIG(""), GOOD "model.layers.1.q.lora_A.weight:2x3", QV_EFORMAT,
     "tensor 'model.layers.1.q.lora_A.weight': stands for the same as '" Q
     ".lora_A.weight'"},
    {CONFIG(""), Q ".lora_A.a.weight:2x3 " Q ".lora_B.b.weight:4x2", QV_EFORMAT,
     "tensor '" Q ".lora_B.b.weight': adapter 'b' in the file of 'a'"},
    {CONFIG(""), Q ".lora_A.weight:2x3x1x1 " Q ".lora_B.weight:4x2x1x1", QV_EUNSUPPORTED,
     "tensor '" Q ".lora_A.weight': 4 dimensions, and only matrices are supported"},
    {CONFIG(""), Q ".lora_A.weight:2x3:F64 " Q ".lora_B.weight:4x2", QV_EUNSUPPORTED,
     "tensor '" Q ".lora_A.weight': dtype F64 is not supported, F32, F16 and BF16 are"},
    {CONFIG(""), Q ".lora_A.weight:2x3 " Q ".lora_B.weight:0x2", QV_EFORMAT,
     "tensor '" Q ".lora_B.weight': an empty matrix"},
    {CONFIG(""), "base_model.model..lora_A.weight:2x3", QV_EFORMAT,
     "tensor 'base_model.model..lora_A.weight': names no module"},
    {TARGETS("[\"v\"]"), GOOD, QV_EFORMAT,
     "tensor '" Q ".lora_A.weight': the config's 'target_modules' does not name it"},
    {TARGETS("\".*\\\\.v\""), GOOD, QV_EFORMAT,
     "tensor '" Q ".lora_A.weight': the config's 'target_modules' does not name it"},
    {CONFIG(",\"exclude_modules\":[\"1.q\"]"), GOOD, QV_EFORMAT,
     "tensor '" Q ".lora_A.weight': the config's 'exclude_modules' leaves it out"},
    {CONFIG(",\"exclude_modules\":\".*1.q\""), GOOD, QV_EFORMAT,
     "tensor '" Q ".lora_A.weight': the config's 'exclude_modules' leaves it out"},
    {CONFIG(",\"layers_to_transform\":[0,2]"), GOOD, QV_EFORMAT,
     "tensor '" Q ".lora_A.weight': the config's 'layers_to_transform' leaves it out"},
    {CONFIG(",\"layers_to_transform\":1,\"layers_pattern\":\"h\""), GOOD, QV_EFORMAT,
     "tensor '" Q ".lora_A.weight': the config's 'layers_to_transform' leaves it out"},
    {TARGETS("\"(?:.|..|.)+[!?]\""), GOOD, QV_EFORMAT,
     "tensor '" Q ".lora_A.weight': the config's 'target_modules' does not name it"},
    {CONFIG(""), "m.lora_A.default.bias:2", QV_EUNSUPPORTED,
     "tensor 'm.lora_A.default.bias': a name that PEFT does not give"},
    {CONFIG(""), "m.lora_A.bias:2", QV_EUNSUPPORTED,
     "tensor 'm.lora_A.bias': a name that PEFT does not give"},
    {CONFIG(""), "m.lora_B.bias:2", QV_EUNSUPPORTED,
     "tensor 'm.lora_B.bias': a bias beside B, which only an adapter used alone may have"},
    {CONFIG(""), "m.trainable_tokens_original:2", QV_EUNSUPPORTED,
     "tensor 'm.trainable_tokens_original': a name that PEFT does not give"},
    {CONFIG(""), "m.lora_B.x.y.weight:2", QV_EUNSUPPORTED,
     "tensor 'm.lora_B.x.y.weight': a name that PEFT does not give"},
    {CONFIG(""), "experts.base_layer.lora_A.weight:2x3", QV_EUNSUPPORTED,
     "tensor 'experts.base_layer.lora_A.weight': adapted parameters of a module are not "
     "supported"},
    {CONFIG(""), "emb.lora_embedding_A:2x3", QV_EUNSUPPORTED,
     "tensor 'emb.lora_embedding_A': an adapted embedding, which only an adapter used "
     "alone may have"},
    {CONFIG(""), "m.lora_magnitude_vector:2", QV_EUNSUPPORTED,
     "tensor 'm.lora_magnitude_vector': a magnitude of DoRA, which only an adapter used "
     "alone may have"},
    {CONFIG(""), "m.lora_diag:2", QV_EUNSUPPORTED,
     "tensor 'm.lora_diag': KaSA is not supported"},
    {CONFIG(""), "m.lora_monteclora_sampler.x:2", QV_EUNSUPPORTED,
     "tensor 'm.lora_monteclora_sampler.x': MonteCLoRA's sampler is not supported"},
    {CONFIG(""), "m.token_adapter.trainable_tokens_delta:2x3", QV_EUNSUPPORTED,
     "tensor 'm.token_adapter.trainable_tokens_delta': retrained tokens, which only an "
     "adapter used alone may have"},
    {CONFIG(""), "lora_unet_x.lora_down.weight:2x3", QV_EUNSUPPORTED,
     "tensor 'lora_unet_x.lora_down.weight': Kohya's names are not supported, PEFT's are"},
    {CONFIG(""), "lora_unet_x.lora_up.weight:2x3", QV_EUNSUPPORTED,
     "tensor 'lora_unet_x.lora_up.weight': Kohya's names are not supported, PEFT's are"},
    {CONFIG(""), "m.lora.down.weight:2x3", QV_EUNSUPPORTED,
     "tensor 'm.lora.down.weight': diffusers' names are not supported, PEFT's are"},
    {CONFIG(""), "m.lora.up.weight:2x3", QV_EUNSUPPORTED,
     "tensor 'm.lora.up.weight': diffusers' names are not supported, PEFT's are"},
    {CONFIG(""), "m.lora_a:3x2", QV_EUNSUPPORTED,
     "tensor 'm.lora_a': MLX's transposed matrices are not supported"},
    {CONFIG(""), "m.lora_b:2x4", QV_EUNSUPPORTED,
     "tensor 'm.lora_b': MLX's transposed matrices are not supported"},
    {CONFIG(""), "lm_head.weight:2x3", QV_EUNSUPPORTED,
     "tensor 'lm_head.weight': a weight in place of the model's, which only an adapter "
     "used alone may have"},
    {CONFIG(""), "m.base_layer.bias:2", QV_EUNSUPPORTED,
     "tensor 'm.base_layer.bias': a bias in place of the model's, which only an adapter "
     "used alone may have"},
    {CONFIG(""), "x:1", QV_EFORMAT, "tensor 'x': nothing that an adapter holds"},
};

static void each_lie_of_an_adapter_has_its_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < QV_COUNT(lie); i++) {
        struct qv_expert *e;
        qv_err err = {0};
        assert_int_equal(parse(&e, lie[i].config, lie[i].tensors, 0, NULL, &err),
                         lie[i].code);
        assert_memory_equal(err.msg, "adapter_model.safetensors: ", 27);
        assert_string_equal(err.msg + 27, lie[i].says);
        assert_null(e);
    }
}

/* Every key of the table of refused features, as PEFT would write it when set. */
static void every_feature_that_changes_the_result_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value;
    } set[] = {
        {"alora_invocation_tokens", "[1]"},
        {"arrow_config", "{\"top_k\":2}"},
        {"kasa_config", "{\"beta\":1}"},
        {"layer_replication", "[[0,2]]"},
        {"megatron_config", "{\"x\":1}"},
        {"monteclora_config", "{\"num_samples\":4}"},
        {"target_parameters", "[\"x\"]"},
        {"use_bdlora", "{\"nblocks\":2}"},
        {"use_qalora", "true"},
    };
    for (size_t i = 0; i < QV_COUNT(set); i++) {
        char config[256], says[128];
        struct qv_peft_config c;
        qv_err err = {0};
        int n =
            snprintf(config, sizeof config, CONFIG(",\"%s\":%s"), set[i].key, set[i].value);
        snprintf(says, sizeof says, "'%s' is set, which is not supported", set[i].key);
        assert_int_equal(qv__peft_config_parse(&c, config, (size_t)n, false, &err),
                         QV_EUNSUPPORTED);
        assert_string_equal(err.msg, says);
        n = snprintf(config, sizeof config, CONFIG(",\"%s\":null"), set[i].key);
        assert_int_equal(qv__peft_config_parse(&c, config, (size_t)n, false, &err), QV_OK);
        qv__peft_config_end(&c);
    }
}

static void a_weight_that_is_not_finite_is_refused_by_name(void **state)
{
    (void)state;
    struct qv_expert *e;
    qv_err err = {0};
    assert_int_equal(parse(&e, CONFIG(""), GOOD, 0xff, NULL, &err), QV_EFORMAT);
    assert_string_equal(err.msg, "adapter_model.safetensors: tensor '" Q ".lora_A.weight': "
                                 "element 0 is not finite");
}

static void names_are_read_with_what_tools_leave_in_or_out(void **state)
{
    (void)state;
    static const char *const tensors[] = {
        GOOD,
        Q ".lora_A.default.weight:2x3 " Q ".lora_B.default.weight:4x2",
        "model.layers.1.q.lora_A.weight:2x3 model.layers.1.q.lora_B.weight:4x2",
        "module." Q ".lora_A.weight:2x3 module." Q ".lora_B.weight:4x2",
        "base_model.model._orig_mod.model.layers.1._orig_mod.q.lora_A.weight:2x3 " Q
        ".lora_B.weight:4x2",
    };
    for (size_t i = 0; i < QV_COUNT(tensors); i++) {
        struct qv_expert *e;
        assert_int_equal(parse(&e, CONFIG(""), tensors[i], 0, NULL, NULL), QV_OK);
        assert_int_equal(e->n_sites, 1);
        assert_string_equal(e->site[0].path, "model.layers.1.q");
        qv__expert_free(e);
    }
}

static const struct qv_site two[] = {{"model.layers.1.v", 1, 3, 5},
                                     {"model.layers.1.q", 1, 3, 4}};
static const struct qv_sites two_sites = {two, 2};

static void with_a_model_sites_stand_in_its_order_under_its_paths(void **state)
{
    (void)state;
    static const char *const tensors[] = {
        GOOD "v.lora_A.weight:2x3 v.lora_B.weight:5x2", // not a path of the model
        GOOD "base_model.model.layers.1.v.lora_A.weight:2x3 layers.1.v.lora_B.weight:5x2",
        GOOD
        "model.model.layers.1.v.lora_A.weight:2x3 model.model.layers.1.v.lora_B.weight:5x2",
    };
    struct qv_expert *e;
    qv_err err;
    assert_int_equal(parse(&e, CONFIG(""), tensors[0], 0, &two_sites, &err), QV_EFORMAT);
    assert_string_equal(err.msg, "adapter_model.safetensors: tensor 'v.lora_A.weight': the "
                                 "model has no site 'v'");
    assert_int_equal(parse(&e, CONFIG(""), tensors[1], 0, &two_sites, &err), QV_OK);
    assert_string_equal(e->site[0].path, "model.layers.1.v");
    assert_string_equal(e->site[1].path, "model.layers.1.q");
    assert_int_equal(e->site[0].D_out, 5);
    qv__expert_free(e);
    assert_int_equal(parse(&e, CONFIG(""), tensors[2], 0, &two_sites, &err), QV_OK);
    qv__expert_free(e);
}

static void dimensions_that_are_not_the_models_are_refused(void **state)
{
    (void)state;
    struct qv_expert *e;
    qv_err err;
    assert_int_equal(parse(&e, CONFIG(""), Q ".lora_A.weight:2x9 " Q ".lora_B.weight:4x2",
                           0, &two_sites, &err),
                     QV_EFORMAT);
    assert_string_equal(err.msg,
                        "adapter_model.safetensors: tensor '" Q ".lora_A.weight': 9 "
                        "inputs, but the model's site has 3");
    assert_int_equal(parse(&e, CONFIG(""), Q ".lora_A.weight:2x3 " Q ".lora_B.weight:9x2",
                           0, &two_sites, &err),
                     QV_EFORMAT);
    assert_string_equal(err.msg,
                        "adapter_model.safetensors: tensor '" Q ".lora_B.weight': 9 "
                        "outputs, but the model's site has 4");
    assert_int_equal(parse(&e, CONFIG(""),
                           GOOD "layers.1.q.lora_A.weight:2x3 "
                                "layers.1.q.lora_B.weight:4x2",
                           0, &two_sites, &err),
                     QV_EFORMAT);
    assert_string_equal(err.msg, "adapter_model.safetensors: tensor '" Q ".lora_A.weight': "
                                 "adapts the same site as 'layers.1.q.lora_B.weight'");
}

/* The fields of LoraConfig in peft 0.21.2: none is unknown, and the document says of each
 * what becomes of it. */
static void every_field_of_pefts_config_is_known_and_documented(void **state)
{
    (void)state;
    json_t *fields, *field;
    size_t i, size;
    char *doc;
    qv_arena a = {0};
    assert_int_equal(qv__json_read(&fields, "tests/golden/peft_fields.json", 1 << 20, NULL),
                     0);
    assert_int_equal(qv__read_file(&doc, &size, &a, "docs/adapters.md", 1 << 20, NULL), 0);
    json_array_foreach(fields, i, field)
    {
        char config[128], told[64];
        const char *name = json_string_value(field);
        struct qv_peft_config c;
        qv_err err = {0};
        int n = snprintf(config, sizeof config, "{\"%s\":[[7]]}", name);
        assert_true(qv__peft_config_parse(&c, config, (size_t)n, true, &err));
        assert_null(strstr(err.msg, "unknown key"));
        snprintf(told, sizeof told, "`%s`", name);
        if (!strstr(doc, told))
            fail_msg("docs/adapters.md does not tell of %s", name);
    }
    assert_true(i > 40);
    json_decref(fields);
    qv__arena_free(&a);
}

/* Each answer is what peft 0.21.2's check_target_module_exists and
 * get_pattern_key give for the path (golden/recipes/peft_matching.py). */
static void configs_choose_modules_ranks_and_alphas_as_peft_does(void **state)
{
    (void)state;
    json_t *cases, *c;
    size_t i;
    assert_int_equal(
        qv__json_read(&cases, "tests/golden/peft_matching.json", 1 << 20, NULL), 0);
    json_array_foreach(cases, i, c)
    {
        char *text = json_dumps(json_object_get(c, "config"), 0);
        const char *path;
        json_t *want;
        struct qv_peft_config config;
        assert_int_equal(qv__peft_config_parse(&config, text, strlen(text), true, NULL),
                         QV_OK);
        json_object_foreach(json_object_get(c, "modules"), path, want)
        {
            size_t R;
            float alpha;
            qv_status result = qv__peft_config_module(&R, &alpha, &config, path, NULL);
            assert_int_equal(result == QV_OK, !json_is_null(want));
            if (result)
                continue;
            assert_int_equal(R, json_integer_value(json_array_get(want, 0)));
            assert_true(alpha == (float)json_number_value(json_array_get(want, 1)));
        }
        qv__peft_config_end(&config);
        free(text);
    }
    assert_true(i > 10);
    json_decref(cases);
}

/* Adapters saved by PEFT, features it has and we honour. */
static const char *const golden[] = {
    "peft/plain",
    "peft/dropout",
    "peft/rslora",
    "peft/patterns",
    "peft/patterns_rslora",
    "peft/regex",
    "peft/all_linear",
    "peft/some_layers",
    "peft/excluded",
    "train/lora_all/adapter_in",
    "train/lora_attn/adapter_in",
};

static void adapters_of_peft_are_written_again_bit_for_bit(void **state)
{
    (void)state;
    for (size_t i = 0; i < QV_COUNT(golden); i++) {
        char from[128], file[160], made[160], was[65], is[65];
        snprintf(from, sizeof from, "tests/golden/%s", golden[i]);
        struct qv_expert *e = must_read(from, NULL);
        qv_err err = {0};
        assert_int_equal(qv__peft_write(e, dir, &err), QV_OK);
        snprintf(file, sizeof file, "%s/adapter_model.safetensors", from);
        snprintf(made, sizeof made, "%s/adapter_model.safetensors", dir);
        assert_same_bytes(made, file);
        struct qv_expert *again = must_read(dir, NULL);
        qv__expert_hash(was, e);
        qv__expert_hash(is, again);
        assert_string_equal(was, is);
        assert_string_equal(again->base, e->base);
        assert_true(again->dropout == e->dropout && again->is_rslora == e->is_rslora);
        qv__expert_free(e);
        qv__expert_free(again);
    }
}

static void patterns_of_peft_give_each_site_its_rank_and_scale(void **state)
{
    (void)state;
    struct qv_expert *e = must_read("tests/golden/peft/patterns/", NULL);
    assert_string_equal(e->name, "patterns");
    assert_string_equal(e->base, "llama/gqa_untied");
    const struct qv_expert_site *s = site_of(e, "model.layers.2.self_attn.q_proj");
    assert_true(s->R == 5 && s->scale == 1);
    s = site_of(e, "model.layers.0.self_attn.k_proj");
    assert_true(s->R == 3 && s->scale == 3);
    s = site_of(e, "model.layers.1.mlp.gate_proj");
    assert_true(s->R == 1 && s->scale == 2 && s->D_in == 36 && s->D_out == 56);
    s = site_of(e, "model.layers.0.mlp.gate_proj");
    assert_true(s->R == 3 && s->scale == (float)(5.0 / 3));
    qv__expert_free(e);

    e = must_read("tests/golden/peft/patterns_rslora", NULL);
    assert_true(site_of(e, "model.layers.0.self_attn.q_proj")->scale ==
                (float)(5 / sqrt(2)));
    assert_true(site_of(e, "model.layers.0.self_attn.o_proj")->scale ==
                (float)(7 / sqrt(3)));
    qv__expert_free(e);
}

static void dora_is_refused_in_an_expert(void **state)
{
    (void)state;
    struct qv_expert *e;
    qv_err err;
    assert_int_equal(qv__peft_read(&e, "tests/golden/peft/dora", NULL, &err),
                     QV_EUNSUPPORTED);
    assert_string_equal(err.msg,
                        "tests/golden/peft/dora/adapter_config.json: 'use_dora' is "
                        "set, which only an adapter used alone may have");
}

static void f16_and_bf16_are_widened_exactly(void **state)
{
    (void)state;
    struct qv_expert *e;
    // 0x3c3c is 1.05859375 in f16 and 0.011474609375 in bf16.
    assert_int_equal(parse(&e, CONFIG(""),
                           Q ".lora_A.weight:2x3:F16 " Q ".lora_B.weight:4x2:BF16", 0x3c,
                           NULL, NULL),
                     QV_OK);
    assert_true(e->site[0].A[5] == 1.05859375f && e->site[0].B[7] == 0.011474609375f);
    qv__expert_free(e);
}

static void an_expert_of_many_ranks_and_alphas_survives_writing(void **state)
{
    (void)state;
    const struct qv_expert_shape shape[] = {
        {"model.layers.0.q", 3, 4, 2, 0.1f},      {"model.layers.0.v", 3, 4, 2, 0.1f},
        {"model.layers.1.q", 3, 4, 1, 7},         {"model.layers.10.q", 3, 4, 3, -2.5f},
        {"model.layers.11.q", 3, 4, 3, 1.0f / 3},
    };
    struct qv_expert *e, *again;
    char was[65], is[65];
    assert_int_equal(qv__expert_new(&e, "law", shape, QV_COUNT(shape), false, NULL), QV_OK);
    qv__expert_init(e, 3);
    qv_err err = {0};
    assert_int_equal(qv__peft_write(e, dir, &err), QV_OK);
    again = must_read(dir, NULL);
    qv__expert_hash(was, e);
    qv__expert_hash(is, again);
    assert_string_equal(was, is);
    assert_null(again->base);
    qv__expert_free(e);
    qv__expert_free(again);
}

static void what_peft_could_not_read_is_not_written(void **state)
{
    (void)state;
    // PEFT's pattern for the first path matches the end of the second.
    const struct qv_expert_shape ends[] = {
        {"q", 3, 4, 2, 1}, {"r", 3, 4, 2, 1}, {"a.q", 3, 4, 2, 1}, {"b", 3, 4, 2, 1}};
    struct qv_expert_shape shape[4];
    memcpy(shape, ends, sizeof shape);
    shape[0].alpha = 5;
    struct qv_expert *e;
    qv_err err;
    assert_int_equal(qv__expert_new(&e, "law", shape, 4, false, NULL), QV_OK);
    assert_int_equal(qv__peft_write(e, dir, &err), QV_EUNSUPPORTED);
    assert_string_equal(err.msg,
                        "expert 'law': site 'a.q': PEFT would give it rank 2 and alpha "
                        "5");
    qv__expert_free(e);

    assert_int_equal(qv__expert_new(&e, "law", ends, 1, false, NULL), QV_OK);
    e->site[0].B[0] = NAN;
    assert_int_equal(qv__peft_write(e, dir, &err), QV_EFORMAT);
    assert_string_equal(err.msg, "expert 'law': site 'q': weight 6 is not finite");
    e->site[0].B[0] = 0;
    e->base = "\xff";
    assert_int_equal(qv__peft_write(e, dir, &err), QV_EFORMAT);
    assert_string_equal(err.msg, "expert 'law': its base's name is not UTF-8");
    qv__expert_free(e);

    assert_int_equal(qv__expert_new(&e, "law", ends, 0, false, NULL), QV_OK);
    assert_int_equal(qv__peft_write(e, dir, &err), QV_EFORMAT);
    assert_string_equal(err.msg, "expert 'law': adapts no site");
    qv__expert_free(e);
}

static void a_missing_file_or_a_pickle_is_refused_by_name(void **state)
{
    (void)state;
    struct qv_expert *e;
    qv_err err;
    char path[128], says[256];
    assert_int_equal(qv__remove_tree(dir, NULL), QV_OK);
    assert_int_equal(qv__make_dir(dir, NULL), QV_OK);
    assert_int_equal(qv__peft_read(&e, dir, NULL, &err), QV_ENOTFOUND);
    snprintf(says, sizeof says, "%s/adapter_config.json: No such file or directory", dir);
    assert_string_equal(err.msg, says);
    snprintf(path, sizeof path, "%s/adapter_config.json", dir);
    assert_int_equal(qv__write_file(path, "{}", 2, NULL), QV_OK);
    assert_int_equal(qv__peft_read(&e, dir, NULL, &err), QV_ENOTFOUND);
    snprintf(says, sizeof says, "%s/adapter_model.safetensors: No such file or directory",
             dir);
    assert_string_equal(err.msg, says);
    snprintf(path, sizeof path, "%s/adapter_model.bin", dir);
    assert_int_equal(qv__write_file(path, "PK", 2, NULL), QV_OK);
    assert_int_equal(qv__peft_read(&e, dir, NULL, &err), QV_EUNSUPPORTED);
    snprintf(says, sizeof says,
             "%s/adapter_model.bin: a Python pickle, which is not read; have "
             "PEFT save it as safetensors",
             dir);
    assert_string_equal(err.msg, says);
}

#define SHARED "../shared/data/adapters/"

/* Two adapters of others: a classifier, whose head would be lost, and a pickle. */
static void adapters_in_the_wild_are_read_or_refused_by_feature(void **state)
{
    (void)state;
    if (!qv__is_dir(SHARED)) {
        print_message(SHARED " is not here\n");
        skip();
    }
    struct qv_expert *e;
    qv_err err;
    struct qv_st st;
    assert_int_equal(
        qv__peft_read(&e, SHARED "peft_pr_monteclora_roberta_mrpc", NULL, &err),
        QV_EUNSUPPORTED);
    assert_string_equal(
        err.msg,
        SHARED "peft_pr_monteclora_roberta_mrpc/adapter_config.json: "
               "'modules_to_save' is set, which only an adapter used alone may have");
    assert_int_equal(qv__st_open(&st,
                                 SHARED "peft_pr_monteclora_roberta_mrpc/"
                                        "adapter_model.safetensors",
                                 &err),
                     QV_OK);
    assert_string_equal(qv__st_meta(&st, "format"), "pt");
    assert_int_equal(st.n, 2 * 2 * 12 + 4);
    qv__st_close(&st);
    assert_int_equal(qv__peft_read(&e, SHARED "peft_regression_lora_opt350m", NULL, &err),
                     QV_EUNSUPPORTED);
}

int main(void)
{
    snprintf(dir, sizeof dir, "/tmp/quiver-peft-%ld", (long)getpid());
    if (qv__make_dir(dir, NULL))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_lie_of_a_config_has_its_sentence),
        cmocka_unit_test(each_lie_of_an_adapter_has_its_sentence),
        cmocka_unit_test(every_feature_that_changes_the_result_is_refused_by_name),
        cmocka_unit_test(a_weight_that_is_not_finite_is_refused_by_name),
        cmocka_unit_test(names_are_read_with_what_tools_leave_in_or_out),
        cmocka_unit_test(with_a_model_sites_stand_in_its_order_under_its_paths),
        cmocka_unit_test(dimensions_that_are_not_the_models_are_refused),
        cmocka_unit_test(every_field_of_pefts_config_is_known_and_documented),
        cmocka_unit_test(configs_choose_modules_ranks_and_alphas_as_peft_does),
        cmocka_unit_test(adapters_of_peft_are_written_again_bit_for_bit),
        cmocka_unit_test(patterns_of_peft_give_each_site_its_rank_and_scale),
        cmocka_unit_test(dora_is_refused_in_an_expert),
        cmocka_unit_test(f16_and_bf16_are_widened_exactly),
        cmocka_unit_test(an_expert_of_many_ranks_and_alphas_survives_writing),
        cmocka_unit_test(what_peft_could_not_read_is_not_written),
        cmocka_unit_test(a_missing_file_or_a_pickle_is_refused_by_name),
        cmocka_unit_test(adapters_in_the_wild_are_read_or_refused_by_feature),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return qv__remove_tree(dir, NULL) ? 1 : failed;
}
