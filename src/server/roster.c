/* roster.c - see roster.h. */
#include "server/roster.h"
#include "base/hash.h"
#include "library/library.h"
#include "server/bound.h"
#include "server/shelf.h"
#include "text/pieces.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUTERS = 32, WAYS = 2 }; // at most; ways to compose

struct qv_roster {
    const qv_model *m;
    struct qv_library_reading d;
    const char **name; // [d.n] borrowed from d
    struct qv_shelf *shelf;
    struct qv_bounds bounds;
    pthread_mutex_t lock; // guards binding and what follows
    qv_reuse **expert;    // [d.n] each alone; NULL until asked for
    qv_reuse *router[ROUTERS][WAYS];
};

struct qv_who {
    atomic_uint owners;
    const qv_reuse *reuse;
    qv_reuse *own;          // the same if this request alone has such a router, or NULL
    struct qv_bound *bound; // a share of what it is of, if it is of some of the experts
    const struct qv_roster *r;
    char id[QV_HASH_TEXT];
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
    qv__bounds_init(&r->bounds);
    const qv_reuse_opts o = {.library = library, .router = "arrow"}; // prototypes, too
    qv_status result =
        library ? qv__library_reading_init(&r->d, m, library, &o, err) : QV_OK;
    r->expert = calloc(qv__max(r->d.n, 1), sizeof *r->expert);
    r->name = calloc(qv__max(r->d.n, 1), sizeof *r->name);
    if (!result && (!r->expert || !r->name))
        result = qv_fail(err, QV_ENOMEM, "no memory for %zu experts", r->d.n);
    for (size_t i = 0; !result && i < r->d.n; i++)
        r->name[i] = r->d.experts[i]->name;
    if (!result && library)
        result = qv__shelf_open(&r->shelf, m, library, &r->d, err);
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
    qv__bounds_end(&r->bounds);
    for (size_t i = 0; r->expert && i < r->d.n; i++)
        qv_reuse_close(r->expert[i]);
    for (size_t i = 0; i < ROUTERS; i++)
        for (size_t j = 0; j < WAYS; j++)
            qv_reuse_close(r->router[i][j]);
    free(r->expert);
    free(r->name);
    qv__shelf_close(r->shelf);
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
    return r->name[i];
}

bool qv__roster_has_router(const struct qv_roster *r, const struct qv_router_ops *ops)
{
    const struct qv_kept *kept;
    return !ops->is_oracle && r->d.n > 0 &&
           qv__shelf_find(&kept, r->shelf, ops, NULL) == QV_OK;
}

static qv_status bind_expert(const qv_reuse **out, struct qv_roster *r, const char *name,
                             qv_err *err)
{
    size_t i = 0;
    while (i < r->d.n && strcmp(r->d.experts[i]->name, name) != 0)
        i++;
    if (i == r->d.n)
        return qv_fail(err, QV_ENOTFOUND, "no expert is named '%.200s'", name);
    const struct qv_reuse_from from = {.experts = &r->d.experts[i], .n = 1};
    qv_status result = QV_OK;
    if (!r->expert[i])
        result = qv__reuse_new(&r->expert[i], r->m, &from, err);
    *out = r->expert[i];
    return result;
}

/* The router of that name, which some request can have, and what it needs. */
static qv_status find_router(const struct qv_router_ops **ops, const struct qv_kept **kept,
                             const struct qv_roster *r, const char *name, qv_err *err)
{
    *ops = qv__router_find(name);
    if (!*ops || (*ops)->is_oracle || r->d.n == 0)
        return qv_fail(err, QV_ENOTFOUND, "no router is named '%.200s' here", name);
    return qv__shelf_find(kept, r->shelf, *ops, err);
}

static enum qv_compose compose_of(const struct qv_choice *c)
{
    return qv__router_compose(c->router ? qv__router_find(c->router) : NULL, c->compose);
}

/* What a router by text knows of the chosen ones: copies, all zero if it is none. */
static qv_status copy_texts(struct qv_text_table *to, const struct qv_text_table *from,
                            const struct qv_selection *chosen, qv_err *err)
{
    const size_t n = chosen->n, F = from->F;
    *to = (struct qv_text_table){0};
    if (!from->v)
        return QV_OK;
    to->v = malloc(n * F * sizeof *to->v);
    to->bias = malloc(n * sizeof *to->bias);
    if (!to->v || !to->bias) {
        free(to->v);
        free(to->bias);
        return qv_fail(err, QV_ENOMEM, "no memory for what is known of %zu experts", n);
    }
    to->K = n;
    to->F = F;
    to->n_layers = from->n_layers;
    for (size_t i = 0; i < n; i++) {
        memcpy(to->v + i * F, from->v + chosen->at[i] * F, F * sizeof *to->v);
        to->bias[i] = from->bias[chosen->at[i]];
    }
    return QV_OK;
}

/* Fixed weights, composed into one expert. */
static qv_status mix(qv_reuse **out, const struct qv_roster *r, struct qv_expert **experts,
                     const struct qv_selection *chosen, enum qv_compose how, qv_err *err)
{
    struct qv_expert *one;
    qv_status result =
        qv__fold(&one, "weights", experts, chosen->weight, chosen->n, how, err);
    if (result)
        return result;
    result =
        qv__reuse_new(out, r->m, &(struct qv_reuse_from){.experts = &one, .n = 1}, err);
    qv__expert_free(one);
    return result;
}

/* A router over the chosen ones, as over a library of no others. */
static qv_status route(qv_reuse **out, const struct qv_roster *r,
                       struct qv_expert **experts, struct qv_prototypes *vectors,
                       const struct qv_selection *chosen, const struct qv_choice *c,
                       qv_err *err)
{
    const struct qv_router_ops *ops;
    const struct qv_kept *kept;
    struct qv_text_table texts;
    qv_status result = find_router(&ops, &kept, r, c->router, err);
    if (!result)
        result = copy_texts(&texts, &kept->texts, chosen, err);
    if (result)
        return result;
    for (size_t i = 0; i < chosen->n; i++)
        vectors[i] = kept->vectors[chosen->at[i]];
    const struct qv_reuse_from from = {.experts = experts,
                                       .n = chosen->n,
                                       .vectors = vectors,
                                       .texts = texts.v ? &texts : NULL,
                                       .router = c->router,
                                       .compose = compose_of(c)};
    result = qv__reuse_new(out, r->m, &from, err);
    free(texts.v); // if it was not taken
    free(texts.bias);
    return result;
}

struct making {
    const struct qv_roster *r;
    const struct qv_choice *c;
};

/* With the router's default settings. */
static qv_status bind_chosen(void *arg, qv_reuse **out, const struct qv_selection *chosen,
                             qv_err *err)
{
    const struct making *m = arg;
    struct qv_expert **experts = calloc(chosen->n, sizeof *experts);
    struct qv_prototypes *vectors = calloc(chosen->n, sizeof *vectors);
    qv_status result = QV_OK;
    *out = NULL;
    if (!experts || !vectors)
        result = qv_fail(err, QV_ENOMEM, "no memory for %zu experts", chosen->n);
    for (size_t i = 0; !result && i < chosen->n; i++)
        experts[i] = m->r->d.experts[chosen->at[i]];
    if (!result && chosen->weight)
        result = mix(out, m->r, experts, chosen, compose_of(m->c), err);
    else if (!result)
        result = route(out, m->r, experts, vectors, chosen, m->c, err);
    free(experts);
    free(vectors);
    return result;
}

/* All experts, bound once for each way to compose. */
static qv_status bind_router(const qv_reuse **out, struct qv_roster *r,
                             const struct qv_choice *c, qv_err *err)
{
    size_t i = 0;
    struct making m = {r, c};
    struct qv_selection all = {.n = r->d.n};
    while (qv__routers()[i] && strcmp(qv__routers()[i]->name, c->router) != 0)
        i++;
    qv_check(i < ROUTERS);
    qv_reuse **at = &r->router[i][compose_of(c) == QV_OUTPUT];
    *out = *at;
    if (*at)
        return QV_OK;
    all.at = calloc(qv__max(all.n, 1), sizeof *all.at);
    if (!all.at)
        return qv_fail(err, QV_ENOMEM, "no memory for %zu experts", all.n);
    for (size_t k = 0; k < all.n; k++)
        all.at[k] = k;
    qv_status result = bind_chosen(&m, at, &all, err);
    qv__selection_end(&all);
    *out = *at;
    return result;
}

/* The id of a choice: a hash of who it is of, one a line, and how they are joined. */
static void identify(char id[QV_HASH_TEXT], const struct qv_roster *r,
                     const struct qv_choice *c, const struct qv_selection *chosen,
                     bool has_settings)
{
    char line[512];
    struct qv__str all = {0};
    int n = snprintf(line, sizeof line, "%.64s %d %zu %a\n", c->router ? c->router : "",
                     (int)compose_of(c), has_settings ? c->top_k : 0,
                     has_settings ? (double)c->temperature : 0);
    qv__str_add(&all, line, (size_t)n);
    for (size_t i = 0; i < (chosen                   ? chosen->n
                            : c->router || c->expert ? r->d.n
                                                     : 0);
         i++) {
        size_t at = chosen ? chosen->at[i] : i;
        if (c->expert && strcmp(c->expert, r->name[at]) != 0)
            continue;
        n = snprintf(line, sizeof line, "%s %a %.200s\n",
                     qv_snapshot_info(r->d.snap, at)->hash,
                     chosen && chosen->weight ? (double)chosen->weight[i] : 0, r->name[at]);
        qv__str_add(&all, line, (size_t)n);
    }
    qv_check(!all.failed);
    qv__hash_bytes(id, all.bytes, all.size);
    qv__str_free(&all);
}

/* Some of the experts. */
static qv_status bind_some(struct qv_who *w, struct qv_roster *r, const struct qv_choice *c,
                           const char **param, qv_err *err)
{
    struct qv_selection chosen;
    struct making m = {r, c};
    char id[QV_HASH_TEXT];
    qv_status result = qv__select(&chosen, r->name, r->d.n, &c->wanted, param, err);
    if (result) {
        qv__selection_end(&chosen);
        return result;
    }
    *param = chosen.weight ? "weights" : "model";
    identify(id, r, c, &chosen, false);
    identify(w->id, r, c, &chosen, true);
    result = qv__bounds_take(&w->bound, &r->bounds, id, &chosen, bind_chosen, &m, err);
    if (!result)
        w->reuse = w->bound->reuse;
    return result;
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
        qv__reuse_like(&w->own, w->reuse, c->top_k, c->temperature, compose_of(c), err);
    w->reuse = w->own;
    return result;
}

static qv_status bind(struct qv_who *w, struct qv_roster *r, const struct qv_choice *c,
                      qv_err *err)
{
    const struct qv_router_ops *ops;
    const struct qv_kept *kept;
    identify(w->id, r, c, NULL, true);
    if (c->expert)
        return bind_expert(&w->reuse, r, c->expert, err);
    if (!c->router)
        return QV_OK;
    qv_status result = find_router(&ops, &kept, r, c->router, err);
    return result ? result : bind_router(&w->reuse, r, c, err);
}

qv_status qv__roster_bind(struct qv_who **out, struct qv_roster *r,
                          const struct qv_choice *choice, const char **param, qv_err *err)
{
    *out = NULL;
    *param = "model";
    qv_status result = QV_OK;
    struct qv_who *w = calloc(1, sizeof *w);
    if (!w)
        return qv_fail(err, QV_ENOMEM, "no memory for a request");
    atomic_init(&w->owners, 1);
    w->r = r;
    if (!qv__wanted_is_all(&choice->wanted)) // it takes no lock but its own
        result = bind_some(w, r, choice, param, err);
    pthread_mutex_lock(&r->lock);
    if (!result && !w->bound)
        result = bind(w, r, choice, err);
    if (!result)
        result = set_router(w, choice, err);
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

const char *qv__who_id(const struct qv_who *w)
{
    return w->id;
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
    return w->bound           ? w->r->name[w->bound->chosen.at[i]]
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
    free(w);
}
