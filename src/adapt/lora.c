/* lora.c - no library: a fresh LoRA trained on the task. */
#include "adapt/adapt.h"
#include "build/build.h"

static qv_status adapt(struct qv_expert **out, struct qv_adapting *a, qv_err *err)
{
    qv_status result = qv__build_expert(out, a->name, a->m, &a->o->train, err);
    return result ? result : qv__adapt_train(*out, a, "lora", err);
}

const struct qv_adapter_ops qv__adapt_lora = {
    .name = "lora", .about = "a fresh LoRA, without a library", .adapt = adapt};
