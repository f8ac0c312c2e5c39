/* shelf.c - see shelf.h. */
#include "server/shelf.h"
#include "base/file.h"

#include <pthread.h>
#include <stdlib.h>

enum { ROUTERS = 32 }; // at most

struct qv_shelf {
    const qv_model *m;
    const qv_library *lib;
    struct qv_held *const *held; // [n]
    size_t n;
    pthread_mutex_t lock; // guards what follows
    struct kept {
        const struct qv_router_ops *ops; // NULL: the end
        struct qv_kept kept;
    } of[ROUTERS];
};

qv_status qv__shelf_new(struct qv_shelf **out, const qv_model *m, const qv_library *lib,
                        struct qv_held *const *held, size_t n, qv_err *err)
{
    struct qv_shelf *s = *out = calloc(1, sizeof *s);
    if (!s)
        return qv_fail(err, QV_ENOMEM, "no memory for what routers need");
    s->m = m;
    s->lib = lib;
    s->held = held;
    s->n = n;
    pthread_mutex_init(&s->lock, NULL);
    return QV_OK;
}

void qv__shelf_free(struct qv_shelf *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < ROUTERS && s->of[i].ops; i++)
        qv__kept_end(&s->of[i].kept);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* Where that router's is, or would be. Called locked. */
static struct kept *place_of(struct qv_shelf *s, const struct qv_router_ops *ops)
{
    size_t i = 0;
    while (i < ROUTERS && s->of[i].ops && s->of[i].ops != ops)
        i++;
    qv_check(i < ROUTERS);
    return &s->of[i];
}

bool qv__shelf_has(struct qv_shelf *s, const struct qv_router_ops *ops)
{
    if (!ops->artifact)
        return true;
    pthread_mutex_lock(&s->lock);
    bool has_all = place_of(s, ops)->ops != NULL;
    pthread_mutex_unlock(&s->lock);
    qv_arena a = {0};
    size_t i = 0;
    while (!has_all && i < s->n &&
           qv__is_file(qv__arena_fmt(&a, "%s/%s/artifacts/%s.safetensors",
                                     qv_library_dir(s->lib), s->held[i]->info.name,
                                     ops->artifact)))
        i++;
    qv__arena_free(&a);
    return has_all || i == s->n;
}

static qv_status read_kept(struct qv_kept *k, const struct qv_shelf *s,
                           const struct qv_router_ops *ops, qv_err *err)
{
    qv_status result = qv__kept_init(k, s->lib, s->m, ops, s->n, err);
    k->copies = true;
    for (size_t i = 0; !result && i < s->n; i++)
        result = qv__kept_add(k, s->held[i]->pack->shape, s->held[i]->info.hash, err);
    if (result)
        qv__kept_end(k);
    return result;
}

qv_status qv__shelf_find(const struct qv_kept **out, struct qv_shelf *s,
                         const struct qv_router_ops *ops, qv_err *err)
{
    qv_status result = QV_OK;
    *out = NULL;
    if (!ops->artifact)
        return QV_OK;
    pthread_mutex_lock(&s->lock);
    struct kept *at = place_of(s, ops);
    if (!at->ops)
        result = read_kept(&at->kept, s, ops, err);
    if (!result) {
        at->ops = ops;
        *out = &at->kept;
    }
    pthread_mutex_unlock(&s->lock);
    return result;
}
