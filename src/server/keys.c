/* keys.c - see keys.h. Hashes are compared, not keys: they have one length, and what an
 * early difference would tell of them tells nothing of a key. All are compared to the end
 * all the same. */
#include "server/keys.h"
#include "base/file.h"

#include <stdlib.h>
#include <string.h>

enum { LEAST = 16, FILE_MAX = 1 << 20 };

static qv_status add(struct qv_keys *k, const char *line, size_t n, const char *path,
                     qv_err *err)
{
    if (n == 0 || line[0] == '#')
        return QV_OK;
    if (n < LEAST)
        return qv_fail(err, QV_EFORMAT, "%s: a key of %zu characters, at least %d", path, n,
                       LEAST);
    void *more = realloc(k->hash, (k->n + 1) * sizeof *k->hash);
    if (!more)
        return qv_fail(err, QV_ENOMEM, "%s: no memory for keys", path);
    k->hash = more;
    qv__hash_bytes(k->hash[k->n++], line, n);
    return QV_OK;
}

qv_status qv__keys_read(struct qv_keys *k, const char *path, qv_err *err)
{
    qv_arena a = {0};
    char *text;
    size_t size;
    *k = (struct qv_keys){0};
    qv_status result = qv__read_file(&text, &size, &a, path, FILE_MAX, err);
    for (size_t at = 0; !result && at < size;) {
        size_t n = strcspn(text + at, "\r\n");
        result = add(k, text + at, n, path, err);
        at += n + 1;
    }
    if (!result && k->n == 0)
        result = qv_fail(err, QV_EFORMAT, "%s: there is no key", path);
    qv__arena_free(&a);
    return result;
}

void qv__keys_end(struct qv_keys *k)
{
    free(k->hash);
    *k = (struct qv_keys){0};
}

bool qv__keys_admit(const struct qv_keys *k, const char *authorization)
{
    static const char scheme[] = "Bearer ";
    char hash[QV_HASH_TEXT];
    unsigned differs_from_all = 1;
    if (!authorization || strncmp(authorization, scheme, strlen(scheme)) != 0)
        return false;
    authorization += strlen(scheme);
    qv__hash_bytes(hash, authorization, strlen(authorization));
    for (size_t i = 0; i < k->n; i++) {
        volatile unsigned differs = 0;
        for (size_t j = 0; j < sizeof hash; j++)
            differs |= (unsigned)hash[j] ^ (unsigned)k->hash[i][j];
        differs_from_all &= differs != 0;
    }
    return !differs_from_all;
}
