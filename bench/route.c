/* bench/route.c - what routing costs at one site of Phi-2's attention, beside the base's
 * own product there.
 *
 *     build/release/bench/route                 the table: experts x batch x composition
 *     build/release/bench/route EXPERTS [BATCH]     one row of it
 *     build/release/bench/route EXPERTS 0       opening, choosing by every router,
 * comparing
 *
 * Width 2560, experts of rank 4, top 4. CSV: the processor's microseconds a token (of all
 * threads: with OMP_NUM_THREADS=1 they say how long it takes on a machine that is busy
 * otherwise), medians of runs in turn, of which each takes other tokens and another of
 * several sites, so that what a token touches comes from memory as it does in a model. A
 * layer of Phi-2 does three times the work of its attention's maps; hence the last columns,
 * what routing adds to all of it.
 */
#include "parts.h"
#include "base/carve.h"
#include "base/clock.h"
#include "base/rng.h"
#include "cluster/cluster.h"
#include "format/block_encode.h"
#include "lora/thin.h"
#include "op/linear.h"
#include "route/update.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { D = 2560, R = 4, T = 512, RUNS = 15, MOST_SITES = 256 };

/* Bytes of experts that no cache holds. */
static const size_t COLD = (size_t)256 << 20;

static _Noreturn void stop(const char *why)
{
    fprintf(stderr, "bench: %s\n", why);
    exit(1);
}

static void *allocate(size_t n, size_t size)
{
    qv_carve need = {0};
    qv__carve(&need, n, 1, 1, size);
    void *p = qv__carve_alloc(&need);
    if (!p)
        stop("no memory");
    return p;
}

static float *uniforms(size_t n, uint64_t seed)
{
    float *x = allocate(n, sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = qv__uniform(seed, i) - 0.5f;
    return x;
}

/* The base's map, as floats and in blocks of 8 and of 4 bits. */
struct base {
    struct qv_weight map[3];
    struct qv_linear_room room;
    void *blocks[3];
};

static void base_init(struct base *b)
{
    static const char *const type[] = {"F32", "Q8_0", "Q4_0"};
    float *W = uniforms((size_t)D * D, 3);
    *b = (struct base){.room.slab = allocate(qv__linear_slab(D), sizeof(float))};
    for (size_t i = 0; i < 3; i++) {
        const struct qv_block_type *t = qv__block_named(type[i]);
        b->blocks[i] = i == 0 ? W : allocate(D, qv__block_bytes(t, D));
        if (i > 0)
            qv__block_encode(b->blocks[i], t, W, (size_t)D * D);
        b->map[i] = (struct qv_weight){.D_out = D, .D_in = D};
        qv__weight_lies_at(&b->map[i], b->blocks[i], t, false);
    }
}

static void base_end(struct base *b)
{
    for (size_t i = 0; i < 3; i++)
        free(b->blocks[i]);
    free(b->room.slab);
}

static struct qv_expert **make_experts(size_t K, size_t rank, const struct qv_sites *sites)
{
    struct qv_expert **e = allocate(K, sizeof *e);
    struct qv_expert_shape shape[MOST_SITES];
    for (size_t i = 0; i < sites->n; i++)
        shape[i] = (struct qv_expert_shape){sites->at[i].path, D, D, rank, 16};
    for (size_t k = 0; k < K; k++) {
        char name[32];
        qv_err err;
        snprintf(name, sizeof name, "e%zu", k);
        if (qv__expert_new(&e[k], name, shape, sites->n, false, &err))
            stop(err.msg);
#pragma omp parallel for schedule(static)
        for (size_t i = 0; i < e[k]->n_w; i++)
            e[k]->w[i] = qv__uniform(k, i) - 0.5f;
    }
    return e;
}

/* A bank of K experts at so many sites that they leave every cache between two uses. */
static struct qv_bank *make_bank(size_t K, size_t rank, struct qv_expert ***kept,
                                 bool tells)
{
    static char path[MOST_SITES][8];
    static struct qv_site at[MOST_SITES];
    size_t n = COLD / (K * 2 * rank * D * sizeof(float));
    n = qv__min(MOST_SITES, qv__max(2, n));
    for (size_t i = 0; i < n; i++) {
        snprintf(path[i], sizeof path[i], "q%zu", i);
        at[i] = (struct qv_site){path[i], 0, D, D};
    }
    const struct qv_sites sites = {at, n};
    struct qv_expert **e = make_experts(K, rank, &sites);
    struct qv_bank *b;
    qv_err err;
    double t0 = qv__seconds();
    if (qv__bank_new(&b, &sites, e, K, &err))
        stop(err.msg);
    double t1 = qv__seconds();
    if (qv__bank_prototypes(b, &err))
        stop(err.msg);
    double t2 = qv__seconds();
    if (tells)
        printf("bank of %zu experts, %zu sites: %.3f s; prototypes %.3f s, %.0f us each\n",
               K, n, t1 - t0, t2 - t1, 1e6 * (t2 - t1) / (double)(K * n));
    if (kept) {
        *kept = e;
        return b;
    }
    for (size_t k = 0; k < K; k++)
        qv__expert_free(e[k]);
    free(e);
    return b;
}

/* One row: `how` for n tokens. */
static void measure_batch(const struct qv_bank *b, const struct qv_router *router,
                          const struct base *base, const float *x, float *y, size_t n,
                          enum qv_compose how)
{
    static double took[5][RUNS];
    struct qv_update u;
    qv_err err;
    if (qv__update_init(&u, b, router, how, n, &err))
        stop(err.msg);
    for (size_t run = 0; run <= RUNS; run++) {
        size_t site = run * 7 % b->n_sites, at = run ? run - 1 : 0; // the first is thrown
        const float *x_run = x + run * 13 % T * D;
        for (size_t i = 0; i < 3; i++) {
            double t0 = processor_seconds();
            qv__linear(y, x_run, &base->map[i], n, base->room);
            took[i][at] = processor_seconds() - t0;
        }
        double t0 = processor_seconds();
        router->ops->route(router, site, x_run, n, u.z, &u.routing);
        double t1 = processor_seconds();
        qv__compose(y, x_run, n, &b->site[site], &u.routing, how, &u.room);
        took[3][at] = t1 - t0;
        took[4][at] = processor_seconds() - t1;
    }
    double us[5];
    for (size_t i = 0; i < 5; i++)
        us[i] = 1e6 * median(took[i], RUNS) / (double)n;
    printf("%zu,%zu,%s,%.2f,%.2f,%.2f,%.2f,%.2f", b->K, n,
           how == QV_FACTOR ? "factor" : "output", us[3], us[4], us[0], us[1], us[2]);
    for (size_t i = 0; i < 3; i++)
        printf(",%.1f", 100 * (us[3] + us[4]) / (3 * us[i]));
    printf("\n");
    fflush(stdout);
    qv__update_end(&u);
}

static void measure_tokens(size_t K, const struct base *base, size_t only)
{
    static const size_t batch[] = {1, 4, 32, T};
    struct qv_bank *b = make_bank(K, R, NULL, false);
    struct qv_router *arrow;
    qv_err err;
    if (qv__router_open(&arrow, qv__router_find("arrow"), b, NULL, &err))
        stop(err.msg);
    float *x = uniforms(2 * T * D, 1), *y = uniforms(T * D, 2);
    for (size_t i = 0; i < QV_COUNT(batch); i++)
        for (enum qv_compose how = QV_FACTOR; how <= QV_OUTPUT; how++)
            if (!only || only == batch[i])
                measure_batch(b, arrow, base, x, y, batch[i], how);
    qv__router_close(arrow);
    qv__bank_free(b);
    free(x), free(y);
}

/* One LoRA: what it takes beside the base's map. */
static void measure_dense(const struct base *base, size_t rank)
{
    static const size_t batch[] = {1, 4, 32, T};
    static double took[4][RUNS];
    struct qv_bank *b = make_bank(1, rank, NULL, false);
    float *x = uniforms(2 * T * D, 1), *y = uniforms(T * D, 2);
    struct qv_update u;
    qv_err err;
    if (qv__bank_thin(b, &err) || qv__update_init(&u, b, NULL, QV_FACTOR, T, &err))
        stop(err.msg);
    for (size_t j = 0; j < QV_COUNT(batch); j++) {
        const size_t n = batch[j];
        for (size_t run = 0; run <= RUNS; run++) {
            const float *x_run = x + run * 13 % T * D;
            size_t at = run ? run - 1 : 0;
            for (size_t i = 0; i < 4; i++) {
                double t0 = processor_seconds();
                if (i == 3)
                    qv__update_apply(&u, run * 7 % b->n_sites, y, x_run, n);
                else
                    qv__linear(y, x_run, &base->map[i], n, base->room);
                took[i][at] = processor_seconds() - t0;
            }
        }
        double us[4];
        for (size_t i = 0; i < 4; i++)
            us[i] = 1e6 * median(took[i], RUNS) / (double)n;
        printf("%zu,%zu,%.2f,%.2f,%.2f,%.2f,%.1f,%.1f,%.1f\n", rank, n, us[3], us[0], us[1],
               us[2], 100 * us[3] / us[0], 100 * us[3] / us[1], 100 * us[3] / us[2]);
    }
    qv__update_end(&u);
    qv__bank_free(b);
    free(x), free(y);
}

/* Microseconds a token of the fastest of a few runs. */
static double time_scores(struct qv_update *u, const float *x, size_t n)
{
    double best = 1e9;
    for (size_t run = 0; run < RUNS; run++) {
        double t0 = qv__seconds();
        u->router->ops->route(u->router, 0, x, n, u->z, &u->routing);
        best = fmin(best, qv__seconds() - t0);
    }
    return 1e6 * best / (double)n;
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
            stop(err.msg);
        printf("%-13s score %7.2f us for one token, %6.2f us a token for %d\n",
               (*ops)->name, time_scores(&u, x, 1), time_scores(&u, x, T), T);
        qv__update_end(&u);
        qv__router_close(r);
    }
    free(x);
}

static void measure_similarity(struct qv_expert **e, size_t K)
{
    float *sim = allocate(K * K, sizeof *sim);
    int *label = allocate(K, sizeof *label);
    qv_err err;
    for (enum qv_similarity kind = QV_SIM_MBC; kind <= QV_SIM_GAUGE; kind++) {
        double t0 = qv__seconds();
        if (qv__similarity(sim, e, K, &(struct qv_similarity_opts){.kind = kind}, &err))
            stop(err.msg);
        printf("%s similarity of %zu experts of %zu weights: %.2f s\n",
               kind == QV_SIM_MBC ? "MBC" : "gauge-free", K, e[0]->n_w, qv__seconds() - t0);
    }
    double t0 = qv__seconds();
    if (K >= 10 && qv__kmeans(label, NULL, sim, K, K, 10, 0, 1, &err))
        stop(err.msg);
    printf("k-means, 10 of %zu: %.2f s\n", K, qv__seconds() - t0);
    free(sim), free(label);
}

static void measure_library(size_t K)
{
    struct qv_expert **e;
    struct qv_bank *b = make_bank(K, R, &e, true);
    measure_routers(b);
    measure_similarity(e, K);
    qv__bank_free(b);
    for (size_t k = 0; k < K; k++)
        qv__expert_free(e[k]);
    free(e);
}

int main(int argc, char **argv)
{
    static const size_t experts[] = {1, 4, 16, 64, 256, 1024, 4096};
    const size_t only = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
    if (argc > 2 && strtoul(argv[2], NULL, 10) == 0) {
        measure_library(only);
        return 0;
    }
    struct base base;
    base_init(&base);
    if (argc > 1 && !only) {
        printf("rank,batch,update_us,base_f32_us,base_q8_0_us,base_q4_0_us,"
               "more_f32_%%,more_q8_0_%%,more_q4_0_%%\n");
        for (size_t rank = 4; rank <= 64; rank *= 4)
            measure_dense(&base, rank);
        base_end(&base);
        return 0;
    }
    printf(
        "experts,batch,compose,score_us,compose_us,base_f32_us,base_q8_0_us,base_q4_0_us,"
        "more_f32_%%,more_q8_0_%%,more_q4_0_%%\n");
    for (size_t i = 0; i < QV_COUNT(experts); i++)
        if (!only || only == experts[i])
            measure_tokens(experts[i], &base, argc > 2 ? strtoul(argv[2], NULL, 10) : 0);
    base_end(&base);
    return 0;
}
