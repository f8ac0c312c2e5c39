/* gather.c - the sites of several experts, side by side. */
#include "merge/methods.h"

#include <string.h>

static struct qv_gathered *find(struct qv_gathered *at, size_t n, const char *path)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(at[i].path, path) == 0)
            return &at[i];
    return NULL;
}

static qv_status add(struct qv_gathered *to, const struct qv_expert_site *s, size_t k,
                     struct qv_expert *const *experts, qv_err *err)
{
    if (to->D_in != s->D_in || to->D_out != s->D_out)
        return qv_fail(err, QV_EFORMAT,
                       "experts '%s' and '%s' differ at site '%s': %zu to %zu and %zu to "
                       "%zu",
                       experts[to->part[0].k]->name, experts[k]->name, s->path, to->D_in,
                       to->D_out, s->D_in, s->D_out);
    to->R_max = qv__max(to->R_max, s->R);
    to->R_sum += s->R;
    to->part[to->n++] = (struct qv_part){s, k};
    return QV_OK;
}

qv_status qv__gather(struct qv_gathered **out, size_t *n, struct qv_expert *const *experts,
                     size_t K, qv_arena *a, qv_err *err)
{
    size_t most = 0;
    for (size_t k = 0; k < K; k++)
        most += experts[k]->n_sites;
    *out = qv_new_n(a, struct qv_gathered, most);
    *n = 0;
    for (size_t k = 0; k < K; k++)
        for (size_t i = 0; i < experts[k]->n_sites; i++) {
            const struct qv_expert_site *s = &experts[k]->site[i];
            struct qv_gathered *to = find(*out, *n, s->path);
            if (!to) {
                to = &(*out)[(*n)++];
                *to = (struct qv_gathered){.path = s->path,
                                           .D_in = s->D_in,
                                           .D_out = s->D_out,
                                           .part = qv_new_n(a, struct qv_part, K)};
            }
            qv_status result = add(to, s, k, experts, err);
            if (result)
                return result;
        }
    return QV_OK;
}

qv_status qv__merge_new(struct qv_expert **out, const struct qv_merge *in,
                        const struct qv_gathered *site, const size_t *R, size_t n,
                        qv_err *err)
{
    qv_arena a = {0};
    struct qv_expert_shape *shape = qv_new_n(&a, struct qv_expert_shape, n);
    for (size_t i = 0; i < n; i++)
        shape[i] = (struct qv_expert_shape){site[i].path, site[i].D_in, site[i].D_out, R[i],
                                            (float)R[i]};
    qv_status result = qv__expert_new(out, in->name, shape, n, false, err);
    qv__arena_free(&a);
    return result;
}
