/* compose.h - how routed experts become one update of a site's output.
 *
 * For token t with experts e, weights w_e and scales s_e:
 *   factor   y_t += (sum_e w_e s_e B_e) (sum_e w_e A_e) x_t   the paper; A and B
 *            are padded with zero rows to the largest rank
 *   output   y_t += sum_e w_e s_e B_e A_e x_t                 as PEFT does
 * Only the k routed experts are computed; no tokens x experts x width array
 * exists. The two agree when one weight is 1 and the others 0.
 */
#ifndef QV_LORA_COMPOSE_H
#define QV_LORA_COMPOSE_H

#include "base/base.h"
#include "base/carve.h"
#include "lora/bank.h"

enum qv_compose {
    QV_FACTOR, // the default, as in the paper
    QV_OUTPUT,
};

/* What a router returns for T tokens at a site: k (expert, weight) pairs a
 * token, by decreasing weight. Experts are places in the site's list. */
struct qv_routing {
    size_t k;      // pairs a token; may be below what was asked where K is
    int *expert;   // [T, k]
    float *weight; // [T, k]
};

/* Scratch: the pairs of a routing, and what A makes of their tokens. */
struct qv_compose_room {
    float *z;        // [T k, R_max]
    uint32_t *pair;  // [T k] the routing's pairs, by expert
    uint32_t *group; // [max(T k, K) + 1] where each expert's begin
};

/* Room for T tokens with k experts each, of K of ranks up to R_max. */
void qv__compose_carve(struct qv_compose_room *room, qv_carve *c, size_t T, size_t k,
                       size_t K, size_t R_max);

/* y [T, D_out] += the composed update of x [T, D_in]. What is added to a token depends
 * neither on the number of threads nor on the tokens beside it. */
void qv__compose(float *y, const float *x, size_t T, const struct qv_bank_site *s,
                 const struct qv_routing *r, enum qv_compose how,
                 const struct qv_compose_room *room);

/* Fold constant weights w [K] over experts into one expert, so that routing that
 * does not look at tokens costs what one LoRA costs. factor: the weighted sums
 * of the factors, at the largest rank; output: the factors stacked. Both are
 * exact, and the new expert's scale is 1. An expert that does not adapt a site
 * counts as zero there; one whose weight is 0 is left out. The caller owns
 * *out. Fails with QV_EFORMAT if no weight is above or below 0, one is not
 * finite, or two experts give a site different dimensions; QV_ENOMEM. */
qv_status qv__fold(struct qv_expert **out, const char *name,
                   struct qv_expert *const *experts, const float *w, size_t K,
                   enum qv_compose how, qv_err *err) QV_MUST_CHECK;

#endif
