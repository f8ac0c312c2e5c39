/* subtract.c - see subtract.h. */
#include "model/subtract.h"

#include "lora/compose.h"
#include "merge/merge.h"

#include <stdlib.h>
#include <string.h>

/* Rows row.. of `to` = the expert's, its scale and `sign` in B. */
static void put(struct qv_expert_site *to, size_t row, const struct qv_expert_site *s,
                float sign)
{
    memcpy(to->A + row * s->D_in, s->A, s->R * s->D_in * sizeof *s->A);
    for (size_t o = 0; o < s->D_out; o++)
        for (size_t r = 0; r < s->R; r++)
            to->B[o * to->R + row + r] = sign * s->scale * s->B[o * s->R + r];
}

/* e - g; the sites of either. */
static qv_status difference(struct qv_expert **out, const struct qv_expert *e,
                            const struct qv_expert *g, qv_err *err)
{
    qv_arena scratch = {0};
    struct qv_expert_shape *shape =
        qv_new_n(&scratch, struct qv_expert_shape, e->n_sites + g->n_sites);
    size_t n = 0;
    for (size_t i = 0; i < g->n_sites; i++) {
        const struct qv_expert_site *s = &g->site[i], *own = qv__expert_site(e, s->path);
        size_t R = s->R + (own ? own->R : 0);
        shape[n++] = (struct qv_expert_shape){s->path, s->D_in, s->D_out, R, (float)R};
    }
    for (size_t i = 0; i < e->n_sites; i++) {
        const struct qv_expert_site *s = &e->site[i];
        if (!qv__expert_site(g, s->path))
            shape[n++] =
                (struct qv_expert_shape){s->path, s->D_in, s->D_out, s->R, (float)s->R};
    }
    qv_status result = qv__expert_new(out, e->name, shape, n, false, err);
    for (size_t i = 0; i < n && !result; i++) {
        const struct qv_expert_site *own = qv__expert_site(e, shape[i].path);
        const struct qv_expert_site *less = qv__expert_site(g, shape[i].path);
        if (less)
            put(&(*out)->site[i], 0, less, -1);
        if (own)
            put(&(*out)->site[i], less ? less->R : 0, own, 1);
    }
    qv__arena_free(&scratch);
    return result;
}

static qv_status subtract_exactly(struct qv_expert **out, struct qv_expert *const *experts,
                                  size_t n, struct qv_expert *const *general,
                                  size_t n_general, enum qv_compose how, qv_err *err)
{
    struct qv_expert *mean = NULL;
    float *w = calloc(n_general, sizeof *w);
    if (!w)
        return qv_fail(err, QV_ENOMEM, "no memory for the weights of %zu experts",
                       n_general);
    for (size_t i = 0; i < n_general; i++)
        w[i] = 1 / (float)n_general;
    // Folding everything finds experts that do not go together.
    qv_status result = qv__fold(&mean, "their mean", general, w, n_general, how, err);
    for (size_t i = 0; i < n && !result; i++)
        result = difference(&out[i], experts[i], mean, err);
    qv__expert_free(mean);
    free(w);
    return result;
}

static qv_status subtract_factors(struct qv_expert **out, struct qv_expert *const *experts,
                                  size_t n, struct qv_expert *const *general,
                                  size_t n_general, qv_err *err)
{
    const struct qv_merge_ops *ops = qv__merger_find("subtract_factor");
    const struct qv_merge_how how = {0};
    const size_t K = n_general + 1;
    struct qv_expert **both = calloc(K, sizeof *both);
    double *w = calloc(K, sizeof *w);
    qv_status result =
        both && w ? QV_OK : qv_fail(err, QV_ENOMEM, "no memory for %zu experts", K);
    if (!result)
        qv__merge_weights(w, ops, NULL, K);
    for (size_t i = 0; i < n_general && !result; i++)
        both[i + 1] = general[i];
    for (size_t i = 0; i < n && !result; i++) {
        both[0] = experts[i];
        result = qv__merge(&out[i], NULL, experts[i]->name, ops, both, w, K, &how, err);
    }
    free(both);
    free(w);
    return result;
}

/* What a failure leaves behind. */
static qv_status settle(qv_status result, struct qv_expert **out, size_t n)
{
    for (size_t i = 0; i < n && result; i++) {
        qv__expert_free(out[i]);
        out[i] = NULL;
    }
    return result;
}

qv_status qv__subtract_general(struct qv_expert **out, struct qv_expert *const *experts,
                               size_t n, struct qv_expert *const *general, size_t n_general,
                               bool exactly, qv_err *err)
{
    memset(out, 0, n * sizeof *out);
    qv_status result =
        exactly ? subtract_exactly(out, experts, n, general, n_general, QV_OUTPUT, err)
                : subtract_factors(out, experts, n, general, n_general, err);
    return settle(result, out, n);
}

qv_status qv__subtract_mean(struct qv_expert **out, struct qv_expert *const *experts,
                            size_t n, qv_err *err)
{
    memset(out, 0, n * sizeof *out);
    qv_status result = subtract_exactly(out, experts, n, experts, n, QV_FACTOR, err);
    return settle(result, out, n);
}
