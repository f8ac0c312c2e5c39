/* bank.h - experts bound to a model in memory, packed site by site for speed.
 *
 * At each site the experts that adapt it stand behind one another: their A
 * rows, their B columns (transposed, so that both are read along memory) and
 * their prototypes. A routing names experts by their place in the site's list.
 *
 * A bank either has copies of its experts' factors, one behind another, or borrows those
 * of packs (lora/pack.h), which any number of banks may share.
 */
#ifndef QV_LORA_BANK_H
#define QV_LORA_BANK_H

#include "base/base.h"
#include "lora/expert.h"
#include "lora/prototypes.h"
#include "lora/site.h"

#include <stdatomic.h>

struct qv_pack;

struct qv_bank_site {
    size_t D_in, D_out;
    size_t K;      // experts here
    size_t R_max;  // the largest of their ranks
    int *expert;   // [K] index in the bank, increasing
    size_t *own;   // [K] index of the site in that expert's own list
    size_t *first; // [K + 1] expert j's rows of A and Bt are first[j] .. first[j + 1]
    float *scale;  // [K]
    float **A;     // [K] of each [R, D_in]; in a bank of copies A[0] is [first[K], D_in]
    float **Bt;    // [K] of each [R, D_out], B transposed; likewise
    atomic_bool **used;   // [K] set when that expert is computed with; NULL: nobody asks
    const float **proto;  // [K] of each [D_in], Arrow's prototype, or a router's own vector
                          // in its place; NULL until asked for
    const float **sigma;  // [K] of each [2], its largest singular values, scale left out
    struct qv_thin *thin; // of a bank of one expert that was narrowed: lora/thin.h; or NULL
    float *gain; // [2, D_out] or NULL: of a bank of one expert, what its update ends
                 // with, y = gain[0] y + gain[1]
};

struct qv_bank {
    size_t K;                      // experts
    const char **name;             // [K]
    size_t *n_own;                 // [K] sites of each
    bool *has_prototypes;          // [K]
    size_t n_sites;                // of the model
    struct qv_bank_site *site;     // [n_sites]; K = 0 where nobody adapts
    void *weights;                 // owns A and Bt; NULL: they are borrowed
    struct qv_prototypes *vectors; // [K] own proto and sigma; all-zero: they are borrowed
    void *thin;                    // owns what sites have of it
    qv_arena arena;                // owns the tables
};

/* Bind copies of `experts` to a model's sites. Each expert's paths must be
 * among them with equal dimensions, and its weights finite; names must be
 * distinct. No experts at all is a bank that changes nothing. The caller owns
 * *out. Fails with QV_EFORMAT, QV_EEXIST, QV_ENOMEM. */
qv_status qv__bank_new(struct qv_bank **out, const struct qv_sites *sites,
                       struct qv_expert *const *experts, size_t K,
                       qv_err *err) QV_MUST_CHECK;

/* The same, and each expert gives up its weights as soon as they are copied, so that
 * memory never holds all of them twice: only its shape is left. */
qv_status qv__bank_take(struct qv_bank **out, const struct qv_sites *sites,
                        struct qv_expert *const *experts, size_t K,
                        qv_err *err) QV_MUST_CHECK;

/* A bank of packs, whose factors it borrows and which outlive it. Fails with QV_EEXIST if
 * two have one name, and QV_ENOMEM. */
qv_status qv__bank_of(struct qv_bank **out, const struct qv_sites *sites,
                      struct qv_pack *const *packs, size_t K, qv_err *err) QV_MUST_CHECK;
void qv__bank_free(struct qv_bank *b);

/* That the expert fits the model and is finite: what all of these check. where [n_sites]
 * are the model's indices of its sites. Fails with QV_EFORMAT. */
qv_status qv__bank_place(size_t *where, const struct qv_expert *e,
                         const struct qv_sites *sites, qv_err *err) QV_MUST_CHECK;

/* That a site's j-th expert is computed with. Any number of threads may say so. */
static inline void qv__bank_touch(const struct qv_bank_site *s, size_t j)
{
    if (s->used && !atomic_load_explicit(s->used[j], memory_order_relaxed))
        atomic_store_explicit(s->used[j], true, memory_order_relaxed);
}

/* Room for the gain of the only expert at a site, [2, D_out], for the caller to fill. */
float *qv__bank_gain(struct qv_bank *b, size_t site);

/* Who keeps prototypes that a bank is given. */
enum qv_keeping {
    QV_COPIES,  // each its own
    QV_TAKES,   // the bank: *p is all-zero afterwards
    QV_BORROWS, // whoever has them, and longer than the bank is there
};

/* Give the bank's expert k prototypes from an artifact. Fails with QV_EFORMAT if they do
 * not fit the expert or are not finite, QV_ENOMEM; then nobody has taken them. */
qv_status qv__bank_set_prototypes(struct qv_bank *b, size_t k, struct qv_prototypes *p,
                                  enum qv_keeping how, qv_err *err) QV_MUST_CHECK;

/* Write every expert at every site as its spectrum (lora/spectrum.h): the same updates,
 * with the right singular vectors as A. Its factors must be copies. Fails with QV_ENOMEM.
 */
qv_status qv__bank_spectral(struct qv_bank *b, qv_err *err) QV_MUST_CHECK;

/* Compute the prototypes of every expert that has none yet, at every site (in
 * parallel). Does nothing the second time. */
qv_status qv__bank_prototypes(struct qv_bank *b, qv_err *err) QV_MUST_CHECK;

#endif
