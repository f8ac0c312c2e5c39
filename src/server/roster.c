/* roster.c - see roster.h. */
#include "server/roster.h"

#include <pthread.h>
#include <stdatomic.h>
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
    qv_reuse *own; // the same if this request alone has such a router, or NULL
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

static qv_status bind(struct qv_who *w, const struct qv_choice *c, qv_err *err)
{
    if (c->expert) {
        size_t i = qv__generation_find(w->g, c->expert);
        if (i == qv__generation_size(w->g))
            return qv_fail(err, QV_ENOTFOUND, "no expert is named '%s'", c->expert);
        w->reuse = qv__generation_held(w->g, i)->alone;
        return QV_OK;
    }
    if (!c->router)
        return QV_OK;
    return qv__generation_router(&w->reuse, &w->own, w->g, c->router, c->top_k,
                                 c->temperature, c->compose, err);
}

qv_status qv__roster_bind(struct qv_who **out, struct qv_roster *r,
                          const struct qv_choice *choice, qv_err *err)
{
    *out = NULL;
    struct qv_who *w = calloc(1, sizeof *w);
    if (!w)
        return qv_fail(err, QV_ENOMEM, "no memory for a request");
    atomic_init(&w->owners, 1);
    w->r = r;
    w->g = qv__roster_now(r);
    qv_status result = bind(w, choice, err);
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

size_t qv__who_generation(const struct qv_who *w)
{
    return qv__generation_number(w->g);
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
    qv__roster_back(w->r, w->g);
    free(w);
}
