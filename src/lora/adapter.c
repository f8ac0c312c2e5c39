/* adapter.c - see adapter.h. */
#include "lora/adapter.h"

#include <stdlib.h>

const char *qv__extra_name(enum qv_extra_kind kind)
{
    static const char *const names[] = {
        [QV_EXTRA_WEIGHT] = "weight",       [QV_EXTRA_BIAS] = "bias",
        [QV_EXTRA_TOKENS] = "tokens",       [QV_EXTRA_B_BIAS] = "bias of B",
        [QV_EXTRA_MAGNITUDE] = "magnitude",
    };
    return names[kind];
}

void qv__adapter_free(struct qv_adapter *a)
{
    if (!a)
        return;
    qv__expert_free(a->expert);
    qv__expert_free(a->tables);
    free(a->x);
    qv__arena_free(&a->arena);
    free(a);
}
