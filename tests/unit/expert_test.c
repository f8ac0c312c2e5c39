/* expert_test.c - one LoRA in memory. */
#include "lora/expert.h"
#include "support/near.h"

#include <math.h>

static const struct qv_expert_shape shape[] = {
    {"model.layers.0.q_proj", 300, 4, 4, 16},
    {"model.layers.0.v_proj", 6, 5, 2, 3},
};

static struct qv_expert *make(const struct qv_expert_shape *of, size_t n, bool is_rslora)
{
    struct qv_expert *e;
    assert_int_equal(qv__expert_new(&e, "law", of, n, is_rslora, NULL), QV_OK);
    return e;
}

static void a_new_expert_is_zero_in_one_aligned_block(void **state)
{
    (void)state;
    struct qv_expert *e = make(shape, 2, false);
    assert_int_equal((uintptr_t)e->w % 64, 0);
    assert_int_equal(e->n_w, 4 * (300 + 4) + 2 * (6 + 5));
    assert_ptr_equal(e->site[0].A, e->w);
    assert_ptr_equal(e->site[0].B, e->site[0].A + 4 * 300);
    assert_ptr_equal(e->site[1].A, e->site[0].B + 4 * 4);
    assert_ptr_equal(e->site[1].B + 5 * 2, e->w + e->n_w);
    for (size_t i = 0; i < e->n_w; i++)
        assert_true(e->w[i] == 0);
    qv__expert_free(e);
    qv__expert_free(NULL);
}

static void scale_is_alpha_over_rank_or_over_its_root(void **state)
{
    (void)state;
    struct qv_expert *plain = make(shape, 2, false), *rslora = make(shape, 2, true);
    assert_true(plain->site[0].scale == 4 && plain->site[1].scale == 1.5f);
    assert_true(rslora->site[0].scale == 8);
    assert_true(rslora->site[1].scale == (float)(3 / sqrt(2)));
    qv__expert_free(plain);
    qv__expert_free(rslora);
}

/* the authors' bound: d = 300 gives |A| < 1 / sqrt(900), B all zero. */
static void init_is_uniform_within_the_authors_bound(void **state)
{
    (void)state;
    struct qv_expert *e = make(shape, 2, false);
    qv__expert_init(e, 7);
    double sum = 0, squares = 0, most = 0;
    size_t n = 4 * 300;
    for (size_t i = 0; i < n; i++) {
        double a = (double)e->site[0].A[i];
        sum += a;
        squares += a * a;
        most = fmax(most, fabs(a));
    }
    double bound = 1.0 / 30;
    assert_true(most <= bound && most > 0.99 * bound);
    assert_true(fabs(sum / (double)n) < 0.06 * bound); // 3.6 standard errors
    assert_true(fabs(squares / (double)n - bound * bound / 3) < 0.1 * bound * bound / 3);
    for (size_t i = 0; i < 4 * 4; i++)
        assert_true(e->site[0].B[i] == 0);
    qv__expert_free(e);
}

static void init_depends_on_seed_and_path_but_not_on_the_other_sites(void **state)
{
    (void)state;
    struct qv_expert *both = make(shape, 2, false), *alone = make(shape + 1, 1, false);
    qv__expert_init(both, 7);
    qv__expert_init(alone, 7);
    assert_memory_equal(both->site[1].A, alone->site[0].A, 2 * 6 * sizeof(float));
    qv__expert_init(alone, 8);
    assert_memory_not_equal(both->site[1].A, alone->site[0].A, 2 * 6 * sizeof(float));
    qv__expert_free(both);
    qv__expert_free(alone);
}

static void a_copy_has_weights_of_its_own(void **state)
{
    (void)state;
    struct qv_expert *e = make(shape, 2, true), *copy;
    qv__expert_init(e, 1);
    e->base = "phi-2";
    e->dropout = 0.25f;
    assert_int_equal(qv__expert_copy(&copy, e, NULL), QV_OK);
    char was[65], is[65];
    qv__expert_hash(was, e);
    qv__expert_hash(is, copy);
    assert_string_equal(was, is);
    assert_string_equal(copy->name, "law");
    assert_string_equal(copy->base, "phi-2");
    assert_true(copy->dropout == 0.25f && copy->is_rslora);
    copy->w[0] += 1;
    qv__expert_hash(is, e);
    assert_string_equal(was, is);
    qv__expert_free(e);
    qv__expert_free(copy);
}

static void the_hash_sees_paths_shapes_scales_and_weights_but_not_order(void **state)
{
    (void)state;
    const struct qv_expert_shape turned[] = {shape[1], shape[0]};
    const struct qv_expert_shape renamed[] = {shape[0],
                                              {"model.layers.1.v_proj", 6, 5, 2, 3}};
    const struct qv_expert_shape scaled[] = {shape[0],
                                             {"model.layers.0.v_proj", 6, 5, 2, 4}};
    const struct qv_expert_shape shaped[] = {shape[0],
                                             {"model.layers.0.v_proj", 5, 6, 2, 3}};
    struct qv_expert *e[] = {make(shape, 2, false),   make(turned, 2, false),
                             make(renamed, 2, false), make(scaled, 2, false),
                             make(shaped, 2, false),  make(shape, 2, false)};
    char hash[QV_COUNT(e)][65];
    e[5]->w[e[5]->n_w - 1] = 1;
    for (size_t i = 0; i < QV_COUNT(e); i++)
        qv__expert_hash(hash[i], e[i]);
    assert_string_equal(hash[0], hash[1]);
    for (size_t i = 2; i < QV_COUNT(e); i++)
        assert_string_not_equal(hash[0], hash[i]);
    for (size_t i = 0; i < QV_COUNT(e); i++)
        qv__expert_free(e[i]);
}

static void an_impossible_size_is_refused(void **state)
{
    (void)state;
    const struct qv_expert_shape huge[] = {{"w", SIZE_MAX / 4, 1, 8, 1}};
    struct qv_expert *e;
    qv_err err;
    assert_int_equal(qv__expert_new(&e, "law", huge, 1, false, &err), QV_ENOMEM);
    assert_string_equal(err.msg, "expert 'law': no memory for its weights");
    assert_null(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_expert_is_zero_in_one_aligned_block),
        cmocka_unit_test(scale_is_alpha_over_rank_or_over_its_root),
        cmocka_unit_test(init_is_uniform_within_the_authors_bound),
        cmocka_unit_test(init_depends_on_seed_and_path_but_not_on_the_other_sites),
        cmocka_unit_test(a_copy_has_weights_of_its_own),
        cmocka_unit_test(the_hash_sees_paths_shapes_scales_and_weights_but_not_order),
        cmocka_unit_test(an_impossible_size_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
