/* roster.c - see roster.h. */
#include "server/roster.h"
#include "base/hash.h"
#include "text/pieces.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A generation and who has it. */
struct shared {
    struct qv_generation *g;
    size_t owners;
    struct shared *next;
};

struct qv_roster {
    const qv_model *m;
    const qv_library *lib;
    pthread_mutex_t lock;  // guards what follows, for moments
    struct shared *now;    // the newest first; older ones that somebody has follow
    struct shared *unused; // to be freed
};

struct qv_who {
    atomic_uint owners;
    struct qv_roster *r;
    struct qv_generation *g;
    const qv_reuse *reuse;
    qv_reuse *own;          // the same if this request alone has such a router, or NULL
    struct qv_bound *bound; // a share of what it is of, if it is of some of the experts
    char id[QV_HASH_TEXT];
};

/* Takes g, unless it fails. Called by one thread at a time. */
static qv_status publish(struct qv_roster *r, struct qv_generation *g, qv_err *err)
{
    struct shared *s = calloc(1, sizeof *s);
    if (!s)
        return qv_fail(err, QV_ENOMEM, "no memory for a library");
    s->g = g;
    s->owners = 1; // the roster, as long as it is the newest
    pthread_mutex_lock(&r->lock);
    struct shared *before = r->now;
    s->next = before;
    r->now = s;
    pthread_mutex_unlock(&r->lock);
    if (before)
        qv__roster_back(r, before->g);
    return QV_OK;
}

qv_status qv__roster_open(struct qv_roster **out, const qv_model *m, const qv_library *lib,
                          qv_err *err)
{
    *out = NULL;
    struct qv_generation *first = NULL;
    struct qv_roster *r = calloc(1, sizeof *r);
    if (!r)
        return qv_fail(err, QV_ENOMEM, "no memory for a library");
    r->m = m;
    r->lib = lib;
    pthread_mutex_init(&r->lock, NULL);
    struct qv_held *none[1] = {NULL};
    qv_status result = qv__generation_new(&first, m, lib, none, 0, NULL, err);
    if (!result)
        result = publish(r, first, err);
    if (result) {
        qv__generation_free(first);
        qv__roster_close(r);
    } else {
        *out = r;
    }
    return result;
}

void qv__roster_close(struct qv_roster *r)
{
    if (!r)
        return;
    if (r->now)
        qv__roster_back(r, r->now->g);
    qv_check(!r->now); // else somebody still has one
    qv__roster_sweep(r);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

/* ---- shares ---- */

struct qv_generation *qv__roster_now(struct qv_roster *r)
{
    pthread_mutex_lock(&r->lock);
    r->now->owners++;
    struct qv_generation *g = r->now->g;
    pthread_mutex_unlock(&r->lock);
    return g;
}

/* There are few that anybody has. */
void qv__roster_back(struct qv_roster *r, struct qv_generation *g)
{
    pthread_mutex_lock(&r->lock);
    struct shared **at = &r->now;
    while ((*at)->g != g)
        at = &(*at)->next;
    struct shared *s = *at;
    if (--s->owners == 0) {
        *at = s->next;
        s->next = r->unused;
        r->unused = s;
    }
    pthread_mutex_unlock(&r->lock);
}

void qv__roster_sweep(struct qv_roster *r)
{
    pthread_mutex_lock(&r->lock);
    struct shared *first = r->unused;
    r->unused = NULL;
    pthread_mutex_unlock(&r->lock);
    while (first) {
        struct shared *s = first;
        first = s->next;
        qv__generation_free(s->g);
        free(s);
    }
}

/* ---- changes ---- */

static int by_name(const void *a, const void *b)
{
    const struct qv_held *const *x = a, *const *y = b;
    return strcmp((*x)->info.name, (*y)->info.name);
}

static bool is_gone(const char *name, const char *const *gone, size_t n)
{
    size_t i = 0;
    while (i < n && strcmp(gone[i], name) != 0)
        i++;
    return i < n;
}

/* Its experts, a share of each: those put, and those of before that stay. */
static size_t gather(struct qv_held **held, const struct qv_generation *before,
                     struct qv_held *const *put, size_t n_put, const char *const *gone,
                     size_t n_gone)
{
    size_t n = n_put;
    for (size_t i = 0; i < n_put; i++)
        held[i] = qv__held_share(put[i]);
    if (n_put)
        qsort(held, n_put, sizeof *held, by_name);
    for (size_t i = 0; i < qv__generation_size(before); i++) {
        struct qv_held *old = qv__generation_held(before, i);
        bool stays = !is_gone(old->info.name, gone, n_gone) &&
                     !(n_put && bsearch(&old, held, n_put, sizeof *held, by_name));
        if (stays)
            held[n++] = qv__held_share(old);
    }
    if (n)
        qsort(held, n, sizeof *held, by_name);
    return n;
}

qv_status qv__roster_change(struct qv_roster *r, struct qv_held *const *put, size_t n_put,
                            const char *const *gone, size_t n_gone, qv_err *err)
{
    struct qv_generation *before = qv__roster_now(r), *g = NULL;
    size_t most = qv__generation_size(before) + n_put, n = 0;
    struct qv_held **held = calloc(qv__max(most, 1), sizeof *held);
    qv_status result =
        held ? QV_OK : qv_fail(err, QV_ENOMEM, "no memory for %zu experts", most);
    if (!result) {
        n = gather(held, before, put, n_put, gone, n_gone);
        result = qv__generation_new(&g, r->m, r->lib, held, n, before, err);
    }
    if (!result) {
        n = 0; // now the generation's
        result = publish(r, g, err);
        if (result)
            qv__generation_free(g);
    }
    for (size_t i = 0; i < n; i++)
        qv__held_release(held[i]);
    for (size_t i = 0; i < n_put; i++)
        qv__held_release(put[i]);
    free(held);
    qv__roster_back(r, before);
    return result;
}

/* ---- who answers ---- */

/* The router of that name, which some request can have; NULL if there is to be none. */
static qv_status find_router(const struct qv_router_ops **ops,
                             const struct qv_generation *g, const char *name, qv_err *err)
{
    *ops = name ? qv__router_find(name) : NULL;
    return !name || qv__generation_has_router(g, *ops)
               ? QV_OK
               : qv_fail(err, QV_ENOTFOUND, "no router is named '%.200s' here", name);
}

static enum qv_compose compose_of(const struct qv_choice *c)
{
    return qv__router_compose(c->router ? qv__router_find(c->router) : NULL, c->compose);
}

/* The id of a choice: a hash of who it is of, one a line, and how they are joined. What a
 * router finds beside its experts is the generation's. */
static void identify(char id[QV_HASH_TEXT], const struct qv_generation *g,
                     const struct qv_choice *c, const struct qv_selection *chosen,
                     bool has_settings)
{
    char line[512];
    struct qv__str all = {0};
    const size_t size = qv__generation_size(g);
    const size_t n_of = chosen ? chosen->n : c->router || c->expert ? size : 0;
    int n = snprintf(line, sizeof line, "%.64s %d %zu %a %zu\n", c->router ? c->router : "",
                     (int)compose_of(c), has_settings ? c->top_k : 0,
                     has_settings ? (double)c->temperature : 0,
                     c->router ? qv__generation_number(g) : 0);
    qv__str_add(&all, line, (size_t)n);
    for (size_t i = 0; i < n_of; i++) {
        const qv_expert_info *info =
            &qv__generation_held(g, chosen ? chosen->at[i] : i)->info;
        if (c->expert && strcmp(c->expert, info->name) != 0)
            continue;
        n = snprintf(line, sizeof line, "%s %a %.200s\n", info->hash,
                     chosen && chosen->weight ? (double)chosen->weight[i] : 0, info->name);
        qv__str_add(&all, line, (size_t)n);
    }
    qv_check(!all.failed);
    qv__hash_bytes(id, all.bytes, all.size);
    qv__str_free(&all);
}

/* Some of the experts. */
static qv_status bind_some(struct qv_who *w, const struct qv_choice *c, const char **param,
                           qv_err *err)
{
    struct qv_selection chosen;
    const struct qv_router_ops *ops;
    char id[QV_HASH_TEXT];
    qv_status result = qv__select(&chosen, qv__generation_names(w->g),
                                  qv__generation_size(w->g), &c->wanted, param, err);
    if (!result) {
        *param = chosen.weight ? "weights" : "model";
        result = find_router(&ops, w->g, c->router, err);
    }
    if (result) {
        qv__selection_end(&chosen);
        return result;
    }
    identify(id, w->g, c, &chosen, false);
    identify(w->id, w->g, c, &chosen, true);
    result = qv__generation_some(&w->bound, w->g, id, &chosen, ops, compose_of(c), err);
    if (!result)
        w->reuse = w->bound->reuse;
    return result;
}

/* The base, one expert, or a router over all of them. */
static qv_status bind_one(struct qv_who *w, const struct qv_choice *c, qv_err *err)
{
    const struct qv_router_ops *ops = NULL;
    identify(w->id, w->g, c, NULL, true);
    if (c->expert) {
        size_t at = qv__generation_find(w->g, c->expert);
        if (at == qv__generation_size(w->g))
            return qv_fail(err, QV_ENOTFOUND, "no expert is named '%.200s'", c->expert);
        w->reuse = qv__generation_held(w->g, at)->alone;
        return QV_OK;
    }
    qv_status result = find_router(&ops, w->g, c->router, err);
    return result || !ops ? result
                          : qv__generation_router(&w->reuse, w->g, ops, compose_of(c), err);
}

/* The same router with the settings that the request asks for. */
static qv_status set_router(struct qv_who *w, const struct qv_choice *c, qv_err *err)
{
    if (!c->router || (c->top_k == 0 && c->temperature == 0))
        return QV_OK;
    if (!w->reuse->router)
        return qv_fail(err, QV_EFORMAT, "the router '%s' has no top-k and no temperature",
                       c->router);
    qv_status result =
        qv__generation_like(&w->own, w->g, w->reuse, c->top_k, c->temperature, err);
    w->reuse = w->own;
    return result;
}

qv_status qv__roster_bind(struct qv_who **out, struct qv_roster *r,
                          const struct qv_choice *choice, const char **param, qv_err *err)
{
    *out = NULL;
    *param = "model";
    struct qv_who *w = calloc(1, sizeof *w);
    if (!w)
        return qv_fail(err, QV_ENOMEM, "no memory for a request");
    atomic_init(&w->owners, 1);
    w->r = r;
    w->g = qv__roster_now(r);
    qv_status result = qv__wanted_is_all(&choice->wanted)
                           ? bind_one(w, choice, err)
                           : bind_some(w, choice, param, err);
    if (!result)
        result = set_router(w, choice, err);
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

const char *qv__who_id(const struct qv_who *w)
{
    return w->id;
}

size_t qv__who_generation(const struct qv_who *w)
{
    return qv__generation_number(w->g);
}

size_t qv__who_experts(const struct qv_who *w)
{
    return w->bound           ? w->bound->chosen.n
           : !w->reuse        ? 0
           : w->reuse->router ? w->reuse->bank->K
                              : w->reuse->n;
}

const char *qv__who_expert(const struct qv_who *w, size_t i)
{
    return w->bound           ? qv__generation_names(w->g)[w->bound->chosen.at[i]]
           : w->reuse->router ? w->reuse->bank->name[i]
                              : w->reuse->name[i];
}

bool qv__who_is_fixed(const struct qv_who *w)
{
    return !w->reuse || !w->reuse->router;
}

float qv__who_weight(const struct qv_who *w, size_t i)
{
    return w->bound && w->bound->chosen.weight
               ? w->bound->chosen.weight[i]
               : 1 / (float)qv__who_experts(w); // uniform, or an expert alone
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
    qv__bound_let_go(w->bound);
    qv__roster_back(w->r, w->g);
    free(w);
}
