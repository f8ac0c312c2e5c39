/* trace_test.c - the routing that is told of a text: that of one pass over it, for every
 * router, and no number of the answer is another for it.
 */
#include "base/rng.h"
#include "model/decoder.h"
#include "model/forward.h"
#include "server/engine.h"
#include "support/scratch.h"
#include "support/stage.h"

#include <stdlib.h>
#include <string.h>

enum { PROMPT = 20, NEW = 9, ALL = PROMPT + NEW, N_TOP = 2 };

static struct stage stage;

static int open_stage(void **state)
{
    (void)state;
    stage.m = wide_model();
    bind_all(&stage);
    return 0;
}

static int close_stage(void **state)
{
    (void)state;
    end_stage(&stage);
    return 0;
}

static struct qv_job *answered(size_t who, bool wants_routing, bool routes_prompt)
{
    const struct qv_engine_opts opts = {.chunk = 8};
    struct qv_engine *e;
    struct qv_job *job;
    enum qv_finish finish;
    int prompt[PROMPT];
    qv_err err;
    for (size_t i = 0; i < PROMPT; i++)
        prompt[i] = (int)qv__below(who, i, stage.m->c.V);
    const struct qv_job_opts o = {.prompt = prompt,
                                  .n_prompt = PROMPT,
                                  .max_new = NEW,
                                  .end = {-1, -1},
                                  .n_top = N_TOP,
                                  .wants_logprobs = true,
                                  .wants_routing = wants_routing,
                                  .routes_prompt = routes_prompt,
                                  .reuse = stage.who[who]};
    assert_works(qv__engine_new(&e, stage.m, &opts, &err), &err);
    assert_works(qv__job_new(&job, &o, &err), &err);
    assert_works(qv__engine_submit(e, &job, 1, &err), &err);
    assert_int_equal(qv__job_wait(job, SIZE_MAX, 100, &finish), NEW);
    assert_int_equal(finish, QV_FINISH_LENGTH);
    qv__engine_free(e);
    return job;
}

/* Weights [sites, ALL, experts] of one pass over all tokens. */
struct wanted {
    const struct qv_bank *bank;
    float *w;
};

static void watch(void *arg, size_t site, size_t T, const struct qv_routing *r)
{
    struct wanted *want = arg;
    const int *expert = want->bank->site[site].expert;
    assert_int_equal(T, ALL);
    for (size_t i = 0; i < T * r->k; i++)
        want->w[(site * ALL + i / r->k) * STAGE_EXPERTS + (size_t)expert[r->expert[i]]] =
            r->weight[i];
}

static void pass_over(struct wanted *want, struct qv_job *job, const qv_reuse *reuse)
{
    struct qv_update u;
    struct qv_acts acts;
    int ids[ALL], pos[ALL];
    qv_err err;
    for (size_t i = 0; i < ALL; i++) {
        ids[i] =
            i < PROMPT ? qv__job_opts(job)->prompt[i] : qv__job_said(job, i - PROMPT).id;
        pos[i] = (int)i;
    }
    const struct qv_seq seq = {.n = ALL, .n_prompt = PROMPT};
    const struct qv_batch b = {.T = ALL, .token = ids, .pos = pos, .seq = &seq, .n_seq = 1};
    assert_works(qv__reuse_update(&u, reuse, NULL, ALL, &err), &err);
    assert_works(qv__acts_init(&acts, stage.m, ALL, ALL, 1, 0, 0, &err), &err);
    u.watch = watch;
    u.watch_arg = want;
    qv__forward(&(struct qv_pass){.m = stage.m, .a = &acts, .b = &b, .update = &u});
    qv__acts_end(&acts);
    qv__update_end(&u);
}

/* The told tokens from `first` on. The weights of this model are large, and so are logits:
 * that products of one row and of many round differently shows in the third digit. */
static void assert_told(struct qv_job *job, const struct wanted *want, size_t first,
                        const char *router)
{
    const struct qv_trace *t = qv__job_trace(job);
    assert_non_null(t);
    for (size_t i = 0; i < qv__trace_sites(t); i++)
        for (size_t token = first; token < ALL; token++) {
            float got[STAGE_EXPERTS] = {0};
            size_t k, site = qv__trace_site(t, i);
            const struct qv_share *at = qv__trace_at(t, token, i, &k);
            for (size_t j = 0; j < k; j++) {
                got[at[j].expert] = at[j].weight;
                assert_true(j == 0 || at[j].weight <= at[j - 1].weight);
            }
            assert_close_at(got, want->w + (site * ALL + token) * STAGE_EXPERTS,
                            STAGE_EXPERTS, 1e-2, 0, router, __FILE__, __LINE__);
        }
}

static void what_is_told_is_the_routing_of_one_pass_over_the_text(void **state)
{
    (void)state;
    size_t n_routers = 0;
    for (size_t i = 1; i < stage.n_who; i++) {
        const qv_reuse *r = stage.who[i];
        if (!r->router)
            continue;
        struct qv_job *all = answered(i, true, true), *said = answered(i, true, false);
        struct wanted want = {.bank = r->bank};
        want.w = calloc(stage.m->sites.n * ALL * STAGE_EXPERTS, sizeof *want.w);
        assert_non_null(want.w);
        pass_over(&want, all, r);
        assert_told(all, &want, 0, stage.as[i]);
        assert_told(said, &want, PROMPT, stage.as[i]);
        free(want.w);
        qv__job_release(all), qv__job_release(said);
        n_routers++;
    }
    assert_true(n_routers > 15);
}

static void to_ask_for_it_changes_no_number(void **state)
{
    (void)state;
    for (size_t i = 0; i < stage.n_who; i++) {
        struct qv_job *with = answered(i, true, false), *all = answered(i, true, true),
                      *without = answered(i, false, false);
        for (size_t j = 0; j < NEW; j++) {
            struct qv_likely a = qv__job_said(with, j), b = qv__job_said(without, j),
                             c = qv__job_said(all, j);
            assert_memory_equal(&a, &b, sizeof a);
            assert_memory_equal(qv__job_top(with, j), qv__job_top(without, j),
                                N_TOP * sizeof a);
            // That of the prompt asks for rows that are left out otherwise: they are summed
            // in another order.
            assert_int_equal(a.id, c.id);
            assert_float_equal(a.logprob, c.logprob, 1e-4);
        }
        assert_null(qv__job_trace(without));
        qv__job_release(with), qv__job_release(all), qv__job_release(without);
    }
}

static void nothing_is_written_down_where_no_router_looks(void **state)
{
    (void)state;
    for (size_t i = 0; i < stage.n_who; i++) {
        const bool looks = stage.who[i] && stage.who[i]->router;
        struct qv_job *job = answered(i, true, true);
        assert_int_equal(qv__job_trace(job) != NULL, looks);
        assert_int_equal(qv__trace_size(stage.who[i], 1) > 0, looks);
        qv__job_release(job);
    }
    assert_int_equal(qv__trace_size(stage.who[3], SIZE_MAX), SIZE_MAX); // Arrow
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_told_is_the_routing_of_one_pass_over_the_text),
        cmocka_unit_test(to_ask_for_it_changes_no_number),
        cmocka_unit_test(nothing_is_written_down_where_no_router_looks),
    };
    return cmocka_run_group_tests(tests, open_stage, close_stage);
}
