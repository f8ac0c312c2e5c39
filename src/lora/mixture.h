/* mixture.h - experts of one shape mixed by weights that are trained: what poly, mhr,
 * polyz and pi are made of.
 *
 * S skills (experts brought to one shape) and, for each task, logits. Task t's own
 * expert is, factor by factor and block by block,
 *     A[r, d] = sum_s w[q(d), s] A_s[r, d]     B[o, r] = sum_s w[q(o), s] B_s[o, r]
 * where q(d) = d / (D_in / Q) is the head that input d belongs to, and q(o) that of
 * output o. Poly has Q = 1. The weights of a head are of its logits z [S]
 *     QV_MIX_SIGMOID   w_s = sigmoid(z_s) / (sum sigmoid(z) + 1e-8)   Polytropon's
 *     QV_MIX_SOFTMAX   w_s = exp(z_s) / sum exp(z)
 * with no noise in training: the authors' code for this paper (mttl) takes the mean
 * of the relaxed Bernoulli that Polytropon samples.
 *
 * Parameters lie in one block, skills first, so that a trainer sees one vector.
 */
#ifndef QV_LORA_MIXTURE_H
#define QV_LORA_MIXTURE_H

#include "base/base.h"
#include "lora/expert.h"

enum qv_mixing {
    QV_MIX_SIGMOID,
    QV_MIX_SOFTMAX,
};

/* Zero means default. */
struct qv_mixture_opts {
    size_t n_tasks, heads;  // (1, 1)
    bool is_shared;         // one set of logits for all sites, not one a site
    bool is_frozen;         // the skills stay; the logits alone are trained
    enum qv_mixing weights; // of logits
};

struct qv_mixture {
    struct qv_expert *like; // owned: sites, ranks and scales of every skill; weights 0
    size_t S, T, Q;         // skills, tasks, heads
    size_t n_groups;        // sets of logits: like->n_sites, or 1
    enum qv_mixing weights;
    bool is_frozen;
    float *skill; // [S, like->n_w] owned, each laid out as like->w
    float *logit; // [T, n_groups, Q, S] right behind them
    size_t n_skill, n_logit;
};

/* A mixture of copies of `experts` [S], logits 0. Ranks and sites may differ: a factor
 * is padded with zeros to the largest rank, an expert is zero at sites it does not
 * adapt; where scales differ, B takes up the difference. The caller owns *out. Fails
 * with QV_EFORMAT if two experts give a site different widths or heads do not divide
 * one, QV_ENOMEM. `opts` may be NULL. */
qv_status qv__mixture_new(struct qv_mixture **out, struct qv_expert *const *experts,
                          size_t S, const struct qv_mixture_opts *opts,
                          qv_err *err) QV_MUST_CHECK;
void qv__mixture_free(struct qv_mixture *m);

/* Logits uniform in +-1e-3, as the authors start them: a function of (seed, place). */
void qv__mixture_init(struct qv_mixture *m, uint64_t seed);

/* What is trained: *n numbers from the one returned. */
float *qv__mixture_trained(const struct qv_mixture *m, size_t *n);

/* How many weights a task has, and the weights: w [n_groups, Q, S]. */
size_t qv__mixture_n_weights(const struct qv_mixture *m);
void qv__mixture_weights(float *w, const struct qv_mixture *m, size_t task);

/* to [like->n_w] = the factors mixed by w, laid out as like->w. */
void qv__mixture_fold(float *to, const struct qv_mixture *m, const float *w);

/* From the gradient d [like->n_w] of the mixed factors of `task`, whose weights are w,
 * add that of what is trained to g, laid out as it is. `dw` is scratch for as many
 * numbers as w has. */
void qv__mixture_back(float *g, const struct qv_mixture *m, size_t task, const float *w,
                      const float *d, float *dw);

/* The mixed factors as an expert of its own. The caller owns *out. Fails with
 * QV_ENOMEM. */
qv_status qv__mixture_expert(struct qv_expert **out, const char *name,
                             const struct qv_mixture *m, const float *w,
                             qv_err *err) QV_MUST_CHECK;

/* Skill s as an expert. The caller owns *out. Fails with QV_ENOMEM. */
qv_status qv__mixture_skill(struct qv_expert **out, const char *name,
                            const struct qv_mixture *m, size_t s,
                            qv_err *err) QV_MUST_CHECK;

/* SHA-256 of shapes, options and all numbers. */
void qv__mixture_hash(char hex[65], const struct qv_mixture *m);

#endif
