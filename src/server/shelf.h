/* shelf.h - what routers find beside the experts of a generation: centroids, gates,
 * classifiers. It is read when a router is first bound and stays what it was then, so that
 * all answers of a generation are of one reading. What is missing is looked for again when
 * it is next asked for.
 *
 * Any thread may use a shelf.
 */
#ifndef QV_SERVER_SHELF_H
#define QV_SERVER_SHELF_H

#include "server/held.h"

struct qv_shelf;

/* Nothing is read yet. All is borrowed: the model, the library, the experts held [n]. The
 * caller owns *out. Fails with QV_ENOMEM. */
qv_status qv__shelf_new(struct qv_shelf **out, const qv_model *m, const qv_library *lib,
                        struct qv_held *const *held, size_t n, qv_err *err) QV_MUST_CHECK;
void qv__shelf_free(struct qv_shelf *s); // NULL is allowed

/* Whether all of it seems to be there, without a look into it. */
bool qv__shelf_has(struct qv_shelf *s, const struct qv_router_ops *ops);

/* What that router is bound with, borrowed; NULL if experts are all it needs. Fails with
 * QV_ENOTFOUND if an expert lacks something, and as reading does. */
qv_status qv__shelf_find(const struct qv_kept **out, struct qv_shelf *s,
                         const struct qv_router_ops *ops, qv_err *err) QV_MUST_CHECK;

#endif
