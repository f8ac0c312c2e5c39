/* prepare.h - what routers need that is computed from the experts' own tasks.
 *
 * An artifact of a kind is made by one function, and prepare.c's list has one line for
 * it. It is stamped with the expert, the model, and the source: a hash of the data and
 * settings. What has its stamps is left as it is, so that preparing again after a change
 * of the library does only what is new, but for what is trained on all experts at once.
 */
#ifndef QV_BUILD_PREPARE_H
#define QV_BUILD_PREPARE_H

#include <quiver/build.h>

#include "base/arena.h"
#include "base/base.h"
#include "base/hash.h"
#include "data/task.h"
#include "library/library.h"
#include "route/route.h"

/* An expert and what it was trained on. */
struct qv_pupil {
    const qv_expert_info *info;
    struct qv_sequence *at; // [n] training examples of its tasks
    size_t n;
    char source[QV_HASH_TEXT];
};

struct qv_preparer {
    const qv_model *m;
    const qv_prepare_opts *o;
    const struct qv_router_ops *ops;
    size_t n_layers; // of the base, for hidden features
    qv_library *lib;
    qv_snapshot *snap;
    struct qv_task **task; // [n_tasks] sorted by name
    size_t n_tasks;
    struct qv_pupil *pupil; // [n] in the snapshot's order
    size_t n, n_made;
    qv_arena arena;
};

/* Keep an artifact of the router's kind. `run` names what it has in common with the other
 * experts'. */
qv_status qv__prepare_put(struct qv_preparer *p, const struct qv_pupil *who,
                          const char *run, const struct qv_tensor_out *tensor, size_t n,
                          qv_err *err) QV_MUST_CHECK;

/* For one expert: its mean inputs, its mean prompt, its gates. */
qv_status qv__prepare_centroid(struct qv_preparer *p, const struct qv_pupil *who,
                               qv_err *err) QV_MUST_CHECK;
qv_status qv__prepare_embedding(struct qv_preparer *p, const struct qv_pupil *who,
                                qv_err *err) QV_MUST_CHECK;
qv_status qv__prepare_gate(struct qv_preparer *p, const struct qv_pupil *who,
                           qv_err *err) QV_MUST_CHECK;

/* For all of them: a classifier. */
qv_status qv__prepare_tp(struct qv_preparer *p, const char *run, qv_err *err) QV_MUST_CHECK;

#endif
