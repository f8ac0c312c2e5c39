/* factors.c - merging A's and B's separately, entry by entry, as PEFT does.
 *
 * Each factor gets the square root of |c|, so that the product of the two has
 * all of it, and A the sign. Products of one expert's B with another's A appear
 * as well: with several experts the result is no sum of updates.
 */
#include "merge/methods.h"

#include "base/carve.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One factor of all experts at a site, rows padded alike. */
struct stack {
    float *x;       // [n_parts, n]
    double *weight; // [n_parts]
    size_t n_parts, n;
};

static size_t layout(struct stack *s, void *base)
{
    qv_carve c = {.base = base};
    s->x = qv__carve_f32(&c, s->n_parts, s->n);
    s->weight = qv__carve(&c, s->n_parts, 1, 1, sizeof *s->weight);
    return c.used;
}

/* Expert part's factor, pruned; B's rows then move apart to make room for R. */
static void fill(float *x, const struct qv_part *part, bool is_A, size_t R,
                 const struct qv_merge *in, qv_prune_fn prune)
{
    const struct qv_expert_site *s = part->site;
    size_t n = s->R * (is_A ? s->D_in : s->D_out);
    memcpy(x, is_A ? s->A : s->B, n * sizeof *x);
    if (prune) {
        uint64_t own = qv__seed_named(in->seed, in->expert[part->k]->name);
        prune(x, n, in, qv__seed_of(qv__seed_named(own, s->path), !is_A));
    }
    for (size_t o = s->D_out; !is_A && s->R < R && o-- > 0;) {
        memmove(x + o * R, x + o * s->R, s->R * sizeof *x);
        memset(x + o * R + s->R, 0, (R - s->R) * sizeof *x);
    }
}

static void stack_up(struct stack *s, const struct qv_gathered *site, bool is_A,
                     const struct qv_merge *in, qv_prune_fn prune)
{
#pragma omp parallel for schedule(dynamic)
    for (size_t j = 0; j < s->n_parts; j++) {
        const struct qv_part *part = &site->part[j];
        double c = (double)in->weight[part->k] * (double)part->site->scale;
        s->weight[j] = copysign(sqrt(fabs(c)), is_A ? c : 1);
        fill(s->x + j * s->n, part, is_A, site->R_max, in, prune);
    }
}

static float sum(const struct stack *s, size_t i)
{
    double total = 0;
    for (size_t j = 0; j < s->n_parts; j++)
        total += s->weight[j] * s->x[j * s->n + i];
    return (float)total;
}

/* The mean over those whose sign is the elected one: the sign of the sum of the
 * values, or of their signs. Zeros have none. */
static float elected(const struct stack *s, size_t i, bool count_signs)
{
    double votes = 0, total = 0;
    size_t n = 0;
    for (size_t j = 0; j < s->n_parts; j++) {
        float x = s->x[j * s->n + i];
        votes += count_signs ? (x > 0) - (x < 0) : (double)x;
    }
    for (size_t j = 0; j < s->n_parts; j++) {
        float x = s->x[j * s->n + i];
        if (votes >= 0 ? x > 0 : x < 0) {
            total += s->weight[j] * x;
            n++;
        }
    }
    return n ? (float)(total / (double)n) : 0;
}

static void join(float *out, const struct stack *s, bool elects, bool count_signs)
{
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < s->n; i++)
        out[i] = elects ? elected(s, i, count_signs) : sum(s, i);
}

static qv_status join_site(struct qv_expert_site *to, const struct qv_gathered *site,
                           const struct qv_merge *in, qv_prune_fn prune, bool elects,
                           qv_err *err)
{
    struct stack s = {.n_parts = site->n, .n = to->R * qv__max(to->D_in, to->D_out)};
    qv_carve need = {.used = layout(&s, NULL)};
    void *mem = qv__carve_alloc(&need);
    if (!mem)
        return qv_fail(err, QV_ENOMEM, "no memory to merge %zu experts at '%s'", site->n,
                       site->path);
    for (int is_A = 1; is_A >= 0; is_A--) {
        s.n = to->R * (is_A ? to->D_in : to->D_out);
        layout(&s, mem);
        stack_up(&s, site, is_A, in, prune);
        join(is_A ? to->A : to->B, &s, elects, in->count_signs);
    }
    free(mem);
    return QV_OK;
}

qv_status qv__join_factors(struct qv_expert **out, const struct qv_merge *in,
                           qv_prune_fn prune, bool elects, qv_err *err)
{
    qv_arena a = {0};
    struct qv_gathered *site;
    size_t n;
    qv_status result = qv__gather(&site, &n, in->expert, in->K, &a, err);
    size_t *R = result ? NULL : qv_new_n(&a, size_t, n);
    for (size_t i = 0; i < n && !result; i++)
        R[i] = site[i].R_max;
    if (!result)
        result = qv__merge_new(out, in, site, R, n, err);
    for (size_t i = 0; i < n && !result; i++)
        result = join_site(&(*out)->site[i], &site[i], in, prune, elects, err);
    qv__arena_free(&a);
    return result;
}
