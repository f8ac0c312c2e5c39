/* route_test.c - which experts a token goes to. */
#include "route/route.h"

#include "support/experts.h"
#include "support/near.h"

#include <math.h>
#include <string.h>

static void the_largest_logits_share_by_softmax(void **state)
{
    (void)state;
    // softmax of (3, 1) is (e^2, 1) / (e^2 + 1) = .880797, .119203.
    const float l[] = {1, 0.5f, 3, -2};
    int expert[4];
    float weight[4];
    qv__top_softmax(expert, weight, l, 4, 2, 1);
    assert_int_equal(expert[0], 2);
    assert_int_equal(expert[1], 0);
    assert_close(weight, ((float[]){.880797f, .119203f}), 2, 1e-6, 0);

    // At temperature 2 the difference counts half: e / (e + 1).
    qv__top_softmax(expert, weight, l, 4, 2, 2);
    assert_close(weight, ((float[]){.731059f, .268941f}), 2, 1e-6, 0);

    qv__top_softmax(expert, weight, l, 4, 4, 1);
    assert_memory_equal(expert, ((int[]){2, 0, 1, 3}), sizeof expert);
    assert_close(&(float){weight[0] + weight[1] + weight[2] + weight[3]}, &(float){1}, 1,
                 1e-6, 0);
}

static void of_equal_logits_the_first_come_first(void **state)
{
    (void)state;
    const float l[] = {1, 5, 5, 2, 5, 5};
    int expert[6];
    float weight[6];
    qv__top_softmax(expert, weight, l, 6, 3, 1);
    assert_memory_equal(expert, ((int[]){1, 2, 4}), 3 * sizeof *expert);
    const float third = 1.f / 3;
    assert_close(weight, ((float[]){third, third, third}), 3, 1e-6, 0);

    const float zero[6] = {0};
    qv__top_softmax(expert, weight, zero, 6, 6, 1);
    assert_memory_equal(expert, ((int[]){0, 1, 2, 3, 4, 5}), sizeof expert);
}

static void logits_of_any_size_give_weights_that_sum_to_one(void **state)
{
    (void)state;
    const float l[] = {3e38f, 1e30f, 0, 3e38f};
    int expert[4];
    float weight[4];
    qv__top_softmax(expert, weight, l, 4, 3, 1e-3f);
    assert_close(weight, ((float[]){.5f, .5f, 0}), 3, 1e-6, 0);
    assert_memory_equal(expert, ((int[]){0, 3, 1}), 3 * sizeof *expert);
}

static void logits_that_are_not_numbers_still_name_experts(void **state)
{
    (void)state;
    const float l[] = {NAN, 1, NAN, 2};
    int expert[2];
    float weight[2];
    qv__top_softmax(expert, weight, l, 4, 2, 1);
    for (size_t i = 0; i < 2; i++)
        assert_in_range(expert[i], 0, 3);
}

/* Three experts on R^4 whose prototypes are e1, e2 and (1, 1, 1, 1) / 2, as in
 * the authors' tests; `sign` multiplies them. */
static const struct qv_site space[] = {{.path = "q", .D_in = 4, .D_out = 2},
                                       {.path = "v", .D_in = 4, .D_out = 2}};

static struct qv_bank *three(float sign)
{
    static const float direction[3][4] = {{1, 0, 0, 0}, {0, 1, 0, 0}, {.5f, .5f, .5f, .5f}};
    static const char *const name[] = {"a", "b", "c"};
    struct qv_sites sites = sites_of(space, 2);
    struct qv_expert *e[3];
    for (size_t k = 0; k < 3; k++)
        e[k] = expert_of(name[k], "q", 4, 2, 1, 1, direction[k], (float[]){1, 1});
    struct qv_bank *b = bank_of(&sites, e, 3);
    for (size_t k = 0; k < 3; k++) {
        struct qv_prototypes p;
        assert_int_equal(qv__prototypes_of(&p, e[k], NULL), QV_OK);
        for (size_t d = 0; d < 4; d++)
            p.v[d] *= sign;
        assert_int_equal(qv__bank_set_prototypes(b, k, &p, QV_COPIES, NULL), QV_OK);
        qv__prototypes_end(&p);
        qv__expert_free(e[k]);
    }
    return b;
}

static struct qv_router *arrow(struct qv_bank *b, size_t top_k, float temperature)
{
    const struct qv_router_opts opts = {.top_k = top_k, .temperature = temperature};
    struct qv_router *r;
    assert_int_equal(qv__router_open(&r, qv__router_find("arrow"), b, &opts, NULL), QV_OK);
    return r;
}

/* The authors' numbers for h1 = (1, 0, 0, 0), h2 = (0, -2, 0, 1). */
static const struct {
    size_t top_k;
    float temperature;
    int expert[6];
    float weight[6];
} theirs[] = {
    {3,
     1,
     {0, 2, 1, 1, 2, 0},
     {.506480f, .307196f, .186324f, .736125f, .164252f, .099624f}},
    {9,
     1,
     {0, 2, 1, 1, 2, 0},
     {.506480f, .307196f, .186324f, .736125f, .164252f, .099624f}},
    {3,
     2,
     {0, 2, 1, 1, 2, 0},
     {.419229f, .326496f, .254275f, .543406f, .256687f, .199908f}},
    {2, 1, {0, 2, 1, 2}, {.622459f, .377541f, .817574f, .182426f}},
    {2, .5f, {0, 2, 1, 2}, {.731059f, .268941f, .952574f, .047426f}},
    {1, 1, {0, 1}, {1, 1}},
};

static void arrow_weighs_as_the_authors_do_whatever_the_sign_of_a_prototype(void **state)
{
    (void)state;
    const float h[] = {1, 0, 0, 0, 0, -2, 0, 1};
    for (float sign = -1; sign <= 1; sign += 2)
        for (size_t i = 0; i < QV_COUNT(theirs); i++) {
            struct qv_bank *b = three(sign);
            struct qv_router *r = arrow(b, theirs[i].top_k, theirs[i].temperature);
            int expert[6];
            float weight[6], scratch[2 * 3 + 3 * 4]; // logits, and vectors side by side
            struct qv_routing to = {.expert = expert, .weight = weight};
            r->ops->route(r, 0, h, 2, scratch, &to);
            assert_int_equal(to.k, qv__min(theirs[i].top_k, 3));
            assert_memory_equal(expert, theirs[i].expert, 2 * to.k * sizeof *expert);
            assert_close(weight, theirs[i].weight, 2 * to.k, 1e-6, 0);
            qv__router_close(r);
            qv__bank_free(b);
        }
}

static void a_cold_arrow_chooses_one_expert(void **state)
{
    (void)state;
    struct qv_bank *b = three(1);
    struct qv_router *r = arrow(b, 3, 1e-3f);
    int expert[3];
    float weight[3], scratch[3 + 3 * 4];
    struct qv_routing to = {.expert = expert, .weight = weight};
    r->ops->route(r, 0, (float[]){.1f, .3f, 0, 0}, 1, scratch, &to);
    assert_int_equal(expert[0], 1);
    assert_close(weight, ((float[]){1, 0, 0}), 3, 1e-6, 0);
    qv__router_close(r);
    qv__bank_free(b);
}

static void arrow_takes_four_experts_at_temperature_one_unless_told(void **state)
{
    (void)state;
    struct qv_bank *b = three(1);
    struct qv_router *r;
    assert_int_equal(qv__router_open(&r, qv__router_find("arrow"), b, NULL, NULL), QV_OK);
    assert_int_equal(r->top_k, 4);
    assert_close(&r->temperature, &(float){1}, 1, 0, 0);
    qv__router_close(r);
    qv__bank_free(b);
}

static void a_temperature_that_is_not_positive_is_refused(void **state)
{
    (void)state;
    struct qv_bank *b = three(1);
    const float bad[] = {-1, NAN, INFINITY};
    const char *const says[] = {"arrow: a temperature of -1 is not positive",
                                "arrow: a temperature of nan is not positive",
                                "arrow: a temperature of inf is not positive"};
    for (size_t i = 0; i < 3; i++) {
        struct qv_router *r;
        qv_err err = {0};
        assert_int_equal(qv__router_open(&r, qv__router_find("arrow"), b,
                                         &(struct qv_router_opts){.temperature = bad[i]},
                                         &err),
                         QV_EFORMAT);
        assert_string_equal(err.msg, says[i]);
        assert_null(r);
    }
    qv__bank_free(b);
}

static void static_routers_weigh_experts_once(void **state)
{
    (void)state;
    float w[4];
    qv__router_find("uniform")->weigh(w, 4, 0);
    assert_close(w, ((float[]){.25f, .25f, .25f, .25f}), 4, 0, 0);
    assert_false(qv__router_find("uniform")->is_oracle);
    qv__router_find("oracle")->weigh(w, 4, 2);
    assert_close(w, ((float[]){0, 0, 1, 0}), 4, 0, 0);
    assert_true(qv__router_find("oracle")->is_oracle);
}

static void experts_are_composed_as_asked_or_as_the_routers_authors_do(void **state)
{
    (void)state;
    const struct qv_router_ops *arrow = qv__router_find("arrow"),
                               *goose = qv__router_find("phatgoose");
    assert_int_equal(qv__router_compose(NULL, QV_COMPOSE_DEFAULT), QV_FACTOR);
    assert_int_equal(qv__router_compose(arrow, QV_COMPOSE_DEFAULT), QV_FACTOR);
    assert_int_equal(qv__router_compose(arrow, QV_COMPOSE_OUTPUT), QV_OUTPUT);
    assert_int_equal(qv__router_compose(goose, QV_COMPOSE_DEFAULT), QV_OUTPUT);
    assert_int_equal(qv__router_compose(goose, QV_COMPOSE_FACTOR), QV_FACTOR);
}

static void routers_are_found_by_name(void **state)
{
    (void)state;
    for (const struct qv_router_ops *const *r = qv__routers(); *r; r++) {
        assert_ptr_equal(qv__router_find((*r)->name), *r);
        assert_true((*r)->about && strlen((*r)->about) < 72);
        assert_true((*r)->weigh || ((*r)->open && (*r)->close));
        assert_int_equal((*r)->weigh || (*r)->reads, !(*r)->route);
        assert_int_equal((*r)->reads != QV_READS_NOTHING, (*r)->judge != NULL);
        assert_int_equal((*r)->needs != QV_NEEDS_NOTHING, (*r)->artifact != NULL);
    }
    assert_null(qv__router_find("bow"));
    qv__router_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_largest_logits_share_by_softmax),
        cmocka_unit_test(of_equal_logits_the_first_come_first),
        cmocka_unit_test(logits_of_any_size_give_weights_that_sum_to_one),
        cmocka_unit_test(logits_that_are_not_numbers_still_name_experts),
        cmocka_unit_test(arrow_weighs_as_the_authors_do_whatever_the_sign_of_a_prototype),
        cmocka_unit_test(a_cold_arrow_chooses_one_expert),
        cmocka_unit_test(arrow_takes_four_experts_at_temperature_one_unless_told),
        cmocka_unit_test(a_temperature_that_is_not_positive_is_refused),
        cmocka_unit_test(static_routers_weigh_experts_once),
        cmocka_unit_test(experts_are_composed_as_asked_or_as_the_routers_authors_do),
        cmocka_unit_test(routers_are_found_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
