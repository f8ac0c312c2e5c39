/* forward.h - one pass through the model, for whoever may have a router. */
#ifndef QV_MODEL_FORWARD_H
#define QV_MODEL_FORWARD_H

#include "model/decoder.h"

/* qv__decoder_forward; where p->update routes by text, the prompts that begin in the batch
 * are read first (model/reading.h). */
void qv__forward(const struct qv_pass *p);

#endif
