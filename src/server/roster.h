/* roster.h - everybody who can answer: the base, each expert of a library, each router
 * over all of them.
 *
 * The library is read once, and with it what routers find beside its experts; after that no
 * request reaches the file system. Experts and routers are bound when they are first asked
 * for, and kept; a router asked for with other settings shares the experts already bound. A
 * router over some of the experts, or a mixture of some, is bound for as long as somebody
 * has it, and is what it would be if the library held no others. What a request was given
 * stays good until it lets go of it, whatever becomes of the roster's other entries.
 *
 * Every function may be called from any thread.
 */
#ifndef QV_SERVER_ROSTER_H
#define QV_SERVER_ROSTER_H

#include "model/reuse.h"
#include "server/select.h"

struct qv_roster;
struct qv_who; // one who answers

/* Who is to answer. All-zero: the base. */
struct qv_choice {
    const char *router, *expert; // one of them, or neither
    size_t top_k;                // of the router; 0: its default
    float temperature;           // of the router; 0: its default
    qv_composition compose;      // default: the router's own
    struct qv_wanted wanted;     // of the experts; with weights there is no router
};

/* Read the library at that path (NULL: there is none). The model is borrowed. The caller
 * owns *out. Fails as reading does. */
qv_status qv__roster_open(struct qv_roster **out, const qv_model *model,
                          const char *library, qv_err *err) QV_MUST_CHECK;

/* When nobody it gave out is kept any more. NULL is allowed. */
void qv__roster_close(struct qv_roster *r);

size_t qv__roster_experts(const struct qv_roster *r);
const char *qv__roster_expert(const struct qv_roster *r, size_t i); // borrowed

/* Whether requests can name that router: all but the oracle, which would have to be told
 * the answer's task, once there are experts and what it needs lies beside them. */
bool qv__roster_has_router(const struct qv_roster *r, const struct qv_router_ops *ops);

/* The caller owns *out: one share of it. On failure *param is the name of the request's
 * option that is wrong. Fails with QV_ENOTFOUND if there is nobody of that name, with
 * QV_EFORMAT if it is among the experts wanted, and as binding does. */
qv_status qv__roster_bind(struct qv_who **out, struct qv_roster *r,
                          const struct qv_choice *choice, const char **param,
                          qv_err *err) QV_MUST_CHECK;

const qv_reuse *qv__who_reuse(const struct qv_who *who); // NULL: the base

/* A hash of all that their answers depend on besides the model: the experts' weights, the
 * router and its settings. */
const char *qv__who_id(const struct qv_who *who);

/* The experts that answer: those that a router chooses among, or those of a mixture that is
 * fixed, the same for all tokens and sites, with the weight of each. */
size_t qv__who_experts(const struct qv_who *who);
const char *qv__who_expert(const struct qv_who *who, size_t i); // borrowed
bool qv__who_is_fixed(const struct qv_who *who);
float qv__who_weight(const struct qv_who *who, size_t i); // of one that is fixed

void qv__who_keep(void *who);   // one share more
void qv__who_let_go(void *who); // one less; NULL is allowed

#endif
