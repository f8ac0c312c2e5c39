/* vote_test.c - arrow_vote against its formula, from what the base's sites are given. */
#include "model/reuse.h"
#include "support/experts.h"
#include "support/near.h"
#include "support/place.h"
#include "support/scratch.h"
#include "support/tiny.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { EXPERTS = 5, SITES = 3, N = 11, SITES_OF_MODEL = 14 };

/* What every site is given at the last token of a text. */
struct given {
    float x[SITES_OF_MODEL][128];
};

static void keep_last(void *arg, size_t site, size_t T, const float *x)
{
    struct given *g = arg;
    const size_t D = model->sites.at[site].D_in;
    assert_true(site < SITES_OF_MODEL && D <= 128);
    memcpy(g->x[site], x + (T - 1) * D, D * sizeof *x);
}

/* Five experts, of which the last two have no more than the first site. */
static void draw(struct qv_expert *e[EXPERTS])
{
    static const size_t which[SITES] = {0, 5, 13};
    struct qv_expert_shape shape[SITES];
    for (size_t i = 0; i < SITES; i++) {
        const struct qv_site *s = &model->sites.at[which[i]];
        shape[i] = (struct qv_expert_shape){
            .path = s->path, .D_in = s->D_in, .D_out = s->D_out, .R = 3};
    }
    for (size_t k = 0; k < EXPERTS; k++) {
        const char name[] = {(char)('a' + k), 0};
        e[k] = expert_drawn(name, shape, k < 3 ? SITES : 1, 40 + k);
    }
}

static qv_reuse *bound(struct qv_expert *const *e, size_t k, float temperature)
{
    qv_reuse *r;
    qv_err err;
    const struct qv_reuse_from from = {.experts = e,
                                       .n = EXPERTS,
                                       .router = "arrow_vote",
                                       .top_k = k,
                                       .temperature = temperature};
    assert_works(qv__reuse_new(&r, model, &from, &err), &err);
    return r;
}

/* In w [n], the k largest (of equal ones the first) stay. */
static void keep_largest(double *w, size_t n, size_t k)
{
    for (size_t drop = n; drop > k; drop--) {
        size_t least = n;
        for (size_t i = 0; i < n; i++)
            if (w[i] >= 0 && (least == n || w[i] <= w[least]))
                least = i;
        w[least] = -1;
    }
}

/* The mean over sites of Arrow's weights at the last of n tokens: w [EXPERTS]. */
static void votes(double w[EXPERTS], const qv_reuse *r, const int *ids, size_t n, size_t k,
                  double T)
{
    struct given g;
    struct qv_update ear = {
        .bank = r->bank, .T_max = N, .see = keep_last, .watch_arg = &g, .only_sees = true};
    free(logits_of(model, &ear, ids, n));
    memset(w, 0, EXPERTS * sizeof *w);
    for (size_t m = 0; m < r->bank->n_sites; m++) {
        const struct qv_bank_site *s = &r->bank->site[m];
        double l[EXPERTS], sum = 0;
        for (size_t e = 0; e < s->K; e++) {
            l[e] = 0;
            for (size_t d = 0; d < s->D_in; d++)
                l[e] += (double)s->proto[e][d] * (double)g.x[m][d];
            l[e] = fabs(l[e]);
        }
        keep_largest(l, s->K, k);
        for (size_t e = 0; e < s->K; e++)
            sum += l[e] >= 0 ? exp(l[e] / T) : 0;
        for (size_t e = 0; e < s->K; e++)
            w[s->expert[e]] += l[e] >= 0 ? exp(l[e] / T) / sum : 0;
    }
}

/* Of each row at each site: the weights that they are to have. */
struct watched {
    const struct qv_bank *bank;
    const double *vote; // [EXPERTS]
    size_t k, n_rows;
    double T;
};

static void check_rows(void *arg, size_t site, size_t T, const struct qv_routing *r)
{
    struct watched *w = arg;
    const struct qv_bank_site *s = &w->bank->site[site];
    double want[EXPERTS], sum = 0;
    for (size_t e = 0; e < s->K; e++)
        want[e] = w->vote[s->expert[e]];
    keep_largest(want, s->K, w->k);
    for (size_t e = 0; e < s->K; e++)
        sum += want[e] = want[e] > 0 ? pow(want[e], 1 / w->T) : 0;
    assert_int_equal(r->k, w->k < s->K ? w->k : s->K);
    for (size_t t = 0; t < T; t++, w->n_rows++)
        for (size_t i = 0; i < r->k; i++) {
            double got = (double)r->weight[t * r->k + i];
            assert_true(fabs(got - want[r->expert[t * r->k + i]] / sum) < 1e-5);
        }
}

static void all_tokens_have_the_mean_of_arrows_weights_at_the_prompts_end(void **state)
{
    (void)state;
    static const struct {
        size_t k;
        float T;
        size_t n_prompt;
    } as[] = {{1, 1, N}, {2, 1, 6}, {3, .5f, N}, {5, 2, 1}};
    const int ids[N] = {3, 14, 15, 92, 65, 35, 89, 79, 32, 38, 46};
    struct qv_expert *e[EXPERTS];
    draw(e);
    for (size_t i = 0; i < QV_COUNT(as); i++) {
        qv_reuse *r = bound(e, as[i].k, as[i].T);
        double vote[EXPERTS];
        struct qv_update u;
        qv_err err;
        votes(vote, r, ids, as[i].n_prompt, as[i].k, (double)as[i].T);
        struct watched w = {
            .bank = r->bank, .vote = vote, .k = as[i].k, .T = (double)as[i].T};
        assert_works(qv__reuse_update(&u, r, NULL, N, &err), &err);
        u.watch = check_rows, u.watch_arg = &w;
        free(logits_after(model, &u, ids, N, as[i].n_prompt));
        assert_int_equal(w.n_rows, N * SITES);
        qv__update_end(&u);
        qv_reuse_close(r);
    }
    free_experts(e, EXPERTS);
}

static void an_ear_changes_nothing(void **state)
{
    (void)state;
    const int ids[N] = {3, 14, 15, 92, 65, 35, 89, 79, 32, 38, 46};
    struct qv_expert *e[EXPERTS];
    struct given g;
    draw(e);
    qv_reuse *r = bound(e, 1, 1);
    struct qv_update ear = {
        .bank = r->bank, .T_max = N, .see = keep_last, .watch_arg = &g, .only_sees = true};
    float *with = logits_of(model, &ear, ids, N), *without = logits_of(model, NULL, ids, N);
    assert_memory_equal(with, without, N * model->c.V * sizeof *with);
    free(with);
    free(without);
    qv_reuse_close(r);
    free_experts(e, EXPERTS);
}

static int set_up(void **state)
{
    open_place(state);
    model = tiny_model(at("model"), 1);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_tokens_have_the_mean_of_arrows_weights_at_the_prompts_end),
        cmocka_unit_test(an_ear_changes_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, close_place);
}
