/* Every model family against transformers and PEFT: logits, gradients of a LoRA and of all
 * weights, an adapter's logits, and greedy decoding from the cache.
 *
 * tests/golden/recipes/families.py wrote the models; each has random biases and norms, so
 * that whatever is left out shows.
 */
#include "base/file.h"
#include "base/json.h"
#include "lora/peft.h"
#include "model/decoder.h"
#include "model/layout.h"
#include "model/reuse.h"
#include "support/golden.h"
#include "support/near.h"
#include "support/scratch.h"
#include "support/tiny.h"
#include "train/objective.h"

#include <quiver/session.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAMILIES "tests/golden/families/"

static const char *const cases[] = {
    "llama_biased",
    "llama_linear",
    "mistral",
    "qwen2",
    "qwen3",
    "phi",
    "phi_square",
    "stablelm",
    "stablelm_parallel",
    "gpt_neox",
    "gpt_neox_sequential",
    "gpt2",
    "gpt_neo",
};

static const char *path_of(const char *name, const char *file)
{
    static char path[4][160];
    static size_t turn;
    char *p = path[turn++ % 4];
    snprintf(p, sizeof path[0], FAMILIES "%s%s%s", name, *file ? "/" : "", file);
    return p;
}

static qv_model *open_model(const char *name, bool trainable)
{
    qv_model *m;
    qv_err err = {0};
    const qv_model_opts opts = {.compute = QV_COMPUTE_F32, .trainable = trainable};
    assert_works(qv_model_open(&m, path_of(name, ""), &opts, &err), &err);
    return m;
}

static void check_logits(const qv_model *m, const char *name, const char *which)
{
    char key[16], tensor[16];
    int ids[64];
    snprintf(key, sizeof key, "ids_%s", which);
    snprintf(tensor, sizeof tensor, "logits_%s", which);
    size_t n = golden_ids(ids, 64, path_of(name, "expect.json"), key);
    float *want = golden_tensor(NULL, path_of(name, "expect.safetensors"), tensor);
    float *got = logits_of(m, NULL, ids, n);
    assert_close_to_scale(got, want, n * m->c.V, 1e-4);
    free(got);
    free(want);
}

static void logits_are_those_of_transformers(void **state)
{
    (void)state;
    for (size_t i = 0; i < QV_COUNT(cases); i++) {
        qv_model *m = open_model(cases[i], false);
        check_logits(m, cases[i], "a");
        check_logits(m, cases[i], "b");
        qv_model_close(m);
    }
}

static void phi_2s_first_files_compute_what_its_later_ones_do(void **state)
{
    (void)state;
    qv_model *m = open_model("phi_msft", false);
    check_logits(m, "phi_square", "a");
    check_logits(m, "phi_square", "b");
    qv_model_close(m);
}

static void decoding_from_the_cache_gives_the_logits_of_the_whole_pass(void **state)
{
    (void)state;
    for (size_t i = 0; i < QV_COUNT(cases); i++) {
        qv_model *m = open_model(cases[i], false);
        qv_session *s;
        qv_err err = {0};
        int ids[64], greedy[64];
        size_t n = golden_ids(ids, 64, path_of(cases[i], "expect.json"), "ids_a");
        size_t n_greedy =
            golden_ids(greedy, 64, path_of(cases[i], "expect.json"), "greedy");
        memcpy(ids + n, greedy, n_greedy * sizeof *ids);
        float *whole = logits_of(m, NULL, ids, n + n_greedy);
        assert_works(qv_session_new(&s, m, NULL, 0, &err), &err);
        for (size_t j = n; j <= n + n_greedy; j++) { // the prompt at once, then one by one
            assert_works(qv_session_sync(s, ids, j, &err), &err);
            const float *got = qv_session_logits(s), *want = whole + (j - 1) * m->c.V;
            assert_close_to_scale(got, want, m->c.V, 1e-5);
            size_t best = 0;
            for (size_t v = 1; v < m->c.V; v++)
                best = got[v] > got[best] ? v : best;
            if (j < n + n_greedy)
                assert_int_equal(best, greedy[j - n]);
        }
        qv_session_free(s);
        free(whole);
        qv_model_close(m);
    }
}

/* The loss of families/batch.json and its gradient: o->g. */
static double gradient(struct qv_objective *o, const struct qv_objective_of *of)
{
    struct golden_batch b;
    double loss;
    qv_err err = {0};
    golden_batch(&b, FAMILIES "batch.json");
    assert_works(qv__objective_init(o, of, 12, 16, 2, &err), &err);
    assert_works(qv__loss_gradient(&loss, o, b.list, 3, (struct qv_dropout){0}, &err),
                 &err);
    return loss;
}

static double number(const char *name, const char *key)
{
    json_t *all;
    qv_err err = {0};
    assert_works(qv__json_read(&all, path_of(name, "expect.json"), 1 << 20, &err), &err);
    double x = json_number_value(json_object_get(all, key));
    json_decref(all);
    return x;
}

static struct qv_expert *adapter(const qv_model *m, const char *name)
{
    struct qv_expert *e;
    qv_err err = {0};
    assert_works(qv__peft_read(&e, path_of(name, "adapter"), &m->sites, &err), &err);
    return e;
}

static void a_loras_gradients_are_those_of_peft(void **state)
{
    (void)state;
    for (size_t i = 0; i < QV_COUNT(cases); i++) {
        qv_model *m = open_model(cases[i], false);
        struct qv_expert *e = adapter(m, cases[i]);
        struct qv_objective o;
        double loss = gradient(&o, &(struct qv_objective_of){.m = m, .expert = e});
        assert_float_equal(loss, number(cases[i], "lora_loss"), 1e-5);
        assert_int_equal(e->n_sites, m->sites.n);
        for (size_t j = 0; j < e->n_sites; j++) {
            const struct qv_expert_site *s = &e->site[j];
            const float *const got[] = {o.g + (s->A - e->w), o.g + (s->B - e->w)};
            for (size_t k = 0; k < 2; k++) {
                char key[160];
                size_t n;
                snprintf(key, sizeof key, "base_model.model.%s.lora_%c.weight", s->path,
                         "AB"[k]);
                float *want =
                    golden_tensor(&n, path_of(cases[i], "lora_grads.safetensors"), key);
                assert_close_to_scale(got[k], want, n, 1e-3);
                free(want);
            }
        }
        qv__objective_end(&o);
        qv__expert_free(e);
        qv_model_close(m);
    }
}

static void an_adapters_logits_are_those_of_peft(void **state)
{
    (void)state;
    for (size_t i = 0; i < QV_COUNT(cases); i++) {
        qv_model *m = open_model(cases[i], false);
        qv_reuse *r;
        struct qv_update u;
        struct golden_batch b;
        qv_err err = {0};
        golden_batch(&b, FAMILIES "batch.json");
        const qv_reuse_opts who = {.adapter = path_of(cases[i], "adapter")};
        assert_works(qv_reuse_open(&r, m, &who, &err), &err);
        assert_works(qv__reuse_update(&u, r, NULL, 12, &err), &err);
        float *got = logits_of(m, &u, b.s[1].ids, b.s[1].n);
        float *want =
            golden_tensor(NULL, path_of(cases[i], "adapted.safetensors"), "logits");
        assert_close_to_scale(got, want, b.s[1].n * m->c.V, 1e-4);
        free(got);
        free(want);
        qv__update_end(&u);
        qv_reuse_close(r);
        qv_model_close(m);
    }
}

struct comparison {
    const char *name;
    const qv_model *m;
    const float *g;
    size_t n;
};

/* The gradient with all activations kept, and with those of each layer computed again. */
static void layers_computed_again_change_no_bit_of_a_gradient(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * QV_COUNT(cases); i++) {
        const bool full = i % 2;
        qv_model *m = open_model(cases[i / 2], full);
        struct qv_expert *e = full ? NULL : adapter(m, cases[i / 2]);
        struct qv_objective kept, again;
        double loss =
            gradient(&kept, &(struct qv_objective_of){.m = m, .expert = e, .full = full});
        struct qv_objective_of tight = {.m = m, .expert = e, .full = full, .memory = 1};
        assert_true(loss == gradient(&again, &tight));
        assert_memory_equal(kept.g, again.g, kept.n * sizeof *kept.g);
        struct qv_acts a;
        qv_err err = {0};
        assert_works(qv__acts_init(&a, m, 8, 8, 8, tight.memory, 2, &err), &err);
        assert_int_equal(a.n_again, m->c.L);
        qv__acts_end(&a);
        qv__objective_end(&kept);
        qv__objective_end(&again);
        qv__expert_free(e);
        qv_model_close(m);
    }
}

/* The golden gradient, turned if the file has the weight turned. */
static qv_status compare(void *arg, const char *name, struct qv_weight *w, qv_err *err)
{
    (void)err;
    struct comparison *c = arg;
    size_t n;
    float *want = golden_tensor(&n, path_of(c->name, "full_grads.safetensors"), name);
    const float *got = c->g + (w->f32 - c->m->own);
    assert_int_equal(n, w->D_out * w->D_in);
    float *turned = malloc(n * sizeof *turned);
    assert_non_null(turned);
    for (size_t o = 0; o < w->D_out; o++)
        for (size_t i = 0; i < w->D_in; i++)
            turned[o * w->D_in + i] =
                want[w->is_turned ? i * w->D_out + o : o * w->D_in + i];
    float largest = 0;
    for (size_t i = 0; i < n; i++)
        largest = fmaxf(largest, fabsf(turned[i]));
    assert_close(got, turned, n, 1e-3 * (double)largest + 1e-7, 0); // a key's bias has none
    free(turned);
    free(want);
    c->n++;
    return QV_OK;
}

static void all_weights_gradients_are_those_of_pytorch(void **state)
{
    (void)state;
    for (size_t i = 0; i < QV_COUNT(cases); i++) {
        qv_model *m = open_model(cases[i], true);
        struct qv_objective o;
        qv_err err = {0};
        double loss = gradient(&o, &(struct qv_objective_of){.m = m, .full = true});
        assert_float_equal(loss, number(cases[i], "loss"), 1e-5);
        struct comparison c = {cases[i], m, o.g, 0};
        assert_works(qv__model_each(m, compare, &c, &err), &err);
        assert_true(c.n > 10);
        qv__objective_end(&o);
        qv_model_close(m);
    }
}

static void a_model_written_is_the_model_read(void **state)
{
    for (size_t i = 0; i < QV_COUNT(cases); i++) {
        qv_model *m = open_model(cases[i], true), *again;
        qv_err err = {0};
        const char *dir = scratch_path(state, cases[i]);
        assert_works(qv__make_dir(dir, &err), &err);
        assert_works(qv__model_write(m, dir, QV_F32, &err), &err);
        const qv_model_opts opts = {.compute = QV_COMPUTE_F32};
        assert_works(qv_model_open(&again, dir, &opts, &err), &err);
        check_logits(again, cases[i], "b");
        assert_string_equal(qv_model_identity(again), qv_model_identity(m));
        qv_model_close(again);
        qv_model_close(m);
    }
}

/* A config.json without its braces, and what is said of it. */
static const struct {
    const char *json;
    qv_status status;
    const char *says;
} refused[] = {
    {"'model_type':'bert'", QV_EUNSUPPORTED,
     "model_type 'bert' is not supported (gpt2, gpt_neo, gpt_neox, llama, mistral, phi, "
     "phi-msft, qwen2, qwen3 and stablelm are)"},
#define GPT2                                                                               \
    "'model_type':'gpt2','n_embd':24,'n_layer':2,'n_head':3,'vocab_size':61,'n_positions'" \
    ":32,"
    {GPT2 "'activation_function':'mish'", QV_EUNSUPPORTED,
     "activation_function 'mish' is not supported"},
    {GPT2 "'scale_attn_by_inverse_layer_idx':true", QV_EUNSUPPORTED,
     "'scale_attn_by_inverse_layer_idx' is not supported"},
    {GPT2 "'layer_norm_epsilon':-1", QV_EFORMAT,
     "the norms' epsilon is not a number from 0 on"},
#define NEO                                                                                \
    "'model_type':'gpt_neo','hidden_size':24,'num_layers':4,'num_heads':3,'vocab_size':"   \
    "61,"                                                                                  \
    "'max_position_embeddings':32,"
    {NEO "'attention_types':[[['global','local'],1]]", QV_EFORMAT,
     "'attention_types' names 2 of 4 layers"},
    {NEO "'attention_types':[[['global','far'],2]]", QV_EUNSUPPORTED,
     "'attention_types': 'far' is not supported"},
    {NEO "'attention_types':[[[7],4]]", QV_EUNSUPPORTED,
     "'attention_types': '(not a string)' is not supported"},
#define QWEN                                                                               \
    "'model_type':'qwen2','hidden_size':24,'num_hidden_layers':2,'num_attention_heads':4," \
    "'intermediate_size':36,'vocab_size':61,'max_position_embeddings':64,"                 \
    "'use_sliding_window':true,'sliding_window':3,"
    {QWEN "'layer_types':['full_attention']", QV_EFORMAT,
     "'layer_types' has 1 entries for 2 layers"},
    {QWEN "'layer_types':['full_attention','chunked_attention']", QV_EUNSUPPORTED,
     "'layer_types': 'chunked_attention' is not supported"},
    {QWEN "'layer_types':['full_attention',1]", QV_EUNSUPPORTED,
     "'layer_types': '(not a string)' is not supported"},
    {QWEN "'hidden_act':'gelu'", QV_EUNSUPPORTED, "hidden_act 'gelu' is not supported"},
    {"'model_type':'phi','qk_layernorm':true", QV_EUNSUPPORTED,
     "'qk_layernorm' is not supported"},
    {"'model_type':'phi-msft','n_embd':24,'n_layer':2,'n_head':4,'vocab_size':61,"
     "'n_positions':64,'rotary_dim':5",
     QV_EFORMAT, "5 of a head's 6 numbers cannot be rotated"},
    {"'model_type':'phi-msft','n_embd':24", QV_EFORMAT, "'n_layer' is missing or 0"},
};

static void what_a_family_cannot_do_is_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < QV_COUNT(refused); i++) {
        char json[512];
        struct qv_config c;
        qv_err err = {0};
        int n = snprintf(json, sizeof json, "{%s}", refused[i].json);
        for (char *q = json; *q; q++)
            *q = *q == '\'' ? '"' : *q;
        assert_fails(qv__config_parse(&c, json, (size_t)n, &err), refused[i].status, &err,
                     refused[i].says);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_are_those_of_transformers),
        cmocka_unit_test(phi_2s_first_files_compute_what_its_later_ones_do),
        cmocka_unit_test(decoding_from_the_cache_gives_the_logits_of_the_whole_pass),
        cmocka_unit_test(a_loras_gradients_are_those_of_peft),
        cmocka_unit_test(an_adapters_logits_are_those_of_peft),
        cmocka_unit_test(all_weights_gradients_are_those_of_pytorch),
        cmocka_unit_test(layers_computed_again_change_no_bit_of_a_gradient),
        cmocka_unit_test(what_a_family_cannot_do_is_refused_by_name),
        cmocka_unit_test_setup_teardown(a_model_written_is_the_model_read, make_scratch,
                                        remove_scratch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
