/* generation.h - the library as it was between two changes.
 *
 * A generation never changes: its experts, and what a router over them is, stay what they
 * are until the last request that began with it has ended. Routers are bound when they are
 * first asked for, and kept; those that the generation before was asked for not long ago
 * are bound before anybody sees this one, so that a change costs requests nothing.
 *
 * Every function may be called from any thread.
 */
#ifndef QV_SERVER_GENERATION_H
#define QV_SERVER_GENERATION_H

#include "server/bound.h"
#include "server/held.h"

struct qv_generation;

/* Of the experts held [n], sorted by name, whose shares it takes if it succeeds. The model
 * and the library, which may be NULL if n is 0, are borrowed. `before` may be NULL. The
 * caller owns *out, and frees it when nobody has it any more. Fails with QV_ENOMEM. */
qv_status qv__generation_new(struct qv_generation **out, const qv_model *m,
                             const qv_library *lib, struct qv_held *const *held, size_t n,
                             struct qv_generation *before, qv_err *err) QV_MUST_CHECK;
void qv__generation_free(struct qv_generation *g);

/* 0 for the first, and one more for each that came of another. */
size_t qv__generation_number(const struct qv_generation *g);
size_t qv__generation_size(const struct qv_generation *g);
const char *const *qv__generation_names(const struct qv_generation *g); // [size] borrowed
struct qv_held *qv__generation_held(const struct qv_generation *g, size_t i); // borrowed

/* The place of the expert with that name, or the generation's size. */
size_t qv__generation_find(const struct qv_generation *g, const char *name);

/* Whether requests can name that router, once there are experts: all but the oracle, which
 * would have to be told the answer's task. */
bool qv__generation_has_router(const struct qv_generation *g,
                               const struct qv_router_ops *ops);

/* The same, and what it needs beside the experts is there. */
bool qv__generation_is_prepared(const struct qv_generation *g,
                                const struct qv_router_ops *ops);

/* Such a router over all experts, with its default settings; the generation's. Fails with
 * QV_ENOTFOUND if an expert lacks what it needs, and as binding does. */
qv_status qv__generation_router(const qv_reuse **out, struct qv_generation *g,
                                const struct qv_router_ops *ops, enum qv_compose how,
                                qv_err *err) QV_MUST_CHECK;

/* The same over the chosen ones, as over a library of no others; or, if ops is NULL, those
 * with the weights chosen for them. *chosen is taken. *out is one share of what has that
 * id in this generation, and goes before it. */
qv_status qv__generation_some(struct qv_bound **out, struct qv_generation *g,
                              const char *id, struct qv_selection *chosen,
                              const struct qv_router_ops *ops, enum qv_compose how,
                              qv_err *err) QV_MUST_CHECK;

/* A router of this generation under another setting. The caller owns *own. Fails as
 * qv__reuse_like does. */
qv_status qv__generation_like(qv_reuse **own, struct qv_generation *g, const qv_reuse *r,
                              size_t top_k, float temperature, qv_err *err) QV_MUST_CHECK;

/* xy [size, 2]: the experts as points of the plane, by the prototypes they have: 1 less
 * the distance of two is the mean of |v . v'| over the sites that either adapts, 0 where
 * only one does. Made when first asked for; borrowed from the generation. *xy is NULL if
 * there are more than QV_MAP_MOST. Fails with QV_ENOMEM. */
enum { QV_MAP_MOST = 1024 };
qv_status qv__generation_map(const float **xy, struct qv_generation *g,
                             qv_err *err) QV_MUST_CHECK;

#endif
