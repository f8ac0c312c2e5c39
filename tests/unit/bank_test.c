/* bank_test.c - what lies where in a bank, and what it refuses. */
#include "lora/bank.h"

#include "lora/spectrum.h"
#include "support/experts.h"
#include "support/near.h"

#include <math.h>

static const struct qv_site model[] = {
    {.path = "0.q", .D_in = 3, .D_out = 2},
    {.path = "0.v", .D_in = 3, .D_out = 4},
    {.path = "1.q", .D_in = 3, .D_out = 2},
};

static struct qv_sites sites(void)
{
    return sites_of(model, QV_COUNT(model));
}

static void each_site_lists_the_experts_that_adapt_it(void **state)
{
    (void)state;
    const struct qv_expert_shape law[] = {{"0.v", 3, 4, 2, 4}, {"0.q", 3, 2, 1, 3}};
    const struct qv_expert_shape poem[] = {{"0.v", 3, 4, 3, 6}};
    struct qv_expert *e[] = {expert_drawn("law", law, 2, 1),
                             expert_drawn("poem", poem, 1, 2)};
    struct qv_sites s = sites();
    struct qv_bank *b = bank_of(&s, e, 2);

    assert_int_equal(b->K, 2);
    assert_string_equal(b->name[0], "law");
    assert_string_equal(b->name[1], "poem");
    assert_int_equal(b->site[0].K, 1);
    assert_int_equal(b->site[0].R_max, 1);
    assert_int_equal(b->site[1].K, 2);
    assert_int_equal(b->site[1].R_max, 3);
    assert_int_equal(b->site[2].K, 0);

    const struct qv_bank_site *v = &b->site[1];
    assert_int_equal(v->expert[0], 0);
    assert_int_equal(v->expert[1], 1);
    assert_int_equal(v->own[0], 0);
    assert_int_equal(b->site[0].own[0], 1);
    assert_int_equal(v->first[1], 2);
    assert_int_equal(v->first[2], 5);
    assert_close(v->scale, ((float[]){2, 2}), 2, 0, 0);
    assert_close(b->site[0].scale, ((float[]){3}), 1, 0, 0);
    assert_close(v->A[0], e[0]->site[0].A, 6, 0, 0);
    assert_close(v->A[1], e[1]->site[0].A, 9, 0, 0);
    for (size_t r = 0; r < 3; r++)
        for (size_t o = 0; o < 4; o++)
            assert_close(&v->Bt[1][r * 4 + o], &e[1]->site[0].B[o * 3 + r], 1, 0, 0);

    qv__bank_free(b);
    for (size_t k = 0; k < 2; k++)
        qv__expert_free(e[k]);
}

static void prototypes_do_not_depend_on_the_way_they_came(void **state)
{
    (void)state;
    const struct qv_expert_shape both[] = {{"1.q", 3, 2, 2, 4}, {"0.v", 3, 4, 2, 1}};
    const struct qv_expert_shape one[] = {{"0.v", 3, 4, 1, 1}};
    struct qv_expert *e[] = {expert_drawn("a", both, 2, 1), expert_drawn("b", one, 1, 2),
                             expert_drawn("c", both, 2, 3)};
    struct qv_sites s = sites();
    struct qv_bank *computed = bank_of(&s, e, 3), *given = bank_of(&s, e, 3);
    assert_int_equal(qv__bank_prototypes(computed, NULL), QV_OK);

    struct qv_prototypes p;
    assert_int_equal(qv__prototypes_of(&p, e[2], NULL), QV_OK);
    assert_int_equal(qv__bank_set_prototypes(given, 2, &p, QV_TAKES, NULL), QV_OK);
    qv__prototypes_end(&p);
    assert_int_equal(qv__bank_prototypes(given, NULL), QV_OK);

    for (size_t m = 0; m < 3; m++) {
        const struct qv_bank_site *x = &computed->site[m], *y = &given->site[m];
        for (size_t j = 0; j < x->K; j++) {
            const struct qv_expert_site *own = &e[x->expert[j]]->site[x->own[j]];
            float v[4], sigma[2];
            assert_int_equal(qv__prototype(v, sigma, own->A, own->B, own->R, own->D_in,
                                           own->D_out, NULL),
                             QV_OK);
            assert_close(x->proto[j], y->proto[j], x->D_in, 0, 0);
            assert_close(x->sigma[j], y->sigma[j], 2, 0, 0);
            assert_close(x->proto[j], v, x->D_in, 0, 0);
            assert_close(x->sigma[j], sigma, 2, 0, 0);
        }
    }
    qv__bank_free(computed);
    qv__bank_free(given);
    for (size_t k = 0; k < 3; k++)
        qv__expert_free(e[k]);
}

static void prototypes_are_computed_once_and_given_ones_are_kept(void **state)
{
    (void)state;
    const struct qv_expert_shape shape[] = {{"0.q", 3, 2, 2, 2}};
    struct qv_expert *e[] = {expert_drawn("a", shape, 1, 1)};
    struct qv_sites s = sites();
    struct qv_bank *b = bank_of(&s, e, 1);
    struct qv_prototypes p;
    assert_int_equal(qv__prototypes_init(&p, e[0], NULL), QV_OK);
    p.v[1] = 1;
    assert_int_equal(qv__bank_set_prototypes(b, 0, &p, QV_COPIES, NULL), QV_OK);
    qv__prototypes_end(&p);
    assert_int_equal(qv__bank_prototypes(b, NULL), QV_OK);
    assert_close(b->site[0].proto[0], ((float[]){0, 1, 0}), 3, 0, 0);
    qv__bank_free(b);
    qv__expert_free(e[0]);
}

static void a_bank_of_nobody_adapts_nothing(void **state)
{
    (void)state;
    struct qv_sites s = sites();
    struct qv_bank *b = bank_of(&s, NULL, 0);
    assert_int_equal(b->K, 0);
    for (size_t m = 0; m < 3; m++)
        assert_int_equal(b->site[m].K, 0);
    assert_int_equal(qv__bank_prototypes(b, NULL), QV_OK);
    qv__bank_free(b);
}

/* Each reason an expert does not fit, and our words for it. */
static const struct {
    struct qv_expert_shape shape;
    float weight;
    const char *second;
    qv_status code;
    const char *says;
} misfit[] = {
    {{"9.q", 3, 2, 1, 1}, 1, "b", QV_EFORMAT, "expert 'a': the model has no site '9.q'"},
    {{"0.q", 3, 9, 1, 1},
     1,
     "b",
     QV_EFORMAT,
     "expert 'a': site '0.q' maps 3 to 9, the model's 3 to 2"},
    {{"0.q", 4, 2, 1, 1},
     1,
     "b",
     QV_EFORMAT,
     "expert 'a': site '0.q' maps 4 to 2, the model's 3 to 2"},
    {{"0.q", 3, 2, 1, 1},
     NAN,
     "b",
     QV_EFORMAT,
     "expert 'a': site '0.q': a weight is not finite"},
    {{"0.q", 3, 2, 1, 1}, 1, "a", QV_EEXIST, "two experts are called 'a'"},
};

static void experts_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    const struct qv_expert_shape fits[] = {{"1.q", 3, 2, 1, 1}};
    for (size_t i = 0; i < QV_COUNT(misfit); i++) {
        struct qv_expert *e[] = {expert_drawn("a", &misfit[i].shape, 1, 1),
                                 expert_drawn(misfit[i].second, fits, 1, 2)};
        e[0]->w[e[0]->n_w - 1] = misfit[i].weight;
        struct qv_sites s = sites();
        struct qv_bank *b;
        qv_err err = {0};
        assert_int_equal(qv__bank_new(&b, &s, e, 2, &err), misfit[i].code);
        assert_string_equal(err.msg, misfit[i].says);
        assert_null(b);
        for (size_t k = 0; k < 2; k++)
            qv__expert_free(e[k]);
    }
}

static void a_bank_that_takes_is_the_same_and_leaves_shapes_behind(void **state)
{
    (void)state;
    const struct qv_expert_shape law[] = {{"0.v", 3, 4, 2, 4}, {"0.q", 3, 2, 1, 3}};
    const struct qv_expert_shape poem[] = {{"0.v", 3, 4, 3, 6}};
    struct qv_expert *e[] = {expert_drawn("law", law, 2, 1),
                             expert_drawn("poem", poem, 1, 2)};
    struct qv_sites s = sites();
    struct qv_bank *b = bank_of(&s, e, 2), *taken;
    assert_int_equal(qv__bank_take(&taken, &s, e, 2, NULL), QV_OK);
    for (size_t m = 0; m < b->n_sites; m++) {
        const struct qv_bank_site *one = &b->site[m], *other = &taken->site[m];
        const size_t rows = one->first[one->K];
        assert_int_equal(other->K, one->K);
        assert_memory_equal(other->A[0], one->A[0], rows * one->D_in * sizeof(float));
        assert_memory_equal(other->Bt[0], one->Bt[0], rows * one->D_out * sizeof(float));
    }
    assert_null(e[0]->w);
    assert_null(e[1]->site[0].A);
    assert_int_equal(e[1]->site[0].R, 3);
    qv__bank_free(b);
    qv__bank_free(taken);
    for (size_t k = 0; k < 2; k++)
        qv__expert_free(e[k]);
}

static void prototypes_of_another_expert_are_refused(void **state)
{
    (void)state;
    const struct qv_expert_shape q[] = {{"0.q", 3, 2, 1, 1}},
                                 two[] = {{"0.q", 3, 2, 1, 1}, {"0.v", 3, 4, 1, 1}},
                                 wide[] = {{"0.q", 5, 2, 1, 1}};
    struct qv_expert *e[] = {expert_drawn("a", q, 1, 1), expert_drawn("b", two, 2, 2),
                             expert_drawn("c", wide, 1, 3)};
    struct qv_sites s = sites();
    struct qv_bank *b = bank_of(&s, e, 1);
    qv_err err = {0};
    for (size_t k = 1; k < 3; k++) {
        struct qv_prototypes p;
        assert_int_equal(qv__prototypes_of(&p, e[k], NULL), QV_OK);
        assert_int_equal(qv__bank_set_prototypes(b, 0, &p, QV_COPIES, &err), QV_EFORMAT);
        assert_string_equal(err.msg,
                            "expert 'a': its prototypes have the shape of another expert");
        qv__prototypes_end(&p);
    }
    struct qv_prototypes p;
    assert_int_equal(qv__prototypes_of(&p, e[0], NULL), QV_OK);
    p.v[2] = INFINITY;
    assert_int_equal(qv__bank_set_prototypes(b, 0, &p, QV_COPIES, &err), QV_EFORMAT);
    assert_string_equal(err.msg, "expert 'a': a prototype is not finite");
    qv__prototypes_end(&p);

    e[1]->site[1].B[0] = NAN;
    assert_int_equal(qv__prototypes_of(&p, e[1], &err), QV_EFORMAT);
    assert_string_equal(err.msg, "expert 'b': site '0.v': a weight is not finite");
    qv__bank_free(b);
    for (size_t k = 0; k < 3; k++)
        qv__expert_free(e[k]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_site_lists_the_experts_that_adapt_it),
        cmocka_unit_test(prototypes_do_not_depend_on_the_way_they_came),
        cmocka_unit_test(prototypes_are_computed_once_and_given_ones_are_kept),
        cmocka_unit_test(a_bank_of_nobody_adapts_nothing),
        cmocka_unit_test(experts_that_do_not_fit_are_refused),
        cmocka_unit_test(a_bank_that_takes_is_the_same_and_leaves_shapes_behind),
        cmocka_unit_test(prototypes_of_another_expert_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
