/* bench/route.c - what routing costs: prototypes of a library, one token at one
 * site against the base's own product there, and comparing the experts.
 *
 * Phi-2's shapes: width 2560, 256 experts of rank 4, top 4.
 */
#include "base/carve.h"
#include "base/clock.h"
#include "base/rng.h"
#include "cluster/cluster.h"
#include "op/gemm.h"
#include "route/update.h"

#include <stdio.h>
#include <stdlib.h>

enum { D = 2560, R = 4, K = 256, SITES = 4, T = 512, RUNS = 10 };

static _Noreturn void stop(const qv_err *err)
{
    fprintf(stderr, "bench: %s\n", err->msg);
    exit(1);
}

static float *uniforms(size_t n, uint64_t seed)
{
    qv_carve need = {0};
    qv__carve_f32(&need, n, 1);
    float *x = qv__carve_alloc(&need);
    if (!x)
        stop(&(qv_err){.msg = "no memory"});
    for (size_t i = 0; i < n; i++)
        x[i] = qv__uniform(seed, i) - 0.5f;
    return x;
}

static void make_experts(struct qv_expert *e[K], const struct qv_site *site)
{
    struct qv_expert_shape shape[SITES];
    qv_err err;
    for (size_t i = 0; i < SITES; i++)
        shape[i] = (struct qv_expert_shape){site[i].path, D, D, R, 16};
    for (size_t k = 0; k < K; k++) {
        char name[16];
        snprintf(name, sizeof name, "e%zu", k);
        if (qv__expert_new(&e[k], name, shape, SITES, false, &err))
            stop(&err);
        for (size_t i = 0; i < e[k]->n_w; i++)
            e[k]->w[i] = qv__uniform(k, i) - 0.5f;
    }
}

/* Seconds of the fastest of a few runs, here and below. */
static double time_compose(struct qv_update *u, float *y, const float *x, size_t n)
{
    double best = 1e9;
    for (size_t run = 0; run < RUNS; run++) {
        double t0 = qv__seconds();
        qv__compose(y, x, n, &u->bank->site[0], &u->routing, u->compose);
        double took = qv__seconds() - t0;
        best = took < best ? took : best;
    }
    return best;
}

static double time_base(float *y, const float *x, const float *W, size_t n)
{
    double best = 1e9;
    for (size_t run = 0; run < RUNS; run++) {
        double t0 = qv__seconds();
        qv__sgemm(false, true, n, D, D, 1, x, D, W, D, 0, y, D);
        double took = qv__seconds() - t0;
        best = took < best ? took : best;
    }
    return best;
}

static double time_scores(struct qv_update *u, const float *x, size_t n)
{
    double best = 1e9;
    for (size_t run = 0; run < RUNS; run++) {
        double t0 = qv__seconds();
        u->router->ops->route(u->router, 0, x, n, u->z, &u->routing);
        double took = qv__seconds() - t0;
        best = took < best ? took : best;
    }
    return best;
}

static void measure_tokens(struct qv_bank *b)
{
    qv_err err;
    struct qv_router *arrow;
    struct qv_update u;
    if (qv__router_open(&arrow, qv__router_find("arrow"), b, NULL, &err))
        stop(&err);
    float *x = uniforms(T * D, 1), *y = uniforms(T * D, 2), *W = uniforms((size_t)D * D, 3);
    const size_t batch[] = {1, 4, 32, T};
    for (size_t i = 0; i < QV_COUNT(batch); i++) {
        size_t n = batch[i];
        double base = time_base(y, x, W, n), each = 1e6 / (double)n;
        for (enum qv_compose how = QV_FACTOR; how <= QV_OUTPUT; how++) {
            if (qv__update_init(&u, b, arrow, how, n, &err))
                stop(&err);
            double scores = time_scores(&u, x, n), sum = time_compose(&u, y, x, n);
            printf(
                "%4zu tokens, %s: score %7.2f us, compose %7.2f us a token; base %8.2f us; "
                "%5.1f%% more\n",
                n, how == QV_FACTOR ? "factor" : "output", scores * each, sum * each,
                base * each, 100 * (scores + sum) / base);
            qv__update_end(&u);
        }
    }
    qv__router_close(arrow);
    free(x), free(y), free(W);
}

/* What it costs to choose, by every router that needs nothing but the experts. The last
 * ones write the bank anew. */
static void measure_routers(struct qv_bank *b)
{
    float *x = uniforms(T * D, 1);
    for (const struct qv_router_ops *const *ops = qv__routers(); *ops; ops++) {
        qv_err err;
        struct qv_router *r;
        struct qv_update u;
        if (!(*ops)->route || (*ops)->artifact)
            continue;
        if (qv__router_open(&r, *ops, b, NULL, &err) ||
            qv__update_init(&u, b, r, QV_OUTPUT, T, &err))
            stop(&err);
        printf("%-13s score %7.2f us for one token, %6.2f us a token for %d\n",
               (*ops)->name, 1e6 * time_scores(&u, x, 1), 1e6 * time_scores(&u, x, T) / T,
               T);
        qv__update_end(&u);
        qv__router_close(r);
    }
    free(x);
}

static void measure_similarity(struct qv_expert **e)
{
    static float sim[K * K];
    static int label[K];
    qv_err err;
    for (enum qv_similarity kind = QV_SIM_MBC; kind <= QV_SIM_GAUGE; kind++) {
        double t0 = qv__seconds();
        if (qv__similarity(sim, e, K, &(struct qv_similarity_opts){.kind = kind}, &err))
            stop(&err);
        printf("%s similarity of %d experts of %zu weights: %.2f s\n",
               kind == QV_SIM_MBC ? "MBC" : "gauge-free", K, e[0]->n_w, qv__seconds() - t0);
    }
    double t0 = qv__seconds();
    if (qv__kmeans(label, NULL, sim, K, K, 10, 0, 1, &err))
        stop(&err);
    printf("k-means, 10 of %d: %.2f s\n", K, qv__seconds() - t0);
}

int main(void)
{
    const struct qv_site site[SITES] = {
        {"q", 0, D, D}, {"k", 0, D, D}, {"v", 0, D, D}, {"o", 0, D, D}};
    const struct qv_sites sites = {site, SITES};
    static struct qv_expert *e[K];
    struct qv_bank *b;
    qv_err err;
    make_experts(e, site);

    double t0 = qv__seconds();
    if (qv__bank_new(&b, &sites, e, K, &err))
        stop(&err);
    printf("bank of %d experts, %d sites: %.3f s\n", K, SITES, qv__seconds() - t0);
    t0 = qv__seconds();
    if (qv__bank_prototypes(b, &err))
        stop(&err);
    double took = qv__seconds() - t0;
    printf("prototypes: %.3f s, %.0f us each\n", took, 1e6 * took / (K * SITES));
    measure_tokens(b);
    measure_routers(b);
    measure_similarity(e);

    qv__bank_free(b);
    for (size_t k = 0; k < K; k++)
        qv__expert_free(e[k]);
    return 0;
}
