/* fisher.c - which parameters of an expert its task depends on: the diagonal of the
 * Fisher information, by which pi-tuning compares tasks.
 *
 *     F_i = mean over examples (x, y) of (d log p(y | x) / d theta_i)^2
 *
 * with the data's own y and the mean over its tokens, as the loss has it.
 */
#include "adapt/adapt.h"
#include "model/model.h"
#include "train/objective.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 100 }; // examples that are looked at

qv_status qv__fisher(float *F, struct qv_expert *e, const qv_model *m,
                     const struct qv_sequence *s, size_t n, qv_err *err)
{
    const struct qv_objective_of of = {.m = m, .expert = e};
    struct qv_objective o;
    size_t longest = 1;
    for (size_t i = 0; i < n; i++)
        longest = qv__max(longest, s[i].n);
    qv_status result = qv__objective_init(&o, &of, longest, longest, 1, err);
    if (result)
        return result;
    memset(F, 0, e->n_w * sizeof *F);
    for (size_t i = 0; !result && i < n; i++) {
        const struct qv_sequence *one = &s[i];
        double loss;
        result = qv__loss_gradient(&loss, &o, &one, 1, (struct qv_dropout){0}, err);
        for (size_t j = 0; !result && j < e->n_w; j++)
            F[j] += o.g[j] * o.g[j] / (float)n;
    }
    qv__objective_end(&o);
    return result;
}

static bool same_shape(const struct qv_expert *a, const struct qv_expert *b)
{
    if (a->n_sites != b->n_sites)
        return false;
    for (size_t i = 0; i < a->n_sites; i++)
        if (strcmp(a->site[i].path, b->site[i].path) != 0 || a->site[i].R != b->site[i].R ||
            a->site[i].D_in != b->site[i].D_in || a->site[i].D_out != b->site[i].D_out)
            return false;
    return true;
}

static double cosine(const float *x, const float *y, size_t n)
{
    double xy = 0, xx = 0, yy = 0;
    for (size_t i = 0; i < n; i++) {
        xy += (double)x[i] * (double)y[i];
        xx += (double)x[i] * (double)x[i];
        yy += (double)y[i] * (double)y[i];
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : 0;
}

/* The Fisher information of an expert on one of the files it was trained on, as a mean
 * over its first `most` training examples; *n of them. */
static qv_status on_file(float *F, size_t *n, struct qv_expert *e,
                         const struct qv_adapting *a, const qv_data_file *file, size_t most,
                         qv_err *err)
{
    size_t longest = a->o->train.max_tokens ? a->o->train.max_tokens : a->m->c.n_ctx;
    const struct qv_task_opts opts = {.max_tokens = qv__min(longest, a->m->c.n_ctx),
                                      .limit = most};
    struct qv_task *t = NULL;
    qv_status result = qv__task_read(&t, file->path, a->m->tokenizer, &opts, err);
    if (!result && file->hash && strcmp(t->data->hash, file->hash) != 0)
        result = qv_fail(err, QV_ENOTFOUND, "%s: not what it was trained on any more",
                         file->path);
    if (!result) {
        *n = t->n_train;
        result = qv__fisher(F, e, a->m, t->train, t->n_train, err);
    }
    qv__task_free(t);
    return result;
}

/* F [e->n_w] of an expert on its own data, the same number of examples of each file. */
static qv_status compute(float *F, struct qv_expert *e, const qv_expert_info *info,
                         const struct qv_adapting *a, qv_err *err)
{
    size_t n_data = info->meta.n_data, all = 0;
    if (n_data == 0)
        return qv_fail(err, QV_ENOTFOUND, "it does not say what it was trained on");
    float *part = malloc(e->n_w * sizeof *part);
    if (!part)
        return qv_fail(err, QV_ENOMEM, "no memory for its Fisher information");
    memset(F, 0, e->n_w * sizeof *F);
    qv_status result = QV_OK;
    for (size_t i = 0; !result && i < n_data; i++) {
        size_t n = 0;
        result = on_file(part, &n, e, a, &info->meta.data[i],
                         qv__max((MOST + n_data - 1) / n_data, 1), err);
        for (size_t j = 0; !result && j < e->n_w; j++)
            F[j] += part[j] * (float)n;
        all += n;
    }
    for (size_t j = 0; !result && j < e->n_w; j++)
        F[j] /= (float)qv__max(all, 1);
    free(part);
    return result;
}

/* Read it from the artifact, or compute it and keep it. */
static qv_status fisher_of(float *F, struct qv_expert *e, const qv_expert_info *info,
                           const struct qv_adapting *a, qv_err *err)
{
    struct qv_st st;
    qv_status result =
        qv__library_artifact(&st, a->lib, info->name, "fisher", info->hash, NULL);
    if (!result) {
        const struct qv_tensor *t = qv__st_find(&st, "F");
        if (t && t->dtype == QV_F32 && t->n == e->n_w)
            qv__st_f32(F, t, 0, t->n);
        else
            result = qv_fail(err, QV_EFORMAT, "artifact 'fisher' is not of its shape");
        qv__st_close(&st);
        return result;
    }
    result = compute(F, e, info, a, err);
    const struct qv_tensor_out out = {"F", QV_F32, 1, {e->n_w}, F};
    if (!result)
        result = qv__library_put_artifact(a->lib, info->name, "fisher", info->hash, &out, 1,
                                          err);
    return result;
}

qv_status qv__fisher_near(float *near, struct qv_expert *own, struct qv_adapting *a,
                          qv_err *err)
{
    float *F = malloc(2 * own->n_w * sizeof *F), *G = F ? F + own->n_w : NULL;
    qv_status result =
        F ? qv__fisher(F, own, a->m, a->train, qv__min(a->n_train, MOST), err)
          : qv_fail(err, QV_ENOMEM, "no memory for Fisher information");
    for (size_t k = 0; !result && k < a->K; k++) {
        struct qv_expert *e = a->expert[k];
        result = same_shape(e, own)
                     ? fisher_of(G, e, a->info[k], a, err)
                     : qv_fail(err, QV_EFORMAT,
                               "its sites or ranks are not those of the new LoRA");
        if (result)
            result = qv_wrap(err, result, "expert '%s': ", e->name);
        else
            near[k] = (float)cosine(F, G, own->n_w);
    }
    free(F);
    return result;
}
