/* shared.c - one expert of the library, trained on: the one that learnt all tasks, or
 * any other by name.
 */
#include "adapt/adapt.h"

#include <string.h>

static qv_status adapt(struct qv_expert **out, struct qv_adapting *a, qv_err *err)
{
    const char *want = a->o->expert ? a->o->expert : "shared";
    size_t k = 0;
    while (k < a->K && strcmp(a->expert[k]->name, want) != 0)
        k++;
    if (k == a->K && !a->o->expert && a->K == 1)
        k = 0;
    if (k == a->K && a->o->expert)
        return qv_fail(err, QV_ENOTFOUND, "no expert is named '%s'", want);
    if (k == a->K)
        return qv_fail(err, QV_ENOTFOUND,
                       "none of the %zu experts is named 'shared': name the one to start "
                       "from",
                       a->K);
    json_object_set_new(a->learnt, "start", json_string(a->expert[k]->name));
    qv_status result = qv__expert_copy(out, a->expert[k], err);
    return result ? result : qv__adapt_train(*out, a, "shared", err);
}

const struct qv_adapter_ops qv__adapt_shared = {
    .name = "shared",
    .about = "one expert of the library, trained on",
    .takes = QV_TAKES_LIBRARY | QV_TAKES_ONE,
    .adapt = adapt,
};
