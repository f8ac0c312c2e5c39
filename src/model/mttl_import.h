/* mttl_import.h - a library of mttl's into one of ours. */
#ifndef QV_MODEL_MTTL_IMPORT_H
#define QV_MODEL_MTTL_IMPORT_H

#include <quiver/interchange.h>

#include "library/library.h"
#include "model/model.h"

/* Add the experts in directory `dir`, as qv__mttl_read reads them, to the library: all of
 * them, or if one cannot be read, none. With a model, each must fit it; experts over
 * Phi-2's one map for q, k and v are made to fit three. `m` may be NULL. Fails as
 * qv__mttl_list, qv__mttl_read and qv_library_add do. */
qv_status qv__mttl_import(qv_library *lib, const char *dir, const qv_model *m, bool replace,
                          qv_imported_fn told, void *arg, qv_err *err) QV_MUST_CHECK;

#endif
