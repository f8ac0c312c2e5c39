/* Opening, identifying and writing models: what transformers saved is read in every
 * form it has, what is wrong with a directory is said, and what is written is read
 * back. The arithmetic is llama_test.c's and session_test.c's.
 */
#include "model/layout.h"
#include "model/model.h"
#include "base/base.h"
#include "kern/half.h"
#include "kern/kern.h"
#include "support/golden.h"
#include "support/scratch.h"
#include "support/tiny.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LLAMA "tests/golden/llama/"

static qv_model *opened_with(const char *dir, const qv_model_opts *opts)
{
    qv_model *m;
    qv_err err = {0};
    assert_works(qv_model_open(&m, dir, opts, &err), &err);
    return m;
}

/* The tensors of a golden model, to be falsified and written again. */
enum { MAX_TENSORS = 64 };
struct tensors {
    struct qv_st st[3];
    size_t n_st, n;
    struct qv_tensor_out at[MAX_TENSORS];
};

static void read_tensors(struct tensors *t, const char *const *paths, size_t n)
{
    qv_err err = {0};
    *t = (struct tensors){.n_st = n};
    for (size_t i = 0; i < n; i++) {
        assert_works(qv__st_open(&t->st[i], paths[i], &err), &err);
        for (size_t j = 0; j < t->st[i].n; j++) {
            const struct qv_tensor *from = &t->st[i].tensor[j];
            assert_true(t->n < MAX_TENSORS);
            struct qv_tensor_out *to = &t->at[t->n++];
            *to = (struct qv_tensor_out){
                from->name, from->dtype, from->rank, {0}, from->data};
            memcpy(to->shape, from->shape, sizeof to->shape);
        }
    }
}

static struct qv_tensor_out *tensor(struct tensors *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->at[i].name, name) == 0)
            return &t->at[i];
    fail_msg("no tensor %s", name);
    return NULL;
}

/* Write what is left and let go of it. */
static void write_tensors(struct tensors *t, const char *path)
{
    qv_err err = {0};
    assert_works(qv__st_write(path, t->at, t->n, NULL, 0, &err), &err);
    for (size_t i = 0; i < t->n_st; i++)
        qv__st_close(&t->st[i]);
}

static void read_gqa(struct tensors *t)
{
    const char *path = LLAMA "gqa_untied/model.safetensors";
    read_tensors(t, &path, 1);
}

static void a_model_tells_its_numbers(void **state)
{
    (void)state;
    qv_model *m = opened_with(LLAMA "gqa_untied", NULL);
    assert_int_equal(qv_model_vocabulary(m), 101);
    assert_int_equal(qv_model_context(m), 128);
    assert_int_equal(qv_model_width(m), 36);
    assert_int_equal(qv_model_layers(m), 3);
    size_t layer = 2 * 36 * 36 + 2 * 12 * 36 + 3 * 56 * 36 + 2 * 36;
    assert_int_equal(qv_model_parameters(m), 2 * 101 * 36 + 36 + 3 * layer);
    assert_int_equal(qv_model_sites(m), 21);
    assert_string_equal(qv_model_site(m, 0), "model.layers.0.self_attn.q_proj");
    assert_string_equal(qv_model_site(m, 20), "model.layers.2.mlp.down_proj");
    assert_null(qv_model_site(m, 21));
    assert_null(qv_model_tokenizer(m));
    assert_int_equal(m->sites.at[1].D_out, 12);
    assert_int_equal(m->sites.at[20].D_in, 56);
    qv_model_close(m);
    qv_model_close(NULL);
}

static void a_directory_without_a_model_says_what_is_missing(void **state)
{
    qv_model *m;
    qv_err err = {0};
    assert_fails(qv_model_open(&m, "/nowhere/at/all", NULL, &err), QV_ENOTFOUND, &err,
                 "/nowhere/at/all/config.json");
    assert_null(m);
    copy_file(LLAMA "odd/config.json", scratch_path(state, "config.json"));
    assert_fails(qv_model_open(&m, *state, NULL, &err), QV_ENOTFOUND, &err,
                 scratch_path(state, "model.safetensors"));
    write_text(scratch_path(state, "model.safetensors"), "not one");
    assert_fails(qv_model_open(&m, *state, NULL, &err), QV_EFORMAT, &err,
                 scratch_path(state, "model.safetensors"));
    assert_null(m);
}

static const float faulty[36] = {[3] = NAN}, endless[36] = {[0] = -INFINITY};
static const int32_t whole[12 * 36];

static void drop(struct qv_tensor_out *t)
{
    t->name = "model.something_else";
}
static void make_whole(struct qv_tensor_out *t)
{
    t->dtype = QV_I32;
    t->data = whole;
}
static void transpose(struct qv_tensor_out *t)
{
    size_t rows = t->shape[0];
    t->shape[0] = t->shape[1];
    t->shape[1] = rows;
}
static void flatten(struct qv_tensor_out *t)
{
    t->rank = 1;
    t->shape[0] *= t->shape[1];
}
static void stand_up(struct qv_tensor_out *t)
{
    t->rank = 2;
    t->shape[1] = 1;
}
static void put_nan(struct qv_tensor_out *t)
{
    t->data = faulty;
}
static void put_infinity(struct qv_tensor_out *t)
{
    t->data = endless;
}

static const struct {
    const char *name;
    void (*spoil)(struct qv_tensor_out *t);
    qv_status code;
    const char *says;
} lie[] = {
    {"model.layers.1.mlp.up_proj.weight", drop, QV_EFORMAT,
     ": tensor 'model.layers.1.mlp.up_proj.weight' is missing"},
    {"model.norm.weight", drop, QV_EFORMAT, "tensor 'model.norm.weight' is missing"},
    {"lm_head.weight", drop, QV_EFORMAT,
     "tensor 'lm_head.weight' is missing and tie_word_embeddings is false"},
    {"model.layers.0.self_attn.k_proj.weight", make_whole, QV_EUNSUPPORTED,
     "tensor 'model.layers.0.self_attn.k_proj.weight' is of type I32"},
    {"model.layers.0.self_attn.k_proj.weight", transpose, QV_EFORMAT,
     "has 432 elements in 2 dimensions, config.json says 12 x 36"},
    {"model.layers.2.mlp.down_proj.weight", flatten, QV_EFORMAT,
     "has 2016 elements in 1 dimensions, config.json says 36 x 56"},
    {"model.layers.2.input_layernorm.weight", stand_up, QV_EFORMAT,
     "has 36 elements in 2 dimensions, config.json says 1 x 36"},
    {"model.layers.0.input_layernorm.weight", put_nan, QV_EFORMAT,
     "tensor 'model.layers.0.input_layernorm.weight': element 3 is not finite"},
    {"model.norm.weight", put_infinity, QV_EFORMAT,
     "tensor 'model.norm.weight': element 0 is not finite"},
};

static void every_false_weight_is_named(void **state)
{
    copy_file(LLAMA "gqa_untied/config.json", scratch_path(state, "config.json"));
    for (size_t i = 0; i < QV_COUNT(lie); i++) {
        struct tensors t;
        qv_model *m;
        qv_err err = {0};
        read_gqa(&t);
        lie[i].spoil(tensor(&t, lie[i].name));
        write_tensors(&t, scratch_path(state, "model.safetensors"));
        assert_fails(qv_model_open(&m, *state, NULL, &err), lie[i].code, &err, lie[i].says);
        assert_int_equal(strncmp(err.msg, *state, strlen(*state)), 0);
        assert_null(m);
    }
}

static void an_index_may_not_lie_about_its_files(void **state)
{
    static const struct {
        const char *index;
        qv_status code;
        const char *says;
    } bad[] = {
        {"{}", QV_EFORMAT, "model.safetensors.index.json: 'weight_map' is missing"},
        {"[]", QV_EFORMAT, "model.safetensors.index.json: 'weight_map' is missing"},
        {"{\"weight_map\":{\"w\":\"../a\"}}", QV_EFORMAT,
         "index.json: tensor 'w' is in no file of this directory"},
        {"{\"weight_map\":{\"w\":3}}", QV_EFORMAT,
         "tensor 'w' is in no file of this directory"},
        {"{\"weight_map\":{\"w\":\"a.safetensors\"}}", QV_ENOTFOUND, "/a.safetensors"},
        {"{\"weight_map\":{}}", QV_EFORMAT,
         "tensor 'model.embed_tokens.weight' is missing"},
        {"{\"weight_map\":", QV_EFORMAT, "model.safetensors.index.json: not JSON"},
    };
    copy_file(LLAMA "sharded/config.json", scratch_path(state, "config.json"));
    for (size_t i = 0; i < QV_COUNT(bad); i++) {
        qv_model *m;
        qv_err err = {0};
        write_text(scratch_path(state, "model.safetensors.index.json"), bad[i].index);
        assert_fails(qv_model_open(&m, *state, NULL, &err), bad[i].code, &err, bad[i].says);
        assert_null(m);
    }
}

static void a_tokenizer_with_more_tokens_than_the_model_is_refused(void **state)
{
    qv_model *m;
    qv_err err = {0};
    copy_file(LLAMA "odd/config.json", scratch_path(state, "config.json"));
    copy_file(LLAMA "odd/model.safetensors", scratch_path(state, "model.safetensors"));
    copy_file("tests/golden/text/tiny_spm/tokenizer.model",
              scratch_path(state, "tokenizer.model"));
    assert_fails(qv_model_open(&m, *state, NULL, &err), QV_EFORMAT, &err,
                 "tokens, the model 67");
    assert_true(strstr(err.msg, ": the tokenizer has ") != NULL);
    write_text(scratch_path(state, "tokenizer.model"), "not one");
    assert_int_not_equal(qv_model_open(&m, *state, NULL, &err), QV_OK);
    assert_null(m);
}

static const char *const cases[] = {"mha_tied", "gqa_untied", "odd",
                                    "headdim",  "bf16",       "sharded"};

static void identities_differ_between_models_and_not_between_files(void **state)
{
    char id[QV_COUNT(cases)][65], path[128];
    for (size_t i = 0; i < QV_COUNT(cases); i++) {
        snprintf(path, sizeof path, LLAMA "%s", cases[i]);
        qv_model *m = opened_with(path, NULL);
        memcpy(id[i], qv_model_identity(m), 65);
        qv_model_close(m);
        assert_int_equal(strlen(id[i]), 64);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(id[i], id[j]);
    }
    qv_model *m = opened_with(LLAMA "odd_v4", NULL); // odd as an older program writes it
    assert_string_equal(qv_model_identity(m), id[2]);
    qv_model_close(m);
    m = opened_with(LLAMA "odd", &(qv_model_opts){.trainable = true});
    assert_string_equal(qv_model_identity(m), id[2]);
    qv_model_close(m);
    m = opened_with(LLAMA "bf16", &(qv_model_opts){.compute = QV_COMPUTE_BF16});
    assert_string_equal(qv_model_identity(m), id[4]);
    qv_model_close(m);

    struct tensors t;
    static const char *const shards[] = {LLAMA "sharded/model-00001-of-00003.safetensors",
                                         LLAMA "sharded/model-00002-of-00003.safetensors",
                                         LLAMA "sharded/model-00003-of-00003.safetensors"};
    copy_file(LLAMA "sharded/config.json", scratch_path(state, "config.json"));
    read_tensors(&t, shards, 3);
    write_tensors(&t, scratch_path(state, "model.safetensors"));
    m = opened_with(*state, NULL);
    assert_string_equal(qv_model_identity(m), id[5]);
    qv_model_close(m);
}

/* gqa_untied, its matrices rounded to half floats: what is not mapped is the norms. */
static void matrices_of_half_floats_are_used_where_they_lie(void **state)
{
    static uint16_t half[MAX_TENSORS][101 * 36];
    struct tensors t;
    read_gqa(&t);
    for (size_t i = 0; i < t.n; i++) {
        struct qv_tensor_out *to = &t.at[i];
        if (to->rank < 2)
            continue;
        for (size_t j = 0; j < to->shape[0] * to->shape[1]; j++)
            half[i][j] = qv__f32_to_f16(((const float *)to->data)[j]);
        to->data = half[i];
        to->dtype = QV_F16;
    }
    write_tensors(&t, scratch_path(state, "model.safetensors"));
    copy_file(LLAMA "gqa_untied/config.json", scratch_path(state, "config.json"));
    const char *const dir[] = {*state, LLAMA "bf16"};
    for (size_t i = 0; i < QV_COUNT(dir); i++) {
        qv_model *m = opened_with(dir[i], &(qv_model_opts){.compute = QV_COMPUTE_F32});
        const struct qv_weight *up = &m->layer[0].map[QV_UP].w;
        assert_int_equal(m->n_own, (2 * m->c.L + 1) * m->c.D);
        assert_int_equal(up->type->id, i ? QV_BLOCK_BF16 : QV_BLOCK_F16);
        assert_true((const char *)up->blocks > (const char *)m->shard[0].map.bytes);
        assert_true((const char *)up->blocks <
                    (const char *)m->shard[0].map.bytes + m->shard[0].map.size);
        qv_model_close(m);
    }
}

static void one_other_weight_or_number_is_another_identity(void **state)
{
    struct tensors t;
    char id[4][65];
    static float other[36 * 56];
    read_gqa(&t);
    struct qv_tensor_out *down = tensor(&t, "model.layers.2.mlp.down_proj.weight");
    memcpy(other, down->data, sizeof other);
    other[5] += 0.5f;
    down->data = other;
    write_tensors(&t, scratch_path(state, "model.safetensors"));
    copy_file(LLAMA "gqa_untied/config.json", scratch_path(state, "config.json"));
    qv_model *m = opened_with(*state, NULL);
    memcpy(id[0], qv_model_identity(m), 65);
    struct qv_config c = m->c;
    qv_model_close(m);
    m = opened_with(LLAMA "gqa_untied", NULL);
    memcpy(id[1], qv_model_identity(m), 65);
    qv_model_close(m);
    qv_err err = {0};
    for (size_t i = 2; i < 4; i++) {
        c.theta += i == 2 ? 1 : 0;
        c.eps *= i == 3 ? 2 : 1;
        assert_works(qv__config_write(&c, *state, "float32", &err), &err);
        m = opened_with(*state, NULL);
        memcpy(id[i], qv_model_identity(m), 65);
        qv_model_close(m);
    }
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(id[i], id[j]);
}

/* Padding the header by one space moves every tensor off its boundary. */
static void weights_that_lie_unaligned_are_read_all_the_same(void **state)
{
    struct qv_map map;
    qv_err err = {0};
    assert_works(qv__map(&map, LLAMA "gqa_untied/model.safetensors", &err), &err);
    uint64_t header;
    memcpy(&header, map.bytes, sizeof header);
    char *moved = malloc(map.size + 1);
    assert_non_null(moved);
    memcpy(moved, &(uint64_t){header + 1}, sizeof header);
    memcpy(moved + 8, map.bytes + 8, header);
    moved[8 + header] = ' ';
    memcpy(moved + 9 + header, map.bytes + 8 + header, map.size - 8 - header);
    assert_works(
        qv__write_file(scratch_path(state, "model.safetensors"), moved, map.size + 1, &err),
        &err);
    copy_file(LLAMA "gqa_untied/config.json", scratch_path(state, "config.json"));
    qv_model *m = opened_with(*state, NULL),
             *straight = opened_with(LLAMA "gqa_untied", NULL);
    assert_string_equal(qv_model_identity(m), qv_model_identity(straight));
    for (size_t i = QV_Q; i < QV_N_MAPS; i++) {
        const struct qv_weight *w = &m->layer[1].map[i].w;
        assert_memory_equal(w->f32, straight->layer[1].map[i].w.f32,
                            w->D_in * w->D_out * 4);
    }
    assert_true(straight->n_own < m->n_own); // only norms were copied
    qv_model_close(m);
    qv_model_close(straight);
    free(moved);
    qv__unmap(&map);
}

struct walk {
    const qv_model *other;
    size_t n;
    bool rounded;
};

/* The weight of the other model is this one's, perhaps rounded. */
static qv_status compare(void *arg, const char *name, struct qv_weight *w, qv_err *err)
{
    (void)name, (void)err;
    struct walk *k = arg;
    const float *other = k->other->own + k->n;
    for (size_t i = 0; i < w->D_out * w->D_in; i++) {
        float want = w->f32[i];
        uint16_t half;
        qv__kern_ref.to_bf16(&half, &want, 1);
        uint32_t bits = (uint32_t)half << 16;
        if (k->rounded)
            memcpy(&want, &bits, sizeof want);
        assert_true(other[i] == want);
    }
    k->n += w->D_out * w->D_in;
    return QV_OK;
}

static void what_is_written_opens_as_what_it_was(void **state)
{
    for (size_t i = 0; i < 4; i++) {
        bool tied = i & 1, rounded = i & 2;
        const struct qv_config c = {.D = 12,
                                    .L = 2,
                                    .H = 3,
                                    .Hk = 1,
                                    .E = 6,
                                    .F = 20,
                                    .V = 30,
                                    .n_ctx = 40,
                                    .theta = 1e5f,
                                    .eps = 1e-5f,
                                    .is_tied = tied,
                                    .bos = 1,
                                    .eos = 2};
        qv_model *m, *again;
        qv_err err = {0};
        assert_works(qv__model_new(&m, &c, 5, &err), &err);
        assert_works(qv__model_write(m, *state, rounded ? QV_BF16 : QV_F32, &err), &err);
        again = opened_with(*state, &(qv_model_opts){.trainable = true});
        assert_same_config(&again->c, &c);
        struct walk walk = {.other = again, .rounded = rounded};
        assert_works(qv__model_each(m, compare, &walk, &err), &err);
        assert_int_equal(walk.n, qv_model_parameters(m));
        assert_int_equal(again->n_own, walk.n);
        assert_int_equal(again->head.w.f32 == again->embed.f32, tied);
        assert_string_equal(qv_model_identity(again), qv_model_identity(m));
        qv_model_close(m);
        qv_model_close(again);
    }
}

static qv_status look(void *arg, const char *name, struct qv_weight *w, qv_err *err)
{
    (void)arg, (void)err;
    size_t n = w->D_out * w->D_in;
    double sum = 0, square = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)w->f32[i];
        square += (double)w->f32[i] * (double)w->f32[i];
    }
    bool residual = strstr(name, "o_proj") || strstr(name, "down_proj");
    double std = residual ? 0.02 / 2 : 0.02, mean = sum / (double)n; // 2 layers: sqrt 4
    if (w->D_out == 1) {
        assert_true(sum == (double)n && square == (double)n);
    } else {
        assert_true(fabs(mean) < 5 * std / sqrt((double)n));
        assert_true(fabs(sqrt(square / (double)n) / std - 1) < 5 / sqrt(2 * (double)n));
    }
    return QV_OK;
}

static void a_new_model_is_drawn_as_gpt_2_was(void **state)
{
    (void)state;
    const struct qv_config c = {.D = 32,
                                .L = 2,
                                .H = 2,
                                .Hk = 2,
                                .E = 16,
                                .F = 48,
                                .V = 64,
                                .n_ctx = 16,
                                .theta = 1e4f,
                                .eps = 1e-5f,
                                .bos = -1,
                                .eos = -1};
    qv_model *a, *b, *other;
    qv_err err = {0};
    assert_works(qv__model_new(&a, &c, 1, &err), &err);
    assert_works(qv__model_new(&b, &c, 1, &err), &err);
    assert_works(qv__model_new(&other, &c, 2, &err), &err);
    assert_works(qv__model_each(a, look, NULL, &err), &err);
    assert_memory_equal(a->own, b->own, a->n_own * sizeof *a->own);
    assert_string_equal(qv_model_identity(a), qv_model_identity(b));
    assert_string_not_equal(qv_model_identity(a), qv_model_identity(other));
    qv_model_close(a);
    qv_model_close(b);
    qv_model_close(other);
}

static void a_directory_that_cannot_be_written_is_named(void **state)
{
    (void)state;
    const struct qv_config c = {.D = 4,
                                .L = 1,
                                .H = 1,
                                .Hk = 1,
                                .E = 4,
                                .F = 4,
                                .V = 4,
                                .n_ctx = 4,
                                .theta = 1e4f,
                                .eps = 1e-5f};
    qv_model *m;
    qv_err err = {0};
    assert_works(qv__model_new(&m, &c, 1, &err), &err);
    assert_int_not_equal(qv__model_write(m, "/nowhere", QV_F32, &err), QV_OK);
    assert_non_null(strstr(err.msg, "/nowhere/model.safetensors"));
    qv_model_close(m);
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, make_scratch, remove_scratch)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_tells_its_numbers),
        IN_SCRATCH(a_directory_without_a_model_says_what_is_missing),
        IN_SCRATCH(every_false_weight_is_named),
        IN_SCRATCH(an_index_may_not_lie_about_its_files),
        IN_SCRATCH(a_tokenizer_with_more_tokens_than_the_model_is_refused),
        IN_SCRATCH(identities_differ_between_models_and_not_between_files),
        IN_SCRATCH(matrices_of_half_floats_are_used_where_they_lie),
        IN_SCRATCH(one_other_weight_or_number_is_another_identity),
        IN_SCRATCH(weights_that_lie_unaligned_are_read_all_the_same),
        IN_SCRATCH(what_is_written_opens_as_what_it_was),
        cmocka_unit_test(a_new_model_is_drawn_as_gpt_2_was),
        cmocka_unit_test(a_directory_that_cannot_be_written_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
