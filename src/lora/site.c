/* site.c - see site.h. */
#include "lora/site.h"
#include "base/arena.h"
#include "base/regex.h"

#include <string.h>

size_t qv__site_find(const struct qv_sites *sites, const char *path)
{
    size_t i = 0;
    while (i < sites->n && strcmp(sites->at[i].path, path) != 0)
        i++;
    return i;
}

qv_status qv__sites_match(bool *chosen, size_t *n_chosen, const struct qv_sites *sites,
                          const char *pattern, qv_err *err)
{
    struct qv_regex *re, *tail;
    qv_arena a = {0};
    *n_chosen = 0;
    // Compiled alone first, so that the message is about what was written.
    qv_status result = qv__regex_new(&re, pattern, strlen(pattern), err);
    if (result)
        return result;
    qv__regex_free(re);
    const char *anywhere = qv__arena_fmt(&a, "(?:.*\\.)?(?:%s)", pattern);
    result = qv__regex_new(&tail, anywhere, strlen(anywhere), err);
    for (size_t i = 0; i < sites->n && !result; i++) {
        const char *path = sites->at[i].path;
        result = qv__regex_full(&chosen[i], tail, path, strlen(path), err);
        *n_chosen += !result && chosen[i];
    }
    if (result)
        result = qv_wrap(err, result, "sites '%.200s': ", pattern);
    else if (*n_chosen == 0)
        result =
            qv_fail(err, QV_ENOTFOUND, "no site of the model matches '%.200s'", pattern);
    qv__regex_free(tail);
    qv__arena_free(&a);
    return result;
}
