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

static qv_model *open_model(const char *path)
{
    qv_model *m;
    qv_err err = {0};
    const qv_model_opts opts = {.compute = QV_COMPUTE_F32};
    assert_works(qv_model_open(&m, path, &opts, &err), &err);
    return m;
}

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
        struct pair p = {.model = model, .m = open_model(path)};
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

static void assert_same_file(const char *made, const char *want)
{
    struct qv_map a, b;
    qv_err err = {0};
    assert_works(qv__map(&a, made, &err), &err);
    assert_works(qv__map(&b, want, &err), &err);
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.bytes, b.bytes, b.size);
    qv__unmap(&a);
    qv__unmap(&b);
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
    assert_same_file(made, want);
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
            qv_model *m = open_model(path);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_feature_gives_pefts_logits_on_every_shape),
        cmocka_unit_test(decoding_with_the_cache_gives_them_token_by_token),
        cmocka_unit_test(scoring_uses_all_that_an_adapter_holds),
        cmocka_unit_test_setup_teardown(
            an_expert_is_written_bit_for_bit_and_more_is_not_read_as_one, make_scratch,
            remove_scratch),
        cmocka_unit_test(on_a_gguf_file_an_adapter_computes_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
