/* gguf_adapter_test.c - GGUF adapters: what llama.cpp's converter made of PEFT's is read
 * as what PEFT had, what we write is what it writes, and every lie has its sentence.
 * tests/golden/recipes/gguf_adapters.py made the files. */
#include "base/file.h"
#include "format/block_encode.h"
#include "lora/peft.h"
#include "model/gguf_adapter.h"
#include "model/reuse.h"
#include "support/experts.h"
#include "support/golden.h"
#include "support/scratch.h"
#include "support/tiny.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAMILIES "tests/golden/families/"
#define ADAPTERS "tests/golden/gguf/adapters/"

static const char *const cases[] = {
    "llama_biased", "mistral", "qwen2", "qwen3", "phi", "stablelm", "gpt_neox", "gpt2",
};

static const char *in(char room[128], const char *dir, const char *name, const char *end)
{
    snprintf(room, 128, "%s%s%s", dir, name, end);
    return room;
}

static qv_model *outline(const char *path)
{
    qv_model *m;
    qv_err err = {0};
    assert_works(qv__model_outline(&m, path, &err), &err);
    return m;
}

static struct qv_expert *adapter(const char *path, const qv_model *m)
{
    struct qv_expert *e;
    qv_err err = {0};
    assert_works(qv__adapter_read(&e, path, m, &err), &err);
    return e;
}

/* ---- what the converter wrote ---- */

static void assert_computes(const qv_model *m, const char *path,
                            const struct qv_sequence *s, const float *want, double bound)
{
    qv_reuse *r;
    struct qv_update u;
    qv_err err = {0};
    const qv_reuse_opts opts = {.adapter = path};
    assert_works(qv_reuse_open(&r, m, &opts, &err), &err);
    assert_works(qv__reuse_update(&u, r, NULL, s->n, &err), &err);
    float *got = logits_of(m, &u, s->ids, s->n);
    assert_close_to_scale(got, want, s->n * m->c.V, bound);
    free(got);
    qv__update_end(&u);
    qv_reuse_close(r);
}

static void a_converted_adapter_computes_what_it_does_in_peft(void **state)
{
    (void)state;
    struct golden_batch b;
    golden_batch(&b, FAMILIES "batch.json");
    for (size_t i = 0; i < QV_COUNT(cases); i++) {
        char room[128];
        print_message("%s\n", cases[i]);
        float *want = golden_tensor(
            NULL, in(room, FAMILIES, cases[i], "/adapted.safetensors"), "logits");
        qv_model *m = opened(in(room, FAMILIES, cases[i], ""));
        assert_computes(m, in(room, ADAPTERS, cases[i], ".gguf"), &b.s[1], want, 1e-4);
        qv_model_close(m);
        free(want);
    }
}

static void assert_same_expert(const struct qv_expert *got, const struct qv_expert *want)
{
    char a[65], b[65];
    assert_int_equal(got->n_sites, want->n_sites);
    for (size_t i = 0; i < want->n_sites; i++)
        assert_string_equal(got->site[i].path, want->site[i].path);
    assert_int_equal(got->n_w, want->n_w);
    assert_memory_equal(got->w, want->w, want->n_w * sizeof *want->w);
    qv__expert_hash(a, got);
    qv__expert_hash(b, want);
    assert_string_equal(a, b);
}

static void a_converted_adapter_is_peft_s_bit_for_bit(void **state)
{
    (void)state;
    for (size_t i = 0; i < QV_COUNT(cases); i++) {
        char room[128];
        print_message("%s\n", cases[i]);
        qv_model *m = outline(in(room, FAMILIES, cases[i], ""));
        struct qv_expert *want = adapter(in(room, FAMILIES, cases[i], "/adapter"), m);
        struct qv_expert *got = adapter(in(room, ADAPTERS, cases[i], ".gguf"), m);
        assert_same_expert(got, want);
        assert_string_equal(got->name, cases[i]);
        qv__expert_free(want);
        qv__expert_free(got);
        qv_model_close(m);
    }
}

static void halves_are_read_as_the_numbers_they_are(void **state)
{
    (void)state;
    qv_model *m = outline(FAMILIES "phi");
    struct qv_expert *want = adapter(ADAPTERS "phi.gguf", m);
    struct qv_expert *got = adapter(ADAPTERS "phi_f16.gguf", m);
    assert_close(got->w, want->w, want->n_w, 1e-7, 1.0 / 2048);
    qv__expert_free(want);
    qv__expert_free(got);
    qv_model_close(m);
}

/* ---- what we write ---- */

static void write_adapter(const struct qv_expert *e, const char *path, const qv_model *m)
{
    qv_err err = {0};
    assert_works(qv__gguf_adapter_write(e, NULL, path, m, &err), &err);
}

static void assert_same_tensors(const struct qv_gguf *got, const struct qv_gguf *want)
{
    assert_int_equal(got->n, want->n);
    for (size_t i = 0; i < want->n; i++) {
        const struct qv_gguf_tensor *w = &want->tensor[i], *t = qv__gguf_find(got, w->name);
        assert_non_null(t);
        assert_int_equal(t->type->id, w->type->id);
        assert_int_equal(t->rank, w->rank);
        assert_memory_equal(t->shape, w->shape, sizeof t->shape);
        assert_memory_equal(t->data, w->data, w->bytes);
    }
}

static void assert_same_text(const struct qv_gguf *a, const struct qv_gguf *b,
                             const char *key)
{
    assert_string_equal(qv__gguf_get(a, key)->text, qv__gguf_get(b, key)->text);
}

static void we_write_the_converter_s_tensors_bit_for_bit(void **state)
{
    const char *path = scratch_path(state, "w.gguf");
    for (size_t i = 0; i + 1 < QV_COUNT(cases); i++) {
        char room[128];
        struct qv_gguf got, want;
        float alpha = 0;
        qv_err err = {0};
        print_message("%s\n", cases[i]);
        qv_model *m = outline(in(room, FAMILIES, cases[i], ""));
        struct qv_expert *e = adapter(in(room, FAMILIES, cases[i], "/adapter"), m);
        write_adapter(e, path, m);
        assert_works(qv__gguf_open(&got, path, &err), &err);
        assert_works(qv__gguf_open(&want, in(room, ADAPTERS, cases[i], ".gguf"), &err),
                     &err);
        assert_same_tensors(&got, &want);
        assert_same_text(&got, &want, "general.architecture");
        assert_same_text(&got, &want, "general.type");
        assert_same_text(&got, &want, "adapter.type");
        assert_works(qv__gguf_float(&got, "adapter.lora.alpha", &alpha, &err), &err);
        assert_true(alpha == 6);
        qv__gguf_close(&got);
        qv__gguf_close(&want);
        qv__expert_free(e);
        qv_model_close(m);
    }
}

/* llama.cpp refuses what its converter makes of GPT-2: A and B as they are for Conv1D's
 * turned matrices. Ours are for the matrices as llama.cpp has them. */
static void gpt_2_is_written_as_llama_cpp_multiplies_it(void **state)
{
    const char *path = scratch_path(state, "w.gguf");
    struct qv_gguf got, turned;
    qv_err err = {0};
    qv_model *m = outline(FAMILIES "gpt2");
    struct qv_expert *e = adapter(FAMILIES "gpt2/adapter", m), *again;
    write_adapter(e, path, m);
    assert_works(qv__gguf_open(&got, path, &err), &err);
    assert_works(qv__gguf_open(&turned, ADAPTERS "gpt2.gguf", &err), &err);
    const struct qv_gguf_tensor *A = qv__gguf_find(&got, "blk.1.ffn_up.weight.lora_a");
    const struct qv_gguf_tensor *B = qv__gguf_find(&turned, "blk.1.ffn_up.weight.lora_b");
    const float *a = A->data, *b = B->data;
    assert_int_equal(A->shape[0], 3);
    assert_int_equal(A->shape[1], 24);
    assert_int_equal(B->shape[0], 24);
    for (size_t r = 0; r < 3; r++)
        for (size_t k = 0; k < 24; k++)
            assert_true(a[r * 24 + k] == b[k * 3 + r]);
    again = adapter(path, m);
    assert_same_expert(again, e);
    qv__gguf_close(&got);
    qv__gguf_close(&turned);
    qv__expert_free(e);
    qv__expert_free(again);
    qv_model_close(m);
}

/* The model as its GGUF file, and as a config.json with nothing beside it. */
static void the_model_s_numbers_are_enough(void **state)
{
    struct qv_map config, mine, other;
    qv_err err = {0};
    qv_model *m = opened(FAMILIES "gpt_neox");
    struct qv_expert *e = adapter(FAMILIES "gpt_neox/adapter", m);
    write_adapter(e, scratch_path(state, "w.gguf"), m);
    assert_works(qv__map(&config, FAMILIES "gpt_neox/config.json", &err), &err);
    assert_works(qv__make_dir(scratch_path(state, "bare"), &err), &err);
    assert_works(qv__write_file(scratch_path(state, "bare/config.json"), config.bytes,
                                config.size, &err),
                 &err);
    const char *const models[] = {scratch_path(state, "bare"),
                                  "tests/golden/gguf/families/gpt_neox.gguf"};
    assert_works(qv__map(&mine, scratch_path(state, "w.gguf"), &err), &err);
    for (size_t i = 0; i < QV_COUNT(models); i++) {
        qv_model *bare = outline(models[i]);
        assert_int_equal(qv_model_sites(bare), qv_model_sites(m));
        write_adapter(e, scratch_path(state, "o.gguf"), bare);
        assert_works(qv__map(&other, scratch_path(state, "o.gguf"), &err), &err);
        assert_int_equal(other.size, mine.size);
        assert_memory_equal(other.bytes, mine.bytes, mine.size);
        qv__unmap(&other);
        qv_model_close(bare);
    }
    qv__unmap(&mine);
    qv__unmap(&config);
    qv__expert_free(e);
    qv_model_close(m);
}

static void names_and_tasks_go_along(void **state)
{
    const char *path = scratch_path(state, "law.gguf");
    struct qv_gguf_lora l;
    qv_err err = {0};
    qv_model *m = outline(FAMILIES "phi");
    struct qv_expert *e = adapter(FAMILIES "phi/adapter", m);
    e->base = "microsoft/phi-2";
    assert_works(qv__gguf_adapter_write(e, "contracts", path, m, &err), &err);
    struct qv_expert *again = adapter(path, m);
    assert_string_equal(again->name, "law");
    assert_string_equal(again->base, "microsoft/phi-2");
    assert_works(qv__gguf_lora_open(&l, path, &err), &err);
    assert_string_equal(l.task, "contracts");
    qv__gguf_lora_close(&l);
    qv__expert_free(again);
    qv__expert_free(e);
    qv_model_close(m);
}

/* ---- scales ---- */

/* PEFT's own logits of an adapter with patterns of ranks and alphas, by the square root. */
static void many_scales_become_one_alpha(void **state)
{
    static const char *const names[] = {"patterns", "patterns_rslora", "rslora"};
    const char *path = scratch_path(state, "s.gguf");
    int ids[64];
    size_t n = golden_ids(ids, 64, "tests/golden/peft/ids.json", "ids");
    const struct qv_sequence s = {.ids = ids, .n = n};
    qv_model *m = opened("tests/golden/llama/gqa_untied");
    for (size_t i = 0; i < QV_COUNT(names); i++) {
        char room[128];
        struct qv_expert *e = adapter(in(room, "tests/golden/peft/", names[i], ""), m);
        write_adapter(e, path, m);
        float *want = golden_tensor(
            NULL, in(room, "tests/golden/peft/", names[i], "/expect.safetensors"),
            "logits");
        assert_computes(m, path, &s, want, 1e-4);
        qv__expert_free(e);
        free(want);
    }
    qv_model_close(m);
}

/* At alpha 6 the first two have their scale of 2, the third a quarter of 2, and the
 * fourth, of rank 4, 2/9 of 3/2. */
static void powers_of_two_are_exact_and_the_rest_is_rounded_once(void **state)
{
    static const size_t ranks[] = {3, 3, 3, 4};
    static const float scales[] = {2, 2, 0.5f, 1.0f / 3};
    const char *path = scratch_path(state, "s.gguf");
    struct qv_expert_shape shape[4];
    struct qv_gguf_lora l;
    qv_err err = {0};
    qv_model *m = outline(FAMILIES "phi");
    for (size_t i = 0; i < 4; i++) {
        const struct qv_site *s = &m->sites.at[i];
        shape[i] = (struct qv_expert_shape){s->path, s->D_in, s->D_out, ranks[i],
                                            scales[i] * (float)ranks[i]};
    }
    struct qv_expert *e = expert_drawn("s", shape, 4, 9);
    for (size_t i = 0; i < 4; i++)
        e->site[i].scale = scales[i];
    write_adapter(e, path, m);
    assert_works(qv__gguf_lora_open(&l, path, &err), &err);
    assert_true(l.alpha == 6);
    qv__gguf_lora_close(&l);
    struct qv_expert *got = adapter(path, m);
    for (size_t i = 0; i < 4; i++) {
        const struct qv_expert_site *s = &got->site[i], *w = &e->site[i];
        assert_memory_equal(s->A, w->A, s->R * s->D_in * sizeof *s->A);
        for (size_t k = 0; k < s->R * s->D_out; k++) {
            double is = (double)s->scale * (double)s->B[k];
            double was = (double)w->scale * (double)w->B[k];
            assert_true(i < 3 ? is == was : fabs(is - was) <= fabs(was) * 0x1p-24);
        }
    }
    qv__expert_free(e);
    qv__expert_free(got);
    qv_model_close(m);
}

static void the_alpha_is_the_one_that_most_sites_have(void **state)
{
    (void)state;
    const float alpha[] = {16, 5, 16, 0}, scale[] = {16.0f / 3, 1, 16.0f / 3, 0};
    const size_t R[] = {3, 5, 3, 2};
    assert_true(qv__gguf_lora_alpha(alpha, scale, R, 4) == 16);
    // One site each: 8 leaves the last a power of two away, and 3 neither of the others.
    const float three[] = {3, 8, 16}, their[] = {1, 2, 4};
    const size_t ranks[] = {3, 4, 4};
    assert_true(qv__gguf_lora_alpha(three, their, ranks, 3) == 8);
    // By a square root, alpha / R is not the scale; scale * R is.
    const float root[] = {6}, rooted[] = {3};
    assert_true(qv__gguf_lora_alpha(root, rooted, ranks + 1, 1) == 12);
    // A scale of 0 must not become the alpha that means 1.
    assert_true(qv__gguf_lora_alpha(alpha + 3, scale + 3, R + 3, 1) == 1);
    assert_true(qv__gguf_lora_scale(0, 7) == 1);
    assert_true(qv__gguf_lora_scale(7, 2) == 3.5f);
}

/* ---- files made here ---- */

/* A file of values and tensors "name:2x3[:TYPE] ...", whose bytes are all `fill`. */
struct made {
    const char *drop, *set[2]; // a value's key; a key and its text
    const char *number, *list; // keys that get 1, and a list of 1
    float alpha;
    int fill;
    const char *tensors;
};

#define Q0   "blk.0.attn_q.weight"
#define GOOD Q0 ".lora_a:2x24 " Q0 ".lora_b:24x2"

static void put_values(struct qv_gguf_meta *meta, const struct made *f)
{
    static const char *const usual[][2] = {
        {"general.architecture", "phi2"},
        {"general.type", "adapter"},
        {"adapter.type", "lora"},
    };
    for (size_t i = 0; i < QV_COUNT(usual); i++)
        if ((!f->drop || strcmp(f->drop, usual[i][0]) != 0) &&
            (!f->set[0] || strcmp(f->set[0], usual[i][0]) != 0))
            qv__gguf_put_str(meta, usual[i][0], usual[i][1]);
    if (f->set[0])
        qv__gguf_put_str(meta, f->set[0], f->set[1]);
    if (f->number)
        qv__gguf_put_u32(meta, f->number, 1);
    if (f->list)
        qv__gguf_put_i32s(meta, f->list, &(int32_t){1}, 1);
    if (!f->number || strcmp(f->number, "adapter.lora.alpha") != 0)
        qv__gguf_put_f32(meta, "adapter.lora.alpha", f->alpha);
}

static void make(const char *path, const struct made *f)
{
    static char data[1 << 14];
    struct qv_gguf_meta meta = {0};
    struct qv_gguf_tensor_out t[8];
    char *list = strdup(f->tensors ? f->tensors : GOOD), *save = NULL;
    size_t n = 0;
    qv_err err = {0};
    memset(data, f->fill, sizeof data);
    put_values(&meta, f);
    for (char *name = strtok_r(list, " ", &save); name; name = strtok_r(NULL, " ", &save)) {
        char *shape = strchr(name, ':'), *type = strchr(shape + 1, ':');
        *shape++ = '\0';
        t[n] = (struct qv_gguf_tensor_out){.name = name,
                                           .type = type ? qv__block_named(type + 1)
                                                        : qv__block(QV_BLOCK_F32),
                                           .data = data};
        for (char *at = shape; at; at = strchr(at, 'x') ? strchr(at, 'x') + 1 : NULL)
            t[n].shape[t[n].rank++] = strtoul(at, NULL, 10);
        n++;
    }
    assert_works(qv__gguf_write(path, &meta, t, n, NULL, NULL, &err), &err);
    qv__gguf_meta_free(&meta);
    free(list);
}

static const struct {
    struct made file;
    qv_status code;
    const char *says;
} file_lies[] = {
    {{.drop = "general.type"}, QV_EFORMAT, "'general.type' is missing"},
    {{.set = {"general.type", "model"}},
     QV_EFORMAT,
     "'general.type' is 'model', not 'adapter'"},
    {{.drop = "general.architecture"}, QV_EFORMAT, "'general.architecture' is missing"},
    {{.drop = "adapter.type"}, QV_EFORMAT, "'adapter.type' is missing"},
    {{.set = {"adapter.type", "control_vector"}},
     QV_EUNSUPPORTED,
     "'adapter.type' is 'control_vector', which is not supported, lora is"},
    {{.number = "adapter.lora.rslora"},
     QV_EUNSUPPORTED,
     "unknown key 'adapter.lora.rslora' is set"},
    {{.list = "adapter.alora.invocation_tokens"},
     QV_EUNSUPPORTED,
     "'adapter.alora.invocation_tokens' is set, and an adapter that acts only after some "
     "tokens is not supported"},
    {{.set = {"adapter.lora.prompt_prefix", "query: "}},
     QV_EUNSUPPORTED,
     "'adapter.lora.prompt_prefix' is set, and an adapter whose prompts begin with a text "
     "of its own is not supported"},
    {{.alpha = NAN}, QV_EFORMAT, "'adapter.lora.alpha' is not finite"},
    {{.tensors = ""}, QV_EFORMAT, "no tensors"},
    {{.tensors = Q0 ":2x3"}, QV_EFORMAT, "tensor '" Q0 "': not a LoRA's A or B"},
    {{.tensors = GOOD " blk.0.attn_norm.weight:24"},
     QV_EUNSUPPORTED,
     "tensor 'blk.0.attn_norm.weight': a trained norm is not supported"},
    {{.tensors = Q0 ".lora_a:2x24"},
     QV_EFORMAT,
     "tensor '" Q0 ".lora_a': its lora_b is missing"},
    {{.tensors = Q0 ".lora_b:24x2"},
     QV_EFORMAT,
     "tensor '" Q0 ".lora_b': its lora_a is missing"},
    {{.tensors = Q0 ".lora_a:4x2x24 " Q0 ".lora_b:24x2"},
     QV_EUNSUPPORTED,
     "tensor '" Q0 ".lora_a': 3 dimensions, and only matrices are supported"},
    {{.tensors = Q0 ".lora_a:2x24 " Q0 ".lora_b:24"},
     QV_EUNSUPPORTED,
     "tensor '" Q0 ".lora_b': 1 dimensions, and only matrices are supported"},
    {{.tensors = Q0 ".lora_a:2x24:I8 " Q0 ".lora_b:24x2"},
     QV_EUNSUPPORTED,
     "tensor '" Q0 ".lora_a': type I8 is not supported"},
    {{.tensors = Q0 ".lora_a:2x0 " Q0 ".lora_b:24x2"},
     QV_EFORMAT,
     "tensor '" Q0 ".lora_a': an empty matrix"},
    {{.tensors = Q0 ".lora_a:2x24 " Q0 ".lora_b:24x3"},
     QV_EFORMAT,
     "tensor '" Q0 ".lora_a': rank 2, but its lora_b has 3"},
};

static void each_lie_of_a_file_has_its_sentence(void **state)
{
    const char *path = scratch_path(state, "lie.gguf");
    for (size_t i = 0; i < QV_COUNT(file_lies); i++) {
        struct qv_gguf_lora l;
        qv_err err = {0};
        make(path, &file_lies[i].file);
        assert_int_equal(qv__gguf_lora_open(&l, path, &err), file_lies[i].code);
        assert_string_equal(strstr(err.msg, "lie.gguf: ") + strlen("lie.gguf: "),
                            file_lies[i].says);
    }
}

static const struct {
    struct made file;
    const char *model;
    qv_status code;
    const char *says;
} model_lies[] = {
    {{0}, "gpt_neo", QV_EUNSUPPORTED, "GGUF has no architecture for model_type 'gpt_neo'"},
    {{0}, "qwen2", QV_EFORMAT, "architecture 'phi2', but the model's is 'qwen2'"},
    {{.tensors = "blk.2.attn_q.weight.lora_a:2x24 blk.2.attn_q.weight.lora_b:24x2"},
     "phi",
     QV_EFORMAT,
     "tensor 'blk.2.attn_q.weight.lora_a': the model has no such map"},
    {{.tensors = "token_embd.weight.lora_a:61x2 token_embd.weight.lora_b:24x61"},
     "phi",
     QV_EUNSUPPORTED,
     "tensor 'token_embd.weight.lora_a': adapted embeddings are not supported"},
    {{.tensors = "output.weight.lora_a:2x24 output.weight.lora_b:61x2"},
     "phi",
     QV_EUNSUPPORTED,
     "tensor 'output.weight.lora_a': an adapted head is not supported"},
    {{.tensors = Q0 ".lora_a:2x23 " Q0 ".lora_b:24x2"},
     "phi",
     QV_EFORMAT,
     "tensor '" Q0 ".lora_a': 23 inputs, but the model's site has 24"},
    {{.tensors = Q0 ".lora_a:2x24 " Q0 ".lora_b:25x2"},
     "phi",
     QV_EFORMAT,
     "tensor '" Q0 ".lora_b': 25 outputs, but the model's site has 24"},
    {{.fill = 0xff}, "phi", QV_EFORMAT, "tensor '" Q0 ".lora_a': element 0 is not finite"},
};

static void each_lie_about_a_model_has_its_sentence(void **state)
{
    const char *path = scratch_path(state, "lie.gguf");
    for (size_t i = 0; i < QV_COUNT(model_lies); i++) {
        struct qv_expert *e;
        char room[128];
        qv_err err = {0};
        qv_model *m = outline(in(room, FAMILIES, model_lies[i].model, ""));
        make(path, &model_lies[i].file);
        assert_int_equal(qv__adapter_read(&e, path, m, &err), model_lies[i].code);
        assert_string_equal(strstr(err.msg, "lie.gguf: ") + strlen("lie.gguf: "),
                            model_lies[i].says);
        assert_null(e);
        qv_model_close(m);
    }
}

static void an_alpha_of_0_means_a_scale_of_1(void **state)
{
    const char *path = scratch_path(state, "a.gguf");
    qv_model *m = outline(FAMILIES "phi");
    make(path, &(struct made){.alpha = 0});
    struct qv_expert *e = adapter(path, m);
    assert_true(e->site[0].scale == 1);
    qv__expert_free(e);
    make(path, &(struct made){.alpha = 3});
    e = adapter(path, m);
    assert_true(e->site[0].scale == 1.5f);
    qv__expert_free(e);
    qv_model_close(m);
}

/* llama.cpp's converter keeps the base as an address. */
static void the_base_is_told_by_its_address(void **state)
{
    static const char *const urls[][2] = {
        {"https://huggingface.co/microsoft/phi-2", "microsoft/phi-2"},
        {"https://example.org/phi-2", NULL},
    };
    const char *path = scratch_path(state, "b.gguf");
    for (size_t i = 0; i < QV_COUNT(urls); i++) {
        struct qv_gguf_lora l;
        qv_err err = {0};
        make(path, &(struct made){.set = {"general.base_model.0.repo_url", urls[i][0]}});
        assert_works(qv__gguf_lora_open(&l, path, &err), &err);
        assert_true(!l.base == !urls[i][1]);
        assert_string_equal(l.base ? l.base : "", urls[i][1] ? urls[i][1] : "");
        qv__gguf_lora_close(&l);
    }
}

/* A file of GPT-2 that has a map as it is and a map turned fits neither way. */
static void half_a_file_is_not_turned(void **state)
{
    const char *path = scratch_path(state, "half.gguf");
    struct qv_expert *e;
    qv_err err = {0};
    qv_model *m = outline(FAMILIES "gpt2");
    make(path, &(struct made){.set = {"general.architecture", "gpt2"},
                              .tensors = "blk.0.ffn_up.weight.lora_a:2x96 "
                                         "blk.0.ffn_up.weight.lora_b:24x2 "
                                         "blk.1.ffn_up.weight.lora_a:2x24 "
                                         "blk.1.ffn_up.weight.lora_b:96x2"});
    assert_fails(qv__adapter_read(&e, path, m, &err), QV_EFORMAT, &err,
                 "tensor 'blk.0.ffn_up.weight.lora_a': 96 inputs, but the model's site has "
                 "24");
    qv_model_close(m);
}

/* A matrix in blocks, as the converter's q8_0 makes them. */
static void blocks_are_read_as_the_numbers_they_stand_for(void **state)
{
    const char *path = scratch_path(state, "q.gguf");
    const struct qv_block_type *q8 = qv__block(QV_BLOCK_Q8_0);
    qv_model *m = tiny_model(scratch_path(state, "m"), 3);
    const struct qv_site *s = &m->sites.at[0];
    float *A = normals(4 * s->D_in, 1), *B = normals(s->D_out * 4, 2), want[4 * 32];
    char blocks[4 * 64];
    struct qv_gguf_meta meta = {0};
    qv_err err = {0};
    assert_int_equal(s->D_in, 32);
    qv__block_encode(blocks, q8, A, 4 * s->D_in);
    qv__block_decode(want, q8, blocks, 4 * s->D_in);
    put_values(&meta, &(struct made){.set = {"general.architecture", "llama"}, .alpha = 8});
    const struct qv_gguf_tensor_out t[] = {
        {Q0 ".lora_a", q8, 2, {4, s->D_in}, blocks},
        {Q0 ".lora_b", qv__block(QV_BLOCK_F32), 2, {s->D_out, 4}, B}};
    assert_works(qv__gguf_write(path, &meta, t, 2, NULL, NULL, &err), &err);
    struct qv_expert *e = adapter(path, m);
    assert_string_equal(e->site[0].path, s->path);
    assert_memory_equal(e->site[0].A, want, sizeof want);
    qv__expert_free(e);
    qv__gguf_meta_free(&meta);
    free(A);
    free(B);
    qv_model_close(m);
}

/* ---- what cannot be written ---- */

static void refuses_to_write(const struct qv_expert *e, const qv_model *m, qv_status code,
                             const char *says)
{
    qv_err err = {0};
    assert_int_equal(qv__gguf_adapter_write(e, NULL, "/nowhere/x.gguf", m, &err), code);
    assert_string_equal(err.msg, says);
}

static void what_cannot_be_written_is_named(void **state)
{
    const char *path = scratch_path(state, "big.gguf");
    qv_err err = {0};
    qv_model *m = outline(FAMILIES "phi"), *neo = outline(FAMILIES "gpt_neo");
    const struct qv_site *s = m->sites.at;
    struct qv_expert_shape shape[] = {{s[0].path, 24, 24, 2, 2}, {s[1].path, 24, 12, 2, 2}};
    struct qv_expert *e = expert_drawn("law", shape, 2, 1);
    refuses_to_write(e, neo, QV_EUNSUPPORTED,
                     "expert 'law': GGUF has no architecture for model_type 'gpt_neo'");
    e->n_sites = 0;
    refuses_to_write(e, m, QV_EFORMAT, "expert 'law': adapts no site");
    e->n_sites = 2;
    e->site[1].path = "model.layers.0.x";
    refuses_to_write(e, m, QV_EFORMAT,
                     "expert 'law': the model has no site 'model.layers.0.x'");
    e->site[1].path = s[3].path;
    refuses_to_write(
        e, m, QV_EFORMAT,
        "expert 'law': site 'model.layers.0.self_attn.dense': 24 inputs and 12 "
        "outputs, but the model's has 24 and 24");
    e->site[1].path = s[1].path;
    e->site[1].B[3] = NAN;
    refuses_to_write(e, m, QV_EFORMAT,
                     "expert 'law': site 'model.layers.0.self_attn.k_proj': weight 51 is "
                     "not finite");
    e->site[1].B[3] = 3e38f;
    e->site[1].scale = 1e30f;
    assert_fails(qv__gguf_adapter_write(e, NULL, path, m, &err), QV_EFORMAT, &err,
                 "site 'model.layers.0.self_attn.k_proj': B times 1e+30, for one alpha of "
                 "2, is not finite");
    assert_false(qv__is_file(path));
    qv__expert_free(e);
    qv_model_close(m);
    qv_model_close(neo);
}

static void an_outline_of_nothing_fails_as_a_model_does(void **state)
{
    qv_model *m;
    qv_err err = {0};
    assert_fails(qv__model_outline(&m, scratch_path(state, "none"), &err), QV_ENOTFOUND,
                 &err, "none/config.json");
    make(scratch_path(state, "a.gguf"), &(struct made){0});
    assert_fails(qv__model_outline(&m, scratch_path(state, "a.gguf"), &err), QV_EFORMAT,
                 &err, "a.gguf: an adapter, not a model");
    assert_null(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_converted_adapter_computes_what_it_does_in_peft),
        cmocka_unit_test(a_converted_adapter_is_peft_s_bit_for_bit),
        cmocka_unit_test(halves_are_read_as_the_numbers_they_are),
        cmocka_unit_test(we_write_the_converter_s_tensors_bit_for_bit),
        cmocka_unit_test(gpt_2_is_written_as_llama_cpp_multiplies_it),
        cmocka_unit_test(the_model_s_numbers_are_enough),
        cmocka_unit_test(names_and_tasks_go_along),
        cmocka_unit_test(many_scales_become_one_alpha),
        cmocka_unit_test(powers_of_two_are_exact_and_the_rest_is_rounded_once),
        cmocka_unit_test(the_alpha_is_the_one_that_most_sites_have),
        cmocka_unit_test(each_lie_of_a_file_has_its_sentence),
        cmocka_unit_test(each_lie_about_a_model_has_its_sentence),
        cmocka_unit_test(an_alpha_of_0_means_a_scale_of_1),
        cmocka_unit_test(the_base_is_told_by_its_address),
        cmocka_unit_test(half_a_file_is_not_turned),
        cmocka_unit_test(blocks_are_read_as_the_numbers_they_stand_for),
        cmocka_unit_test(what_cannot_be_written_is_named),
        cmocka_unit_test(an_outline_of_nothing_fails_as_a_model_does),
    };
    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
