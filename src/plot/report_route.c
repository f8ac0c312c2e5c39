/* report_route.c - the files of RUN/routes: which experts each token went to. */
#include "plot/report.h"
#include "base/file.h"
#include "base/json.h"

#include <math.h>
#include <string.h>

enum { MOST_BYTES = 64 << 20 };

static qv_status words(const char ***out, size_t *n, qv_arena *a, const json_t *o,
                       const char *key, qv_err *err)
{
    const json_t *list = json_object_get(o, key);
    if (!json_is_array(list))
        return qv_fail(err, QV_EFORMAT, "'%s' is not a list", key);
    *n = json_array_size(list);
    *out = qv_new_n(a, const char *, *n);
    for (size_t i = 0; i < *n; i++) {
        const char *word = json_string_value(json_array_get(list, i));
        if (!word)
            return qv_fail(err, QV_EFORMAT, "'%s'[%zu] is not a string", key, i);
        (*out)[i] = qv__arena_str(a, word);
    }
    return QV_OK;
}
