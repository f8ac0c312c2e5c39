/* roster.c - see roster.h. */
#include "server/roster.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { ROUTERS = 32, WAYS = 2 }; // at most; ways to compose

struct qv_roster {
    const qv_model *m;
    struct qv_library_reading d;
    pthread_mutex_t lock; // guards binding and what follows
    qv_reuse **expert;    // [d.n] each alone; NULL until asked for
    qv_reuse *router[ROUTERS][WAYS];
};

struct qv_who {
    atomic_uint owners;
    const qv_reuse *reuse;
    qv_reuse *own; // the same if this request alone has such a router, or NULL
};

qv_status qv__roster_open(struct qv_roster **out, const qv_model *m, const char *library,
                          qv_err *err)
{
    *out = NULL;
    struct qv_roster *r = calloc(1, sizeof *r);
    if (!r)
        return qv_fail(err, QV_ENOMEM, "no memory for a library");
    r->m = m;
    pthread_mutex_init(&r->lock, NULL);
    const qv_reuse_opts o = {.library = library, .router = "arrow"}; // prototypes, too
    qv_status result =
        library ? qv__library_reading_init(&r->d, m, library, &o, err) : QV_OK;
    r->expert = calloc(qv__max(r->d.n, 1), sizeof *r->expert);
    if (!result && !r->expert)
        result = qv_fail(err, QV_ENOMEM, "no memory for %zu experts", r->d.n);
    if (result)
        qv__roster_close(r);
    else
        *out = r;
    return result;
}

void qv__roster_close(struct qv_roster *r)
{
    if (!r)
        return;
    for (size_t i = 0; r->expert && i < r->d.n; i++)
        qv_reuse_close(r->expert[i]);
    for (size_t i = 0; i < ROUTERS; i++)
        for (size_t j = 0; j < WAYS; j++)
            qv_reuse_close(r->router[i][j]);
    free(r->expert);
    qv__library_reading_end(&r->d);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

size_t qv__roster_experts(const struct qv_roster *r)
{
    return r->d.n;
}

const char *qv__roster_expert(const struct qv_roster *r, size_t i)
{
    return r->d.experts[i]->name;
}

bool qv__roster_has_router(const struct qv_roster *r, const struct qv_router_ops *ops)
{
    return ops && !ops->is_oracle && ops->needs == QV_NEEDS_NOTHING && r->d.n > 0;
}

static qv_status bind_expert(const qv_reuse **out, struct qv_roster *r, const char *name,
                             qv_err *err)
{
    size_t i = 0;
    while (i < r->d.n && strcmp(r->d.experts[i]->name, name) != 0)
        i++;
    if (i == r->d.n)
        return qv_fail(err, QV_ENOTFOUND, "no expert is named '%s'", name);
    const struct qv_reuse_from from = {.experts = &r->d.experts[i], .n = 1};
    qv_status result = QV_OK;
    if (!r->expert[i])
        result = qv__reuse_new(&r->expert[i], r->m, &from, err);
    *out = r->expert[i];
    return result;
}

/* The router with its default settings, bound once for each way to compose. */
static qv_status bind_router(const qv_reuse **out, struct qv_roster *r,
                             const struct qv_choice *c, qv_err *err)
{
    size_t i = 0;
    while (qv__routers()[i] && strcmp(qv__routers()[i]->name, c->router) != 0)
        i++;
    qv_check(i < ROUTERS);
    if (!qv__roster_has_router(r, qv__routers()[i]))
        return qv_fail(err, QV_ENOTFOUND, "no router is named '%s' here", c->router);
    const struct qv_reuse_from from = {.experts = r->d.experts,
                                       .n = r->d.n,
                                       .vectors = r->d.kept.vectors,
                                       .tasks = r->d.tasks,
                                       .n_tasks = r->d.n_tasks,
                                       .router = c->router,
                                       .compose = c->compose};
    qv_reuse **at = &r->router[i][c->compose == QV_OUTPUT];
    qv_status result = *at ? QV_OK : qv__reuse_new(at, r->m, &from, err);
    *out = *at;
    return result;
}

static qv_status bind(struct qv_who *w, struct qv_roster *r, const struct qv_choice *c,
                      qv_err *err)
{
    if (c->expert)
        return bind_expert(&w->reuse, r, c->expert, err);
    if (!c->router)
        return QV_OK;
    qv_status result = bind_router(&w->reuse, r, c, err);
    if (result || (c->top_k == 0 && c->temperature == 0))
        return result;
    if (!w->reuse->router)
        return qv_fail(err, QV_EFORMAT, "the router '%s' has no top-k and no temperature",
                       c->router);
    result = qv__reuse_like(&w->own, w->reuse, c->top_k, c->temperature, c->compose, err);
    w->reuse = w->own;
    return result;
}

qv_status qv__roster_bind(struct qv_who **out, struct qv_roster *r,
                          const struct qv_choice *choice, qv_err *err)
{
    *out = NULL;
    struct qv_who *w = calloc(1, sizeof *w);
    if (!w)
        return qv_fail(err, QV_ENOMEM, "no memory for a request");
    atomic_init(&w->owners, 1);
    pthread_mutex_lock(&r->lock);
    qv_status result = bind(w, r, choice, err);
    pthread_mutex_unlock(&r->lock);
    if (result)
        qv__who_let_go(w);
    else
        *out = w;
    return result;
}

const qv_reuse *qv__who_reuse(const struct qv_who *w)
{
    return w->reuse;
}

size_t qv__who_experts(const struct qv_who *w)
{
    return !w->reuse ? 0 : w->reuse->router ? w->reuse->bank->K : w->reuse->n;
}

const char *qv__who_expert(const struct qv_who *w, size_t i)
{
    return w->reuse->router ? w->reuse->bank->name[i] : w->reuse->name[i];
}

bool qv__who_is_fixed(const struct qv_who *w)
{
    return !w->reuse || !w->reuse->router;
}

float qv__who_weight(const struct qv_who *w, size_t i)
{
    (void)i;
    return 1 / (float)w->reuse->n; // an expert alone, or uniform
}

void qv__who_keep(void *who)
{
    struct qv_who *w = who;
    atomic_fetch_add(&w->owners, 1);
}

void qv__who_let_go(void *who)
{
    struct qv_who *w = who;
    if (!w || atomic_fetch_sub(&w->owners, 1) > 1)
        return;
    qv_reuse_close(w->own);
    free(w);
}
