/* mttl_test.c - mttl's experts: what mttl computes is computed here, ties hold, and every
 * lie has its sentence. tests/golden/recipes/mttl_library.py made the files. */
#include "base/file.h"
#include "library/library.h"
#include "lora/mttl.h"
#include "model/mttl_import.h"
#include "model/reuse.h"
#include "support/golden.h"
#include "support/scratch.h"
#include "support/tensors.h"
#include "support/tiny.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAMILIES "tests/golden/families/"
#define MTTL     "tests/golden/mttl/"

/* ---- what mttl wrote ---- */

static qv_library *new_library(const char *dir)
{
    qv_library *lib;
    qv_err err = {0};
    assert_works(qv_library_create(&lib, dir, NULL, &err), &err);
    return lib;
}

static void imported(qv_library *lib, const char *dir, const qv_model *m)
{
    qv_err err = {0};
    assert_works(qv__mttl_import(lib, dir, m, false, NULL, NULL, &err), &err);
}

static void experts_compute_what_they_do_in_mttl(void **state)
{
    static const char *const cases[][3] = {
        {"tied", "phi", FAMILIES "phi"},
        {"once", "checkpoint", FAMILIES "phi"},
        {"plain", "llama", FAMILIES "llama_biased"},
        {"fused", "old", FAMILIES "phi_square"}, // split for the model
        {"fused", "old", FAMILIES "phi_msft"},   // and as it is, for the same weights
    };
    struct golden_batch b;
    golden_batch(&b, FAMILIES "batch.json");
    for (size_t i = 0; i < QV_COUNT(cases); i++) {
        char dir[128], name[16], path[256];
        qv_reuse *r;
        struct qv_update u;
        qv_err err = {0};
        snprintf(dir, sizeof dir, MTTL "%s", cases[i][1]);
        snprintf(name, sizeof name, "lib%zu", i);
        snprintf(path, sizeof path, "%s", scratch_path(state, name));
        print_message("%s over %s\n", cases[i][0], cases[i][2]);
        qv_model *m = opened(cases[i][2]);
        qv_library *lib = new_library(path);
        imported(lib, dir, i == 4 ? NULL : m);
        const qv_reuse_opts opts = {.library = path, .expert = cases[i][0]};
        assert_works(qv_reuse_open(&r, m, &opts, &err), &err);
        assert_works(qv__reuse_update(&u, r, NULL, b.s[1].n, &err), &err);
        float *got = logits_of(m, &u, b.s[1].ids, b.s[1].n);
        float *want = golden_tensor(NULL, MTTL "expect.safetensors", cases[i][0]);
        assert_close_to_scale(got, want, b.s[1].n * m->c.V, 1e-4);
        free(got);
        free(want);
        qv__update_end(&u);
        qv_reuse_close(r);
        qv_library_close(lib);
        qv_model_close(m);
    }
}

static void what_is_known_of_an_expert_comes_along(void **state)
{
    qv_snapshot *snap;
    qv_err err = {0};
    qv_library *lib = new_library(scratch_path(state, "known"));
    imported(lib, MTTL "phi", NULL);
    assert_works(qv_library_snapshot(&snap, lib, &err), &err);
    assert_int_equal(qv_snapshot_size(snap), 1); // `gone` is deleted
    const qv_expert_info *info = qv_snapshot_info(snap, 0);
    assert_string_equal(info->name, "tied");
    assert_int_equal(info->meta.n_tasks, 2);
    assert_string_equal(info->meta.task[0], "a_task");
    assert_string_equal(info->meta.task[1], "b_task");
    assert_string_equal(info->meta.base_name, "phi-2");
    assert_string_equal(
        info->meta.settings,
        "{\"dataset\":\"flan\",\"imported_from\":\"mttl\",\"learning_rate\":"
        "0.0001,\"num_train_epochs\":5,\"seed\":42}");
    qv_snapshot_release(snap);
    qv_library_close(lib);
}

/* ---- files made here ---- */

/* make_tensors, but with a fill of 0 the floats of the k-th are k, k + 1/64, k + 2/64 ...
 */
static char *numbered_tensors(struct qv_st *st, const char *list, int fill)
{
    char *bytes = make_tensors(st, list, fill);
    for (size_t k = 0; k < st->n && fill == 0; k++)
        for (size_t i = 0; i < st->tensor[k].n && st->tensor[k].dtype == QV_F32; i++) {
            float x = (float)k + (float)i / 64;
            memcpy(bytes + ((const char *)st->tensor[k].data - bytes) + i * sizeof x, &x,
                   sizeof x);
        }
    return bytes;
}

static qv_status parse(struct qv_mttl *x, const char *json, const char *tensors, int fill,
                       qv_err *err)
{
    struct qv_st st;
    char *bytes = numbered_tensors(&st, tensors, fill);
    qv_status result = qv__mttl_parse(x, json, strlen(json), &st, err);
    qv__st_close(&st);
    free(bytes);
    return result;
}

#define CONFIG(more)                                                                       \
    "{\"expert_name\":\"law\",\"expert_config\":{\"lora_rank\":2,\"lora_alpha\":6" more "}}"
#define Q  "h.0.q_proj.lora_a:3x2 h.0.q_proj.lora_b:2x4"
#define BS " h.0.k_proj.lora_b:2x5 h.0.v_proj.lora_b:2x5"
#define TIES                                                                               \
    ",\"tie_params\":\"q_proj.*\\\\.lora_a|k_proj.*\\\\.lora_a|v_proj.*\\\\.lora_a\""

static void matrices_are_transposed_and_scaled(void **state)
{
    (void)state;
    struct qv_mttl x;
    qv_err err = {0};
    assert_works(parse(&x, CONFIG(""), Q, 0, &err), &err);
    const struct qv_expert_site *s = &x.expert->site[0];
    assert_int_equal(x.expert->n_sites, 1);
    assert_string_equal(s->path, "h.0.q_proj");
    assert_int_equal(s->R, 2);
    assert_int_equal(s->D_in, 3);
    assert_int_equal(s->D_out, 4);
    assert_true(s->scale == 3);
    // lora_a is 0, 1/64 ... row by row of [3, 2], lora_b 1, 65/64 ... of [2, 4].
    const float A[] = {0, 2, 4, 1, 3, 5}, B[] = {0, 4, 1, 5, 2, 6, 3, 7};
    for (size_t i = 0; i < 6; i++)
        assert_true(s->A[i] == A[i] / 64);
    for (size_t i = 0; i < 8; i++)
        assert_true(s->B[i] == 1 + B[i] / 64);
    qv__mttl_end(&x);
}

/* One A in the file, under the name of one of the three. */
static void a_tied_matrix_stands_for_all_of_its_modules(void **state)
{
    (void)state;
    struct qv_mttl x;
    qv_err err = {0};
    assert_works(parse(&x, CONFIG(TIES), Q BS, 0, &err), &err);
    assert_int_equal(x.expert->n_sites, 3);
    const struct qv_expert_site *s = x.expert->site;
    assert_string_equal(s[0].path, "h.0.k_proj");
    assert_string_equal(s[1].path, "h.0.q_proj");
    assert_string_equal(s[2].path, "h.0.v_proj");
    for (size_t i = 0; i < 3; i += 2) {
        assert_int_equal(s[i].D_out, 5);
        assert_memory_equal(s[i].A, s[1].A, 6 * sizeof *s->A);
    }
    qv__mttl_end(&x);
}

/* Layers do not mix: each parent has its own. */
static void ties_hold_within_a_layer(void **state)
{
    (void)state;
    struct qv_mttl x;
    qv_err err = {0};
    assert_works(parse(&x, CONFIG(TIES),
                       Q BS " h.1.v_proj.lora_a:3x2 h.1.q_proj.lora_b:2x4 "
                            "h.1.k_proj.lora_b:2x5 h.1.v_proj.lora_b:2x5",
                       0, &err),
                 &err);
    assert_int_equal(x.expert->n_sites, 6);
    const struct qv_expert_site *s = x.expert->site;
    assert_true(s[0].A[0] == 0 && s[3].A[0] == 4); // the numbers of the two tensors
    assert_memory_equal(s[3].A, s[5].A, 6 * sizeof *s->A);
    qv__mttl_end(&x);
}

static void older_files_say_it_elsewhere(void **state)
{
    (void)state;
    struct qv_mttl x;
    qv_err err = {0};
    assert_works(parse(&x,
                       "{\"expert_name\":\"law\",\"training_config\":{\"model_modifier\":"
                       "\"lora\",\"lora_alpha\":1,\"lora_rank\":2,\"model\":\"phi-2\","
                       "\"modify_layers\":\".*Wqkv.*|.*out_proj.*\",\"modify_modules\":"
                       "\".*\"}}",
                       "layers.12.mixer.Wqkv.lora_a:3x2 layers.12.mixer.Wqkv.lora_b:2x9", 0,
                       &err),
                 &err);
    assert_string_equal(x.expert->site[0].path, "transformer.h.11.mixer.Wqkv");
    assert_string_equal(x.expert->base, "phi-2");
    assert_true(x.expert->site[0].scale == 0.5f);
    qv__mttl_end(&x);
    assert_works(parse(&x,
                       CONFIG(",\"__model_modifier__\":\"lora\",\"modify_modules\":"
                              "\".*proj\",\"modify_layers\":null"),
                       Q, 0, &err),
                 &err);
    qv__mttl_end(&x);
}

static const struct {
    const char *json, *tensors;
    qv_status code;
    const char *says;
} lies[] = {
    {"{", Q, QV_EFORMAT,
     "not JSON: line 1, column 1: string or '}' expected near end of "
     "file"},
    {"[]", Q, QV_EFORMAT, "not an object"},
    {"{}", Q, QV_EFORMAT, "'expert_name' is missing"},
    {"{\"expert_name\":3}", Q, QV_EFORMAT, "'expert_name' is not a string"},
    {"{\"expert_name\":\"a\"}", Q, QV_EFORMAT, "'expert_config' is missing"},
    {"{\"expert_name\":\"a\",\"expert_config\":[]}", Q, QV_EFORMAT,
     "'expert_config' is not an object"},
    {"{\"expert_name\":\"a\",\"training_config\":1}", Q, QV_EFORMAT,
     "'training_config' is not an object"},
    {CONFIG(",\"class_name\":\"mttl.models.modifiers.lora.SkilledLoRAConfig\""), Q,
     QV_EUNSUPPORTED,
     "an expert of kind 'SkilledLoRAConfig' is not supported, LoRAConfig is"},
    {CONFIG(",\"__model_modifier__\":\"hard_prompt\""), Q, QV_EUNSUPPORTED,
     "an expert of kind 'hard_prompt' is not supported, LoRAConfig is"},
    {"{\"expert_name\":\"a\",\"training_config\":{\"model_modifier\":\"mlp\"}}", Q,
     QV_EUNSUPPORTED, "an expert of kind 'mlp' is not supported, LoRAConfig is"},
    {"{\"expert_name\":\"a\",\"expert_config\":{\"lora_rank\":2}}", Q, QV_EFORMAT,
     "'lora_alpha' is missing, and what mttl takes it for has changed from 1 to 16"},
    {CONFIG(",\"lora_dropout\":1"), Q, QV_EFORMAT, "'lora_dropout' is 1, not in [0, 1)"},
    {CONFIG(""), "", QV_EFORMAT, "no tensors"},
    {CONFIG(""), "h.q.weight:2x2", QV_EFORMAT,
     "tensor 'h.q.weight': not a LoRA's lora_a or lora_b"},
    {CONFIG(""), "h.q.lora_A.weight:2x2", QV_EUNSUPPORTED,
     "tensor 'h.q.lora_A.weight': a name of PEFT's, not of mttl's"},
    {CONFIG(""), ".lora_a:2x2", QV_EFORMAT, "tensor '.lora_a': names no module"},
    {CONFIG(""), "q.lora_a:3x2", QV_EFORMAT, "tensor 'q.lora_a': its lora_b is missing"},
    {CONFIG(""), "q.lora_b:2x3", QV_EFORMAT, "tensor 'q.lora_b': its lora_a is missing"},
    {CONFIG(""), "q.lora_a:3x2:F64 q.lora_b:2x3", QV_EUNSUPPORTED,
     "tensor 'q.lora_a': dtype F64 is not supported, F32, F16 and BF16 are"},
    {CONFIG(""), "q.lora_a:1x1x3x2 q.lora_b:1x2x1x3", QV_EUNSUPPORTED,
     "tensor 'q.lora_a': 4 dimensions: several skills in one expert are not supported"},
    {CONFIG(""), "q.lora_a:3x2 q.lora_b:6", QV_EUNSUPPORTED,
     "tensor 'q.lora_b': 1 dimensions, and only matrices are supported"},
    {CONFIG(""), "q.lora_a:0x2 q.lora_b:2x3", QV_EFORMAT,
     "tensor 'q.lora_a': an empty matrix"},
    {CONFIG(""), "q.lora_a:2x3 q.lora_b:4x2", QV_EFORMAT,
     "tensor 'q.lora_b': rank 4, but its lora_a has 3"},
    {CONFIG(""), "q.lora_a:4x3 q.lora_b:3x4", QV_EFORMAT,
     "tensor 'q.lora_a': rank 3, but 'lora_rank' is 2"},
    {CONFIG(TIES), Q BS " h.0.v_proj.lora_a:3x2", QV_EFORMAT,
     "tensor 'h.0.v_proj.lora_a': differs from 'h.0.q_proj.lora_a', to which it is tied"},
    {CONFIG(",\"tie_params\":\"[qkv]_proj.lora_a\""), Q, QV_EUNSUPPORTED,
     "'tie_params' is '[qkv]_proj.lora_a', which does not spell out names that end in "
     ".lora_a or .lora_b"},
    {CONFIG(",\"tie_params\":\"q_proj|k_proj\""), Q, QV_EUNSUPPORTED,
     "'tie_params' is 'q_proj|k_proj', which does not spell out names that end in .lora_a "
     "or .lora_b"},
    {CONFIG(",\"modify_modules\":\".*\",\"modify_layers\":\"v_proj|k_proj\""), Q,
     QV_EFORMAT,
     "tensor 'h.0.q_proj.lora_a': 'modify_modules' and 'modify_layers' do not name its "
     "module"},
    {CONFIG(",\"modify_modules\":null,\"modify_layers\":\"(\""), Q, QV_EFORMAT,
     "'modify_modules' and 'modify_layers': pattern '(': at 1: missing closing "
     "parenthesis"},
    {CONFIG(""), "layers.0.mixer.Wqkv.lora_a:3x2 layers.0.mixer.Wqkv.lora_b:2x9",
     QV_EFORMAT,
     "tensor 'layers.0.mixer.Wqkv.lora_a': layer 0 of a Phi whose layers count from 1"},
};

static void each_lie_of_an_expert_has_its_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < QV_COUNT(lies); i++) {
        struct qv_mttl x;
        qv_err err = {0};
        qv_status got = parse(&x, lies[i].json, lies[i].tensors, 0, &err);
        assert_string_equal(err.msg, lies[i].says);
        assert_int_equal(got, lies[i].code);
        assert_null(x.expert);
    }
}

static void some_lies_are_long_or_not_finite(void **state)
{
    (void)state;
    struct qv_mttl x;
    qv_err err = {0};
    char json[2048] = "{\"expert_name\":\"a\",\"expert_config\":{\"lora_alpha\":1,"
                      "\"tie_params\":\"";
    for (size_t i = 0; i < 65; i++)
        strncat(json, "q.lora_a|", 10);
    strncat(json, "\"}}", 4);
    assert_fails(parse(&x, json, Q, 0, &err), QV_ELIMIT, &err,
                 "'tie_params' ties more than 64 names");
    assert_fails(parse(&x, CONFIG(""), Q, 0xff, &err), QV_EFORMAT, &err,
                 "tensor 'h.0.q_proj.lora_a': element 0 is not finite");
}

/* ---- directories ---- */

static void refuses(qv_library *lib, const char *dir, const qv_model *m, qv_status code,
                    const char *words)
{
    qv_snapshot *snap;
    qv_err err = {0};
    assert_fails(qv__mttl_import(lib, dir, m, false, NULL, NULL, &err), code, &err, words);
    assert_works(qv_library_snapshot(&snap, lib, &err), &err);
    assert_int_equal(qv_snapshot_size(snap), 0); // all or none
    qv_snapshot_release(snap);
}

static void a_directory_s_files_are_pairs_and_no_pickles(void **state)
{
    qv_err err = {0};
    char dir[256];
    snprintf(dir, sizeof dir, "%s", scratch_path(state, "d"));
    qv_library *lib = new_library(scratch_path(state, "none"));
    assert_works(qv__make_dir(dir, &err), &err);
    assert_false(qv__mttl_is_dir(dir));
    refuses(lib, dir, NULL, QV_ENOTFOUND,
            "d: no experts of mttl, which are NAME.json beside NAME.safetensors");
    copy_file(MTTL "phi/tied.json", scratch_path(state, "d/a.json"));
    refuses(lib, dir, NULL, QV_EFORMAT, "d/a.json: its .safetensors is missing");
    copy_file(MTTL "phi/tied.safetensors", scratch_path(state, "d/a.safetensors"));
    assert_true(qv__mttl_is_dir(dir));
    copy_file(MTTL "phi/tied.safetensors", scratch_path(state, "d/b.safetensors"));
    refuses(lib, dir, NULL, QV_EFORMAT, "d/b.safetensors: its .json is missing");
    copy_file(MTTL "phi/tied.json", scratch_path(state, "d/b.json"));
    refuses(lib, dir, NULL, QV_EFORMAT, "d/b: two files hold an expert 'tied'");
    write_text(scratch_path(state, "d/a.ckpt"), "converted already");
    write_text(scratch_path(state, "d/c.meta"), "not yet");
    refuses(lib, dir, NULL, QV_EUNSUPPORTED,
            "d/c.meta: a Python pickle, which is not read; the recipe in "
            "docs/interchange.md makes .safetensors and .json of it");
    qv_library_close(lib);
}

/* The second of two experts does not fit, and the first is not added either. */
static void an_expert_must_fit_the_model(void **state)
{
    qv_err err = {0};
    qv_model *phi = opened(FAMILIES "phi"), *llama = opened(FAMILIES "llama_biased"),
             *square = opened(FAMILIES "phi_square"), *mistral = opened(FAMILIES "mistral");
    qv_library *lib = new_library(scratch_path(state, "fit"));
    refuses(lib, MTTL "phi", llama, QV_EFORMAT,
            "phi/tied: the model has no site 'model.layers.0.self_attn.dense'");
    refuses(lib, MTTL "llama", mistral, QV_EFORMAT,
            "llama/plain: site 'model.layers.0.self_attn.k_proj': 24 inputs and 12 "
            "outputs, but the model's has 24 and 16");
    refuses(lib, MTTL "old", phi, QV_EFORMAT,
            "old/fused: site 'transformer.h.0.mixer.Wqkv': 72 outputs, but the model's q, "
            "k and v have 48");
    square->c.L = 1;
    refuses(lib, MTTL "old", square, QV_EFORMAT,
            "old/fused: site 'transformer.h.1.mixer.Wqkv': layer 1 of a model with 1");
    imported(lib, MTTL "phi", phi);
    assert_fails(qv__mttl_import(lib, MTTL "phi", NULL, false, NULL, NULL, &err), QV_EEXIST,
                 &err, "phi/tied: expert 'tied' is already in ");
    assert_works(qv__mttl_import(lib, MTTL "phi", NULL, true, NULL, NULL, &err), &err);
    qv_library_close(lib);
    qv_model_close(phi);
    qv_model_close(llama);
    qv_model_close(square);
    qv_model_close(mistral);
}

static void a_name_or_a_base_that_does_not_fit_is_refused(void **state)
{
    qv_library *lib;
    qv_err err = {0};
    const qv_library_opts opts = {.base_name = "mistral-7b"};
    assert_works(qv_library_create(&lib, scratch_path(state, "base"), &opts, &err), &err);
    refuses(lib, MTTL "phi", NULL, QV_EFORMAT,
            "phi/tied: base model 'phi-2' (no hash), but the library's is 'mistral-7b'");
    assert_works(qv__make_dir(scratch_path(state, "n"), &err), &err);
    write_text(scratch_path(state, "n/a.json"),
               "{\"expert_name\":\"../x\",\"expert_config\":{\"lora_alpha\":1}}");
    copy_file(MTTL "llama/plain.safetensors", scratch_path(state, "n/a.safetensors"));
    refuses(lib, scratch_path(state, "n"), NULL, QV_EFORMAT, "'../x'");
    qv_library_close(lib);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(experts_compute_what_they_do_in_mttl),
        cmocka_unit_test(what_is_known_of_an_expert_comes_along),
        cmocka_unit_test(matrices_are_transposed_and_scaled),
        cmocka_unit_test(a_tied_matrix_stands_for_all_of_its_modules),
        cmocka_unit_test(ties_hold_within_a_layer),
        cmocka_unit_test(older_files_say_it_elsewhere),
        cmocka_unit_test(each_lie_of_an_expert_has_its_sentence),
        cmocka_unit_test(some_lies_are_long_or_not_finite),
        cmocka_unit_test(a_directory_s_files_are_pairs_and_no_pickles),
        cmocka_unit_test(an_expert_must_fit_the_model),
        cmocka_unit_test(a_name_or_a_base_that_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
