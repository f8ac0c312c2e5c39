/* Adapters of every feature that PEFT's LoRA config has, on the shapes of Phi, Mistral,
 * Llama and GPT-2: what PEFT computes is computed, by itself where it is more than an
 * expert may hold. tests/golden/recipes/peft_features.py wrote them. */
#include "base/file.h"
#include "base/json.h"
#include "eval/score.h"
#include "lora/peft.h"
#include "model/adapted.h"
#include "model/reuse.h"
#include "op/linear.h"
#include "support/golden.h"
#include "support/near.h"
#include "support/scratch.h"
#include "support/tensors.h"
#include "support/tiny.h"

#include <quiver/session.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN "tests/golden/adapters/"

/* One model and one adapter for it. */
struct pair {
    const char *model, *name;
    char dir[128];
    bool is_plain;
    qv_model *m;
    int ids[16];
    size_t n;
    float *want; // [n, V]
};

typedef void (*pair_fn)(void **state, struct pair *p);

static void for_each_pair(void **state, pair_fn fn)
{
    json_t *all, *cases, *is_plain;
    const char *model, *name;
    qv_err err = {0};
    size_t n = 0;
    assert_works(qv__json_read(&all, GOLDEN "ids.json", 1 << 20, &err), &err);
    json_object_foreach(all, model, cases)
    {
        if (!json_is_object(cases))
            continue;
        char path[128];
        snprintf(path, sizeof path, "tests/golden/families/%s", model);
        struct pair p = {.model = model, .m = opened(path)};
        p.n = golden_ids(p.ids, 16, GOLDEN "ids.json", "ids");
        snprintf(path, sizeof path, GOLDEN "%s/expect.safetensors", model);
        json_object_foreach(cases, name, is_plain)
        {
            p.name = name;
            p.is_plain = json_is_true(is_plain);
            snprintf(p.dir, sizeof p.dir, GOLDEN "%s/%s", model, name);
            p.want = golden_tensor(NULL, path, name);
            fn(state, &p);
            free(p.want);
            n++;
        }
        qv_model_close(p.m);
    }
    json_decref(all);
    assert_int_equal(n, 61);
}

static qv_reuse *must_open(const qv_model *m, const char *dir)
{
    qv_reuse *r;
    qv_err err = {0};
    const qv_reuse_opts who = {.adapter = dir};
    assert_works(qv_reuse_open(&r, m, &who, &err), &err);
    return r;
}

static float *adapted_logits(const qv_model *m, const char *dir, const int *ids, size_t n)
{
    qv_reuse *r = must_open(m, dir);
    struct qv_update u;
    qv_err err = {0};
    assert_works(qv__reuse_update(&u, r, NULL, n, &err), &err);
    float *got = logits_of(qv__reuse_model(r, m), &u, ids, n);
    qv__update_end(&u);
    qv_reuse_close(r);
    return got;
}

static void check_logits(void **state, struct pair *p)
{
    (void)state;
    float *got = adapted_logits(p->m, p->dir, p->ids, p->n);
    assert_close_to_scale_at(got, p->want, p->n * p->m->c.V, 1e-5, p->dir, __FILE__,
                             __LINE__);
    free(got);
}

static void every_feature_gives_pefts_logits_on_every_shape(void **state)
{
    for_each_pair(state, check_logits);
}

static void check_session(void **state, struct pair *p)
{
    (void)state;
    qv_reuse *r = must_open(p->m, p->dir);
    qv_session *s;
    qv_err err = {0};
    assert_works(qv_session_new(&s, p->m, r, 0, &err), &err);
    for (size_t i = 1; i <= p->n; i++) {
        assert_works(qv_session_sync(s, p->ids, i, &err), &err);
        assert_close_to_scale_at(qv_session_logits(s), p->want + (i - 1) * p->m->c.V,
                                 p->m->c.V, 1e-4, p->dir, __FILE__, __LINE__);
    }
    qv_session_free(s);
    qv_reuse_close(r);
}

static void decoding_with_the_cache_gives_them_token_by_token(void **state)
{
    for_each_pair(state, check_session);
}

static void check_score(void **state, struct pair *p)
{
    (void)state;
    qv_reuse *r = must_open(p->m, p->dir);
    float logprob[16];
    qv_err err = {0};
    assert_works(qv__score(logprob, p->m, r, p->ids, p->n, NULL, &err), &err);
    for (size_t i = 1; i < p->n; i++) {
        const float *row = p->want + (i - 1) * p->m->c.V;
        double sum = 0;
        for (size_t v = 0; v < p->m->c.V; v++)
            sum += exp((double)row[v]);
        assert_float_equal(logprob[i], row[p->ids[i]] - (float)log(sum), 1e-4);
    }
    qv_reuse_close(r);
}

static void scoring_uses_all_that_an_adapter_holds(void **state)
{
    for_each_pair(state, check_score);
}

/* Of an expert what is written is what was read, bit for bit, and computes the same; what
 * is more than an expert is not read as one. */
static void check_expert(void **state, struct pair *p)
{
    struct qv_expert *e;
    qv_err err = {0};
    qv_status result = qv__peft_read(&e, p->dir, &p->m->sites, &err);
    // On a model without biases, training all of them trains nothing.
    bool is_plain = p->is_plain ||
                    (strcmp(p->name, "bias_all") == 0 && !p->m->c.has_bias[QV_UP] &&
                     !p->m->c.is_layernorm) ||
                    (strcmp(p->name, "bias_lora_only") == 0 && !p->m->c.has_bias[QV_UP]);
    if (!is_plain) {
        assert_fails(result, QV_EUNSUPPORTED, &err, "only an adapter used alone may have");
        assert_null(e);
        return;
    }
    assert_works(result, &err);
    char made[160], want[160];
    const char *dir = scratch_path(state, "again");
    assert_works(qv__make_dir(dir, &err), &err);
    assert_works(qv__peft_write(e, dir, &err), &err);
    snprintf(made, sizeof made, "%s/adapter_model.safetensors", dir);
    snprintf(want, sizeof want, "%s/adapter_model.safetensors", p->dir);
    assert_same_bytes(made, want);
    float *got = adapted_logits(p->m, dir, p->ids, p->n);
    assert_close_to_scale(got, p->want, p->n * p->m->c.V, 1e-5);
    free(got);
    qv__expert_free(e);
}

static void an_expert_is_written_bit_for_bit_and_more_is_not_read_as_one(void **state)
{
    for_each_pair(state, check_expert);
}

/* The same weights as GGUF, whose rows of q and k lie elsewhere in the file. */
static void on_a_gguf_file_an_adapter_computes_the_same(void **state)
{
    (void)state;
    static const char *const names[] = {"dora",   "lora_bias", "saved",
                                        "tables", "tokens",    "tables_dora"};
    static const char *const models[] = {"llama_linear", "gpt2"};
    for (size_t k = 0; k < QV_COUNT(models); k++)
        for (size_t i = 0; i < QV_COUNT(names); i++) {
            char path[128], dir[128];
            int ids[16];
            snprintf(path, sizeof path, "tests/golden/gguf/families/%s.gguf", models[k]);
            snprintf(dir, sizeof dir, GOLDEN "%s/%s", models[k], names[i]);
            qv_model *m = opened(path);
            size_t n = golden_ids(ids, 16, GOLDEN "ids.json", "ids");
            snprintf(path, sizeof path, GOLDEN "%s/expect.safetensors", models[k]);
            float *want = golden_tensor(NULL, path, names[i]);
            float *got = adapted_logits(m, dir, ids, n);
            assert_close_to_scale_at(got, want, n * m->c.V, 1e-5, dir, __FILE__, __LINE__);
            free(got);
            free(want);
            qv_model_close(m);
        }
}

#define CONFIG(more) "{'peft_type':'LORA','r':2,'target_modules':'all-linear'" more "}"
#define Q            "model.layers.1.self_attn.q_proj"
#define QA           Q ".lora_A.weight:2x24 "
#define QB           Q ".lora_B.weight:24x2 "
#define TOKENS       ".token_adapter.trainable_tokens_delta"

/* Adapters that are in order by themselves, of zeros, for the model families/phi. */
static const struct {
    const char *config, *tensors;
    qv_status code;
    const char *says;
} foreign[] = {
    {CONFIG(""),
     "model.layers.7.self_attn.q_proj.lora_A.weight:2x24 "
     "model.layers.7.self_attn.q_proj.lora_B.weight:24x2",
     QV_EFORMAT,
     "tensor 'model.layers.7.self_attn.q_proj.lora_A.weight': the model has no site "
     "'model.layers.7.self_attn.q_proj'"},
    {CONFIG(""),
     "transformer.wte.lora_embedding_A:2x61 transformer.wte.lora_embedding_B:24x2",
     QV_EFORMAT,
     "tensor 'transformer.wte.lora_embedding_A': the model has no site 'transformer.wte'"},
    {CONFIG(""), "embed_tokens.lora_embedding_A:2x60 embed_tokens.lora_embedding_B:24x2",
     QV_EFORMAT,
     "tensor 'embed_tokens.lora_embedding_A': maps 60 to 24, the model's 61 to 24"},
    {CONFIG(""), "lm_head.lora_embedding_A:2x24 lm_head.lora_embedding_B:61x2", QV_EFORMAT,
     "tensor 'lm_head.lora_embedding_A': the model has no site 'lm_head'"},
    {CONFIG(""), "lm_head.lora_A.weight:2x24 lm_head.lora_B.weight:60x2", QV_EFORMAT,
     "tensor 'lm_head.lora_A.weight': maps 24 to 60, the model's 24 to 61"},
    {CONFIG(",'modules_to_save':['score']"), QA QB "score.weight:2x24", QV_EFORMAT,
     "tensor 'score.weight': the model has no such weight"},
    {CONFIG(",'bias':'all'"), QA QB "score.bias:2", QV_EFORMAT,
     "tensor 'score.bias': the model has no such bias"},
    {CONFIG(",'modules_to_save':['lm_head']"), QA QB "lm_head.weight:60x24", QV_EFORMAT,
     "no tensor for 'lm_head.bias', which the config's 'modules_to_save' names"},
    {CONFIG(",'modules_to_save':['embed_tokens']"), QA QB, QV_EFORMAT,
     "no tensor for 'model.embed_tokens.weight', which the config's 'modules_to_save' "
     "names"},
    {CONFIG(",'modules_to_save':['lm_head']"), QA QB "lm_head.weight:60x24 lm_head.bias:61",
     QV_EFORMAT, "tensor 'lm_head.weight': 60 x 24, but the model's is 61 x 24"},
    {CONFIG(",'bias':'all'"), QA QB Q ".bias:23", QV_EFORMAT,
     "tensor '" Q ".bias': 1 x 23, but the model's is 1 x 24"},
    {CONFIG(",'trainable_token_indices':{'fc1':[3]}"), QA QB "fc1" TOKENS ":1x24",
     QV_EFORMAT, "tensor 'fc1" TOKENS "': the model has no such table"},
    {CONFIG(",'trainable_token_indices':[3]"), QA QB "embed_tokens" TOKENS ":1x23",
     QV_EFORMAT, "tensor 'embed_tokens" TOKENS "': 1 x 23, but the model's is 1 x 24"},
    {CONFIG(",'trainable_token_indices':[61]"), QA QB "embed_tokens" TOKENS ":1x24",
     QV_EFORMAT, "tensor 'embed_tokens" TOKENS "': token 61, but the model has 61"},
    {CONFIG(",'trainable_token_indices':{'lm_head':[3]}"), QA QB "lm_head" TOKENS ":1x24",
     QV_EUNSUPPORTED,
     "tensor 'lm_head" TOKENS "': tokens of a head with a bias are not supported"},
    {CONFIG(",'bias':'all'"), QA QB "model.lm_head.bias:61 lm_head.bias:61", QV_EFORMAT,
     "tensor 'model.lm_head.bias': stands for the same as 'lm_head.bias'"},
    {CONFIG(""),
     "embed_tokens.lora_embedding_A:2x61 embed_tokens.lora_embedding_B:24x2 "
     "model.embed_tokens.lora_embedding_A:2x61 model.embed_tokens.lora_embedding_B:24x2",
     QV_EFORMAT,
     "tensor 'model.embed_tokens.lora_embedding_A': stands for the same as "
     "'embed_tokens.lora_embedding_A'"},
    {CONFIG(",'use_dora':true"),
     QA QB Q ".lora_magnitude_vector:24 " Q ".base_layer.weight:24x24", QV_EFORMAT,
     "tensor '" Q ".lora_magnitude_vector': element 0 is for an output of weight 0"},
    {CONFIG(",'use_dora':true"),
     "lm_head.lora_A.weight:2x24 lm_head.lora_B.weight:61x2 "
     "lm_head.lora_magnitude_vector:61 lm_head.base_layer.weight:61x24",
     QV_EFORMAT,
     "tensor 'lm_head.lora_magnitude_vector': element 0 is for an output of weight 0"},
    {CONFIG(",'use_dora':true"),
     "embed_tokens.lora_embedding_A:2x61 embed_tokens.lora_embedding_B:24x2 "
     "embed_tokens.lora_magnitude_vector:24 embed_tokens.base_layer.weight:61x24",
     QV_EFORMAT,
     "tensor 'embed_tokens.lora_magnitude_vector': element 0 is for an output of weight 0"},
};

/* Read the adapter from memory and do with it what opening one from a directory does. */
static qv_status bind(const qv_model *m, const char *config, const char *tensors,
                      qv_err *err)
{
    struct qv_st st;
    struct qv_adapter *a;
    struct qv_adapted *x = NULL;
    struct qv_bank *bank = NULL;
    char *bytes = make_tensors(&st, tensors, 0), *json = strdup(config);
    assert_non_null(json);
    for (char *q = json; *q; q++)
        *q = *q == '\'' ? '"' : *q;
    const struct qv_peft_files files = {json, strlen(json), &st};
    assert_works(qv__peft_parse_adapter(&a, "law", files, &m->sites, err), err);
    assert_works(qv__bank_new(&bank, &m->sites, &a->expert, 1, err), err);
    qv_status result = qv__adapted_new(&x, m, a, err);
    if (!result)
        result = qv__adapted_gains(bank, x, a, err);
    qv__bank_free(bank);
    qv__adapted_free(x);
    qv__adapter_free(a);
    qv__st_close(&st);
    free(bytes);
    free(json);
    return result;
}

static void an_adapter_of_another_model_is_refused_by_tensor(void **state)
{
    (void)state;
    qv_model *m = opened("tests/golden/families/phi");
    for (size_t i = 0; i < QV_COUNT(foreign); i++) {
        qv_err err = {0};
        assert_int_equal(bind(m, foreign[i].config, foreign[i].tensors, &err),
                         foreign[i].code);
        assert_string_equal(err.msg, foreign[i].says);
    }
    qv_model_close(m);
}

static void of_modules_to_save_only_what_the_model_has_must_be_there(void **state)
{
    (void)state;
    // What PEFT adds of its own where a model has a classifier.
    qv_model *m = opened("tests/golden/families/phi");
    qv_err err = {0};
    assert_works(bind(m, CONFIG(",'modules_to_save':['classifier','score']"), QA QB, &err),
                 &err);
    qv_model_close(m);
}

static void the_model_itself_stays_as_it_was(void **state)
{
    (void)state;
    qv_model *m = opened("tests/golden/families/gpt2");
    const struct qv_weight head = m->head.w, embed = m->embed;
    int ids[16];
    size_t n = golden_ids(ids, 16, GOLDEN "ids.json", "ids");
    float *before = logits_of(m, NULL, ids, n);
    free(adapted_logits(m, GOLDEN "gpt2/saved", ids, n));
    free(adapted_logits(m, GOLDEN "gpt2/tables", ids, n));
    float *after = logits_of(m, NULL, ids, n);
    assert_memory_equal(before, after, n * m->c.V * sizeof *before);
    assert_memory_equal(&head, &m->head.w, sizeof head);
    assert_memory_equal(&embed, &m->embed, sizeof embed);
    free(before);
    free(after);
    qv_model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_feature_gives_pefts_logits_on_every_shape),
        cmocka_unit_test(decoding_with_the_cache_gives_them_token_by_token),
        cmocka_unit_test(scoring_uses_all_that_an_adapter_holds),
        cmocka_unit_test_setup_teardown(
            an_expert_is_written_bit_for_bit_and_more_is_not_read_as_one, make_scratch,
            remove_scratch),
        cmocka_unit_test(an_adapter_of_another_model_is_refused_by_tensor),
        cmocka_unit_test(of_modules_to_save_only_what_the_model_has_must_be_there),
        cmocka_unit_test(the_model_itself_stays_as_it_was),
        cmocka_unit_test(on_a_gguf_file_an_adapter_computes_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
