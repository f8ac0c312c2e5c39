/* roster.h - everybody who can answer: the base, each expert of the library, each router
 * over all of them.
 *
 * The roster has the newest generation of the library (server/generation.h). A request is
 * given somebody of the generation that is newest when it begins, and what it was given
 * stays what it is until it lets go of it, whatever becomes of the library meanwhile. A
 * router over some of the experts, or a mixture of some, is bound for as long as somebody
 * has it, and is what it would be if the library held no others. No request reaches the
 * file system through it, but for artifacts that a router needs.
 *
 * Every function may be called from any thread.
 */
#ifndef QV_SERVER_ROSTER_H
#define QV_SERVER_ROSTER_H

#include "server/generation.h"
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

/* Without experts at first. The model and the library, which may be NULL, are borrowed. The
 * caller owns *out. Fails with QV_ENOMEM. */
qv_status qv__roster_open(struct qv_roster **out, const qv_model *model,
                          const qv_library *lib, qv_err *err) QV_MUST_CHECK;

/* When nobody it gave out is kept any more. NULL is allowed. */
void qv__roster_close(struct qv_roster *r);

/* ---- for requests ---- */

/* The newest generation, one share of it, which is to be given back. */
struct qv_generation *qv__roster_now(struct qv_roster *r);
void qv__roster_back(struct qv_roster *r, struct qv_generation *g);

/* The caller owns *out: one share of it. On failure *param is the name of the request's
 * option that is wrong. Fails with QV_ENOTFOUND if there is nobody of that name, with
 * QV_EFORMAT if it is among the experts wanted, and as binding does. */
qv_status qv__roster_bind(struct qv_who **out, struct qv_roster *r,
                          const struct qv_choice *choice, const char **param,
                          qv_err *err) QV_MUST_CHECK;

const qv_reuse *qv__who_reuse(const struct qv_who *who); // NULL: the base
size_t qv__who_generation(const struct qv_who *who);     // its number

/* A hash of all that their answers depend on besides the model: the experts' weights, the
 * router, its settings, and the generation that it is of. */
const char *qv__who_id(const struct qv_who *who);

/* The experts that answer: those that a router chooses among, or those of a mixture that is
 * fixed, the same for all tokens and sites, with the weight of each. */
size_t qv__who_experts(const struct qv_who *who);
const char *qv__who_expert(const struct qv_who *who, size_t i); // borrowed
bool qv__who_is_fixed(const struct qv_who *who);
float qv__who_weight(const struct qv_who *who, size_t i); // of one that is fixed

void qv__who_keep(void *who);   // one share more
void qv__who_let_go(void *who); // one less; NULL is allowed

/* ---- for who changes the library, one thread at a time ---- */

/* A generation with the experts put [n_put], whose shares it takes, also after a failure,
 * in place of those of their names, and without those called gone [n_gone]. Everybody who
 * comes after gets it. Returns once it is ready; the requests in progress do not notice.
 * Fails with QV_ENOMEM. */
qv_status qv__roster_change(struct qv_roster *r, struct qv_held *const *put, size_t n_put,
                            const char *const *gone, size_t n_gone,
                            qv_err *err) QV_MUST_CHECK;

/* Frees generations that nobody has any more: letting go only puts them aside, since that
 * may be the engine's thread. */
void qv__roster_sweep(struct qv_roster *r);

#endif
