/* bench/merge.c - what it costs to merge many experts: cat and svd of 64 adapters
 * of rank 16 at Mistral 7B's shapes.
 *
 *   merge [SITES] [LAYERS]   of q, k, v, o, gate, up, down the first SITES (4), of all
 *                            32 layers or fewer
 *
 * Prints seconds of the clock and of the processor: on a busy machine they differ.
 * The weights are uniform, so no direction stands out: the hardest case for svd.
 * Layer by layer, so that all weights need not be in memory at once.
 */
#include "base/clock.h"
#include "base/rng.h"
#include "merge/merge.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { K = 64, R = 16, LAYERS = 32, SITES = 7, D = 4096, KV = 1024, F = 14336 };

static _Noreturn void stop(const qv_err *err)
{
    fprintf(stderr, "bench: %s\n", err->msg);
    exit(1);
}

static void make_experts(struct qv_expert *e[K], size_t n_sites)
{
    static const struct qv_expert_shape shape[SITES] = {
        {"q_proj", D, D, R, 32},    {"k_proj", D, KV, R, 32},   {"v_proj", D, KV, R, 32},
        {"o_proj", D, D, R, 32},    {"gate_proj", D, F, R, 32}, {"up_proj", D, F, R, 32},
        {"down_proj", F, D, R, 32},
    };
    qv_err err;
    for (size_t k = 0; k < K; k++) {
        char name[16];
        snprintf(name, sizeof name, "e%zu", k);
        if (qv__expert_new(&e[k], name, shape, n_sites, false, &err))
            stop(&err);
        for (size_t i = 0; i < e[k]->n_w; i++)
            e[k]->w[i] = qv__uniform(k, i) - 0.5f;
    }
}

struct seconds {
    double clock, processor;
};

static void time_layer(struct seconds *sum, const char *method, double *discarded,
                       struct qv_expert *const *e)
{
    const struct qv_merge_how how = {.density = 1};
    const struct qv_merge_ops *ops = qv__merger_find(method);
    struct qv_expert *merged;
    qv_err err;
    double w[K], t0 = qv__seconds();
    clock_t c0 = clock();
    qv__merge_weights(w, ops, NULL, K);
    if (qv__merge(&merged, discarded, "merged", ops, e, w, K, &how, &err))
        stop(&err);
    sum->clock += qv__seconds() - t0;
    sum->processor += (double)(clock() - c0) / CLOCKS_PER_SEC;
    qv__expert_free(merged);
}

int main(int argc, char **argv)
{
    size_t sites = argc > 1 ? strtoul(argv[1], NULL, 10) : 4;
    size_t layers = argc > 2 ? strtoul(argv[2], NULL, 10) : LAYERS;
    if (sites < 1 || sites > SITES) {
        fprintf(stderr, "bench: SITES is 1 to %d\n", SITES);
        return 2;
    }
    static struct qv_expert *e[K];
    struct seconds cat = {0}, svd = {0};
    double discarded = 0;
    make_experts(e, sites); // every layer is the same: only the time of one matters
    for (size_t i = 0; i < layers; i++) {
        time_layer(&cat, "cat", &discarded, e);
        time_layer(&svd, "svd", &discarded, e);
    }
    printf("%d experts of rank %d, %zu sites in each of %zu layers of Mistral 7B\n", K, R,
           sites, layers);
    printf("cat             %6.1f s, processor %6.1f s\n", cat.clock, cat.processor);
    printf("svd to rank %d  %6.1f s, processor %6.1f s; discards %.3f\n", R, svd.clock,
           svd.processor, discarded);
    for (size_t k = 0; k < K; k++)
        qv__expert_free(e[k]);
    return 0;
}
