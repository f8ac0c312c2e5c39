/* shelf.c - see shelf.h. */
#include "server/shelf.h"
#include "library/library.h"

#include <stdlib.h>

enum { ROUTERS = 32 }; // at most

struct qv_shelf {
    const struct qv_library_reading *d;
    struct kept {
        const struct qv_router_ops *ops; // NULL: the end
        struct qv_kept kept;
        qv_err why; // it is not there: its code is not QV_OK
    } of[ROUTERS];
};

static void read_kept(struct kept *k, const qv_model *m, const qv_library *lib,
                      const struct qv_library_reading *d)
{
    qv_status result = qv__kept_init(&k->kept, lib, m, k->ops, d->n, &k->why);
    for (size_t i = 0; !result && i < d->n; i++)
        result = qv__kept_add(&k->kept, d->experts[i], qv_snapshot_info(d->snap, i)->hash,
                              &k->why);
    if (result)
        qv__kept_end(&k->kept);
    k->why.code = result;
}

qv_status qv__shelf_open(struct qv_shelf **out, const qv_model *m, const char *library,
                         const struct qv_library_reading *d, qv_err *err)
{
    qv_library *lib;
    size_t n = 0;
    *out = NULL;
    qv_status result = qv_library_open(&lib, library, err);
    if (result)
        return result;
    struct qv_shelf *s = calloc(1, sizeof *s);
    if (!s)
        result = qv_fail(err, QV_ENOMEM, "no memory for what routers need");
    for (const struct qv_router_ops *const *r = qv__routers(); *r && !result; r++) {
        if (!(*r)->artifact)
            continue;
        qv_check(n + 1 < ROUTERS);
        s->of[n].ops = *r;
        read_kept(&s->of[n], m, lib, d);
        if (s->of[n].why.code == QV_ENOMEM)
            result = qv_fail(err, QV_ENOMEM, "%s", s->of[n].why.msg);
        n++;
    }
    qv_library_close(lib);
    if (result) {
        qv__shelf_close(s);
        return result;
    }
    s->d = d;
    *out = s;
    return QV_OK;
}

void qv__shelf_close(struct qv_shelf *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < ROUTERS && s->of[i].ops; i++)
        qv__kept_end(&s->of[i].kept);
    free(s);
}

qv_status qv__shelf_find(const struct qv_kept **out, const struct qv_shelf *s,
                         const struct qv_router_ops *ops, qv_err *err)
{
    *out = &s->d->kept; // prototypes, for those who need nothing else
    for (size_t i = 0; i < ROUTERS && s->of[i].ops; i++)
        if (s->of[i].ops == ops) {
            const struct kept *k = &s->of[i];
            *out = &k->kept;
            return k->why.code ? qv_fail(err, k->why.code, "%s", k->why.msg) : QV_OK;
        }
    return QV_OK;
}
