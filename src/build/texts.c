/* texts.c - what is made of the experts' training prompts, each as features of its own
 * (model/reading.h): their mean, expert by expert, for retrieval; and a classifier of
 * them for the task predictor. */
#include "build/prepare.h"
#include "model/reading.h"
#include "train/classifier.h"

#include <stdlib.h>
#include <string.h>

enum { PASS = 1024 }; // tokens

/* A pass being filled with prompts. */
struct reading {
    float *f; // [n, F]
    size_t F, first;
    int token[PASS + QV_READ_TOKENS], pos[PASS + QV_READ_TOKENS];
    struct qv_seq seq[PASS];
    float one[]; // [F]
};

static void take(void *arg, size_t i, const float *f)
{
    struct reading *r = arg;
    memcpy(r->f + (r->first + i) * r->F, f, r->F * sizeof *f);
}

static void read_all(struct reading *r, const struct qv_preparer *p, struct qv_acts *acts,
                     const struct qv_sequence *at, size_t n)
{
    for (size_t i = 0; i < n;) {
        struct qv_batch b = {.token = r->token, .pos = r->pos, .seq = r->seq};
        for (r->first = i; i < n && b.T < PASS && b.n_seq < PASS; i++) {
            size_t rows = qv__min(at[i].n_prompt, QV_READ_TOKENS);
            r->seq[b.n_seq++] = (struct qv_seq){.begin = b.T, .n = rows};
            for (size_t j = 0; j < rows; j++, b.T++) {
                r->token[b.T] = at[i].ids[j];
                r->pos[b.T] = (int)j;
            }
        }
        qv__read_prompts(&(struct qv_pass){.m = p->m, .a = acts, .b = &b}, p->ops->reads,
                         p->n_layers, r->one, take, r);
    }
}

/* The features f [n, F] of the prompts of at[0..n): model/reading.h. */
static qv_status read_features(float *f, const struct qv_preparer *p,
                               const struct qv_sequence *at, size_t n, qv_err *err)
{
    struct qv_acts acts;
    const size_t F = qv__features(p->m, p->ops->reads);
    struct reading *r = malloc(sizeof *r + F * sizeof(float));
    if (!r)
        return qv_fail(err, QV_ENOMEM, "no memory for %zu features", F);
    qv_status result =
        qv__acts_init(&acts, p->m, PASS + QV_READ_TOKENS, QV_READ_TOKENS, 1, false, 0, err);
    if (!result) {
        r->f = f;
        r->F = F;
        read_all(r, p, &acts, at, n);
        qv__acts_end(&acts);
    }
    free(r);
    return result;
}

static qv_status put_text(struct qv_preparer *p, const struct qv_pupil *who,
                          const char *run, const float *v, float bias, qv_err *err)
{
    const struct qv_tensor_out t[] = {
        {"v", QV_F32, 1, {qv__features(p->m, p->ops->reads)}, v},
        {"bias", QV_F32, 1, {1}, &bias},
    };
    return qv__prepare_put(p, who, run, t, 2, err);
}

qv_status qv__prepare_embedding(struct qv_preparer *p, const struct qv_pupil *who,
                                qv_err *err)
{
    const size_t F = qv__features(p->m, p->ops->reads), n = who->n;
    float *f = calloc(n + 1, F * sizeof *f); // and their mean
    if (!f)
        return qv_fail(err, QV_ENOMEM, "no memory for the features of %zu prompts", n);
    qv_status result = read_features(f, p, who->at, n, err);
    for (size_t d = 0; d < F; d++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += (double)f[i * F + d];
        f[n * F + d] = (float)(sum / (double)n);
    }
    if (!result)
        result = put_text(p, who, "each", f + n * F, 0, err);
    free(f);
    return result;
}

/* Train a classifier w [K, F], b [K] of d's features, which are lost. */
static qv_status classify(float *w, float *f, const struct qv_labelled *d,
                          const struct qv_preparer *p, qv_err *err)
{
    const qv_train_opts *t = &p->o->train;
    const struct qv_classifier_opts o = {.epochs = t->epochs,
                                         .batch = t->batch,
                                         .lr = t->lr,
                                         .decay = t->weight_decay,
                                         .seed = t->seed};
    const bool is_dense = p->ops->reads == QV_READS_HIDDEN;
    float *mean = calloc(2 * d->F, sizeof *mean);
    if (!mean)
        return qv_fail(err, QV_ENOMEM, "no memory for %zu features", d->F);
    if (is_dense)
        qv__standardise(f, d->n, d->F, mean, mean + d->F);
    qv_status result = qv__classifier_train(w, d, &o, err);
    if (is_dense)
        qv__unstandardise(w, d->K, d->F, mean, mean + d->F);
    free(mean);
    return result;
}

qv_status qv__prepare_tp(struct qv_preparer *p, const char *run, qv_err *err)
{
    struct qv_labelled d = {.F = qv__features(p->m, p->ops->reads), .K = p->n};
    for (size_t k = 0; k < p->n; k++)
        d.n += p->pupil[k].n;
    float *f = calloc(d.n, d.F * sizeof *f);
    float *w = calloc(d.K, (d.F + 1) * sizeof *w);
    int *label = calloc(d.n, sizeof *label);
    qv_status result =
        f && w && label
            ? QV_OK
            : qv_fail(err, QV_ENOMEM, "no memory for the features of %zu prompts", d.n);
    for (size_t k = 0, at = 0; k < p->n && !result; k++) {
        const struct qv_pupil *who = &p->pupil[k];
        result = read_features(f + at * d.F, p, who->at, who->n, err);
        for (size_t i = 0; i < who->n; i++)
            label[at++] = (int)k;
    }
    d.f = f;
    d.label = label;
    if (!result)
        result = classify(w, f, &d, p, err);
    for (size_t k = 0; k < p->n && !result; k++)
        result = put_text(p, &p->pupil[k], run, w + k * d.F, w[d.K * d.F + k], err);
    free(f);
    free(w);
    free(label);
    return result;
}
