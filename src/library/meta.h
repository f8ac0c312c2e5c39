/* meta.h - expert.json: what is known of an expert beyond its weights. */
#ifndef QV_LIBRARY_META_H
#define QV_LIBRARY_META_H

#include <quiver/library.h>

#include "base/arena.h"
#include "base/json.h"
#include "lora/expert.h"

/* The JSON that describes `e` with what `meta` adds. The caller owns *out.
 * Fails with QV_EFORMAT, naming the field that cannot be written. */
qv_status qv__meta_make(json_t **out, const struct qv_expert *e, const qv_expert_meta *meta,
                        qv_err *err) QV_MUST_CHECK;

/* Fill *info, all but its name, with strings in `a`. Fails with QV_EFORMAT. */
qv_status qv__meta_parse(qv_expert_info *info, qv_arena *a, const json_t *root,
                         qv_err *err) QV_MUST_CHECK;

/* The same for the expert.json in expert directory `dir`. */
qv_status qv__meta_read(qv_expert_info *info, qv_arena *a, const char *dir,
                        qv_err *err) QV_MUST_CHECK;

/* Put `score` into the JSON. Fails with QV_EFORMAT. */
qv_status qv__meta_set_score(json_t *root, const qv_score *score,
                             qv_err *err) QV_MUST_CHECK;

/* Whether two models are one: by equal hashes, or where a hash is NULL by the last
 * parts of their names, or where a name is NULL too because nothing says otherwise. */
bool qv__same_base(const char *name, const char *hash, const char *other_name,
                   const char *other_hash);

/* A JSON object written as text; *out is NULL if `text` is. */
qv_status qv__meta_object(json_t **out, const char *what, const char *text,
                          qv_err *err) QV_MUST_CHECK;

#endif
