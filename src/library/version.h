/* version.h - the files of one version of an expert, read together.
 *
 * The directory is opened once and its files through it, so that an expert
 * replaced meanwhile is read either as it was or as it is.
 */
#ifndef QV_LIBRARY_VERSION_H
#define QV_LIBRARY_VERSION_H

#include <quiver/library.h>

#include "lora/expert.h"

struct qv_version {
    struct qv_file {
        char *bytes; // owned
        size_t size;
    } meta, config, weights;
};

/* Fails with QV_ENOTFOUND if there is no such expert, QV_EIO or QV_ENOMEM. */
qv_status qv__version_read(struct qv_version *v, const qv_library *lib, const char *name,
                           qv_err *err) QV_MUST_CHECK;
void qv__version_end(struct qv_version *v);

/* The weights of that version. */
qv_status qv__version_expert(struct qv_expert **out, const struct qv_version *v,
                             const char *name, const struct qv_sites *sites,
                             qv_err *err) QV_MUST_CHECK;

/* What its expert.json says, all but the name. */
qv_status qv__version_info(qv_expert_info *info, qv_arena *a, const struct qv_version *v,
                           qv_err *err) QV_MUST_CHECK;

#endif
