/* kept.h - what is kept beside the experts of a library for a router to read. */
#ifndef QV_MODEL_KEPT_H
#define QV_MODEL_KEPT_H

#include "library/library.h"
#include "lora/prototypes.h"
#include "model/model.h"
#include "route/route.h"

/* Where artifacts are being read for the experts of a library, one after another. */
struct qv_kept {
    const qv_library *lib;
    const qv_model *m;
    const struct qv_router_ops *ops; // NULL: none
    struct qv_prototypes *vectors;   // [n] all-zero where there are none
    struct qv_text_table texts;      // of a router by text: owns v and bias
    size_t n, room;                  // experts read, and to come
    bool copies;  // vectors are read into memory, where nobody can cut off their file
    char run[65]; // of the training that the first came from, if any
};

/* Room for `room` experts. Fails with QV_ENOMEM. */
qv_status qv__kept_init(struct qv_kept *k, const qv_library *lib, const qv_model *m,
                        const struct qv_router_ops *ops, size_t room,
                        qv_err *err) QV_MUST_CHECK;
void qv__kept_end(struct qv_kept *k);

/* What the router needs of one more expert, whose hash that is: of a router that needs
 * data or training its artifact; else prototypes, if they are there. Fails with
 * QV_ENOTFOUND, naming the command that makes it, if an artifact is missing, stale, of
 * another model or of another training than the other experts'; QV_EFORMAT if it is
 * damaged. */
qv_status qv__kept_add(struct qv_kept *k, const struct qv_expert *e, const char *hash,
                       qv_err *err) QV_MUST_CHECK;

#endif
