/* layout.h - which weights a model has: their dimensions and names, and a walk over them.
 */
#ifndef QV_MODEL_LAYOUT_H
#define QV_MODEL_LAYOUT_H

#include "model/model.h"

/* Give every weight its dimensions and every site its name, by m->c. */
void qv__layout(qv_model *m);

/* Call fn for every weight and bias there is, by its Hugging Face name, in a fixed order.
 * A tied head is not met. */
typedef qv_status (*qv_weight_fn)(void *arg, const char *name, struct qv_weight *w,
                                  qv_err *err);
qv_status qv__model_each(qv_model *m, qv_weight_fn fn, void *arg,
                         qv_err *err) QV_MUST_CHECK;

/* The same by other names: those of a format. */
qv_status qv__model_each_as(qv_model *m, const struct qv_names *names, qv_weight_fn fn,
                            void *arg, qv_err *err) QV_MUST_CHECK;

#endif
