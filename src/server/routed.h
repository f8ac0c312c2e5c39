/* routed.h - routing as JSON, for those who ask to see it. */
#ifndef QV_SERVER_ROUTED_H
#define QV_SERVER_ROUTED_H

#include "base/json.h"
#include "server/roster.h"
#include "server/trace.h"
#include "text/pieces.h"

/* {"experts": [NAME, ...], "sites": [PATH, ...]}; where the weights are the same for all
 * tokens and sites, there are no sites, and "everywhere": [[e, w], ...] tells them. `t` is
 * of a text that `who` answers, and may be NULL. The caller ends it. */
json_t *qv__routed_about(const qv_model *m, const struct qv_who *who,
                         const struct qv_trace *t);

/* {"token": TEXT, "sites": [[[e, w], ...], ...]}, a list a site. */
json_t *qv__routed_token(const struct qv_trace *t, size_t token,
                         const struct qv__str *bytes);

#endif
