/* generation.c - see generation.h. */
#include "server/generation.h"
#include "base/clock.h"
#include "base/file.h"
#include "cluster/cluster.h"
#include "kern/kern.h"
#include "model/kept.h"

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
    pthread_mutex_t lock;  // guards binding and what follows
    struct bound router[ROUTERS][WAYS];
    pthread_mutex_t map_lock; // guards what follows
    float *xy;                // [n, 2] or NULL
};

/* ---- routers ---- */

/* Routers that add experts up or rewrite them get experts of their own to do it with. */
static bool wants_whole(const struct qv_router_ops *ops)
{
    return ops->weigh || ops->is_centred || ops->rewrites;
}

/* What a router is bound from. */
struct sources {
    struct qv_expert **experts; // [n] owned if they are whole
    struct qv_pack **packs;     // [n]
    struct qv_prototypes *v;    // [n] the packs', or `kept` has a router's own
    struct qv_kept kept;
    bool is_whole;
};

static void end_sources(struct sources *s, size_t n)
{
    for (size_t i = 0; s->is_whole && s->experts && i < n; i++)
        qv__expert_free(s->experts[i]);
    qv__kept_end(&s->kept);
    free(s->experts);
    free(s->packs);
    free(s->v);
}

static qv_status gather_one(struct sources *s, const struct qv_generation *g, size_t i,
                            const struct qv_router_ops *ops, qv_err *err)
{
    struct qv_held *h = g->held[i];
    qv_status result = QV_OK;
    s->packs[i] = h->pack;
    s->v[i] = h->pack->p;
    if (s->is_whole) {
        atomic_store(&h->pack->used, true);
        result = qv__pack_expert(&s->experts[i], h->pack, err);
    } else {
        s->experts[i] = h->pack->shape;
    }
    if (!result && ops->artifact)
        result = qv__kept_add(&s->kept, h->pack->shape, h->info.hash, err);
    return result;
}

static qv_status gather(struct sources *s, const struct qv_generation *g,
                        const struct qv_router_ops *ops, qv_err *err)
{
    *s = (struct sources){.is_whole = wants_whole(ops)};
    s->experts = calloc(g->n, sizeof *s->experts);
    s->packs = calloc(g->n, sizeof *s->packs);
    s->v = calloc(g->n, sizeof *s->v);
    if (!s->experts || !s->packs || !s->v)
        return qv_fail(err, QV_ENOMEM, "no memory for %zu experts", g->n);
    qv_status result =
        ops->artifact ? qv__kept_init(&s->kept, g->lib, g->m, ops, g->n, err) : QV_OK;
    for (size_t i = 0; !result && i < g->n; i++)
        result = gather_one(s, g, i, ops, err);
    return result;
}

/* `before` is the same of another generation, or NULL. */
static qv_status make_router(qv_reuse **out, const struct qv_generation *g,
                             const struct qv_router_ops *ops, enum qv_compose compose,
                             const qv_reuse *before, qv_err *err)
{
    struct sources s;
    qv_status result = gather(&s, g, ops, err);
    const struct qv_reuse_from from = {.experts = s.experts,
                                       .n = g->n,
                                       .vectors = ops->artifact ? s.kept.vectors : s.v,
                                       .packs = s.is_whole ? NULL : s.packs,
                                       .router = ops->name,
                                       .before = before,
                                       .compose = compose};
    if (!result)
        result = qv__reuse_new(out, g->m, &from, err);
    end_sources(&s, g->n);
    return result;
}

bool qv__generation_has_router(const struct qv_generation *g,
                               const struct qv_router_ops *ops)
{
    return ops && !ops->is_oracle && !ops->reads && g->n > 0;
}

bool qv__generation_is_prepared(const struct qv_generation *g,
                                const struct qv_router_ops *ops)
{
    qv_arena a = {0};
    bool has_all = qv__generation_has_router(g, ops);
    for (size_t i = 0; has_all && ops->artifact && i < g->n; i++)
        has_all = qv__is_file(qv__arena_fmt(&a, "%s/%s/artifacts/%s.safetensors",
                                            qv_library_dir(g->lib), g->held[i]->info.name,
                                            ops->artifact));
    qv__arena_free(&a);
    return has_all;
}

static qv_status bind(const qv_reuse **shared, qv_reuse **own, struct qv_generation *g,
                      size_t i, size_t top_k, float temperature, enum qv_compose compose,
                      qv_err *err)
{
    const struct qv_router_ops *ops = qv__routers()[i];
    struct bound *b = &g->router[i][compose == QV_OUTPUT];
    b->asked_at = qv__seconds();
    qv_status result =
        b->reuse ? QV_OK : make_router(&b->reuse, g, ops, compose, NULL, err);
    *shared = b->reuse;
    if (result || (top_k == 0 && temperature == 0))
        return result;
    if (!b->reuse->router)
        return qv_fail(err, QV_EFORMAT, "the router '%s' has no top-k and no temperature",
                       ops->name);
    result = qv__reuse_like(own, b->reuse, top_k, temperature, compose, err);
    *shared = *own;
    return result;
}

qv_status qv__generation_router(const qv_reuse **shared, qv_reuse **own,
                                struct qv_generation *g, const char *router, size_t top_k,
                                float temperature, enum qv_compose compose, qv_err *err)
{
    size_t i = 0;
    *shared = *own = NULL;
    while (qv__routers()[i] && strcmp(qv__routers()[i]->name, router) != 0)
        i++;
    qv_check(i < ROUTERS);
    const struct qv_router_ops *ops = qv__routers()[i];
    if (!qv__generation_has_router(g, ops))
        return qv_fail(err, QV_ENOTFOUND, "no router is named '%s' here", router);
    if (ops->adds_outputs) // its authors' way, which a request cannot tell from none
        compose = QV_OUTPUT;
    pthread_mutex_lock(&g->lock);
    qv_status result = bind(shared, own, g, i, top_k, temperature, compose, err);
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
            qv_status result = make_router(&g->router[i][j].reuse, g, qv__routers()[i],
                                           j ? QV_OUTPUT : QV_FACTOR, b->reuse, NULL);
            (void)result;
            g->router[i][j].asked_at = b->asked_at;
        }
}

/* ---- life ---- */

qv_status qv__generation_new(struct qv_generation **out, const qv_model *m,
                             const qv_library *lib, struct qv_held *const *held, size_t n,
                             struct qv_generation *before, qv_err *err)
{
    *out = NULL;
    struct qv_generation *g = calloc(1, sizeof *g);
    if (g)
        g->held = calloc(qv__max(n, 1), sizeof *g->held);
    if (!g || !g->held) {
        free(g);
        return qv_fail(err, QV_ENOMEM, "no memory for a library of %zu experts", n);
    }
    g->m = m;
    g->lib = lib;
    g->n = n;
    g->number = before ? before->number + 1 : 0;
    memcpy(g->held, held, n * sizeof *held);
    pthread_mutex_init(&g->lock, NULL);
    pthread_mutex_init(&g->map_lock, NULL);
    if (before)
        bind_as_before(g, before);
    *out = g;
    return QV_OK;
}

void qv__generation_free(struct qv_generation *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < ROUTERS; i++)
        for (size_t j = 0; j < WAYS; j++)
            qv_reuse_close(g->router[i][j].reuse);
    for (size_t i = 0; i < g->n; i++)
        qv__held_release(g->held[i]);
    free(g->held);
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
