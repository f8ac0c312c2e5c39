/* kept.c - see kept.h. */
#include "model/kept.h"
#include "lora/spectrum.h"
#include "model/reading.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

qv_status qv__kept_init(struct qv_kept *k, const qv_library *lib, const qv_model *m,
                        const struct qv_router_ops *ops, size_t room, qv_err *err)
{
    *k = (struct qv_kept){.lib = lib, .m = m, .ops = ops, .room = qv__max(room, 1)};
    k->vectors = calloc(k->room, sizeof *k->vectors);
    bool has_room = k->vectors;
    if (ops && ops->reads && ops->artifact) {
        k->texts.F = qv__features(m, ops->reads);
        k->texts.v = calloc(k->room, k->texts.F * sizeof *k->texts.v);
        k->texts.bias = calloc(k->room, sizeof *k->texts.bias);
        has_room = has_room && k->texts.v && k->texts.bias;
    }
    return has_room ? QV_OK : qv_fail(err, QV_ENOMEM, "no memory for %zu experts", room);
}

void qv__kept_end(struct qv_kept *k)
{
    for (size_t i = 0; k->vectors && i < k->n; i++)
        qv__prototypes_end(&k->vectors[i]);
    free(k->vectors);
    free(k->texts.v);
    free(k->texts.bias);
    *k = (struct qv_kept){0};
}

/* That artifact `kind`, missing or useless because of `why`, can be made. */
static qv_status unmade(const struct qv_kept *k, const char *why, qv_err *err)
{
    return qv_fail(err, QV_ENOTFOUND,
                   "%s: 'quiver library prepare LIB --router %s --model M --tasks DIR' "
                   "makes it",
                   why, k->ops->name);
}

/* The router's artifact, of this expert and this model. */
static qv_status open_artifact(struct qv_st *st, const struct qv_kept *k,
                               const struct qv_expert *e, const char *hash, qv_err *err)
{
    qv_err why;
    const char *kind = k->ops->artifact;
    qv_status result = qv__library_artifact(st, k->lib, e->name, kind, hash, &why);
    if (result == QV_ENOTFOUND)
        return unmade(k, why.msg, err);
    if (result)
        return qv_fail(err, result, "%s", why.msg);
    const char *model = qv__st_meta(st, "model");
    if (model && strcmp(model, k->m->origin) == 0)
        return QV_OK;
    qv__st_close(st);
    snprintf(why.msg, sizeof why.msg, "expert '%s': artifact '%s' is of another model",
             e->name, kind);
    return unmade(k, why.msg, err);
}

static qv_status not_finite(const char *kind, qv_err *err)
{
    return qv_fail(err, QV_EFORMAT, "artifact '%s' has a number that is not finite", kind);
}

/* n finite floats of a tensor, or QV_EFORMAT. */
static qv_status read_floats(float *to, size_t n, const struct qv_st *st, const char *name,
                             const char *kind, qv_err *err)
{
    const struct qv_tensor *t = qv__st_find(st, name);
    if (!t || t->dtype != QV_F32 || t->n != n)
        return qv_fail(err, QV_EFORMAT, "artifact '%s' is not of its shape", kind);
    qv__st_f32(to, t, 0, n);
    return qv__all_finite(to, n) ? QV_OK : not_finite(kind, err);
}

/* One vector a site. */
static qv_status read_vectors(struct qv_prototypes *p, const struct qv_kept *k,
                              const struct qv_expert *e, const char *hash, qv_err *err)
{
    struct qv_st st;
    qv_status result = open_artifact(&st, k, e, hash, err);
    if (result)
        return result;
    const char *kind = k->ops->artifact;
    result = qv__prototypes_map(p, e, &st, k->copies, false, kind, err);
    if (!result && !qv__all_finite(p->v, p->first[p->n_sites]))
        result = not_finite(kind, err);
    return result;
}

/* A vector and a bias in all. All experts' must be of one training, where there was
 * one, and of the same layers. */
static qv_status read_text(struct qv_kept *k, const struct qv_expert *e, const char *hash,
                           qv_err *err)
{
    struct qv_st st;
    struct qv_text_table *t = &k->texts;
    const char *kind = k->ops->artifact;
    qv_status result = open_artifact(&st, k, e, hash, err);
    if (result)
        return result;
    result = read_floats(t->v + k->n * t->F, t->F, &st, "v", kind, err);
    if (!result)
        result = read_floats(t->bias + k->n, 1, &st, "bias", kind, err);
    const char *run = qv__st_meta(&st, "run"), *layers = qv__st_meta(&st, "layers");
    size_t n_layers = layers ? strtoul(layers, NULL, 10) : 0;
    if (!result && (!run || strlen(run) >= sizeof k->run || n_layers > k->m->c.L))
        result =
            qv_fail(err, QV_EFORMAT, "artifact '%s' does not say how it was made", kind);
    if (!result && k->n == 0) {
        snprintf(k->run, sizeof k->run, "%s", run);
        t->n_layers = n_layers;
    }
    if (!result && (strcmp(run, k->run) != 0 || n_layers != t->n_layers)) {
        qv_err why;
        snprintf(why.msg, sizeof why.msg,
                 "expert '%s': artifact '%s' was made apart from the other experts'",
                 e->name, kind);
        result = unmade(k, why.msg, err);
    }
    qv__st_close(&st);
    t->K = k->n + 1;
    return result;
}

/* What is stored beside the expert of that hash. *p stays all-zero if nothing is,
 * or something that was computed from another version of it. */
static qv_status read_prototypes(struct qv_prototypes *p, const struct qv_kept *k,
                                 const struct qv_expert *e, const char *hash, qv_err *err)
{
    struct qv_st st;
    qv_err why;
    qv_status result = qv__library_artifact(&st, k->lib, e->name, "prototypes", hash, &why);
    if (result == QV_ENOTFOUND)
        return QV_OK;
    if (result)
        return qv_fail(err, result, "%s", why.msg);
    return qv__prototypes_map(p, e, &st, k->copies, true, "prototypes", err);
}

qv_status qv__kept_add(struct qv_kept *k, const struct qv_expert *e, const char *hash,
                       qv_err *err)
{
    qv_check(k->n < k->room);
    struct qv_prototypes *p = &k->vectors[k->n];
    const struct qv_router_ops *ops = k->ops;
    qv_status result = ops && ops->reads && ops->artifact ? read_text(k, e, hash, err)
                       : ops && ops->artifact             ? read_vectors(p, k, e, hash, err)
                                              : read_prototypes(p, k, e, hash, err);
    k->n++;
    return result;
}
