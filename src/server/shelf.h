/* shelf.h - what routers find beside the experts of a library: centroids, gates,
 * classifiers. Read with the experts, once, for every router that has something there; for
 * the others there is a sentence that says what is missing. */
#ifndef QV_SERVER_SHELF_H
#define QV_SERVER_SHELF_H

#include "model/reuse.h"

struct qv_shelf;

/* Read what lies beside the experts of `d`, those of the library at that path. `d` is
 * borrowed. The caller owns *out. Fails with QV_ENOMEM, or if there is no library. */
qv_status qv__shelf_open(struct qv_shelf **out, const qv_model *m, const char *library,
                         const struct qv_library_reading *d, qv_err *err) QV_MUST_CHECK;
void qv__shelf_close(struct qv_shelf *s); // NULL is allowed

/* What that router is bound with, borrowed. Fails with QV_ENOTFOUND if an expert lacks it,
 * and as reading did. */
qv_status qv__shelf_find(const struct qv_kept **out, const struct qv_shelf *s,
                         const struct qv_router_ops *ops, qv_err *err) QV_MUST_CHECK;

#endif
