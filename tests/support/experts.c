/* experts.c - see experts.h. */
#include "support/experts.h"

#include "base/rng.h"
#include "support/near.h"

#include <stdlib.h>
#include <string.h>

struct qv_sites sites_of(const struct qv_site *at, size_t n)
{
    return (struct qv_sites){.at = at, .n = n};
}

struct qv_expert *expert_of(const char *name, const char *path, size_t D_in, size_t D_out,
                            size_t R, float scale, const float *A, const float *B)
{
    struct qv_expert_shape shape = {
        .path = path, .D_in = D_in, .D_out = D_out, .R = R, .alpha = scale * (float)R};
    struct qv_expert *e;
    assert_int_equal(qv__expert_new(&e, name, &shape, 1, false, NULL), QV_OK);
    memcpy(e->site[0].A, A, R * D_in * sizeof *A);
    memcpy(e->site[0].B, B, D_out * R * sizeof *B);
    return e;
}

struct qv_expert *expert_drawn(const char *name, const struct qv_expert_shape *shape,
                               size_t n_sites, uint64_t seed)
{
    struct qv_expert *e;
    assert_int_equal(qv__expert_new(&e, name, shape, n_sites, false, NULL), QV_OK);
    for (size_t i = 0; i < e->n_w; i++)
        e->w[i] = qv__normal(seed, i);
    return e;
}

struct qv_expert *expert_filled(const char *name, float v)
{
    const struct qv_expert_shape shape[] = {{"model.layers.0.q", 6, 4, 2, v},
                                            {"model.layers.0.v", 6, 8, 2, v}};
    struct qv_expert *e = expert_drawn(name, shape, 2, 0);
    for (size_t i = 0; i < e->n_w; i++)
        e->w[i] = v;
    return e;
}

void free_experts(struct qv_expert **e, size_t n)
{
    for (size_t k = 0; k < n; k++)
        qv__expert_free(e[k]);
}

float *normals(size_t n, uint64_t seed)
{
    float *x = malloc((n ? n : 1) * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++)
        x[i] = qv__normal(seed, i);
    return x;
}

struct qv_bank *bank_of(const struct qv_sites *sites, struct qv_expert *const *experts,
                        size_t K)
{
    struct qv_bank *b;
    assert_int_equal(qv__bank_new(&b, sites, experts, K, NULL), QV_OK);
    return b;
}
