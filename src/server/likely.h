/* likely.h - how likely tokens are, from their logits. */
#ifndef QV_SERVER_LIKELY_H
#define QV_SERVER_LIKELY_H

#include "server/job.h"

/* one->logprob of one->id, and the n likeliest tokens top [n] by decreasing logprob (ties:
 * the lower id first). logits [V]; n <= V. */
void qv__likely(struct qv_likely *one, struct qv_likely *top, size_t n, const float *logits,
                size_t V);

#endif
