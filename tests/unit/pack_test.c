/* pack_test.c - experts packed once and shared by banks: the same to the last bit as banks
 * that copy, whether their factors are in memory, in a file, or on their way between.
 */
#include "lora/pack.h"
#include "base/rng.h"
#include "lora/bank.h"
#include "lora/compose.h"
#include "support/experts.h"
#include "support/scratch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { K = 6, D = 40, T = 5, TOP = 3 };

static const struct qv_site model[] = {
    {.path = "0.q", .D_in = D, .D_out = 24},
    {.path = "0.v", .D_in = D, .D_out = D},
    {.path = "1.q", .D_in = D, .D_out = 24},
};

static struct qv_expert *expert(size_t k)
{
    static const char *const name[K] = {"a", "b", "c", "d", "e", "f"};
    const struct qv_expert_shape shape[] = {
        {"0.v", D, D, k + 1, 2}, {"0.q", D, 24, 2, 3}, {"1.q", D, 24, 3, 1}};
    return expert_drawn(name[k], shape, k % 2 ? 3 : 2, k);
}

static struct qv_pack *packed(struct qv_expert *e, const char *spill_dir)
{
    struct qv_sites s = sites_of(model, QV_COUNT(model));
    struct qv_prototypes none = {0};
    struct qv_pack *p;
    qv_err err;
    assert_works(qv__pack_new(&p, e, &none, &s, spill_dir, &err), &err);
    return p;
}

/* y [T, D_out] of a routing that is a function of the site. */
static void composed(float *y, const struct qv_bank *b, size_t site, enum qv_compose how)
{
    const struct qv_bank_site *s = &b->site[site];
    float x[T * D], weight[T * TOP];
    int expert_of_pair[T * TOP];
    const size_t k = qv__min(TOP, s->K);
    struct qv_compose_room room;
    qv_carve need = {0};
    qv__compose_carve(&room, &need, T, k, s->K, s->R_max);
    void *mem = qv__carve_alloc(&need);
    qv_carve c = {.base = mem};
    qv__compose_carve(&room, &c, T, k, s->K, s->R_max);
    for (size_t i = 0; i < T * D; i++)
        x[i] = qv__uniform(1, i) - 0.5f;
    for (size_t t = 0; t < T; t++)
        for (size_t i = 0; i < k; i++) {
            expert_of_pair[t * k + i] = (int)((t + i) % s->K);
            weight[t * k + i] = 1 / (float)(i + 2);
        }
    memset(y, 0, T * s->D_out * sizeof *y);
    qv__compose(y, x, T, s, &(struct qv_routing){k, expert_of_pair, weight}, how, &room);
    free(mem);
}

static void assert_same_bank(const struct qv_bank *a, const struct qv_bank *b)
{
    for (size_t m = 0; m < QV_COUNT(model); m++) {
        const struct qv_bank_site *s = &a->site[m], *u = &b->site[m];
        float y[T * D], z[T * D];
        assert_int_equal(s->K, u->K);
        assert_int_equal(s->R_max, u->R_max);
        for (size_t how = QV_FACTOR; how <= QV_OUTPUT && s->K; how++) {
            composed(y, a, m, (enum qv_compose)how);
            composed(z, b, m, (enum qv_compose)how);
            assert_memory_equal(y, z, T * s->D_out * sizeof *y);
        }
        for (size_t j = 0; j < s->K; j++)
            assert_memory_equal(s->proto[j], u->proto[j], s->D_in * sizeof *s->proto[j]);
    }
}

static void set_prototypes(struct qv_bank *b, struct qv_pack *const *packs)
{
    qv_err err;
    for (size_t k = 0; k < K; k++)
        assert_works(qv__bank_set_prototypes(b, k, &packs[k]->p, QV_BORROWS, &err), &err);
}

static void a_bank_of_packs_computes_what_one_of_copies_does(void **state)
{
    struct qv_sites s = sites_of(model, QV_COUNT(model));
    for (size_t is_spilled = 0; is_spilled < 2; is_spilled++) {
        const char *dir = is_spilled ? scratch_path(state, "") : NULL;
        struct qv_expert *e[K];
        struct qv_pack *p[K];
        struct qv_bank *shared, *again;
        qv_err err;
        for (size_t k = 0; k < K; k++)
            e[k] = expert(k);
        struct qv_bank *copies = bank_of(&s, e, K);
        assert_works(qv__bank_prototypes(copies, &err), &err);
        for (size_t k = 0; k < K; k++)
            p[k] = packed(e[k], dir);
        assert_works(qv__bank_of(&shared, &s, p, K, &err), &err);
        assert_works(qv__bank_of(&again, &s, p, K, &err), &err);
        assert_ptr_equal(shared->site[1].A[0], again->site[1].A[0]);
        set_prototypes(shared, p);
        assert_same_bank(shared, copies);
        for (size_t k = 0; k < K; k++) {
            assert_int_equal(p[k]->spill.bytes != NULL, is_spilled);
            qv__pack_rest(p[k]);
        }
        assert_same_bank(shared, copies);
        qv__bank_free(copies), qv__bank_free(shared), qv__bank_free(again);
        for (size_t k = 0; k < K; k++)
            qv__pack_free(p[k]);
    }
}

static void an_expert_comes_out_of_its_pack_as_it_went_in(void **state)
{
    (void)state;
    for (size_t k = 0; k < K; k++) {
        struct qv_expert *e = expert(k), *out;
        char was[65], is[65];
        qv_err err;
        e->base = "some/base";
        e->site[0].scale = 0.7f; // not what alpha and rank give
        qv__expert_hash(was, e);
        struct qv_pack *p = packed(e, NULL);
        assert_null(p->shape->w);
        assert_works(qv__pack_expert(&out, p, &err), &err);
        qv__expert_hash(is, out);
        assert_string_equal(is, was);
        assert_string_equal(out->base, "some/base");
        qv__pack_free(p);
        qv__expert_free(out);
    }
}

static void what_is_computed_with_says_so_and_nothing_else_does(void **state)
{
    (void)state;
    struct qv_sites s = sites_of(model, QV_COUNT(model));
    struct qv_pack *p[K];
    struct qv_bank *b;
    qv_err err;
    float y[T * D];
    for (size_t k = 0; k < K; k++)
        p[k] = packed(expert(k), NULL);
    assert_works(qv__bank_of(&b, &s, p, K, &err), &err);
    composed(y, b, 2, QV_FACTOR); // whose experts are b, d and f
    for (size_t k = 0; k < K; k++)
        assert_int_equal(atomic_load(&p[k]->used), k % 2);
    qv__bank_free(b);
    for (size_t k = 0; k < K; k++)
        qv__pack_free(p[k]);
}

static void what_does_not_fit_is_not_packed(void **state)
{
    (void)state;
    struct qv_sites s = sites_of(model, QV_COUNT(model));
    const struct qv_expert_shape wide[] = {{"0.v", D + 1, D, 1, 1}};
    struct qv_prototypes p = {0};
    struct qv_pack *out;
    qv_err err;
    assert_fails(qv__pack_new(&out, expert_drawn("w", wide, 1, 1), &p, &s, NULL, &err),
                 QV_EFORMAT, &err, "site '0.v' maps 41 to 40, the model's 40 to 40");
    struct qv_expert *e = expert(0);
    e->site[0].B[3] = NAN;
    assert_fails(qv__pack_new(&out, e, &p, &s, NULL, &err), QV_EFORMAT, &err,
                 "a weight is not finite");
    struct qv_expert *other = expert(1);
    assert_works(qv__prototypes_of(&p, other, &err), &err);
    assert_fails(qv__pack_new(&out, expert(0), &p, &s, NULL, &err), QV_EFORMAT, &err,
                 "expert 'a': its prototypes have the shape of another expert");
    assert_null(p.mem); // taken all the same
    assert_works(qv__prototypes_of(&p, other, &err), &err);
    p.v[5] = INFINITY;
    assert_fails(qv__pack_new(&out, other, &p, &s, NULL, &err), QV_EFORMAT, &err,
                 "expert 'b': a prototype is not finite");
    assert_null(out);
}

static void two_packs_of_one_name_make_no_bank(void **state)
{
    (void)state;
    struct qv_sites s = sites_of(model, QV_COUNT(model));
    struct qv_pack *p[] = {packed(expert(2), NULL), packed(expert(2), NULL)};
    struct qv_bank *b;
    qv_err err;
    assert_fails(qv__bank_of(&b, &s, p, 2, &err), QV_EEXIST, &err,
                 "two experts are called 'c'");
    assert_null(b);
    qv__pack_free(p[0]), qv__pack_free(p[1]);
}

static void where_no_file_can_be_written_factors_stay_in_memory(void **state)
{
    qv_err err;
    struct qv_spill spill;
    const char *nowhere = scratch_path(state, "nowhere");
    assert_fails(qv__spill(&spill, nowhere, "12345", 5, &err), QV_EIO, &err,
                 "nowhere: cannot put 5 bytes aside: No such file");
    assert_null(spill.bytes);
    struct qv_pack *p = packed(expert(0), nowhere);
    assert_null(p->spill.bytes);
    assert_non_null(p->mem);
    qv__pack_rest(p); // has nothing to let go of
    assert_true(isfinite(p->A[0][0]));
    qv__pack_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_bank_of_packs_computes_what_one_of_copies_does,
                                        make_scratch, remove_scratch),
        cmocka_unit_test(an_expert_comes_out_of_its_pack_as_it_went_in),
        cmocka_unit_test(what_is_computed_with_says_so_and_nothing_else_does),
        cmocka_unit_test(what_does_not_fit_is_not_packed),
        cmocka_unit_test(two_packs_of_one_name_make_no_bank),
        cmocka_unit_test_setup_teardown(where_no_file_can_be_written_factors_stay_in_memory,
                                        make_scratch, remove_scratch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
