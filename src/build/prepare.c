/* prepare.c - see prepare.h. */
#include "build/prepare.h"
#include "build/build.h"
#include "model/model.h"

#include <stdio.h>
#include <string.h>

static const struct maker {
    const char *kind;
    size_t limit; // training examples a task, by default; 0: all
    qv_status (*each)(struct qv_preparer *, const struct qv_pupil *, qv_err *);
    qv_status (*all)(struct qv_preparer *, const char *run, qv_err *); // or this
} makers[] = {
    {"centroid", 100, qv__prepare_centroid, NULL},
    {"embedding", 100, qv__prepare_embedding, NULL},
    {"gate", 0, qv__prepare_gate, NULL},
    {"tp", 100, NULL, qv__prepare_tp},
    {"tp_ngrams", 100, NULL, qv__prepare_tp},
};

qv_status qv__prepare_put(struct qv_preparer *p, const struct qv_pupil *who,
                          const char *run, const struct qv_tensor_out *tensor, size_t n,
                          qv_err *err)
{
    char layers[32];
    snprintf(layers, sizeof layers, "%zu", p->n_layers);
    const char *const facts[][2] = {
        {"model", p->m->origin}, {"source", who->source}, {"run", run}, {"layers", layers}};
    p->n_made++;
    return qv__library_put_facts(p->lib, who->info->name, p->ops->artifact, who->info->hash,
                                 facts, QV_COUNT(facts), tensor, n, err);
}

/* Whether the artifact is there with all its stamps; `run` NULL: of any. */
static bool is_made(const struct qv_preparer *p, const struct qv_pupil *who,
                    const char *run)
{
    struct qv_st st;
    if (qv__library_artifact(&st, p->lib, who->info->name, p->ops->artifact,
                             who->info->hash, NULL))
        return false;
    const char *const facts[][2] = {
        {"model", p->m->origin}, {"source", who->source}, {"run", run}};
    bool same = true;
    for (size_t i = 0; i < QV_COUNT(facts); i++) {
        const char *is = qv__st_meta(&st, facts[i][0]);
        same = same && is && (!facts[i][1] || strcmp(is, facts[i][1]) == 0);
    }
    qv__st_close(&st);
    return same;
}

static const struct qv_task *find_task(const struct qv_preparer *p, const char *name)
{
    for (size_t i = 0; i < p->n_tasks; i++)
        if (strcmp(p->task[i]->name, name) == 0)
            return p->task[i];
    return NULL;
}

/* Everything but the data that an artifact depends on. */
static char *settings(struct qv_preparer *p)
{
    const qv_train_opts *t = &p->o->train;
    return qv__arena_fmt(&p->arena, "%s %zu %zu %zu %zu %zu %.9g %.9g %.9g %llu",
                         p->ops->artifact, p->n_layers, t->max_tokens, t->steps, t->epochs,
                         t->batch, (double)t->lr, (double)t->warmup, (double)t->clip,
                         (unsigned long long)t->seed);
}

/* The training examples of the expert's tasks, one task after the other. */
static qv_status gather(struct qv_preparer *p, struct qv_pupil *who, qv_err *err)
{
    const qv_expert_meta *meta = &who->info->meta;
    char *text = settings(p);
    if (meta->n_tasks == 0)
        return qv_fail(err, QV_ENOTFOUND,
                       "expert '%s' does not say which task it was trained on",
                       who->info->name);
    for (size_t i = 0; i < meta->n_tasks; i++) {
        const struct qv_task *t = find_task(p, meta->task[i]);
        if (!t)
            return qv_fail(
                err, QV_ENOTFOUND,
                "expert '%s' was trained on '%s', of which there is no task file",
                who->info->name, meta->task[i]);
        text = qv__arena_fmt(&p->arena, "%s %s %zu", text, t->data->hash, t->n_train);
        who->n += t->n_train;
    }
    if (who->n == 0)
        return qv_fail(err, QV_EFORMAT, "expert '%s': its tasks have no training examples",
                       who->info->name);
    who->at = qv_new_n(&p->arena, struct qv_sequence, who->n);
    for (size_t i = 0, n = 0; i < meta->n_tasks; i++) {
        const struct qv_task *t = find_task(p, meta->task[i]);
        memcpy(who->at + n, t->train, t->n_train * sizeof *who->at);
        n += t->n_train;
    }
    qv__hash_bytes(who->source, text, strlen(text));
    return QV_OK;
}

static qv_status make_each(struct qv_preparer *p, const struct maker *maker, qv_err *err)
{
    const qv_progress *progress = &p->o->train.progress;
    for (size_t i = 0; i < p->n; i++) {
        const struct qv_pupil *who = &p->pupil[i];
        if (progress->fn && progress->fn(progress->arg, "prepare", (double)i, (double)p->n,
                                         who->info->name))
            return qv_fail(err, QV_ECANCEL, "stopped after %zu of %zu experts", i, p->n);
        if (is_made(p, who, NULL))
            continue;
        qv_status result = maker->each(p, who, err);
        if (result)
            return qv_wrap(err, result, "expert '%s': ", who->info->name);
    }
    return QV_OK;
}

/* What is made for all experts at once is named by all of them. */
static qv_status make_all(struct qv_preparer *p, const struct maker *maker, qv_err *err)
{
    char run[QV_HASH_TEXT];
    const char *text = p->m->origin;
    for (size_t i = 0; i < p->n; i++)
        text = qv__arena_fmt(&p->arena, "%s %s %s", text, p->pupil[i].info->hash,
                             p->pupil[i].source);
    qv__hash_bytes(run, text, strlen(text));
    bool made = true;
    for (size_t i = 0; i < p->n && made; i++)
        made = is_made(p, &p->pupil[i], run);
    return made ? QV_OK : maker->all(p, run, err);
}

static const struct maker *find_maker(const char *kind)
{
    size_t i = 0;
    while (i < QV_COUNT(makers) && strcmp(makers[i].kind, kind) != 0)
        i++;
    qv_check(i < QV_COUNT(makers)); // a router's artifact has its line above
    return &makers[i];
}

static qv_status make(struct qv_preparer *p, qv_err *err)
{
    const struct maker *maker = find_maker(p->ops->artifact);
    p->n = qv_snapshot_size(p->snap);
    if (p->n == 0)
        return qv_fail(err, QV_ENOTFOUND, "the library has no experts");
    p->pupil = qv_new_n(&p->arena, struct qv_pupil, p->n);
    qv_status result = QV_OK;
    for (size_t i = 0; i < p->n && !result; i++) {
        p->pupil[i].info = qv_snapshot_info(p->snap, i);
        result = gather(p, &p->pupil[i], err);
    }
    if (!result)
        result = maker->each ? make_each(p, maker, err) : make_all(p, maker, err);
    return result;
}

static qv_status choose(struct qv_preparer *p, qv_err *err)
{
    const size_t L = p->m->c.L;
    const char *name = p->o->router ? p->o->router : "";
    p->ops = qv__router_find(name);
    if (!p->ops)
        return qv_fail(err, QV_ENOTFOUND, "no router is named '%s'", name);
    if (!p->ops->artifact)
        return qv_fail(err, QV_EUNSUPPORTED,
                       "router '%s' needs nothing but the experts: there is nothing to "
                       "prepare",
                       name);
    if (p->o->layers > L)
        return qv_fail(err, QV_ELIMIT, "the output of layer %zu, the model has %zu",
                       p->o->layers, L);
    p->n_layers = p->o->layers ? p->o->layers : qv__max(L - 1, 1);
    return QV_OK;
}

qv_status qv_prepare(size_t *n_made, const qv_model *model, const char *library,
                     const char *const *paths, size_t n, const qv_prepare_opts *opts,
                     qv_err *err)
{
    struct qv_preparer p = {.m = model, .o = opts};
    *n_made = 0;
    qv_build_opts read = {.limit = opts->limit, .train = opts->train};
    qv_status result = choose(&p, err);
    if (!result && !read.limit)
        read.limit = find_maker(p.ops->artifact)->limit;
    if (!result)
        result = qv_library_open(&p.lib, library, err);
    if (!result)
        result = qv_library_check_base(p.lib, NULL, model->origin, err);
    if (!result)
        result = qv_library_snapshot(&p.snap, p.lib, err);
    if (!result)
        result =
            qv__build_tasks(&p.task, &p.n_tasks, &p.arena, model, paths, n, &read, err);
    if (!result) {
        result = make(&p, err);
        if (result)
            result = qv_wrap(err, result, "%s: ", library);
    }
    *n_made = p.n_made;
    for (size_t i = 0; i < p.n_tasks; i++)
        qv__task_free(p.task[i]);
    qv_snapshot_release(p.snap);
    qv_library_close(p.lib);
    qv__arena_free(&p.arena);
    return result;
}
