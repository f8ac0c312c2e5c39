/* shared.c - one expert for all tasks together, with the steps that experts for
 * each of them would have taken. */
#include "build/build.h"

static qv_status build(struct qv_builder *b, qv_err *err)
{
    b->n_planned = 1;
    const struct qv_group all = {"shared", b->task, b->n_tasks, 1, 0};
    return qv__build_group(b, b->lib, &all, err);
}

const struct qv_method qv__shared = {"shared", "one expert for all tasks", build};
