/* classifier.c - see classifier.h. */
#include "train/classifier.h"

#include "base/carve.h"
#include "base/rng.h"
#include "op/adamw.h"
#include "op/gemm.h"
#include "op/loss.h"
#include "train/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double qv__classifier_loss(float *g, const struct qv_labelled *d, const size_t *which,
                           size_t n, const float *p, float decay, float *room)
{
    const size_t F = d->F, K = d->K;
    float *f = room, *l = room + n * F; // [n, F] [n, K]
    const float *b = p + K * F;
    double loss = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        memcpy(f + i * F, d->f + which[i] * F, F * sizeof *f);
        memcpy(l + i * K, b, K * sizeof *l);
    }
    qv__sgemm(false, true, n, K, F, 1, f, F, p, F, 1, l, K);
    for (size_t i = 0; i < K * F; i++)
        squares += (double)p[i] * (double)p[i];
    if (g)
        memset(g + K * F, 0, K * sizeof *g);
    for (size_t i = 0; i < n; i++) {
        float logprob, share = 1 / (float)n;
        qv__cross_entropy(&logprob, l + i * K, &d->label[which[i]], &share, 1, K);
        loss -= (double)logprob / (double)n;
        for (size_t e = 0; g && e < K; e++)
            g[K * F + e] += l[i * K + e];
    }
    if (g) {
        for (size_t i = 0; i < K * F; i++)
            g[i] = decay * p[i];
        qv__sgemm(true, false, K, F, n, 1, l, K, f, F, 1, g, F);
    }
    return loss + (double)decay / 2 * squares;
}

struct room {
    float *g, *m, *v; // [K * F + K]
    float *loss;      // [batch * (K + F)]
    size_t *order;    // [n]
};

static size_t layout(struct room *r, void *base, const struct qv_labelled *d, size_t batch)
{
    qv_carve c = {.base = base};
    size_t n_p = d->K * d->F + d->K;
    r->g = qv__carve_f32(&c, n_p, 1);
    r->m = qv__carve_f32(&c, n_p, 1);
    r->v = qv__carve_f32(&c, n_p, 1);
    r->loss = qv__carve_f32(&c, batch, d->K + d->F);
    r->order = qv__carve(&c, d->n, 1, 1, sizeof *r->order);
    return c.used;
}

qv_status qv__classifier_train(float *p, const struct qv_labelled *d,
                               const struct qv_classifier_opts *opts, qv_err *err)
{
    const struct qv_classifier_opts o = opts ? *opts : (struct qv_classifier_opts){0};
    const size_t batch = qv__min(o.batch ? o.batch : 64, d->n);
    const size_t epochs = o.epochs ? o.epochs : 20, n_p = d->K * d->F + d->K;
    const float lr = o.lr > 0 ? o.lr : 0.03f, decay = o.decay > 0 ? o.decay : 1e-4f;
    struct room r;
    qv_carve need = {.used = layout(&r, NULL, d, batch)};
    void *mem = qv__carve_alloc(&need);
    if (!mem)
        return qv_fail(err, QV_ENOMEM, "no memory to classify %zu examples", d->n);
    layout(&r, mem, d, batch);
    memset(p, 0, n_p * sizeof *p);
    const size_t a_pass = (d->n + batch - 1) / batch, steps = epochs * a_pass;
    for (size_t step = 0; step < steps; step++) {
        size_t at = step % a_pass * batch, n = qv__min(batch, d->n - at);
        if (at == 0) {
            for (size_t i = 0; i < d->n; i++)
                r.order[i] = i;
            qv__shuffle(r.order, d->n, qv__seed_of(o.seed, step / a_pass));
        }
        qv__classifier_loss(r.g, d, r.order + at, n, p, decay, r.loss);
        const struct qv_adamw adamw = {.lr = lr * (float)qv__schedule(step, 0, steps),
                                       .beta1 = 0.9f,
                                       .beta2 = 0.999f,
                                       .eps = 1e-8f};
        qv__adamw(p, r.g, r.m, r.v, n_p, &adamw, step + 1, 1);
    }
    free(mem);
    return QV_OK;
}

void qv__standardise(float *f, size_t n, size_t F, float *mean, float *by)
{
    for (size_t i = 0; i < F; i++) {
        double sum = 0, squares = 0;
        for (size_t j = 0; j < n; j++)
            sum += (double)f[j * F + i];
        sum /= (double)n;
        for (size_t j = 0; j < n; j++) {
            double apart = (double)f[j * F + i] - sum;
            squares += apart * apart;
        }
        mean[i] = (float)sum;
        by[i] = squares > 0 ? (float)sqrt((double)n / squares / (double)F) : 0;
        for (size_t j = 0; j < n; j++)
            f[j * F + i] = (f[j * F + i] - mean[i]) * by[i];
    }
}

void qv__unstandardise(float *p, size_t K, size_t F, const float *mean, const float *by)
{
    for (size_t e = 0; e < K; e++) {
        double bias = (double)p[K * F + e];
        for (size_t i = 0; i < F; i++) {
            p[e * F + i] *= by[i];
            bias -= (double)p[e * F + i] * (double)mean[i];
        }
        p[K * F + e] = (float)bias;
    }
}
