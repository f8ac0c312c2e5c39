/* generation.c - see generation.h. */
#include "server/generation.h"
#include "base/clock.h"
#include "cluster/cluster.h"
#include "kern/kern.h"
#include "server/bind.h"
#include "server/shelf.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { ROUTERS = 32, WAYS = 2 }; // at most; ways to compose

static const double recently = 600; // seconds in which a router was asked for

struct bound {
    qv_reuse *reuse; // NULL until asked for
    double asked_at;
};

struct qv_generation {
    const qv_model *m;
    const qv_library *lib;
    size_t number, n;
    struct qv_held **held; // [n]
    const char **name;     // [n] theirs
    struct qv_selection all;
    struct qv_shelf *shelf;
    struct qv_bounds bounds;
    pthread_mutex_t lock; // guards binding all of them and what follows
    struct bound router[ROUTERS][WAYS];
    pthread_mutex_t map_lock; // guards what follows
    float *xy;                // [n, 2] or NULL
};

/* ---- routers ---- */

bool qv__generation_has_router(const struct qv_generation *g,
                               const struct qv_router_ops *ops)
{
    return ops && !ops->is_oracle && g->n > 0;
}

bool qv__generation_is_prepared(const struct qv_generation *g,
                                const struct qv_router_ops *ops)
{
    return qv__generation_has_router(g, ops) && qv__shelf_has(g->shelf, ops);
}

/* `before` is the same of another generation, or NULL. */
static qv_status make(qv_reuse **out, const struct qv_generation *g,
                      const struct qv_selection *chosen, const struct qv_router_ops *ops,
                      enum qv_compose how, const qv_reuse *before, qv_err *err)
{
    struct qv_binding b = {.model = g->m,
                           .held = g->held,
                           .chosen = chosen,
                           .ops = ops,
                           .before = before,
                           .compose = how};
    qv_status result = ops ? qv__shelf_find(&b.kept, g->shelf, ops, err) : QV_OK;
    return result ? result : qv__bind(out, &b, err);
}

qv_status qv__generation_router(const qv_reuse **out, struct qv_generation *g,
                                const struct qv_router_ops *ops, enum qv_compose how,
                                qv_err *err)
{
    size_t i = 0;
    while (qv__routers()[i] != ops)
        i++;
    qv_check(i < ROUTERS);
    pthread_mutex_lock(&g->lock);
    struct bound *b = &g->router[i][how == QV_OUTPUT];
    b->asked_at = qv__seconds();
    qv_status result = b->reuse ? QV_OK : make(&b->reuse, g, &g->all, ops, how, NULL, err);
    *out = b->reuse;
    pthread_mutex_unlock(&g->lock);
    return result;
}

struct making {
    const struct qv_generation *g;
    const struct qv_router_ops *ops;
    enum qv_compose how;
};

static qv_status make_some(void *arg, qv_reuse **out, const struct qv_selection *chosen,
                           qv_err *err)
{
    const struct making *m = arg;
    return make(out, m->g, chosen, m->ops, m->how, NULL, err);
}

qv_status qv__generation_some(struct qv_bound **out, struct qv_generation *g,
                              const char *id, struct qv_selection *chosen,
                              const struct qv_router_ops *ops, enum qv_compose how,
                              qv_err *err)
{
    struct making m = {g, ops, how};
    return qv__bounds_take(out, &g->bounds, id, chosen, make_some, &m, err);
}

qv_status qv__generation_like(qv_reuse **own, struct qv_generation *g, const qv_reuse *r,
                              size_t top_k, float temperature, qv_err *err)
{
    pthread_mutex_lock(&g->lock);
    qv_status result = qv__reuse_like(own, r, top_k, temperature, r->compose, err);
    pthread_mutex_unlock(&g->lock);
    return result;
}

/* What fails now is told to whoever asks for that router. */
static void bind_as_before(struct qv_generation *g, struct qv_generation *before)
{
    double now = qv__seconds();
    struct bound was[ROUTERS][WAYS];
    pthread_mutex_lock(&before->lock);
    memcpy(was, before->router, sizeof was);
    pthread_mutex_unlock(&before->lock);
    for (size_t i = 0; g->n > 0 && qv__routers()[i]; i++)
        for (size_t j = 0; j < WAYS; j++) {
            const struct bound *b = &was[i][j];
            if (!b->reuse || b->asked_at < now - recently)
                continue;
            qv_status result = make(&g->router[i][j].reuse, g, &g->all, qv__routers()[i],
                                    j ? QV_OUTPUT : QV_FACTOR, b->reuse, NULL);
            (void)result;
            g->router[i][j].asked_at = b->asked_at;
        }
}

/* ---- life ---- */

static qv_status fill(struct qv_generation *g, struct qv_held *const *held, qv_err *err)
{
    const size_t room = qv__max(g->n, 1);
    g->held = calloc(room, sizeof *g->held);
    g->name = calloc(room, sizeof *g->name);
    g->all.at = calloc(room, sizeof *g->all.at);
    if (!g->held || !g->name || !g->all.at)
        return qv_fail(err, QV_ENOMEM, "no memory for a library of %zu experts", g->n);
    g->all.n = g->n;
    for (size_t i = 0; i < g->n; i++) {
        g->held[i] = held[i];
        g->name[i] = held[i]->info.name;
        g->all.at[i] = i;
    }
    return qv__shelf_new(&g->shelf, g->m, g->lib, g->held, g->n, err);
}

qv_status qv__generation_new(struct qv_generation **out, const qv_model *m,
                             const qv_library *lib, struct qv_held *const *held, size_t n,
                             struct qv_generation *before, qv_err *err)
{
    *out = NULL;
    struct qv_generation *g = calloc(1, sizeof *g);
    if (!g)
        return qv_fail(err, QV_ENOMEM, "no memory for a library of %zu experts", n);
    g->m = m;
    g->lib = lib;
    g->n = n;
    g->number = before ? before->number + 1 : 0;
    pthread_mutex_init(&g->lock, NULL);
    pthread_mutex_init(&g->map_lock, NULL);
    qv__bounds_init(&g->bounds);
    qv_status result = fill(g, held, err);
    if (result) {
        g->n = 0; // it took no shares
        qv__generation_free(g);
        return result;
    }
    if (before)
        bind_as_before(g, before);
    *out = g;
    return QV_OK;
}

void qv__generation_free(struct qv_generation *g)
{
    if (!g)
        return;
    qv__bounds_end(&g->bounds);
    for (size_t i = 0; i < ROUTERS; i++)
        for (size_t j = 0; j < WAYS; j++)
            qv_reuse_close(g->router[i][j].reuse);
    qv__shelf_free(g->shelf);
    for (size_t i = 0; i < g->n; i++)
        qv__held_release(g->held[i]);
    qv__selection_end(&g->all);
    free(g->held);
    free(g->name);
    free(g->xy);
    pthread_mutex_destroy(&g->lock);
    pthread_mutex_destroy(&g->map_lock);
    free(g);
}

size_t qv__generation_number(const struct qv_generation *g)
{
    return g->number;
}

size_t qv__generation_size(const struct qv_generation *g)
{
    return g->n;
}

const char *const *qv__generation_names(const struct qv_generation *g)
{
    return g->name;
}

struct qv_held *qv__generation_held(const struct qv_generation *g, size_t i)
{
    qv_check(i < g->n);
    return g->held[i];
}

size_t qv__generation_find(const struct qv_generation *g, const char *name)
{
    size_t from = 0, to = g->n;
    while (from < to) {
        const size_t middle = from + (to - from) / 2;
        int order = strcmp(g->held[middle]->info.name, name);
        if (order == 0)
            return middle;
        from = order < 0 ? middle + 1 : from;
        to = order < 0 ? to : middle;
    }
    return g->n;
}

/* ---- the map ---- */

/* place[m] = the pack's index of the model's site m, or -1. */
static void find_places(int *place, const struct qv_pack *p, size_t n_sites)
{
    for (size_t m = 0; m < n_sites; m++)
        place[m] = -1;
    for (size_t i = 0; i < p->shape->n_sites; i++)
        place[p->where[i]] = (int)i;
}

static float alike(const struct qv_pack *a, const int *at, const struct qv_pack *b,
                   const int *bt, size_t n_sites)
{
    double sum = 0;
    size_t n = 0;
    for (size_t m = 0; m < n_sites; m++) {
        n += at[m] >= 0 || bt[m] >= 0;
        if (at[m] < 0 || bt[m] < 0)
            continue;
        const size_t *first = a->p.first + at[m];
        const float *v = a->p.v + first[0], *u = b->p.v + b->p.first[bt[m]];
        sum += fabs((double)qv__kern()->dot(v, u, first[1] - first[0]));
    }
    return n ? (float)(sum / (double)n) : 0;
}

static qv_status make_map(struct qv_generation *g, qv_err *err)
{
    const size_t n = g->n, n_sites = g->m->sites.n;
    float *sim = malloc(n * n * sizeof *sim), *xy = calloc(n, 2 * sizeof *xy);
    int *place = malloc(n * n_sites * sizeof *place);
    qv_status result = sim && xy && place
                           ? QV_OK
                           : qv_fail(err, QV_ENOMEM, "no memory for a map of %zu", n);
    for (size_t i = 0; !result && i < n; i++) {
        find_places(place + i * n_sites, g->held[i]->pack, n_sites);
        sim[i * n + i] = 1;
        for (size_t j = 0; j < i; j++)
            sim[i * n + j] = sim[j * n + i] =
                alike(g->held[i]->pack, place + i * n_sites, g->held[j]->pack,
                      place + j * n_sites, n_sites);
    }
    if (!result)
        result = qv__map2d(xy, sim, n, err);
    if (!result) {
        g->xy = xy;
        xy = NULL; // now the generation's
    }
    free(sim);
    free(xy);
    free(place);
    return result;
}

qv_status qv__generation_map(const float **xy, struct qv_generation *g, qv_err *err)
{
    qv_status result = QV_OK;
    pthread_mutex_lock(&g->map_lock);
    if (!g->xy && g->n > 0 && g->n <= QV_MAP_MOST)
        result = make_map(g, err);
    *xy = g->xy;
    pthread_mutex_unlock(&g->map_lock);
    return result;
}
