/* expert.h - one LoRA in memory: A, B and scale at every site it adapts.
 *
 * The update at a site is scale * B * A, with A [R, D_in] on the input side and
 * B [D_out, R] on the output side (PEFT's orientation; the paper's B is our A).
 * Ranks, scales and sites may differ from expert to expert and site to site.
 *
 * All weights of an expert lie in one block, so that training, hashing and
 * clustering can treat it as one vector: A then B, site by site, in the order
 * of expert->site[] (sorted by path when read from a file without a model).
 */
#ifndef QV_LORA_EXPERT_H
#define QV_LORA_EXPERT_H

#include "base/arena.h"
#include "base/base.h"
#include "lora/site.h"

struct qv_expert_site {
    const char *path;
    size_t D_in, D_out, R;
    float alpha; // scale = alpha / R, or alpha / sqrt(R) with rslora
    float scale; // s in the formulas
    float *A;    // [R, D_in]
    float *B;    // [D_out, R]
};

struct qv_expert {
    const char *name;
    const char *base;            // base_model_name_or_path, or NULL
    struct qv_expert_site *site; // [n_sites]
    size_t n_sites;
    float *w; // [n_w] every A and B; 64-byte aligned
    size_t n_w;
    float dropout;  // of training; never applied at inference
    bool is_rslora; // scale = alpha / sqrt(R)
    qv_arena arena; // owns names and tables
};

/* What the shape of one site of a new expert is. */
struct qv_expert_shape {
    const char *path;
    size_t D_in, D_out, R;
    float alpha;
};

/* A new expert of the given shapes with all weights zero. The caller owns *out.
 * Fails with QV_ENOMEM. */
qv_status qv__expert_new(struct qv_expert **out, const char *name,
                         const struct qv_expert_shape *shape, size_t n_sites,
                         bool is_rslora, qv_err *err) QV_MUST_CHECK;
void qv__expert_free(struct qv_expert *e);

/* The expert keeps its shape and gives its weights back. */
void qv__expert_give_up(struct qv_expert *e);

/* The site at `path`, or NULL. */
const struct qv_expert_site *qv__expert_site(const struct qv_expert *e, const char *path);

/* Fails with QV_EFORMAT if a weight is not finite. */
qv_status qv__expert_site_check(const struct qv_expert_site *s, qv_err *err) QV_MUST_CHECK;

/* A uniform in +-1/sqrt(3 D_in), B zero: how the authors' code starts
 * (mttl). A function of (seed, path, element), so that experts trained
 * apart from one seed share their start. */
void qv__expert_init(struct qv_expert *e, uint64_t seed);

/* A copy with its own weights. */
qv_status qv__expert_copy(struct qv_expert **out, const struct qv_expert *e,
                          qv_err *err) QV_MUST_CHECK;

/* SHA-256 of what the expert computes: paths, shapes, scales and weights. */
void qv__expert_hash(char hex[65], const struct qv_expert *e);

#endif
