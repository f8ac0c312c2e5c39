/* vote_test.c - arrow_vote against its formula, from what the base's sites are given; and
 * prompts longer than the passes that read them, wherever a prompt may stand. */
#include "base/rng.h"
#include "model/generate.h"
#include "model/reuse.h"
#include "server/engine.h"
#include "support/experts.h"
#include "support/near.h"
#include "support/place.h"
#include "support/scratch.h"
#include "support/tiny.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    EXPERTS = 5,
    SITES = 3,
    N = 11,
    SITES_OF_MODEL = 14,
    LONG = 600, // a prompt of two passes of a session
    AFTER = 5,  // tokens that follow it
};

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
            .path = s->path, .D_in = s->D_in, .D_out = s->D_out, .R = 3, .alpha = .3f};
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
        .bank = r->bank, .T_max = n, .see = keep_last, .watch_arg = &g, .only_sees = true};
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

/* ---- long prompts ---- */

/* Two long prompts with what follows, and a short one. */
struct texts {
    int ids[3][LONG + AFTER];
    size_t n_prompt[3];
};

static struct texts *texts(void)
{
    struct texts *t = calloc(1, sizeof *t);
    assert_non_null(t);
    for (size_t i = 0; i < 3; i++) {
        t->n_prompt[i] = i == 2 ? 7 : LONG - i;
        for (size_t j = 0; j < LONG + AFTER; j++)
            t->ids[i][j] = (int)qv__below(5, i * LONG * 2 + j, model->c.V);
    }
    return t;
}

static void the_vote_on_a_long_prompt_is_taken_at_its_last_token(void **state)
{
    (void)state;
    struct texts *t = texts();
    struct qv_expert *e[EXPERTS];
    struct qv_update u;
    qv_err err;
    draw(e);
    qv_reuse *r = bound(e, 2, 1);
    double early[EXPERTS], vote[EXPERTS];
    votes(early, r, t->ids[0], 512, 2, 1);
    votes(vote, r, t->ids[0], LONG, 2, 1);
    assert_memory_not_equal(early, vote, sizeof vote);
    struct watched w = {.bank = r->bank, .vote = vote, .k = 2, .T = 1};
    assert_works(qv__reuse_update(&u, r, NULL, LONG + AFTER, &err), &err);
    u.watch = check_rows, u.watch_arg = &w;
    free(logits_after(model, &u, t->ids[0], LONG + AFTER, LONG));
    assert_int_equal(w.n_rows, (LONG + AFTER) * SITES);
    qv__update_end(&u);
    qv_reuse_close(r);
    free_experts(e, EXPERTS);
    free(t);
}

/* Logits [AFTER, V] after the prompt and each token that follows but the last, in one pass.
 */
static float *whole(const qv_reuse *r, const int *ids, size_t n_prompt)
{
    const size_t V = model->c.V, n = n_prompt + AFTER - 1;
    struct qv_update u;
    qv_err err;
    float *part = malloc(AFTER * V * sizeof *part);
    assert_non_null(part);
    assert_works(qv__reuse_update(&u, r, NULL, n, &err), &err);
    float *all = logits_after(model, &u, ids, n, n_prompt);
    memcpy(part, all + (n_prompt - 1) * V, AFTER * V * sizeof *part);
    free(all);
    qv__update_end(&u);
    return part;
}

/* One session after another text, token by token after the prompt. */
static void sessions_take_the_same_vote_in_passes(void **state)
{
    (void)state;
    const size_t V = model->c.V;
    struct texts *t = texts();
    struct qv_expert *e[EXPERTS];
    qv_session *s;
    qv_err err;
    draw(e);
    qv_reuse *r = bound(e, 2, 1);
    assert_works(qv_session_new(&s, model, r, 0, &err), &err);
    for (size_t i = 0; i < 3; i++) {
        float *want = whole(r, t->ids[i], t->n_prompt[i]);
        for (size_t j = 0; j < AFTER; j++) {
            assert_works(qv_session_sync(s, t->ids[i], t->n_prompt[i] + j, &err), &err);
            assert_close_to_scale(qv_session_logits(s), want + j * V, V, 1e-4);
        }
        free(want);
    }
    qv_session_free(s);
    qv_reuse_close(r);
    free_experts(e, EXPERTS);
    free(t);
}

static struct qv_job *job_of(const qv_reuse *r, const struct texts *t, size_t i)
{
    struct qv_job *job;
    qv_err err;
    const struct qv_job_opts o = {.prompt = t->ids[i],
                                  .n_prompt = t->n_prompt[i],
                                  .max_new = AFTER,
                                  .end = {-1, -1},
                                  .n_top = 1,
                                  .wants_logprobs = true,
                                  .reuse = r};
    assert_works(qv__job_new(&job, &o, &err), &err);
    return job;
}

/* What the three texts get on a server of so many slots. */
static void serve(struct qv_likely got[3][AFTER], const qv_reuse *r, const struct texts *t,
                  size_t n_slots)
{
    const struct qv_engine_opts o = {.n_slots = n_slots, .chunk = 48};
    struct qv_engine *engine;
    struct qv_job *job[3];
    enum qv_finish finish;
    qv_err err;
    assert_works(qv__engine_new(&engine, model, &o, &err), &err);
    for (size_t i = 0; i < 3; i++)
        job[i] = job_of(r, t, i);
    assert_works(qv__engine_submit(engine, job, 3, &err), &err);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(qv__job_wait(job[i], SIZE_MAX - 1, 100, &finish), AFTER);
        for (size_t j = 0; j < AFTER; j++)
            got[i][j] = qv__job_said(job[i], j);
        qv__job_release(job[i]);
    }
    qv__engine_free(engine);
}

static float logprob_of(const float *logits, int id)
{
    double sum = 0;
    for (size_t v = 0; v < model->c.V; v++)
        sum += exp((double)logits[v]);
    return (float)((double)logits[id] - log(sum));
}

/* The same tokens, to the last bit alone and in company; likely as one pass has it. */
static void a_server_takes_the_same_vote_in_chunks_alone_and_in_company(void **state)
{
    (void)state;
    struct texts *t = texts();
    struct qv_expert *e[EXPERTS];
    struct qv_likely alone[3][AFTER] = {0}, beside[3][AFTER] = {0};
    draw(e);
    qv_reuse *r = bound(e, 2, 1);
    serve(alone, r, t, 1);
    serve(beside, r, t, 3);
    assert_memory_equal(alone, beside, sizeof alone);
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < AFTER; j++)
            t->ids[i][t->n_prompt[i] + j] = alone[i][j].id;
        float *want = whole(r, t->ids[i], t->n_prompt[i]);
        for (size_t j = 0; j < AFTER; j++) {
            float l = logprob_of(want + j * model->c.V, alone[i][j].id);
            assert_close(&alone[i][j].logprob, &l, 1, 1e-4, 1e-4);
        }
        free(want);
    }
    qv_reuse_close(r);
    free_experts(e, EXPERTS);
    free(t);
}

static void say(int out[AFTER], const struct texts *t, struct qv_request *q, size_t i)
{
    *q = (struct qv_request){
        .prompt = t->ids[i], .n_prompt = t->n_prompt[i], .max_new = AFTER, .out = out};
}

static void what_eval_generates_is_the_same_alone_and_in_company(void **state)
{
    (void)state;
    enum { PASS = 2 * LONG + 16 };
    struct texts *t = texts();
    struct qv_expert *e[EXPERTS];
    struct qv_request q[3];
    int alone[3][AFTER], beside[3][AFTER];
    struct qv_likely served[3][AFTER] = {0};
    struct qv_update u;
    qv_err err;
    draw(e);
    qv_reuse *r = bound(e, 2, 1);
    assert_works(qv__reuse_update(&u, r, NULL, PASS, &err), &err);
    for (size_t i = 0; i < 3; i++) {
        say(alone[i], t, &q[i], i);
        assert_works(qv__generate(model, &u, PASS, &q[i], 1, -1, NULL, &err), &err);
        say(beside[i], t, &q[i], i);
    }
    assert_works(qv__generate(model, &u, PASS, q, 3, -1, NULL, &err), &err);
    assert_memory_equal(alone, beside, sizeof alone);
    serve(served, r, t, 3);
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < AFTER; j++)
            assert_int_equal(served[i][j].id, alone[i][j]);
    qv__update_end(&u);
    qv_reuse_close(r);
    free_experts(e, EXPERTS);
    free(t);
}

static int set_up(void **state)
{
    const struct qv_config c = {.D = 32,
                                .L = 2,
                                .H = 4,
                                .Hk = 2,
                                .E = 8,
                                .F = 48,
                                .V = 400,
                                .n_ctx = LONG + AFTER,
                                .theta = 1e4f,
                                .eps = 1e-5f,
                                .is_tied = true,
                                .bos = -1,
                                .eos = -1};
    qv_err err;
    open_place(state);
    assert_works(qv__model_new(&model, &c, 1, &err), &err);
    for (size_t i = 0; i < model->n_own; i++) // so that tokens differ
        model->own[i] *= model->own[i] == 1 ? 1 : 10;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_tokens_have_the_mean_of_arrows_weights_at_the_prompts_end),
        cmocka_unit_test(an_ear_changes_nothing),
        cmocka_unit_test(the_vote_on_a_long_prompt_is_taken_at_its_last_token),
        cmocka_unit_test(sessions_take_the_same_vote_in_passes),
        cmocka_unit_test(a_server_takes_the_same_vote_in_chunks_alone_and_in_company),
        cmocka_unit_test(what_eval_generates_is_the_same_alone_and_in_company),
    };
    return cmocka_run_group_tests(tests, set_up, close_place);
}
