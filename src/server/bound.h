/* bound.h - choices among experts that requests made, each bound once for all who ask for
 * the same while it lasts.
 *
 * To let go of one takes no lock: the engine's thread does it, and must not wait for
 * somebody who is binding. What nobody has any more stays until the next is made.
 */
#ifndef QV_SERVER_BOUND_H
#define QV_SERVER_BOUND_H

#include "base/hash.h"
#include "model/reuse.h"
#include "server/select.h"

#include <pthread.h>
#include <stdatomic.h>

struct qv_bound {
    char id[QV_HASH_TEXT]; // of all that it depends on
    struct qv_selection chosen;
    qv_reuse *reuse;
    atomic_size_t owners;
    struct qv_bound *next;
};

struct qv_bounds {
    pthread_mutex_t lock;
    struct qv_bound *first;
};

void qv__bounds_init(struct qv_bounds *b);
void qv__bounds_end(struct qv_bounds *b); // when nobody has any

/* One share of what has that id; *chosen is taken. Where there is none, `make` makes it, on
 * this thread and without a lock. Fails as that does, or with QV_ENOMEM. */
qv_status qv__bounds_take(struct qv_bound **out, struct qv_bounds *b, const char *id,
                          struct qv_selection *chosen,
                          qv_status (*make)(void *arg, qv_reuse **out,
                                            const struct qv_selection *chosen, qv_err *err),
                          void *arg, qv_err *err) QV_MUST_CHECK;
void qv__bound_let_go(struct qv_bound *b); // NULL is allowed

#endif
