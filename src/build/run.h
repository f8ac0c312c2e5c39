/* run.h - one run of training within a build: the data of some tasks, the settings, a
 * name for both, and how what it made is stored and recognised.
 */
#ifndef QV_BUILD_RUN_H
#define QV_BUILD_RUN_H

#include "base/hash.h"
#include "build/build.h"

struct qv_run {
    struct qv_builder *b;
    qv_library *lib;
    const struct qv_group *g;
    qv_train_opts o;                  // steps and batch filled in
    struct qv_sequence *train;        // [n_train] their `task` is the place in the group
    struct qv_sequence *valid_at;     // [n_valid]
    const struct qv_sequence **valid; // [n_valid] pointers to them
    size_t n_train, n_valid;
    struct qv_source src;
    const char *checkpoint;
    json_t *extra;         // settings of the method's own, or NULL
    char id[QV_HASH_TEXT]; // names settings, data and base
    char label[160];       // for progress
};

/* Takes `extra`. *k stays where it is, and is ended whether or not this fails. */
qv_status qv__run_begin(struct qv_run *k, struct qv_builder *b, qv_library *lib,
                        const struct qv_group *g, json_t *extra, qv_err *err) QV_MUST_CHECK;
void qv__run_end(struct qv_run *k);

/* Whether the library has expert `name` from this very run, with all artifacts and the
 * one of kind `extra` (or NULL) too. Fails with QV_EEXIST if it has another one. */
qv_status qv__run_made(bool *made, const struct qv_run *k, const char *name,
                       const char *extra, qv_err *err) QV_MUST_CHECK;

/* Put `e` into the library with what is known of it, and beside it its training curve,
 * its prototypes, and `extra` (or NULL) as an artifact of that kind. */
qv_status qv__run_store(const struct qv_run *k, const struct qv_expert *e,
                        const struct qv_train_log *log, const struct qv_tensor_out *extra,
                        const char *kind, qv_err *err) QV_MUST_CHECK;

#endif
