/* subtract.c - an expert without general knowledge (GenKnowSub, arXiv:2505.10939):
 * the mean of some general experts is taken away from it.
 *
 *   factor   s (B - mean B_g) (A - mean A_g), with the expert's own s: PEFT's, in
 *            which no general scale is used
 *   exact    s B A - mean of s_g B_g A_g, at the sum of the ranks or cut to one
 */
#include "merge/methods.h"

#include "lora/compose.h"

#include <string.h>

static const struct qv_expert_site *find(const struct qv_expert *e, const char *path)
{
    for (size_t i = 0; i < e->n_sites; i++)
        if (strcmp(e->site[i].path, path) == 0)
            return &e->site[i];
    return NULL;
}

/* to += w times the factors of s. */
static void add(struct qv_expert_site *to, const struct qv_expert_site *s, float w)
{
    for (size_t i = 0; i < s->R * s->D_in; i++)
        to->A[i] += w * s->A[i];
    for (size_t o = 0; o < s->D_out; o++)
        for (size_t r = 0; r < s->R; r++)
            to->B[o * to->R + r] += w * s->B[o * s->R + r];
}

/* Sites that the expert does not adapt stay so: a difference of factors would
 * have the general update there, not its opposite. */
static qv_status subtract(struct qv_expert **out, double lost[2], const struct qv_merge *in,
                          qv_err *err)
{
    (void)lost;
    const struct qv_expert *e = in->expert[0];
    qv_arena a = {0};
    struct qv_expert_shape *shape = qv_new_n(&a, struct qv_expert_shape, e->n_sites);
    for (size_t i = 0; i < e->n_sites; i++) {
        const struct qv_expert_site *s = &e->site[i], *g;
        size_t R = s->R;
        for (size_t j = 0; j < in->G; j++)
            if ((g = find(in->general[j], s->path)))
                R = qv__max(R, g->R);
        shape[i] =
            (struct qv_expert_shape){s->path, s->D_in, s->D_out, R, s->scale * (float)R};
    }
    qv_status result = qv__expert_new(out, in->name, shape, e->n_sites, false, err);
    for (size_t i = 0; i < e->n_sites && !result; i++) {
        struct qv_expert_site *to = &(*out)->site[i];
        add(to, &e->site[i], 1);
        for (size_t j = 0; j < in->G; j++) {
            const struct qv_expert_site *g = find(in->general[j], to->path);
            if (g)
                add(to, g, -1 / (float)in->G);
        }
    }
    qv__arena_free(&a);
    return result;
}

static qv_status subtract_exact(struct qv_expert **out, double lost[2],
                                const struct qv_merge *in, qv_err *err)
{
    qv_arena a = {0};
    struct qv_merge all = *in;
    struct qv_expert **e = qv_new_n(&a, struct qv_expert *, 1 + in->G);
    float *w = qv_new_n(&a, float, 1 + in->G);
    e[0] = in->expert[0];
    w[0] = 1;
    for (size_t j = 0; j < in->G; j++) {
        e[1 + j] = in->general[j];
        w[1 + j] = -1 / (float)in->G;
    }
    all.expert = e;
    all.weight = w;
    all.K = 1 + in->G;
    qv_status result =
        in->rank ? qv__join_svd(out, lost, &all, err)
                 : qv__fold(out, all.name, all.expert, all.weight, all.K, QV_OUTPUT, err);
    qv__arena_free(&a);
    return result;
}

const struct qv_merge_ops qv__subtract = {
    .name = "subtract",
    .about = "one expert's factors less the mean of the general ones'",
    .takes = QV_TAKES_GENERAL,
    .merge = subtract,
};
const struct qv_merge_ops qv__subtract_exact = {
    .name = "subtract-exact",
    .about = "one expert's update less the mean of the general ones'",
    .takes = QV_TAKES_GENERAL | QV_TAKES_RANK,
    .merge = subtract_exact,
};
