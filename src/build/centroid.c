/* centroid.c - the mean input of every site of an expert over what it was trained on.
 *
 * Its training sequences, prompts and targets, run through the model with the expert at
 * work; every token counts the same. */
#include "build/prepare.h"
#include "lora/bank.h"
#include "model/model.h"
#include "train/objective.h"

#include <omp.h>

/* What one lane has seen. */
struct sums {
    const struct qv_bank *bank;
    const struct qv_prototypes *of; // its shape
    double *sum;                    // as of->v
    size_t *tokens;                 // [of->n_sites]
};

static void see(void *arg, size_t site, size_t T, const float *x)
{
    struct sums *s = arg;
    const struct qv_bank_site *b = &s->bank->site[site];
    const size_t own = b->own[0];
    double *sum = s->sum + s->of->first[own];
    for (size_t t = 0; t < T; t++)
        for (size_t d = 0; d < b->D_in; d++)
            sum[d] += (double)x[t * b->D_in + d];
    s->tokens[own] += T;
}

static void divide(struct qv_prototypes *mean, const struct sums *s, size_t lanes)
{
    for (size_t i = 0; i < mean->n_sites; i++) {
        size_t tokens = 0;
        for (size_t l = 0; l < lanes; l++)
            tokens += s[l].tokens[i];
        for (size_t d = mean->first[i]; d < mean->first[i + 1]; d++) {
            double sum = 0;
            for (size_t l = 0; l < lanes; l++)
                sum += s[l].sum[d];
            mean->v[d] = tokens ? (float)(sum / (double)tokens) : 0;
        }
    }
}

/* All sequences through the model, once. */
static qv_status run(struct qv_prototypes *mean, const qv_model *m,
                     const struct qv_bank *bank, const struct qv_pupil *who, qv_arena *a,
                     qv_err *err)
{
    enum { PASS = 1024 };
    size_t lanes = (size_t)omp_get_max_threads(), longest = 1;
    struct qv_update *u = qv_new_n(a, struct qv_update, lanes);
    struct sums *s = qv_new_n(a, struct sums, lanes);
    const struct qv_sequence **list = qv_new_n(a, const struct qv_sequence *, who->n);
    struct qv_objective obj = {0};
    qv_status result = QV_OK;
    double loss;
    for (size_t i = 0; i < who->n; i++) {
        list[i] = &who->at[i];
        longest = qv__max(longest, who->at[i].n);
    }
    for (size_t l = 0; l < lanes && !result; l++) {
        s[l] = (struct sums){.bank = bank,
                             .of = mean,
                             .sum = qv_new_n(a, double, mean->first[mean->n_sites]),
                             .tokens = qv_new_n(a, size_t, mean->n_sites)};
        result = qv__update_init(&u[l], bank, NULL, QV_FACTOR, PASS + longest, err);
        u[l].see = see;
        u[l].watch_arg = &s[l];
    }
    const struct qv_objective_of of = {.m = m, .updates = u};
    if (!result)
        result = qv__objective_init(&obj, &of, longest, PASS, lanes, err);
    if (!result)
        result = qv__loss(&loss, &obj, list, who->n, NULL, err);
    if (!result)
        divide(mean, s, lanes);
    qv__objective_end(&obj);
    for (size_t l = 0; l < lanes; l++)
        qv__update_end(&u[l]);
    return result;
}

qv_status qv__prepare_centroid(struct qv_preparer *p, const struct qv_pupil *who,
                               qv_err *err)
{
    struct qv_expert *e = NULL;
    struct qv_bank *bank = NULL;
    struct qv_prototypes mean = {0};
    qv_arena a = {0};
    size_t i = (size_t)(who - p->pupil);
    qv_status result = qv__snapshot_read(&e, p->snap, i, &p->m->sites, err);
    if (!result)
        result = qv__bank_new(&bank, &p->m->sites, &e, 1, err);
    if (!result)
        result = qv__prototypes_init(&mean, e, err);
    if (!result)
        result = run(&mean, p->m, bank, who, &a, err);
    if (!result) {
        const struct qv_tensor_out t = {"v", QV_F32, 1, {mean.first[mean.n_sites]}, mean.v};
        result = qv__prepare_put(p, who, "each", &t, 1, err);
    }
    qv__prototypes_end(&mean);
    qv__bank_free(bank);
    qv__expert_free(e);
    qv__arena_free(&a);
    return result;
}
