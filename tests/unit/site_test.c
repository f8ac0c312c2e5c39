/* site_test.c - naming the sites of a model. */
#include "lora/site.h"
#include "support/near.h"

static const struct qv_site site[] = {
    {"model.layers.0.self_attn.q_proj", 0, 8, 8},
    {"model.layers.0.self_attn.v_proj", 0, 8, 4},
    {"model.layers.0.mlp.up_proj", 0, 8, 16},
    {"model.layers.10.self_attn.q_proj", 10, 8, 8},
};
static const struct qv_sites sites = {site, QV_COUNT(site)};

static void a_site_is_found_by_its_whole_path(void **state)
{
    (void)state;
    assert_int_equal(qv__site_find(&sites, "model.layers.0.mlp.up_proj"), 2);
    assert_int_equal(qv__site_find(&sites, "up_proj"), sites.n);
}

static const struct {
    const char *pattern, *chosen;
} choice[] = {
    {"q_proj", "x..x"},
    {"q_proj|v_proj", "xx.x"},
    {".*self_attn\\..*", "xx.x"},
    {"model\\.layers\\.0\\..*", "xxx."},
    {"layers.10.self_attn.q_proj", "...x"},
    {"0\\.self_attn\\.q_proj", "x..."}, // not 10: a match starts after a dot
    {".*", "xxxx"},
};

static void a_pattern_matches_a_path_or_its_end_after_a_dot(void **state)
{
    (void)state;
    for (size_t i = 0; i < QV_COUNT(choice); i++) {
        bool chosen[QV_COUNT(site)];
        char text[QV_COUNT(site) + 1] = {0};
        size_t n, count = 0;
        assert_int_equal(qv__sites_match(chosen, &n, &sites, choice[i].pattern, NULL),
                         QV_OK);
        for (size_t k = 0; k < sites.n; k++) {
            text[k] = chosen[k] ? 'x' : '.';
            count += chosen[k];
        }
        assert_string_equal(text, choice[i].chosen);
        assert_int_equal(n, count);
    }
}

static void a_pattern_that_is_wrong_or_matches_nothing_is_refused(void **state)
{
    (void)state;
    bool chosen[QV_COUNT(site)];
    size_t n;
    qv_err err;
    assert_int_equal(qv__sites_match(chosen, &n, &sites, "_proj", &err), QV_ENOTFOUND);
    assert_string_equal(err.msg, "no site of the model matches '_proj'");
    assert_int_equal(qv__sites_match(chosen, &n, &sites, "q_proj)|(v", &err), QV_EFORMAT);
    assert_string_equal(err.msg,
                        "pattern 'q_proj)|(v': at 6: unmatched closing parenthesis");
    assert_int_equal(qv__sites_match(chosen, &n, &sites, "(?:.|..|.)+[!?]", &err),
                     QV_ELIMIT);
    assert_string_equal(err.msg,
                        "sites '(?:.|..|.)+[!?]': a pattern gave up on 31 bytes of "
                        "text (PCRE2 -47)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_site_is_found_by_its_whole_path),
        cmocka_unit_test(a_pattern_matches_a_path_or_its_end_after_a_dot),
        cmocka_unit_test(a_pattern_that_is_wrong_or_matches_nothing_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
