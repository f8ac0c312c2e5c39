/* experts.h - small experts and models for tests. Everything returned is the
 * caller's; running out of memory fails the test. */
#ifndef QV_TESTS_EXPERTS_H
#define QV_TESTS_EXPERTS_H

#include "lora/bank.h"
#include "lora/expert.h"

/* A site of a model, and how to say a list of them. */
struct qv_sites sites_of(const struct qv_site *at, size_t n);

/* An expert with one site and these weights, A [R, D_in], B [D_out, R]. */
struct qv_expert *expert_of(const char *name, const char *path, size_t D_in, size_t D_out,
                            size_t R, float scale, const float *A, const float *B);

/* An expert of the given shapes with normal weights, a function of the seed. */
struct qv_expert *expert_drawn(const char *name, const struct qv_expert_shape *shape,
                               size_t n_sites, uint64_t seed);

/* An expert of two small sites whose every weight, and whose alpha, is `v`. */
struct qv_expert *expert_filled(const char *name, float v);

void free_experts(struct qv_expert **e, size_t n);

/* n normal numbers. Ended with free(). */
float *normals(size_t n, uint64_t seed);

/* A bank over experts that fit. */
struct qv_bank *bank_of(const struct qv_sites *sites, struct qv_expert *const *experts,
                        size_t K);

#endif
