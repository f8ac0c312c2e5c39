/* train.c - how much of the machine a training step uses.
 *
 *     build/release/bench/train [base|110m] [tokens a pass] [tokens a sequence]
 *
 * For a model of the bundled base's shape, or of 110 million parameters, prints
 * tokens a second of a LoRA step (rank 4, attention) and of a full step, and the
 * rate of their matrix products' floating-point operations as a share of the
 * peak this machine reaches, in the same run, on one large square product.
 */
#include "parts.h"
#include "base/clock.h"
#include "kern/kern.h"
#include "op/gemm.h"
#include "train/trainer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* GFLOP/s of a 1536 x 1536 x 1536 product, the best of several. */
static double peak(bool bf16)
{
    enum { N = 1536 };
    float *f = calloc(3 * N * N, sizeof *f), *c = f + 2 * N * N;
    uint16_t *h = calloc(2 * N * N, sizeof *h);
    if (!f || !h)
        return 0;
    double best = 1e9;
    for (int i = 0; i < 8; i++) {
        double t = qv__seconds();
        if (bf16)
            qv__bgemm(true, N, N, N, h, h + N * N, false, c);
        else
            qv__sgemm(false, true, N, N, N, 1, f, N, f + N * N, N, 0, c, N);
        t = qv__seconds() - t;
        best = t < best ? t : best;
    }
    free(f);
    free(h);
    return 2.0 * N * N * N / best * 1e-9;
}

/* Floating-point operations of the products a token needs: forward, and
 * backward through the frozen weights; twice as many backward when they train. */
static double flops_a_token(const qv_model *m, bool full)
{
    double weights = (double)qv_model_parameters(m);
    if (!m->c.is_tied)
        weights -= (double)(m->c.V * m->c.D);
    return (full ? 6 : 4) * weights;
}

static double tokens_a_second(qv_model *m, struct qv_source *src, bool full, size_t pass)
{
    qv_err err = {0};
    struct qv_train_log log = {0};
    struct qv_train_opts o = {
        .steps = 6, .pass_tokens = pass, .dropout = -1, .save_every = 1000000};
    struct qv_expert *e = NULL;
    struct qv_expert_shape *shape = calloc(m->sites.n, sizeof *shape);
    size_t n = 0;
    for (size_t i = 0; shape && i < m->sites.n; i++)
        if (strstr(m->sites.at[i].path, "self_attn"))
            shape[n++] = (struct qv_expert_shape){m->sites.at[i].path, m->sites.at[i].D_in,
                                                  m->sites.at[i].D_out, 4, 16};
    qv_status st = qv__expert_new(&e, "bench", shape, n, false, &err);
    if (!st)
        st = full ? qv__train_full(m, src, NULL, 0, &o, NULL, &log, &err)
                  : qv__train_expert(e, m, src, NULL, 0, &o, NULL, &log, &err);
    if (st)
        fprintf(stderr, "train: %s\n", err.msg);
    double rate = st ? 0 : (double)log.tokens / log.seconds;
    qv__train_log_end(&log);
    qv__expert_free(e);
    free(shape);
    return rate;
}

int main(int argc, char **argv)
{
    struct qv_config c = {.D = 256,
                          .L = 6,
                          .H = 8,
                          .Hk = 4,
                          .E = 32,
                          .F = 640,
                          .V = 4096,
                          .n_ctx = 512,
                          .theta = 10000,
                          .eps = 1e-5f,
                          .is_tied = true};
    bool big = argc > 1 && strcmp(argv[1], "110m") == 0;
    if (big)
        c = shape_110m(1024);
    size_t pass = argc > 2 ? strtoul(argv[2], NULL, 10) : 1024;
    size_t length = argc > 3 ? strtoul(argv[3], NULL, 10) : 128;
    qv_err err = {0};
    qv_model *m;
    if (qv__model_new(&m, &c, 1, &err)) {
        fprintf(stderr, "train: %s\n", err.msg);
        return 1;
    }
    size_t n = pass / length;
    struct qv_sequence *s = calloc(n, sizeof *s);
    int *ids = calloc(n * (length + 1), sizeof *ids);
    struct qv_source src;
    if (!s || !ids)
        return 1;
    for (size_t i = 0; i < n * (length + 1); i++)
        ids[i] = (int)(i * 2654435761u % c.V);
    for (size_t i = 0; i < n; i++)
        s[i] = (struct qv_sequence){ids + i * (length + 1), length + 1, 1, 0};
    if (qv__source_init(&src, s, n, n, 1, &err))
        return 1;

    double top = peak(false);
    printf("kernels %s, peak f32 %.0f GFLOP/s", qv__kern()->name, top);
    if (qv__has_bf16())
        printf(", bf16 %.0f GFLOP/s", peak(true));
    printf("\n%-28s %10s %10s %8s\n", "step", "tokens/s", "GFLOP/s", "of f32");
    for (int full = 0; full < 2; full++) {
        double rate = tokens_a_second(m, &src, full, pass);
        double gflops = rate * flops_a_token(m, full) * 1e-9;
        printf("%-28s %10.0f %10.1f %7.0f%%\n", full ? "full" : "LoRA rank 4, attention",
               rate, gflops, 100 * gflops / top);
    }
    qv__source_end(&src);
    free(ids);
    free(s);
    qv_model_close(m);
    return 0;
}
