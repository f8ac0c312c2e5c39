/* private.c - one expert a task, trained alone. */
#include "build/build.h"

static qv_status build(struct qv_builder *b, qv_err *err)
{
    b->n_planned = b->n_tasks;
    return qv__build_each(b, b->lib, 1, err);
}

const struct qv_method qv__private = {"private", "one expert a task", build};
