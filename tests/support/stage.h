/* stage.h - a model and everybody who can answer over it: the base, an expert, a mixture
 * of all, and every router, each with settings and artifacts made up. */
#ifndef QV_TESTS_STAGE_H
#define QV_TESTS_STAGE_H

#include "model/reuse.h"

enum { STAGE_EXPERTS = 5, STAGE_WHO = 32 };

struct stage {
    qv_model *m;               // owned
    qv_reuse *who[STAGE_WHO];  // [n_who] owned; the first is NULL: the base
    const char *as[STAGE_WHO]; // the router's name, or NULL
    size_t n_who;
};

/* A model as wide as the bundled one: with a few numbers to a sum, all orders agree. */
qv_model *wide_model(void);

/* Bind all of them over s->m. */
void bind_all(struct stage *s);
void end_stage(struct stage *s);

#endif
