/* shots.c - solved examples before a prompt, as many as fit; see run.h. */
#include "eval/run.h"
#include "model/model.h"

#include <stdlib.h>
#include <string.h>

static const char *joined(qv_arena *a, const struct qv_shots *s, size_t n,
                          const char *prompt)
{
    char *text = qv__arena_str(a, s->header);
    for (size_t i = 0; i < n; i++)
        text = qv__arena_fmt(a, "%s%s\n\n", text, s->one[i]);
    return qv__arena_fmt(a, "%s%s", text, prompt);
}

qv_status qv__run_prompt(const char **out, struct qv_run *r, const struct qv_shots *shots,
                         const char *prompt, size_t room, qv_err *err)
{
    const qv_tokenizer *tok = r->m->tokenizer;
    *out = prompt;
    if (!shots || shots->n == 0)
        return QV_OK;
    for (size_t n = shots->n; n; n--) {
        int *ids;
        size_t n_ids;
        *out = joined(&r->arena, shots, n, prompt);
        qv_status result =
            qv_tokenizer_encode(tok, *out, strlen(*out), false, &ids, &n_ids, err);
        if (result)
            return result;
        free(ids);
        if (n_ids + (size_t)qv_tokenizer_adds_bos(tok) <= room)
            break;
    }
    return QV_OK;
}
